//! Customer.io: /api/v2/batch, which takes what is right and names the rest in a 207.

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is};
use crate::stand_in::{Recorded, now_ms};

/// A request must be smaller than 500 kB, and an item 32 kB at most.
const BODY_BYTES: usize = 500_000;
const ITEM_BYTES_MAX: usize = 32_000;
const ID_BYTES_MAX: usize = 150;
const ATTRIBUTES_MAX: usize = 300;
const ATTRIBUTE_NAME_BYTES_MAX: usize = 150;
const ATTRIBUTE_VALUE_BYTES_MAX: usize = 1_000;
const EVENT_NAME_BYTES_MAX: usize = 100;
/// A name that makes this stand-in answer that it is asked too often.
const TOO_OFTEN: &str = "Too Often";

/// What is wrong with an item.
struct Fault {
    reason: &'static str,
    field: String,
    message: String,
}

type Checked = Result<(), Fault>;

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(Fault { reason: "invalid", field: field.into(), message: message.into() })
}

fn required(field: &str) -> Checked {
    Err(Fault { reason: "required", field: field.to_string(), message: format!("{field} is required") })
}

/// POST /api/v2/batch: items that are wrong are named in a 207, and the others are taken.
pub(super) fn batch(request: &Recorded) -> VendorAnswer {
    if !has_credentials(request) {
        return refused(401, "Unauthorized request");
    }
    if !header_is(request, "content-type", "application/json") {
        return refused(400, "the content type is not application/json");
    }
    if request.content().len() >= BODY_BYTES {
        return refused(413, "the request must be smaller than 500kb");
    }
    let body = request.json();
    let Some(items) = body.get("batch").and_then(Value::as_array).filter(|items| !items.is_empty()) else {
        return refused(400, "batch must be an array of requests");
    };
    if items.iter().any(|item| item["name"] == TOO_OFTEN) {
        let headers = vec![("retry-after".to_string(), "1".to_string())];
        return VendorAnswer { status: 429, headers, ..VendorAnswer::default() };
    }
    let (mut errors, mut violations) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        if let Err(Fault { reason, field, message }) = check(item) {
            violations.push(format!("item {index}: {field}: {message}"));
            errors.push(json!({"batch_index": index, "reason": reason, "field": field, "message": message}));
        }
    }
    if errors.is_empty() {
        return answered(200, &json!({}), violations);
    }
    answered(207, &json!({"errors": errors}), violations)
}

fn has_credentials(request: &Recorded) -> bool {
    request.header("authorization").is_some_and(|value| value.strip_prefix("Basic ").is_some_and(|key| key.len() > 4))
}

fn answered(status: u16, body: &Value, violations: Vec<String>) -> VendorAnswer {
    let headers = vec![("content-type".to_string(), "application/json".to_string())];
    VendorAnswer { status, headers, body: body.to_string(), violations }
}

fn refused(status: u16, message: &str) -> VendorAnswer {
    let errors = json!({"errors": [{"reason": "invalid", "field": "", "message": message}]});
    answered(status, &errors, vec![message.to_string()])
}

fn check(item: &Value) -> Checked {
    if item.to_string().len() > ITEM_BYTES_MAX {
        return invalid("", "each request must be 32kb or smaller");
    }
    match (item["type"].as_str(), item["action"].as_str()) {
        (Some("person"), Some(action)) => check_person(item, action),
        (Some("object"), Some(action)) => check_object(item, action),
        (Some(_), _) => invalid("action", "is unknown"),
        (None, _) => required("type"),
    }
}

