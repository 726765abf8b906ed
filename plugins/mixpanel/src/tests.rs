//! The bounds of a request, each kept and gone beyond: too much to be written down as a case. And the
//! settings that are refused.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::rules::{BODY_BYTES_MAX, RECORD_BYTES_MAX, RECORDS_MAX};
use crate::settings::{Mixpanel, Settings};

const NOW_MS: u64 = 1_700_000_000_000;

fn mixpanel(settings: Value) -> Result<Mixpanel, String> {
    let mut all = json!({"project_token": "sw_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    Mixpanel::new(settings)
}

fn planned(settings: Value, events: &[Value]) -> Value {
    native::plan(&mixpanel(settings).unwrap(), crate::plan, NOW_MS, events)
}

/// How many records each request has.
fn records(plan: &Value) -> Vec<usize> {
    plan["requests"].as_array().unwrap().iter().map(|request| request["body_json"].as_array().unwrap().len()).collect()
}

fn track(text: &str) -> Value {
    json!({"type": "track", "messageId": "m-1", "userId": "u-1", "event": "E", "properties": {"t": text}})
}

fn identify(text: &str) -> Value {
    json!({"type": "identify", "messageId": "m-1", "userId": "u-1", "traits": {"t": text}})
}

/// A text with which the record of `event` has so many bytes.
fn text_for(event: fn(&str) -> Value, bytes: usize) -> String {
    let plan = planned(json!({}), &[event("x")]);
    let around = plan["requests"][0]["body"].as_str().unwrap().len() - "[]x".len();
    "x".repeat(bytes - around)
}

#[test]
fn a_request_has_at_most_2000_events() {
    let events = vec![track(""); RECORDS_MAX + 1];
    assert_eq!(records(&planned(json!({}), &events[1..])), [RECORDS_MAX]);
    assert_eq!(records(&planned(json!({}), &events)), [RECORDS_MAX, 1]);
}

#[test]
fn a_request_has_at_most_2000_updates_and_an_event_has_all_of_its_own_in_one() {
    let settings = json!({"unset_null_traits": true});
    let one = json!({"type": "identify", "messageId": "m-1", "userId": "u-1", "traits": {"a": 1}});
    let two = json!({"type": "identify", "messageId": "m-1", "userId": "u-1", "traits": {"a": 1, "b": null}});
    let mut events = vec![two.clone(); RECORDS_MAX / 2];
    assert_eq!(records(&planned(settings.clone(), &events)), [RECORDS_MAX]);
    events.push(one.clone());
    assert_eq!(records(&planned(settings.clone(), &events)), [RECORDS_MAX, 1]);
    events.insert(0, one);
    assert_eq!(records(&planned(settings, &events)), [RECORDS_MAX - 1, 3]);
}

#[test]
fn a_record_has_less_than_1_mb() {
    let check = |event: fn(&str) -> Value, reason: &str| {
        let text = text_for(event, RECORD_BYTES_MAX);
        assert_eq!(records(&planned(json!({}), &[event(&text)])), [1]);
        let plan = planned(json!({}), &[event(&format!("{text}x")), event("")]);
        assert_eq!(records(&plan), [1]);
        assert!(plan["fates"][0]["reason"].as_str().unwrap().starts_with(reason), "{}", plan["fates"]);
    };
    check(track, "properties: ");
    check(identify, "traits: ");
}

#[test]
fn a_body_has_at_most_10_mb() {
    // Eleven records of equal size, ten commas and two brackets.
    let text = text_for(track, (BODY_BYTES_MAX - 12) / 11);
    let mut events = vec![track(&text); 11];
    assert_eq!(records(&planned(json!({}), &events)), [11]);
    events[10] = track(&format!("{text}{}", "x".repeat(11)));
    assert_eq!(records(&planned(json!({}), &events)), [10, 1]);
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let check = |settings: Value, setting: &str| {
        let refused = mixpanel(settings).err().unwrap_or_default();
        assert!(refused.starts_with(setting), "{setting}: {refused}");
    };
    check(json!({"project_token": " "}), "project_token: ");
    check(json!({"service_account_user": "u"}), "service_account_user: ");
    check(json!({"service_account_secret": "s", "project_id": "1"}), "service_account_user: ");
    check(json!({"service_account_user": "u", "service_account_secret": "s"}), "service_account_user: ");
    check(json!({"service_account_user": "u", "service_account_secret": "s", "project_id": "p1"}), "project_id: ");
    for name in ["time", "$os", "utm_source", "timezone", "bucket"] {
        check(json!({"group_key": name}), "group_key: ");
        check(json!({"group_keys": ["company", name]}), "group_keys: ");
    }
    check(json!({"trait_operators": {"a": "multiply"}}), "unknown variant `multiply`");
    check(json!({"residence": "eu"}), "unknown field `residence`");
    assert!(mixpanel(json!({"group_key": "$group_id", "group_keys": ["$group_id", " "]})).is_ok());
}
