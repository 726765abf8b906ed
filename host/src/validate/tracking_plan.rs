//! Tracking plans: what the properties (or traits) of an event must look like, as JSON Schema, and
//! what becomes of an event that does not.
//!
//! Events without an entry cost one look-up. Only an event that is checked is parsed, and only one
//! that violates its entry is written again; it is edited by spans, so that every other byte stays.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::event::index::{Kind, Value as IndexValue, View};
use crate::event::scan::{Bounds, canonical};
use crate::event::{Event, EventKind};

/// Violations that are recorded on one event, and shown of it. An event that breaks a plan in ten
/// places breaks it in all.
const VIOLATIONS_MAX: usize = 10;

/// Characters of one violation's text.
const TEXT_CHARS_MAX: usize = 300;

/// What becomes of an event that violates its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is accepted, and the violations are recorded in it.
    Mark,
    /// The properties that violate are left out, and that is recorded in it.
    Drop,
    /// It is refused.
    Reject,
}

/// What the events of one name must look like.
#[derive(Debug)]
pub struct Entry {
    /// Of which kind.
    pub kind: EventKind,
    /// Of which name: `event` of a track, `name` of a page or screen. None: any.
    pub name: Option<String>,
    /// What becomes of a violation.
    pub action: Action,
    validator: Validator,
}

impl Entry {
    /// An entry with this schema.
    ///
    /// # Errors
    /// Says what is wrong with the schema.
    pub fn new(kind: EventKind, name: Option<String>, action: Action, schema: &Value) -> Result<Entry, String> {
        let validator =
            jsonschema::validator_for(schema).map_err(|error| format!("the schema is not valid: {error}"))?;
        Ok(Entry { kind, name, action, validator })
    }

    fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name}", self.kind),
            None => self.kind.to_string(),
        }
    }
}

/// All entries of a source. The first that fits an event holds.
#[derive(Debug, Default)]
pub struct TrackingPlan {
    entries: Vec<Entry>,
}

/// What came of an event.
pub enum Found {
    /// It is as it should be, or nothing is said of it.
    Conforms(Event),
    /// It is accepted, with a record of its violations.
    Changed {
        /// As it is now.
        event: Event,
        /// What the entry is for.
        title: String,
        /// Each with its place.
        violations: Vec<String>,
    },
    /// It is refused.
    Refused {
        /// As it was.
        event: Event,
        /// What the entry is for.
        title: String,
        /// Each with its place.
        violations: Vec<String>,
    },
}

impl TrackingPlan {
    /// A plan of these entries.
    pub fn new(entries: Vec<Entry>) -> TrackingPlan {
        TrackingPlan { entries }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks an event, and does what its entry says.
    pub fn check(&self, event: Event) -> Found {
        if self.is_empty() {
            return Found::Conforms(event);
        }
        let view = View::new(&event.json, &event.index);
        let Some(entry) = self.entry(event.kind, view) else { return Found::Conforms(event) };
        let object = view.get(&[checked_member(event.kind)]).filter(|object| object.kind() == Kind::Object);
        let parsed = object.and_then(|object| serde_json::from_slice(object.raw()).ok());
        let parsed = parsed.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let errors: Vec<ValidationError<'_>> = entry.validator.iter_errors(&parsed).take(VIOLATIONS_MAX).collect();
        if errors.is_empty() {
            return Found::Conforms(event);
        }
        let violations: Vec<String> = errors.iter().map(|error| text(event.kind, error)).collect();
        let title = entry.title();
        if entry.action == Action::Reject {
            return Found::Refused { title, violations, event };
        }
        let mut edits = Vec::new();
        if let (Action::Drop, Some(object)) = (entry.action, object) {
            edits.extend(
                errors.iter().flat_map(|error| culprits(object, error)).map(|member| cut(&event.json, &member)),
            );
        }
        edits.push(record(view, entry.action, &violations));
        Found::Changed { event: rewritten(&event, edits), title, violations }
    }

    fn entry(&self, kind: EventKind, view: View<'_>) -> Option<&Entry> {
        let name = view.get(&[if kind == EventKind::Track { "event" } else { "name" }]).and_then(|name| name.as_str());
        let fits = |entry: &&Entry| {
            entry.kind == kind && entry.name.as_deref().is_none_or(|wanted| name.as_deref() == Some(wanted))
        };
        self.entries.iter().find(fits)
    }
}

/// What of an event a schema is about.
fn checked_member(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Identify | EventKind::Group => "traits",
        _ => "properties",
    }
}