fn check_person(item: &Value, action: &str) -> Checked {
    if action == "merge" {
        let (primary, secondary) = (&item["primary"], &item["secondary"]);
        check_who(primary, "primary", &["id", "email", "cio_id"])?;
        check_who(secondary, "secondary", &["id", "email", "cio_id"])?;
        return if primary == secondary { invalid("secondary", "must be another person") } else { Ok(()) };
    }
    let identifiers: &[&str] = match action {
        "event" | "page" | "screen" => &["id", "email", "phone", "cio_id", "anonymous_id"],
        _ => &["id", "email", "phone", "cio_id"],
    };
    check_who(&item["identifiers"], "identifiers", identifiers)?;
    match action {
        "identify" => {
            check_time(item, "timestamp")?;
            check_attributes(&item["attributes"], "attributes")?;
            check_reserved(&item["attributes"])?;
            check_relationships(item, false)
        }
        "event" | "page" | "screen" => check_event(item),
        "add_device" | "delete_device" => check_device(&item["device"], action),
        "delete" | "suppress" | "unsuppress" => Ok(()),
        "add_relationships" | "delete_relationships" => check_relationships(item, true),
        _ => invalid("action", "is unknown"),
    }
}

fn check_object(item: &Value, action: &str) -> Checked {
    check_object_ids(&item["identifiers"])?;
    match action {
        "identify" => check_relationships(item, false)?,
        "identify_anonymous" | "add_relationships" | "delete_relationships" => check_relationships(item, true)?,
        "delete" => {}
        _ => return invalid("action", "is unknown"),
    }
    check_attributes(&item["attributes"], "attributes")
}

/// Exactly one identifier of those that may be, in its form.
fn check_who(who: &Value, field: &str, may_be: &[&str]) -> Checked {
    let Some(members) = who.as_object() else { return required(field) };
    let [(name, value)] = members.iter().collect::<Vec<_>>()[..] else {
        return invalid(field, "must have exactly one identifier");
    };
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else {
        return invalid(format!("{field}.{name}"), "must be a text that is not empty");
    };
    let is_right = match name.as_str() {
        "email" => text.split_once('@').is_some_and(|(_, domain)| domain.contains('.')),
        "phone" => text.strip_prefix('+').is_some_and(|digits| digits.len() <= 15),
        _ => text.len() <= ID_BYTES_MAX,
    };
    if may_be.contains(&name.as_str()) && is_right {
        Ok(())
    } else {
        invalid(format!("{field}.{name}"), "is not valid")
    }
}

fn check_object_ids(ids: &Value) -> Checked {
    let text = |name: &str| ids[name].as_str().unwrap_or_default();
    let kind = text("object_type_id");
    if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_digit()) {
        return invalid("identifiers.object_type_id", "must be the number of an object type");
    }
    if !(1..=ID_BYTES_MAX).contains(&text("object_id").len()) {
        return invalid("identifiers.object_id", "is not valid");
    }
    Ok(())
}

fn check_relationships(item: &Value, is_required: bool) -> Checked {
    let Some(relationships) = item.get("cio_relationships") else {
        return if is_required { required("cio_relationships") } else { Ok(()) };
    };
    let Some(relationships) = relationships.as_array().filter(|all| !all.is_empty()) else {
        return invalid("cio_relationships", "must be an array");
    };
    for relationship in relationships {
        let ids = &relationship["identifiers"];
        match (item["type"].as_str(), item["action"].as_str()) {
            (Some("person"), _) => check_object_ids(ids)?,
            (_, Some("identify_anonymous")) => check_who(ids, "cio_relationships", &["anonymous_id"])?,
            _ => check_who(ids, "cio_relationships", &["id", "email", "cio_id", "phone"])?,
        }
        check_attributes(&relationship["relationship_attributes"], "relationship_attributes")?;
    }
    Ok(())
}

fn check_attributes(attributes: &Value, field: &str) -> Checked {
    let empty = Map::new();
    let members = match attributes {
        Value::Null => &empty,
        Value::Object(members) => members,
        _ => return invalid(field, "must be a hash"),
    };
    if members.len() > ATTRIBUTES_MAX {
        return invalid(field, "cannot identify more than 300 attributes in one request");
    }
    for (name, value) in members {
        if !(1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len()) {
            return invalid(field, "attribute name cannot be longer than 150 bytes");
        }
        let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
        if bytes > ATTRIBUTE_VALUE_BYTES_MAX {
            return invalid(format!("{field}.{name}"), "property value cannot be longer than 1000 bytes");
        }
    }
    Ok(())
}

