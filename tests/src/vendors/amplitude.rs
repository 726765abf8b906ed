//! Amplitude: /2/httpapi and /batch take a request whole or name the events for which they do not;
//! /identify, /groupidentify and /usermap take forms and answer with a word.
//!
//! Some ids stand for what only time could show: of devices and users, those that begin with
//! `silenced`, `throttled` and `quota` are answered as such, and a key that begins with `wrong` is none.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{VendorAnswer, header_is};
use crate::stand_in::{Recorded, now_ms};

const EVENTS_MAX: usize = 2_000;
const BODY_BYTES_MAX: usize = 1_000_000;
const BATCH_BODY_BYTES_MAX: usize = 20_000_000;
const GROUP_IDENTIFIES_MAX: usize = 1_024;
const GROUP_PROPERTIES_MAX: usize = 1_024;
const LAYERS_MAX: usize = 40;
const TEXT_CHARACTERS_MAX: usize = 1_024;

/// Ids that the vendor takes for a mistake.
const INVALID_IDS: [&str; 14] = [
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "",
    "00000000-0000-0000-0000-000000000000",
    "{}",
    "lmy47d",
    "0",
    "-1",
];

const RESERVED_EVENTS: [&str; 6] = [
    "[Amplitude] Start Session",
    "[Amplitude] End Session",
    "[Amplitude] Revenue",
    "[Amplitude] Revenue (Verified)",
    "[Amplitude] Revenue (Unverified)",
    "[Amplitude] Merged User",
];

const OPERATORS: [&str; 9] =
    ["$set", "$setOnce", "$add", "$append", "$prepend", "$unset", "$preInsert", "$postInsert", "$remove"];

/// Fields of an event that must be a text.
const TEXTS: [&str; 22] = [
    "user_id",
    "device_id",
    "event_type",
    "insert_id",
    "app_version",
    "platform",
    "os_name",
    "os_version",
    "device_brand",
    "device_manufacturer",
    "device_model",
    "carrier",
    "country",
    "region",
    "city",
    "language",
    "productId",
    "revenueType",
    "ip",
    "idfa",
    "idfv",
    "adid",
];