fn text(kind: EventKind, error: &ValidationError<'_>) -> String {
    let place = error.instance_path().as_str().replace('/', ".");
    let text = format!("{}{place}: {error}", checked_member(kind));
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// The members that a violation is about: the innermost one on its path, or those that should not be
/// there. What is missing has none.
fn culprits<'a>(object: IndexValue<'a>, error: &ValidationError<'_>) -> Vec<IndexValue<'a>> {
    let path = error.instance_path().as_str().split('/').skip(1);
    let mut value = object;
    let mut member = None;
    for part in path {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match value.kind() {
            Kind::Array => part.parse::<usize>().ok().and_then(|at| value.children().nth(at)),
            _ => value.member(&part),
        };
        let Some(next) = next else { return Vec::new() };
        if value.kind() == Kind::Object {
            member = Some(next);
        }
        value = next;
    }
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().filter_map(|name| value.member(name)).collect()
        }
        ValidationErrorKind::Required { .. } => Vec::new(),
        _ => member.into_iter().collect(),
    }
}

/// One change of an event's bytes: what goes, and what comes in its place.
struct Edit {
    from: usize,
    to: usize,
    with: Vec<u8>,
}

/// Cuts a member, with one comma beside it.
fn cut(json: &[u8], member: &IndexValue<'_>) -> Edit {
    let run = member.run_to(member);
    let (mut from, mut to) = (run.start as usize, run.start as usize + run.json.len());
    if from > 0 && json.get(from - 1) == Some(&b',') {
        from -= 1;
    } else if json.get(to) == Some(&b',') {
        to += 1;
    }
    Edit { from, to, with: Vec::new() }
}

/// Adds the record of violations to the host's own member, which may be there with repairs.
fn record(view: View<'_>, action: Action, violations: &[String]) -> Edit {
    let what = if action == Action::Drop { "dropped_for" } else { "violations" };
    let list = serde_json::to_string(violations).expect("texts can be written to memory");
    let own = view.get(&["_switchyard"]).filter(|own| own.kind() == Kind::Object);
    let (object, with) = match own {
        Some(own) => (own, format!("\"{what}\":{list}")),
        None => (view.root(), format!("\"_switchyard\":{{\"{what}\":{list}}}")),
    };
    let comma = if object.children().next().is_some() { "," } else { "" };
    let end = object.entry().end as usize - 1;
    Edit { from: end, to: end, with: format!("{comma}{with}").into_bytes() }
}

fn rewritten(event: &Event, mut edits: Vec<Edit>) -> Event {
    edits.sort_by_key(|edit| (edit.from, edit.to));
    let mut json = Vec::with_capacity(event.json.len() + 256);
    let mut at = 0;
    for edit in edits {
        // What lies in a part that is cut already is gone; neighbours share the comma between them.
        if edit.to >= at {
            json.extend_from_slice(&event.json[at..edit.from.max(at)]);
            json.extend_from_slice(&edit.with);
            at = edit.to;
        }
    }
    json.extend_from_slice(&event.json[at..]);
    // Of two neighbours that are cut, the first may leave its comma at the beginning: the scan would
    // refuse that, so it goes here.
    let json = without_leading_commas(json);
    match canonical(&json, &Bounds::STORED) {
        Ok(made) => Event { json: made.json.into(), index: made.index.into(), ..event.clone() },
        Err(error) => {
            debug_assert!(false, "{error}: {}", String::from_utf8_lossy(&json));
            event.clone()
        }
    }
}

