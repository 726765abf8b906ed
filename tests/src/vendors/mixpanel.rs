//! Mixpanel: /import with partial failures, /engage and /groups that answer 200 in any case.

use serde_json::{Value, json};

use super::{VendorAnswer, header_is, query};
use crate::stand_in::{Recorded, now_ms};

/// Identities that the vendor takes for placeholders.
const NO_IDENTITY: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

const OPERATORS: [&str; 8] = ["$set", "$set_once", "$add", "$append", "$union", "$remove", "$unset", "$delete"];

/// POST /import: 400 names the records that failed, and the others are taken.
pub(super) fn import(request: &Recorded) -> VendorAnswer {
    if !header_is(request, "authorization", "Basic ") {
        return refused(401, "Invalid credentials");
    }
    if query(request, "strict") != Some("1") {
        return refused(400, "this stand-in wants strict=1");
    }
    if request.content().len() > 10 << 20 {
        return refused(413, "request exceeds max limit of 10485760 bytes");
    }
    let Some(events) = records(request) else {
        return refused(400, "invalid JSON");
    };
    if events.len() > 2_000 {
        return refused(413, "too many events");
    }
    let failed: Vec<Value> = events
        .iter()
        .enumerate()
        .filter_map(|(index, event)| event_error(event).map(|(field, message)| failure(index, event, field, &message)))
        .collect();
    let imported = events.len() - failed.len();
    if failed.is_empty() {
        return answered(200, json!({"code": 200, "num_records_imported": imported, "status": "OK"}), Vec::new());
    }
    let violations = failed.iter().map(|record| record["message"].as_str().unwrap_or("?").to_string()).collect();
    let body = json!({
        "code": 400, "error": "some data points in the request failed validation",
        "num_records_imported": imported, "status": "Bad Request", "failed_records": failed,
    });
    answered(400, body, violations)
}

/// POST /track: the client-like call, with the token in the properties.
pub(super) fn track(request: &Recorded) -> VendorAnswer {
    match records(request) {
        Some(events) if events.len() <= 2_000 => answered(200, json!({"status": 1, "error": null}), Vec::new()),
        _ => answered(200, json!({"status": 0, "error": "data, missing or empty"}), vec!["no data".to_string()]),
    }
}

/// POST /engage and /groups: 200 in any case, the body tells.
pub(super) fn profiles(request: &Recorded) -> VendorAnswer {
    let mut violations = Vec::new();
    if request.header("content-encoding").is_some() {
        violations.push("no content encoding is taken here".to_string());
    }
    let Some(updates) = records(request) else {
        violations.push("no data".to_string());
        return answered(200, json!({"status": 0, "error": "data, missing or empty"}), violations);
    };
    if updates.len() > 2_000 {
        violations.push(format!("{} updates of 2,000", updates.len()));
    }
    let keys: &[&str] =
        if request.path.ends_with("/groups") { &["$group_key", "$group_id"] } else { &["$distinct_id"] };
    let failed: Vec<Value> = updates
        .iter()
        .enumerate()
        .filter_map(|(index, update)| {
            update_error(update, keys).map(|message| json!({"index": index, "message": message}))
        })
        .collect();
    violations.extend(failed.iter().map(|record| record["message"].to_string()));
    if failed.is_empty() {
        answered(200, json!({"code": 200, "num_good_events": updates.len(), "status": "OK"}), violations)
    } else {
        let body = json!({
            "code": 400, "num_good_events": updates.len() - failed.len(), "status": 0,
            "error": "some data points in the request failed validation", "failed_records": failed,
        });
        answered(200, body, violations)
    }
}

fn answered(status: u16, body: Value, violations: Vec<String>) -> VendorAnswer {
    VendorAnswer {
        status,
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: body.to_string(),
        violations,
    }
}

fn refused(status: u16, error: &str) -> VendorAnswer {
    answered(status, json!({"code": status, "error": error, "status": "error"}), vec![error.to_string()])
}

/// The records of a body: a JSON array, NDJSON, or a form's `data`.
fn records(request: &Recorded) -> Option<Vec<Value>> {
    let content = request.content();
    if header_is(request, "content-type", "application/x-www-form-urlencoded") {
        let text = String::from_utf8(content).ok()?;
        let data = text.split('&').find_map(|pair| pair.strip_prefix("data="))?;
        return array(&percent_decoded(data));
    }
    if header_is(request, "content-type", "application/x-ndjson") {
        return content
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).ok())
            .collect();
    }
    array(&content)
}