/// POST /2/httpapi and /batch.
pub(super) fn events(request: &Recorded) -> VendorAnswer {
    let content = request.content();
    let bytes_max = if request.path.ends_with("/batch") { BATCH_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
    if !header_is(request, "content-type", "application/json") {
        return refused(400, json!({"error": "Invalid content type"}));
    }
    if content.len() >= bytes_max {
        return refused(413, json!({"error": "Payload too large"}));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(&content) else {
        return refused(400, json!({"error": "Invalid JSON request body"}));
    };
    if let Some(answer) = key_error(body.get("api_key").and_then(Value::as_str)) {
        return answer;
    }
    let Some(events) = body.get("events").and_then(Value::as_array) else {
        return refused(400, json!({"error": "Request missing required field", "missing_field": "events"}));
    };
    if events.len() > EVENTS_MAX {
        return refused(413, json!({"error": "Payload too large"}));
    }
    let id_characters_min = body.get("options").and_then(|options| options["min_id_length"].as_u64()).unwrap_or(5);
    if let Some(body) = field_errors(events, id_characters_min as usize) {
        return refused(400, body);
    }
    if let Some(answer) = people_errors(events) {
        return answer;
    }
    let summary = json!({
        "code": 200, "events_ingested": events.len(), "payload_size_bytes": content.len(), "server_upload_time": now_ms(),
    });
    VendorAnswer { violations: events.iter().filter_map(objection).collect(), ..answered(200, &summary) }
}

/// POST /identify.
pub(super) fn identify(request: &Recorded) -> VendorAnswer {
    let records = match records(request, "identification", EVENTS_MAX) {
        Ok(records) => records,
        Err(answer) => return answer,
    };
    if let Some(why) = records.iter().find_map(identification_error) {
        return refused(400, json!({"error": why}));
    }
    people_errors(&records).unwrap_or_else(success)
}

/// POST /groupidentify.
pub(super) fn group_identify(request: &Recorded) -> VendorAnswer {
    let records = match records(request, "identification", GROUP_IDENTIFIES_MAX) {
        Ok(records) => records,
        Err(answer) => return answer,
    };
    let is_text = |record: &Value, key: &str| record[key].as_str().is_some_and(|text| !text.is_empty());
    if !records.iter().all(|record| is_text(record, "group_type") && is_text(record, "group_value")) {
        return refused(400, json!({"error": "missing group_type or group_value"}));
    }
    let count = |record: &Value| match record["group_properties"].as_object() {
        Some(properties) if is_operated(properties) => {
            properties.values().filter_map(Value::as_object).map(Map::len).sum()
        }
        Some(properties) => properties.len(),
        None => 0,
    };
    let properties: usize = records.iter().map(count).sum();
    if properties > GROUP_PROPERTIES_MAX {
        return refused(400, json!({"error": format!("{properties} group properties of {GROUP_PROPERTIES_MAX}")}));
    }
    success()
}

/// POST /usermap.
pub(super) fn user_map(request: &Recorded) -> VendorAnswer {
    let records = match records(request, "mapping", EVENTS_MAX) {
        Ok(records) => records,
        Err(answer) => return answer,
    };
    let is_id = |record: &Value, key: &str| record[key].as_str().is_some_and(|id| !INVALID_IDS.contains(&id));
    let is_mapping = |record: &Value| {
        is_id(record, "user_id") && (is_id(record, "global_user_id") || record["unmap"].as_bool() == Some(true))
    };
    if records.iter().all(is_mapping) { success() } else { refused(400, json!({"error": "invalid mapping"})) }
}

fn answered(status: u16, body: &Value) -> VendorAnswer {
    VendorAnswer {
        status,
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: body.to_string(),
        violations: Vec::new(),
    }
}

fn refused(status: u16, mut body: Value) -> VendorAnswer {
    body["code"] = json!(status);
    let violations = vec![body["error"].as_str().unwrap_or("refused").to_string()];
    VendorAnswer { violations, ..answered(status, &body) }
}

fn success() -> VendorAnswer {
    VendorAnswer { status: 200, body: "success".to_string(), ..VendorAnswer::default() }
}

fn key_error(key: Option<&str>) -> Option<VendorAnswer> {
    match key {
        None | Some("") => {
            Some(refused(400, json!({"error": "Request missing required field", "missing_field": "api_key"})))
        }
        Some(key) if key.starts_with("wrong") => Some(refused(400, json!({"error": "Invalid API key"}))),
        Some(_) => None,
    }
}

/// The records of a form's list, or why there are none.
fn records(request: &Recorded, list: &str, records_max: usize) -> Result<Vec<Value>, VendorAnswer> {
    if !header_is(request, "content-type", "application/x-www-form-urlencoded") {
        return Err(refused(400, json!({"error": "the body is no form"})));
    }
    let content = request.content();
    if content.len() >= BODY_BYTES_MAX {
        return Err(refused(413, json!({"error": "Payload too large"})));
    }
    let text = String::from_utf8_lossy(&content);
    let value = |name: &str| {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).next()
    };
    if let Some(answer) = key_error(value("api_key").as_deref()) {
        return Err(answer);
    }
    let records = match value(list).and_then(|json| serde_json::from_str(&json).ok()) {
        Some(Value::Array(records)) => records,
        Some(record @ Value::Object(_)) => vec![record],
        _ => return Err(refused(400, json!({"error": "missing_event"}))),
    };
    if records.len() > records_max {
        return Err(refused(413, json!({"error": format!("{} records of {records_max}", records.len())})));
    }
    Ok(records)
}

/// The text of a form's value.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part[2..].replace('+', " ").into_bytes());
            }
            None => bytes.extend(format!("%{part}").into_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn id<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

/// The answer that names the events with fields that are wrong: of each field the first, as the vendor
/// does.
fn field_errors(events: &[Value], id_characters_min: usize) -> Option<Value> {
    let (mut invalid, mut missing, mut short) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (index, event) in events.iter().enumerate() {
        for field in invalid_fields(event) {
            invalid.entry(field).or_insert([index]);
        }
        if id(event, "event_type").is_empty() {
            missing.entry("event_type").or_insert([index]);
        }
        let ids = [id(event, "user_id"), id(event, "device_id")];
        let is_long = |id: &&str| id.chars().count() >= id_characters_min;
        if ids.iter().all(|id| id.is_empty()) {
            missing.entry("user_id").or_insert([index]);
        } else if !ids.iter().any(is_long) {
            short.entry("user_id").or_insert([index]);
        }
    }
    if invalid.is_empty() && missing.is_empty() && short.is_empty() {
        return None;
    }
    let error = if !missing.is_empty() {
        "Request missing required field"
    } else if !invalid.is_empty() {
        "Invalid field values on some events"
    } else {
        "Invalid id length for user_id or device_id"
    };
    let mut body = json!({"error": error});
    for (name, fields) in [
        ("events_with_invalid_fields", invalid),
        ("events_with_missing_fields", missing),
        ("events_with_invalid_id_lengths", short),
    ] {
        if !fields.is_empty() {
            body[name] = json!(fields);
        }
    }
    Some(body)
}

fn invalid_fields(event: &Value) -> Vec<&'static str> {
    let is_no_text = |key: &&str| event.get(*key).is_some_and(|value| !value.is_string());
    let mut fields: Vec<&'static str> = TEXTS.into_iter().filter(is_no_text).collect();
    let mut check = |field: &'static str, is_good: &dyn Fn(&Value) -> bool| {
        if event.get(field).is_some_and(|value| !is_good(value)) {
            fields.push(field);
        }
    };
    let is_good_id = |value: &Value| value.as_str().is_none_or(|id| !INVALID_IDS.contains(&id));
    let is_zeros = |id: &str| !id.is_empty() && id.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    check("user_id", &is_good_id);
    check("device_id", &|value| is_good_id(value) && !value.as_str().is_some_and(is_zeros));
    check("event_type", &|value| value.as_str().is_none_or(|name| !RESERVED_EVENTS.contains(&name)));
    check("time", &|value| value.as_u64().is_some());
    check("session_id", &|value| value.as_i64().is_some_and(|session| session >= -1));
    for field in ["revenue", "price"] {
        check(field, &Value::is_number);
    }
    check("quantity", &Value::is_i64);
    check("currency", &|value| {
        value.as_str().is_some_and(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
    });
    check("location_lat", &|value| value.as_f64().is_some_and(|degrees| degrees.abs() <= 90.0));
    check("location_lng", &|value| value.as_f64().is_some_and(|degrees| degrees.abs() <= 180.0));
    for field in ["event_properties", "user_properties"] {
        check(field, &|value| value.is_object() && layers(value) <= LAYERS_MAX);
    }
    check("groups", &Value::is_object);
    fields
}

