//! Where each field of a plan comes from: the event is planned again and again, each time with one
//! input marked, and what moves with it comes from there. Pure but for the calls of the plugin.
//!
//! A field that is equal to an input, and to its mark when that is marked, is a copy: that is exact. One
//! that changes in another way is derived from the input; one that is gone with a change depends on it.
//! One that never changes is a constant.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::sheet::secret;

/// Leaves of an event or of settings that are marked at most: each costs some plans.
pub const INPUTS_MAX: usize = 2_000;

/// How a field comes from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is the input's value.
    Copy,
    /// The input has a part in it.
    Derived,
    /// The field is only there for the input.
    Condition,
}

/// An input that a field comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// Which: `event properties.total`, `setting url`, `secret api_key`, `the time of the call`.
    pub input: String,
    /// How.
    pub how: How,
}

/// Where one field comes from; a constant has no origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// Its path in the plan's sheet.
    pub field: String,
    /// Its value.
    pub value: Value,
    /// The inputs, copies first, those that it only depends on last.
    pub origins: Vec<Origin>,
}

/// Where a whole plan comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lineage {
    /// Each field of the requests.
    pub fields: Vec<Field>,
    /// Inputs that decide which requests there are, or that there are none.
    pub deciding: Vec<String>,
}

/// What goes into a plan.
#[derive(Clone)]
pub struct Inputs {
    /// The event as it is stored.
    pub event: Value,
    /// The settings, secrets with their values.
    pub settings: Value,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
    /// When the event came, milliseconds since 1970.
    pub received_ms: u64,
}

/// Explains a plan. `plan` gives the sheet of a plan of these inputs, or None where the plugin, its
/// settings' schema or the host does not take them.
pub fn explain(
    inputs: &Inputs,
    is_secret: impl Fn(&str) -> bool,
    plan: impl Fn(&Inputs) -> Option<Value>,
) -> Option<Lineage> {
    let base = plan(inputs)?;
    let mut found =
        Found { fields: leaves(&base), requests: requests_of(&base), origins: BTreeMap::new(), deciding: Vec::new() };
    for (path, value) in leaves(&inputs.event).into_iter().take(INPUTS_MAX) {
        let variants = variants(&value).into_iter().map(|mark| {
            let mut marked = inputs.clone();
            put(&mut marked.event, &path, mark.clone());
            (mark, marked)
        });
        found.try_all(&format!("event {path}"), &value, variants, &plan);
    }
    for (path, value) in leaves(&inputs.settings).into_iter().take(INPUTS_MAX) {
        if is_secret(path.split(['.', '[']).next().unwrap_or_default()) {
            found.secret(&path);
            continue;
        }
        let variants = variants(&value).into_iter().map(|mark| {
            let mut marked = inputs.clone();
            put(&mut marked.settings, &path, mark.clone());
            (mark, marked)
        });
        found.try_all(&format!("setting {path}"), &value, variants, &plan);
    }
    let later_ms = |ms: u64| ms + 3 * 86_400_000 + 4_321_000 + 7;
    let times: [(&str, u64, Inputs); 2] = [
        ("the time of the call", inputs.now_ms, Inputs { now_ms: later_ms(inputs.now_ms), ..inputs.clone() }),
        (
            "the time of receipt",
            inputs.received_ms,
            Inputs { received_ms: later_ms(inputs.received_ms), ..inputs.clone() },
        ),
    ];
    for (name, time_ms, marked) in times {
        found.try_all(name, &Value::from(time_ms), [(Some(Value::from(later_ms(time_ms))), marked)], &plan);
    }
    Some(found.into_lineage())
}

struct Found {
    fields: Vec<(String, Value)>,
    /// The keys of the requests, and the fate.
    requests: Vec<String>,
    origins: BTreeMap<String, Vec<Origin>>,
    deciding: Vec<String>,
}