/// Attributes of people that the vendor reads itself. Null takes one away.
fn check_reserved(attributes: &Value) -> Checked {
    for (name, value) in attributes.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let is_right = match name.as_str() {
            "email" => value.as_str().is_some_and(|text| text.contains('@')),
            "created_at" => value.is_i64(),
            "anonymous_id" | "id" => value.as_str().is_some_and(|text| text.len() <= ID_BYTES_MAX),
            "_update" => value.is_boolean(),
            _ => name != "cio_id",
        };
        if !is_right {
            return invalid(format!("attributes.{name}"), "is not valid");
        }
    }
    Ok(())
}

fn check_event(item: &Value) -> Checked {
    let name = item["name"].as_str().unwrap_or_default();
    if name.trim().is_empty() {
        return required("name");
    }
    if name.len() > EVENT_NAME_BYTES_MAX || name != name.trim() {
        return invalid("name", "event name cannot be longer than 100 bytes");
    }
    if !item["id"].as_str().is_some_and(is_ulid) {
        return invalid("id", "must be a ULID");
    }
    if item.get("attributes").is_some_and(|attributes| !attributes.is_object()) {
        return invalid("attributes", "event data must be a hash");
    }
    check_time(item, "timestamp")
}

fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !b"ILOU".contains(&byte));
    text.len() == 26 && text.as_bytes()[0] <= b'7' && text.bytes().all(is_digit)
}

fn check_device(device: &Value, action: &str) -> Checked {
    if device["token"].as_str().is_none_or(str::is_empty) {
        return required("device.token");
    }
    if action == "delete_device" {
        return Ok(());
    }
    if !matches!(device["platform"].as_str(), Some("ios" | "android")) {
        return invalid("device.platform", "must be ios or android");
    }
    if !device["attributes"].as_object().is_none_or(|members| members.values().all(Value::is_string)) {
        return invalid("device.attributes", "must be texts");
    }
    check_attributes(&device["attributes"], "device.attributes")?;
    check_time(device, "last_used")
}

