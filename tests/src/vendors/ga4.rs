//! The Measurement Protocol of Google Analytics 4: always 204, so every objection is a violation.

use serde_json::{Map, Value};

use super::{VendorAnswer, header_is, query};
use crate::stand_in::Recorded;

const RESERVED_NAMES: [&str; 26] = [
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_impression",
    "ad_query",
    "adunit_exposure",
    "app_clear_data",
    "app_install",
    "app_update",
    "app_remove",
    "app_store_refund",
    "app_store_subscription_cancel",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
    "error",
    "first_open",
    "first_visit",
    "in_app_purchase",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "os_update",
    "screen_view",
    "session_start",
    "user_engagement",
];
const RESERVED_PREFIXES: [&str; 5] = ["_", "firebase_", "ga_", "google_", "gtag."];
const RESERVED_PROPERTIES: [&str; 5] =
    ["first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"];

/// 204, whatever came.
pub(super) fn answer(request: &Recorded) -> VendorAnswer {
    let mut violations = Vec::new();
    check_request(request, &mut violations);
    match request.json() {
        Value::Object(body) => check_body(&body, &mut violations),
        _ => violations.push("the body is no JSON object".to_string()),
    }
    VendorAnswer { status: 204, violations, ..VendorAnswer::default() }
}

fn check_request(request: &Recorded, violations: &mut Vec<String>) {
    if request.method != "POST" {
        violations.push(format!("method {}", request.method));
    }
    if query(request, "api_secret").is_none_or(str::is_empty) {
        violations.push("no api_secret".to_string());
    }
    if query(request, "measurement_id").is_none() && query(request, "firebase_app_id").is_none() {
        violations.push("neither measurement_id nor firebase_app_id".to_string());
    }
    if !header_is(request, "content-type", "application/json") {
        violations.push("the content type is not application/json".to_string());
    }
    if request.content().len() >= 130_000 {
        violations.push(format!("{} bytes of 130,000", request.content().len()));
    }
}

fn check_body(body: &Map<String, Value>, violations: &mut Vec<String>) {
    let client = if body.contains_key("app_instance_id") { "app_instance_id" } else { "client_id" };
    if body.get(client).and_then(Value::as_str).is_none_or(str::is_empty) {
        violations.push(format!("no {client}"));
    }
    if body.get("user_id").is_some_and(|id| id.as_str().is_none_or(|id| id.chars().count() > 256)) {
        violations.push("user_id is no text of at most 256 characters".to_string());
    }
    if body.get("timestamp_micros").is_some_and(|time| time.as_u64().is_none()) {
        violations.push("timestamp_micros is no number".to_string());
    }
    if body.contains_key("user_data") && !body.contains_key("user_id") {
        violations.push("user_data without user_id".to_string());
    }
    check_user_properties(body.get("user_properties"), violations);
    match body.get("events").and_then(Value::as_array) {
        Some(events) if (1..=25).contains(&events.len()) => {
            events.iter().for_each(|event| check_event(event, violations));
        }
        Some(events) => violations.push(format!("{} events of 1 to 25", events.len())),
        None => violations.push("no events".to_string()),
    }
}

fn check_user_properties(properties: Option<&Value>, violations: &mut Vec<String>) {
    let Some(properties) = properties.and_then(Value::as_object) else { return };
    if properties.len() > 25 {
        violations.push(format!("{} user properties of 25", properties.len()));
    }
    for (name, property) in properties {
        let value = property.get("value").unwrap_or(&Value::Null);
        if name.chars().count() > 24 || RESERVED_PROPERTIES.contains(&name.as_str()) || !valid_name(name) {
            violations.push(format!("user property {name}"));
        }
        if !is_scalar(value) || value.as_str().is_some_and(|text| text.chars().count() > 36) {
            violations.push(format!("value of user property {name}"));
        }
    }
}

fn check_event(event: &Value, violations: &mut Vec<String>) {
    let name = event.get("name").and_then(Value::as_str).unwrap_or_default();
    let prefixed = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if name.len() > 40 || !valid_name(name) || prefixed || RESERVED_NAMES.contains(&name) {
        violations.push(format!("event name `{name}`"));
    }
    let Some(params) = event.get("params").and_then(Value::as_object) else { return };
    if params.keys().filter(|key| *key != "items").count() > 25 {
        violations.push(format!("{name}: {} params of 25", params.len()));
    }
    for (key, value) in params {
        check_param(name, key, value, violations);
    }
    if name == "purchase" && !params.contains_key("transaction_id") {
        violations.push("purchase without transaction_id".to_string());
    }
    if params.contains_key("value") && !params.contains_key("currency") {
        violations.push(format!("{name}: value without currency"));
    }
}

fn check_param(event: &str, key: &str, value: &Value, violations: &mut Vec<String>) {
    if key == "items" {
        check_items(event, value, violations);
        return;
    }
    let characters_max = match key {
        "page_title" => 300,
        "page_referrer" => 420,
        "page_location" => 1000,
        _ => 100,
    };
    if key.chars().count() > 40 || !valid_name(key) || key == "firebase_conversion" {
        violations.push(format!("{event}: param name `{key}`"));
    }
    if ["google_", "ga_", "firebase_", "_"].iter().any(|prefix| key.starts_with(prefix)) {
        violations.push(format!("{event}: reserved param `{key}`"));
    }
    if !is_scalar(value) || value.as_str().is_some_and(|text| text.chars().count() > characters_max) {
        violations.push(format!("{event}: value of param `{key}`"));
    }
}

fn check_items(event: &str, items: &Value, violations: &mut Vec<String>) {
    let Some(items) = items.as_array() else {
        violations.push(format!("{event}: items is no array"));
        return;
    };
    if items.len() > 200 {
        violations.push(format!("{event}: {} items of 200", items.len()));
    }
    for item in items {
        let named = item.get("item_id").or(item.get("item_name")).is_some();
        let flat = item.as_object().is_some_and(|item| item.values().all(is_scalar));
        if !named || !flat {
            violations.push(format!("{event}: item {item}"));
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn valid_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use crate::vendors::{answer, request};

    fn violations(body: &str) -> Vec<String> {
        let headers = [("content-type", "application/json")];
        answer(&request("/ga4/mp/collect", "api_secret=s&measurement_id=G-1", &headers, body)).violations
    }

    fn with_params(params: &str) -> String {
        format!(r#"{{"client_id":"c","events":[{{"name":"purchase","params":{params}}}]}}"#)
    }

    #[test]
    fn a_purchase_passes() {
        let params = r#"{"transaction_id":"o1","value":1.5,"currency":"EUR","items":[{"item_id":"p","price":2}]}"#;
        assert_eq!(violations(&with_params(params)), Vec::<String>::new());
    }

    #[test]
    fn each_limit_has_its_objection() {
        let check = |params: &str, what: &str| {
            let found = violations(&with_params(params));
            assert!(found.iter().any(|violation| violation.contains(what)), "{params}: {found:?}");
        };
        check(r#"{"value":1}"#, "transaction_id");
        check(r#"{"transaction_id":"o","value":1}"#, "currency");
        check(r#"{"transaction_id":"o","x":{}}"#, "param `x`");
        check(r#"{"transaction_id":"o","items":[{"price":1}]}"#, "item");
        check(&format!(r#"{{"transaction_id":"{}"}}"#, "x".repeat(101)), "transaction_id");
        assert!(!violations(r#"{"client_id":"c","events":[]}"#).is_empty());
        assert!(!violations(r#"{"client_id":"c","events":[{"name":"error"}]}"#).is_empty());
        assert!(!violations("nonsense").is_empty());
    }
}