impl Found {
    /// Plans with each variant of an input, until one is copied somewhere.
    fn try_all(
        &mut self,
        input: &str,
        value: &Value,
        variants: impl IntoIterator<Item = (Option<Value>, Inputs)>,
        plan: &impl Fn(&Inputs) -> Option<Value>,
    ) {
        let mut moved: BTreeMap<String, How> = BTreeMap::new();
        for (mark, marked) in variants {
            let Some(sheet) = plan(&marked) else { continue };
            if requests_of(&sheet) != self.requests {
                if !self.deciding.iter().any(|each| each == input) {
                    self.deciding.push(input.to_string());
                }
                continue;
            }
            let planned: BTreeMap<String, Value> = leaves(&sheet).into_iter().collect();
            for (field, base) in &self.fields {
                let now = planned.get(field);
                if now == Some(base) {
                    continue;
                }
                let is_copy = same(base, value) && mark.as_ref().zip(now).is_some_and(|(mark, now)| same(now, mark));
                let how = match now {
                    _ if is_copy => How::Copy,
                    Some(_) => How::Derived,
                    None => How::Condition,
                };
                moved.entry(field.clone()).and_modify(|known| *known = (*known).min(how)).or_insert(how);
            }
            if moved.values().any(|how| *how == How::Copy) {
                break;
            }
        }
        for (field, how) in moved {
            self.origins.entry(field).or_default().push(Origin { input: input.to_string(), how });
        }
    }

    /// A secret is seen by its name.
    fn secret(&mut self, setting: &str) {
        let shown = secret(setting);
        for (field, value) in &self.fields {
            let Some(text) = value.as_str().filter(|text| text.contains(&shown)) else { continue };
            let how = if text == shown { How::Copy } else { How::Derived };
            let origin = Origin { input: format!("secret {setting}"), how };
            self.origins.entry(field.clone()).or_default().push(origin);
        }
    }

    fn into_lineage(mut self) -> Lineage {
        let fields = self.fields.into_iter().map(|(field, value)| {
            let mut origins = self.origins.remove(&field).unwrap_or_default();
            origins.sort_by_key(|origin| origin.how);
            Field { field, value, origins }
        });
        Lineage { fields: fields.collect(), deciding: self.deciding }
    }
}

/// Equal, or equal as text: a number that is written as one is a copy, too.
fn same(left: &Value, right: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    left == right || text(left).zip(text(right)).is_some_and(|(left, right)| left == right)
}

/// Other values of the same kind, those that look most alike first; None: without it.
fn variants(value: &Value) -> Vec<Option<Value>> {
    let mut variants = match value {
        Value::String(text) => [later(text), Some(turned(text)), Some(format!("{text}q7"))]
            .into_iter()
            .flatten()
            .filter(|variant| variant != text)
            .map(|variant| Some(Value::String(variant)))
            .collect(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => {
                vec![Some(Value::from(whole.wrapping_add(1))), Some(Value::from(whole.wrapping_mul(2).wrapping_add(3)))]
            }
            (None, Some(broken)) => vec![Some(Value::from(broken + 1.0)), Some(Value::from(broken * 2.0 + 3.0))],
            (None, None) => Vec::new(),
        },
        Value::Bool(truth) => vec![Some(Value::Bool(!truth))],
        Value::Null => vec![Some(Value::from("q7"))],
        Value::Array(_) | Value::Object(_) => Vec::new(),
    };
    variants.push(None);
    variants
}

/// A time that is a little later, when the text is one.
fn later(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[16] == b':';
    let seconds: u32 = text.get(17..19).filter(|_| is_time)?.parse().ok()?;
    Some(format!("{}{:02}{}", &text[..17], (seconds + 7) % 60, &text[19..]))
}

/// The same text with other letters and digits in the same places.
fn turned(text: &str) -> String {
    let turn = |letter: char, first: char, count: u32| {
        char::from_u32(first as u32 + (letter as u32 - first as u32 + 1) % count).unwrap_or(letter)
    };
    let turned = |letter: char| match letter {
        'a'..='z' => turn(letter, 'a', 26),
        'A'..='Z' => turn(letter, 'A', 26),
        '0'..='9' => turn(letter, '0', 10),
        other => other,
    };
    text.chars().map(turned).collect()
}

/// The keys of a sheet's requests, and its fate.
fn requests_of(sheet: &Value) -> Vec<String> {
    let requests = sheet["requests"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    requests.chain(sheet["fate"].as_str().map(|fate| format!("fate: {fate}"))).collect()
}

/// The leaves of a value with their paths, in document order.
fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

fn walk(path: String, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let name = name.replace('\\', "\\\\").replace('.', "\\.");
                walk(if path.is_empty() { name } else { format!("{path}.{name}") }, member, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                walk(format!("{path}[{at}]"), item, found);
            }
        }
        leaf => found.push((path, leaf.clone())),
    }
}