/// Whole seconds since 1970. Milliseconds would be far in the future.
fn check_time(object: &Value, field: &str) -> Checked {
    let Some(time) = object.get(field) else { return Ok(()) };
    let now_s = now_ms() / 1_000;
    if time.as_u64().is_some_and(|seconds| seconds > 0 && seconds <= now_s) {
        return Ok(());
    }
    invalid(field, "must be a Unix timestamp in seconds that has passed")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::batch;
    use crate::stand_in::Recorded;
    use crate::vendors::{VendorAnswer, request};

    const KEY: (&str, &str) = ("authorization", "Basic c2l0ZS0xOmtleS0x");
    const JSON: (&str, &str) = ("content-type", "application/json");

    fn sent(items: &[Value]) -> Recorded {
        request("/", "", &[KEY, JSON], &json!({"batch": items}).to_string())
    }

    fn said(answer: &VendorAnswer) -> Value {
        serde_json::from_str(&answer.body).unwrap()
    }

    fn event(name: &str, text: &str) -> Value {
        json!({"type": "person", "action": "event", "identifiers": {"id": "u1"}, "name": name,
               "id": "01BX5ZZKBKACTAV9WEVGEMMVRY", "timestamp": 1_700_000_000, "attributes": {"t": text}})
    }

    fn identify(attributes: Value) -> Value {
        json!({"type": "person", "action": "identify", "identifiers": {"id": "u1"}, "attributes": attributes})
    }

    /// The field that is named of the only item; none where it is taken.
    fn field(item: Value) -> Option<String> {
        let answer = batch(&sent(&[item]));
        assert_eq!(answer.violations.is_empty(), answer.status == 200);
        said(&answer)["errors"][0]["field"].as_str().map(str::to_string)
    }

    #[test]
    fn without_a_key_nothing_is_read() {
        assert_eq!(batch(&request("/", "", &[JSON], "{}")).status, 401);
    }

    #[test]
    fn a_bad_item_among_good_ones_is_named_by_its_place() {
        let answer = batch(&sent(&[event("A", ""), event("", ""), identify(json!({"plan": "x".repeat(1_001)}))]));
        assert_eq!((answer.status, answer.violations.len()), (207, 2));
        let errors = json!([
            {"batch_index": 1, "reason": "required", "field": "name", "message": "name is required"},
            {"batch_index": 2, "reason": "invalid", "field": "attributes.plan",
             "message": "property value cannot be longer than 1000 bytes"},
        ]);
        assert_eq!(said(&answer)["errors"], errors);
        let answer = batch(&sent(&[event("A", "")]));
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    }

    #[test]
    fn what_is_no_batch_is_refused_whole() {
        for body in ["", "[]", "{}", r#"{"batch":[]}"#, r#"{"batch":{}}"#] {
            assert_eq!(batch(&request("/", "", &[KEY, JSON], body)).status, 400, "{body}");
        }
        let items = vec![event("A", &"x".repeat(31_000)); 16];
        assert_eq!(batch(&sent(&items)).status, 200);
        assert_eq!(batch(&sent(&[items, vec![event("A", &"x".repeat(5_000))]].concat())).status, 413);
    }

    #[test]
    fn who_asks_too_often_is_told_to_wait() {
        let answer = batch(&sent(&[event("Too Often", "")]));
        assert_eq!((answer.status, answer.headers[0].1.as_str()), (429, "1"));
    }

    #[test]
    fn bounds_of_an_item() {
        assert_eq!(field(event(&"n".repeat(100), "")), None);
        assert_eq!(field(event(&"n".repeat(101), "")).as_deref(), Some("name"));
        let around = event("A", "").to_string().len();
        assert_eq!(field(event("A", &"x".repeat(32_000 - around))), None);
        assert_eq!(field(event("A", &"x".repeat(32_001 - around))).as_deref(), Some(""));
        let attributes = |count: usize| (0..count).map(|number| (format!("a{number}"), json!(1))).collect();
        assert_eq!(field(identify(attributes(300))), None);
        assert_eq!(field(identify(attributes(301))).as_deref(), Some("attributes"));
        let named = |bytes: usize| identify(json!({"n".repeat(bytes): 1}));
        assert_eq!((field(named(150)), field(named(151)).as_deref()), (None, Some("attributes")));
    }

    #[test]
    fn an_item_names_one_person_in_the_right_form() {
        let of = |identifiers: Value| field(json!({"type": "person", "action": "delete", "identifiers": identifiers}));
        assert_eq!(of(json!({"id": "i".repeat(150)})), None);
        assert_eq!(of(json!({"id": "i".repeat(151)})).as_deref(), Some("identifiers.id"));
        assert_eq!(of(json!({"id": "u1", "email": "a@b.c"})).as_deref(), Some("identifiers"));
        assert_eq!(of(json!({"anonymous_id": "a"})).as_deref(), Some("identifiers.anonymous_id"));
        assert_eq!(of(json!({"id": 7})).as_deref(), Some("identifiers.id"));
        let merge = |secondary: &str| {
            field(json!({"type": "person", "action": "merge", "primary": {"id": "u1"}, "secondary": {"id": secondary}}))
        };
        assert_eq!((merge("old"), merge("u1").as_deref()), (None, Some("secondary")));
    }

    #[test]
    fn times_are_seconds() {
        let mut item = event("A", "");
        item["timestamp"] = json!(1_700_000_000_000_u64);
        assert_eq!(field(item).as_deref(), Some("timestamp"));
    }

    #[test]
    fn objects_and_devices() {
        let group = json!({"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"},
                           "cio_relationships": [{"identifiers": {"id": "u1"}}]});
        assert_eq!(field(group.clone()), None);
        let mut visitor = group;
        visitor["cio_relationships"][0]["identifiers"] = json!({"anonymous_id": "a"});
        assert_eq!(field(visitor.clone()).as_deref(), Some("cio_relationships.anonymous_id"));
        visitor["action"] = "identify_anonymous".into();
        assert_eq!(field(visitor), None);
        let device = |platform: &str| {
            field(json!({"type": "person", "action": "add_device", "identifiers": {"id": "u1"},
                         "device": {"token": "t", "platform": platform}}))
        };
        assert_eq!((device("ios"), device("web").as_deref()), (None, Some("device.platform")));
    }
}
