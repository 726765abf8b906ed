//! What is too much to be written down as a case, and what must hold for every event.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::money::{CURRENCIES, currency};
use crate::rules::{EVENTS_MAX, VALUES_MAX};
use crate::settings::{Meta, Settings};

const NOW_MS: u64 = 1_700_000_000_000;

fn meta(settings: Value) -> Result<Meta, String> {
    let mut all = json!({"dataset_id": "1", "access_token": "sw_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    Meta::new(serde_json::from_value::<Settings>(all).map_err(|error| error.to_string())?)
}

fn planned(settings: Value, events: &[Value]) -> Value {
    native::plan(&meta(settings).unwrap(), crate::plan, NOW_MS, events)
}

fn lead(number: usize, traits: Value) -> Value {
    json!({
        "type": "track", "messageId": format!("m-{number}"), "userId": format!("u-{number}"), "event": "Lead",
        "properties": {"value": number, "currency": "EUR"},
        "context": {"userAgent": "UA", "page": {"url": "https://shop.example/"}, "traits": traits},
    })
}

/// How many events each request has.
fn covers(plan: &Value) -> Vec<usize> {
    plan["requests"].as_array().unwrap().iter().map(|request| request["covers"].as_array().unwrap().len()).collect()
}

/// The only record of a plan.
fn record(plan: &Value) -> &Value {
    &plan["requests"][0]["body_json"]["data"][0]
}

#[test]
fn a_request_has_at_most_1000_events() {
    let events: Vec<Value> = (0..=EVENTS_MAX).map(|number| lead(number, json!({}))).collect();
    assert_eq!(covers(&planned(json!({}), &events[1..])), [EVENTS_MAX]);
    let plan = planned(json!({}), &events);
    assert_eq!(covers(&plan), [EVENTS_MAX, 1]);
    for request in plan["requests"].as_array().unwrap() {
        let records = request["body_json"]["data"].as_array().unwrap();
        assert_eq!(records.len(), request["covers"].as_array().unwrap().len());
    }
}

#[test]
fn a_field_has_at_most_10_values() {
    let emails = |count: usize| {
        let list: Vec<String> = (0..count).map(|number| format!("a{number}@x.example")).collect();
        let plan = planned(json!({}), &[lead(1, json!({"email": list}))]);
        record(&plan)["user_data"]["em"].as_array().unwrap().len()
    };
    assert_eq!(emails(VALUES_MAX), VALUES_MAX);
    assert_eq!(emails(VALUES_MAX + 1), VALUES_MAX);
}

#[test]
fn a_click_has_at_most_500_characters() {
    let click = |characters: usize| {
        let mut event = lead(1, json!({}));
        event["properties"]["fbclid"] = "x".repeat(characters).into();
        let plan = planned(json!({}), &[event]);
        record(&plan)["user_data"].get("fbc").is_some()
    };
    assert!(click(500));
    assert!(!click(501));
}

#[test]
fn a_record_is_the_same_in_every_batch_and_at_every_time() {
    let event = lead(2, json!({"email": "a@x.example"}));
    let alone = planned(json!({}), std::slice::from_ref(&event));
    let among = planned(json!({}), &[lead(1, json!({})), event.clone(), lead(3, json!({}))]);
    assert_eq!(record(&alone), &among["requests"][0]["body_json"]["data"][1]);
    let mut timed = event;
    timed["timestamp"] = "2023-11-14T22:00:00.000Z".into();
    let meta = meta(json!({})).unwrap();
    let later = native::plan(&meta, crate::plan, NOW_MS + 86_400_000, std::slice::from_ref(&timed));
    assert_eq!(later["requests"], native::plan(&meta, crate::plan, NOW_MS, &[timed])["requests"]);
}

#[test]
fn currencies_are_found_in_any_case() {
    for code in CURRENCIES {
        assert_eq!(currency(&format!(" {} ", code.to_lowercase())), Some(*code));
    }
    for text in ["", "EURO", "E", "XXX", "€"] {
        assert_eq!(currency(text), None, "{text}");
    }
}

#[test]
fn wrong_settings_are_named() {
    let check = |settings: Value, name: &str| {
        let why = meta(settings).unwrap_err();
        assert!(why.contains(name), "{why}");
    };
    check(json!({"dataset_id": "pixel"}), "dataset_id");
    check(json!({"access_token": " "}), "access_token");
    check(json!({"events_per_request": 0}), "events_per_request");
    check(json!({"events_per_request": 1001}), "events_per_request");
    check(json!({"default_currency": "EURO"}), "default_currency");
    check(json!({"event_names": {"A": " "}}), "event_names");
    check(json!({"event_names": {"A": "x".repeat(51)}}), "event_names");
    check(json!({"limited_data_use_state": "bavaria"}), "bavaria");
    check(json!({"pixel_id": "1"}), "pixel_id");
    assert!(meta(json!({"events_per_request": 1000, "event_names": {"A": "x".repeat(50)}})).is_ok());
}