/// Puts another value at a leaf's path, or takes the leaf out.
fn put(value: &mut Value, path: &str, mark: Option<Value>) {
    let mut mark = Some(mark);
    replace(String::new(), value, path, &mut mark);
}

fn replace(path: String, value: &mut Value, wanted: &str, mark: &mut Option<Option<Value>>) {
    match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                let shown = name.replace('\\', "\\\\").replace('.', "\\.");
                let own = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                if own == wanted {
                    take(members, &name, mark);
                } else if wanted.starts_with(&own)
                    && let Some(member) = members.get_mut(&name)
                {
                    replace(own, member, wanted, mark);
                }
            }
        }
        Value::Array(items) => {
            let found = (0..items.len()).find(|at| format!("{path}[{at}]") == wanted);
            match (found, mark.as_mut()) {
                (Some(at), Some(Some(new))) => items[at] = new.take(),
                (Some(at), Some(None)) => drop(items.remove(at)),
                _ => {
                    for (at, item) in items.iter_mut().enumerate() {
                        let own = format!("{path}[{at}]");
                        if wanted.starts_with(&own) {
                            replace(own, item, wanted, mark);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

fn take(members: &mut Map<String, Value>, name: &str, mark: &mut Option<Option<Value>>) {
    match mark.take() {
        Some(Some(new)) => {
            members.insert(name.to_string(), new);
        }
        Some(None) => {
            members.shift_remove(name);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A plugin in miniature: copies, derives, decides, and has a constant.
    fn plan(inputs: &Inputs) -> Option<Value> {
        let Inputs { event, settings, now_ms, .. } = inputs;
        if event["type"] != "track" {
            return None;
        }
        if event["send"] == false {
            return Some(json!({"requests": {}, "fate": "skipped: not wanted"}));
        }
        let total = event["properties"]["to.tal"].as_f64().unwrap_or_default();
        let email = event["email"].as_str().unwrap_or_default().to_uppercase();
        Some(json!({"requests": {"event": {
            "url": settings["url"], "auth": [{"bearer": "(secret key)"}],
            "body": {
                "name": event["event"], "value": total, "text": event["items"][1]["id"].to_string(), "v": 2,
                "email": email, "at": now_ms / 1000, "time": event["timestamp"],
            },
        }}}))
    }

    #[test]
    fn copies_are_exact_and_the_rest_is_derived_or_constant() {
        let inputs = Inputs {
            event: json!({
                "type": "track", "event": "Paid", "properties": {"to.tal": 12.5, "unused": "x"}, "email": "a@b.example",
                "items": [{"id": 1}, {"id": 7}], "send": true, "timestamp": "2026-01-31T23:59:58Z",
            }),
            settings: json!({"url": "https://vendor.example/in", "key": "hush", "unused": 3}),
            now_ms: 1_700_000_000_000,
            received_ms: 1_700_000_000_000,
        };
        let lineage = explain(&inputs, |name| name == "key", plan).unwrap();
        let shown: Vec<String> = lineage
            .fields
            .iter()
            .map(|field| {
                let origins = field.origins.iter().map(|origin| format!("{:?} {}", origin.how, origin.input));
                format!(
                    "{}: {}",
                    field.field.trim_start_matches("requests.event."),
                    origins.collect::<Vec<_>>().join(", ")
                )
            })
            .collect();
        let expected = [
            "url: Copy setting url",
            "auth[0].bearer: Copy secret key",
            "body.name: Copy event event",
            "body.value: Copy event properties.to\\.tal",
            "body.text: Copy event items[1].id",
            "body.v: ",
            "body.email: Derived event email",
            "body.at: Derived the time of the call",
            "body.time: Copy event timestamp",
        ];
        assert_eq!(shown, expected);
        assert_eq!(lineage.deciding, ["event send"]);
        assert_eq!(explain(&Inputs { event: json!({}), ..inputs }, |_| false, plan), None);
    }
}