/// Removes commas that follow an opening brace; in canonical JSON `{,` stands nowhere else but in
/// strings, which are passed over.
fn without_leading_commas(json: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        if !in_string && byte == b',' && out.last() == Some(&b'{') {
            continue;
        }
        out.push(byte);
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validate::event_from_line;

    fn schema() -> Value {
        json!({
            "type": "object", "additionalProperties": false, "required": ["order_id"],
            "properties": {
                "order_id": {"type": "string"}, "total": {"type": "number", "minimum": 0}, "n": {"type": "integer"},
                "products": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
                "a/b~c": {"type": "string"},
            },
        })
    }

    fn plan(action: Action) -> TrackingPlan {
        let entry = Entry::new(EventKind::Track, Some("Order Completed".into()), action, &schema()).unwrap();
        TrackingPlan::new(vec![entry])
    }

    fn event(properties: &str) -> Event {
        let line = format!(
            "{{\"type\":\"track\",\"event\":\"Order Completed\",\"userId\":\"u\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"properties\":{properties}}}"
        );
        event_from_line(line.as_bytes(), "m", 0).unwrap()
    }

    fn json_of(event: &Event) -> Value {
        // The index must be of these very bytes.
        assert_eq!(crate::event::scan::index_canonical(&event.json).unwrap(), event.index);
        serde_json::from_slice(&event.json).unwrap()
    }

    #[test]
    fn what_conforms_stays_as_it_is() {
        let before = event(r#"{"order_id":"o","n":7,"total":1.50,"products":[{"price":1}]}"#);
        let Found::Conforms(after) = plan(Action::Reject).check(before.clone()) else { panic!("it conforms") };
        assert_eq!(after.json, before.json);
        let other = event_from_line(br#"{"type":"track","event":"Other","properties":{"x":1}}"#, "m", 0).unwrap();
        assert!(matches!(plan(Action::Reject).check(other), Found::Conforms(_)));
    }

    #[test]
    fn a_violation_is_refused_with_its_place() {
        let Found::Refused { title, violations, .. } = plan(Action::Reject).check(event(r#"{"total":"1"}"#)) else {
            panic!("it violates")
        };
        assert_eq!(title, "track Order Completed");
        assert!(violations.iter().any(|text| text.starts_with("properties.total: ")), "{violations:?}");
        assert!(violations.iter().any(|text| text.contains("order_id")), "{violations:?}");
        let Found::Refused { .. } = plan(Action::Reject).check(event("[1]")) else {
            panic!("no object: all is missing")
        };
    }

    #[test]
    fn a_violation_is_marked_and_nothing_else_changes() {
        let before = event(r#"{"order_id":"o","total":-1,"n":1180591620717411303424.0}"#);
        let Found::Changed { event: after, violations, .. } = plan(Action::Mark).check(before.clone()) else {
            panic!("it violates")
        };
        let kept = &before.json[..before.json.len() - 1];
        assert!(after.json.starts_with(kept), "every byte of the sender's stays");
        assert_eq!(json_of(&after)["_switchyard"]["violations"], json!(violations));
    }

    #[test]
    fn what_violates_is_dropped() {
        let check = |properties: &str, expected: Value| {
            let Found::Changed { event: after, .. } = plan(Action::Drop).check(event(properties)) else {
                panic!("it violates: {properties}")
            };
            let json = json_of(&after);
            assert_eq!(json["properties"], expected, "{properties}");
            assert!(json["_switchyard"]["dropped_for"].is_array());
        };
        check(r#"{"order_id":"o","total":"x"}"#, json!({"order_id": "o"}));
        check(r#"{"total":"x","order_id":"o"}"#, json!({"order_id": "o"}));
        check(r#"{"total":"x"}"#, json!({}));
        check(r#"{"total":"x","n":"y","order_id":"{,"}"#, json!({"order_id": "{,"}));
        check(r#"{"x":1,"y":2,"order_id":"o","z":{"deep":[1]}}"#, json!({"order_id": "o"}));
        check(
            r#"{"order_id":"o","products":[{"price":1},{"price":"2","sku":"s"}]}"#,
            json!({"order_id": "o", "products": [{"price": 1}, {"sku": "s"}]}),
        );
        check(r#"{"order_id":"o","products":[{"price":1},7]}"#, json!({"order_id": "o"}));
        check(r#"{"order_id":"o","a/b~c":1}"#, json!({"order_id": "o"}));
        check(r#"{"n":1}"#, json!({"n": 1}));
    }

    #[test]
    fn the_record_joins_that_of_repairs() {
        let line = r#"{"type":"track","event":"Order Completed","properties":{"total":1},"_switchyard":{"repairs":["nan_to_null"]}}"#;
        let before = event_from_line(line.as_bytes(), "m", 0).unwrap();
        let Found::Changed { event: after, .. } = plan(Action::Mark).check(before) else { panic!("it violates") };
        let own = &json_of(&after)["_switchyard"];
        assert_eq!(own["repairs"], json!(["nan_to_null"]));
        assert_eq!(own["violations"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        let made = Entry::new(EventKind::Track, None, Action::Mark, &json!({"type": "nonsense"}));
        assert!(made.unwrap_err().contains("schema"));
    }
}