fn layers(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(layers).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(layers).max().unwrap_or_default(),
        _ => 0,
    }
}

/// The answer about devices that are silenced, or else about those who are too fast.
fn people_errors(events: &[Value]) -> Option<VendorAnswer> {
    let named = |key: &str, beginning: &str| -> Vec<String> {
        let ids = events.iter().map(|event| id(event, key)).filter(|id| id.starts_with(beginning));
        ids.map(str::to_string).collect()
    };
    let places = |beginnings: &[&str]| -> Vec<usize> {
        let is_named = |event: &Value| {
            let ids = [id(event, "device_id"), id(event, "user_id")];
            ids.iter().any(|id| beginnings.iter().any(|beginning| id.starts_with(beginning)))
        };
        events.iter().enumerate().filter(|(_, event)| is_named(event)).map(|(index, _)| index).collect()
    };
    let rates =
        |ids: Vec<String>, rate: u64| -> Map<String, Value> { ids.into_iter().map(|id| (id, json!(rate))).collect() };
    let silenced = named("device_id", "silenced");
    if !silenced.is_empty() {
        let mut body = json!({
            "code": 400, "eps_threshold": 30, "error": "Events silenced for device_id", "silenced_devices": silenced,
            "throttled_devices": rates(named("device_id", "throttled"), 31), "exceeded_daily_quota_devices": {},
            "throttled_events": places(&["throttled"]),
        });
        let is_silenced = |event: &Value| id(event, "device_id").starts_with("silenced");
        let indexes = events.iter().enumerate().filter(|(_, event)| is_silenced(event)).map(|(index, _)| index);
        body["silenced_events"] = json!(indexes.collect::<Vec<usize>>());
        return Some(answered(400, &body));
    }
    let throttled = places(&["throttled", "quota"]);
    if throttled.is_empty() {
        return None;
    }
    let body = json!({
        "code": 429, "error": "Too many requests for some devices and users", "eps_threshold": 30,
        "throttled_devices": rates(named("device_id", "throttled"), 31),
        "throttled_users": rates(named("user_id", "throttled"), 31),
        "exceeded_daily_quota_devices": rates(named("device_id", "quota"), 500_200),
        "exceeded_daily_quota_users": rates(named("user_id", "quota"), 500_200),
        "throttled_events": throttled,
    });
    Some(answered(429, &body))
}

fn identification_error(record: &Value) -> Option<&'static str> {
    if id(record, "user_id").is_empty() && id(record, "device_id").is_empty() {
        return Some("missing user_id or device_id");
    }
    if ["user_id", "device_id"].iter().any(|key| record.get(*key).is_some() && INVALID_IDS.contains(&id(record, key))) {
        return Some("invalid user_id or device_id");
    }
    match record.get("user_properties") {
        Some(Value::Object(properties)) if is_mixed(properties) => Some("operations and properties are mixed"),
        None | Some(Value::Object(_)) => None,
        Some(_) => Some("user_properties is no object"),
    }
}

fn is_operated(properties: &Map<String, Value>) -> bool {
    properties.keys().any(|key| OPERATORS.contains(&key.as_str()))
}

fn is_mixed(properties: &Map<String, Value>) -> bool {
    is_operated(properties) && !properties.keys().all(|key| OPERATORS.contains(&key.as_str()))
}