fn array(bytes: &[u8]) -> Option<Vec<Value>> {
    match serde_json::from_slice(bytes).ok()? {
        Value::Array(records) => Some(records),
        record @ Value::Object(_) => Some(vec![record]),
        _ => None,
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hexadecimal = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], hexadecimal) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    decoded
}

fn failure(index: usize, event: &Value, field: &str, message: &str) -> Value {
    let insert_id = event.pointer("/properties/$insert_id").cloned().unwrap_or(Value::Null);
    json!({"index": index, "insert_id": insert_id, "field": field, "message": message})
}

fn event_error(event: &Value) -> Option<(&'static str, String)> {
    if event.get("event").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some(("event", "'event' is missing".to_string()));
    }
    let Some(properties) = event.get("properties").and_then(Value::as_object) else {
        return Some(("properties", "'properties' is missing".to_string()));
    };
    if properties.len() >= 255 {
        return Some(("properties", format!("{} properties of 254", properties.len())));
    }
    let time_ms = match properties.get("time").and_then(Value::as_f64) {
        Some(time) if time > 1e11 => time,
        Some(time) => time * 1000.0,
        None => return Some(("properties.time", "'properties.time' is no number".to_string())),
    };
    if time_ms < 31_536_000_000.0 || time_ms > (now_ms() + 3_600_000) as f64 {
        return Some(("properties.time", format!("'properties.time' is out of range: {time_ms}")));
    }
    let insert_id = properties.get("$insert_id").and_then(Value::as_str).unwrap_or_default();
    let conforming = insert_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if insert_id.is_empty() || insert_id.len() > 36 || !conforming || NO_IDENTITY.contains(&insert_id) {
        return Some(("properties.$insert_id", format!("'properties.$insert_id' is invalid: {insert_id}")));
    }
    match properties.get("distinct_id").and_then(Value::as_str) {
        Some(id) if NO_IDENTITY.contains(&id.to_ascii_lowercase().as_str()) => {
            Some(("properties.distinct_id", format!("'properties.distinct_id' is a placeholder: {id}")))
        }
        Some(_) => None,
        None => Some(("properties.distinct_id", "'properties.distinct_id' is missing".to_string())),
    }
}

fn update_error(update: &Value, keys: &[&str]) -> Option<String> {
    if update.get("$token").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some("$token is missing".to_string());
    }
    if let Some(key) = keys.iter().find(|key| update.get(**key).is_none()) {
        return Some(format!("{key} is missing"));
    }
    let operators = OPERATORS.iter().filter(|operator| update.get(**operator).is_some()).count();
    (operators == 0).then(|| "no operator".to_string())
}

#[cfg(test)]
mod tests {
    use crate::vendors::{answer, request};

    #[test]
    fn a_bad_record_among_good_ones_is_named_by_its_index() {
        let body = r#"[{"event":"A","properties":{"time":1618716477000,"distinct_id":"u","$insert_id":"a-1"}},
                       {"event":"B","properties":{"time":1,"distinct_id":"u","$insert_id":"b_1"}}]"#;
        let headers = [("authorization", "Basic eDo="), ("content-type", "application/json")];
        let sent = request("/mixpanel/import", "strict=1", &headers, body);
        let answer = answer(&sent);
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(r#""num_records_imported":1"#), "{}", answer.body);
        assert!(answer.body.contains(r#""index":1"#), "{}", answer.body);
    }

    #[test]
    fn an_update_without_token_is_answered_with_200_and_an_error() {
        let headers = [("content-type", "application/json")];
        let answer = answer(&request("/mixpanel/engage", "", &headers, r#"[{"$distinct_id":"u","$set":{}}]"#));
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("failed_records"), "{}", answer.body);
    }

    #[test]
    fn a_form_is_read_as_its_data() {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = "data=%5B%7B%22%24token%22%3A%22t%22%2C%22%24distinct_id%22%3A%22u%22%2C%22%24set%22%3A%7B%7D%7D%5D";
        let answer = answer(&request("/mixpanel/engage", "", &headers, body));
        assert!(answer.violations.is_empty(), "{:?}", answer.violations);
    }
}