/// What the vendor takes, and drops or cuts in silence.
fn objection(event: &Value) -> Option<String> {
    if id(event, "insert_id").is_empty() {
        return Some("an event without insert_id may be counted twice".to_string());
    }
    if let Some(groups) = event.get("groups").and_then(Value::as_object) {
        let count: usize = groups.values().map(|values| values.as_array().map_or(1, Vec::len)).sum();
        if groups.len() > 5 || count > 10 {
            return Some(format!("{} group types of 5, {count} groups of 10", groups.len()));
        }
    }
    if event["user_properties"].as_object().is_some_and(is_mixed) {
        return Some("operations and properties are mixed".to_string());
    }
    let long = |key: &&str| event[*key].as_str().is_some_and(|text| text.chars().count() > TEXT_CHARACTERS_MAX);
    TEXTS.iter().find(|key| long(key)).map(|key| format!("{key} is longer than {TEXT_CHARACTERS_MAX} characters"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{VendorAnswer, request};

    const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

    fn sent(events: &Value) -> (VendorAnswer, Value) {
        let body = json!({"api_key": "k", "options": {"min_id_length": 1}, "events": events}).to_string();
        let headers = [("content-type", "application/json")];
        let answer = super::events(&request("/amplitude/2/httpapi", "", &headers, &body));
        let body = serde_json::from_str(&answer.body).expect("it answers with JSON");
        (answer, body)
    }

    #[test]
    fn good_events_are_counted() {
        let (answer, body) = sent(&json!([{"user_id": "u", "event_type": "E", "time": 1, "insert_id": "m"}]));
        assert_eq!((answer.status, body["events_ingested"].as_u64()), (200, Some(1)));
        assert!(answer.violations.is_empty(), "{:?}", answer.violations);
    }

    #[test]
    fn of_each_field_the_first_bad_event_is_named() {
        let good = json!({"user_id": "u", "event_type": "E", "insert_id": "m"});
        let (answer, body) = sent(&json!([
            good, {"user_id": "u", "event_type": "E", "time": "now"}, {"user_id": "u", "event_type": "E", "time": 1.5},
            {"user_id": "u"}, {"event_type": "E"}, {"user_id": "none", "event_type": "E"},
        ]));
        assert_eq!(answer.status, 400);
        assert_eq!(body["events_with_invalid_fields"], json!({"time": [1], "user_id": [5]}));
        assert_eq!(body["events_with_missing_fields"], json!({"event_type": [3], "user_id": [4]}));
    }

    #[test]
    fn who_is_silenced_or_too_fast_is_named() {
        let event = |user: &str, device: &str| json!({"user_id": user, "device_id": device, "event_type": "E", "insert_id": "m"});
        let (answer, body) = sent(&json!([event("u", "d"), event("throttled-1", "d"), event("u", "quota-1")]));
        assert_eq!((answer.status, &body["throttled_events"]), (429, &json!([1, 2])));
        assert!(
            body["throttled_users"]["throttled-1"].is_number()
                && body["exceeded_daily_quota_devices"]["quota-1"].is_number()
        );
        let (answer, body) = sent(&json!([event("u", "d"), event("u", "silenced-1")]));
        assert_eq!((answer.status, &body["silenced_events"]), (400, &json!([1])));
    }

    #[test]
    fn forms_are_read_and_answered_with_a_word() {
        let good = "api_key=k&identification=%5B%7B%22user_id%22%3A%22u+1%22%2C%22user_properties%22%3A%7B%22%24set%22%3A%7B%7D%7D%7D%5D";
        let answer = super::identify(&request("/amplitude/identify", "", &FORM, good));
        assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
        let mixed = "api_key=k&identification=%7B%22user_id%22%3A%22u%22%2C%22user_properties%22%3A%7B%22%24set%22%3A%7B%7D%2C%22a%22%3A1%7D%7D";
        assert_eq!(super::identify(&request("/amplitude/identify", "", &FORM, mixed)).status, 400);
        let group = "api_key=k&identification=%5B%7B%22group_type%22%3A%22t%22%2C%22group_value%22%3A%22v%22%7D%5D";
        assert_eq!(super::group_identify(&request("/amplitude/groupidentify", "", &FORM, group)).status, 200);
        let mapping = "api_key=k&mapping=%5B%7B%22user_id%22%3A%22u%22%7D%5D";
        assert_eq!(super::user_map(&request("/amplitude/usermap", "", &FORM, mapping)).status, 400);
    }

    #[test]
    fn a_key_that_is_none_is_answered_with_400() {
        let answer = super::user_map(&request("/amplitude/usermap", "", &FORM, "api_key=wrong-1&mapping=%5B%5D"));
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("Invalid API key"), "{}", answer.body);
    }
}
