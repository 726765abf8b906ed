//! What cannot be written down as a case: the bounds of a request, each kept and gone beyond, and its
//! tag.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::rules::{BODY_BYTES_MAX, EVENTS_MAX, TAG_CHARACTERS_MAX};
use crate::settings::{Settings, TikTok};

const NOW_MS: u64 = 1_700_000_000_000;

fn tiktok() -> TikTok {
    let settings: Settings = serde_json::from_value(json!({"access_token": "t", "pixel_code": "P"})).unwrap();
    TikTok::new(settings).unwrap()
}

fn planned(events: &[Value]) -> Value {
    native::plan(&tiktok(), crate::plan, NOW_MS, events)
}

/// Per request: how many events it covers and how many bytes its body has.
fn requests(plan: &Value) -> Vec<(usize, usize)> {
    let requests = plan["requests"].as_array().unwrap().iter();
    requests
        .map(|request| (request["covers"].as_array().unwrap().len(), request["body"].as_str().unwrap().len()))
        .collect()
}

fn event(number: usize, text: &str) -> Value {
    json!({"type": "track", "messageId": format!("m-{number:03}"), "userId": "u-1", "event": "Contact",
           "properties": {"description": text}})
}

/// A text of which an event by itself makes a body of so many bytes.
fn text_for(bytes: usize) -> String {
    let around = requests(&planned(&[event(1, "x")]))[0].1 - 1;
    "x".repeat(bytes - around)
}

#[test]
fn a_thousand_events_share_a_request() {
    let counts = |events: usize| {
        let events: Vec<Value> = (0..events).map(|number| event(number, "x")).collect();
        requests(&planned(&events)).iter().map(|(events, _)| *events).collect::<Vec<usize>>()
    };
    assert_eq!(counts(EVENTS_MAX), [EVENTS_MAX]);
    assert_eq!(counts(EVENTS_MAX + 1), [EVENTS_MAX, 1]);
}

#[test]
fn events_share_a_body_of_1_mb() {
    let half = text_for(BODY_BYTES_MAX / 2);
    let both = requests(&planned(&[event(1, &half), event(2, "x")]))[0].1 - 1;
    let rest = BODY_BYTES_MAX - both;
    assert_eq!(requests(&planned(&[event(1, &half), event(2, &"x".repeat(rest))])), [(2, BODY_BYTES_MAX)]);
    let beyond = planned(&[event(1, &half), event(2, &"x".repeat(rest + 1)), event(3, "x")]);
    assert_eq!(requests(&beyond).iter().map(|(events, _)| *events).collect::<Vec<usize>>(), [1, 2]);
    assert_eq!(beyond["fates"], json!([]));
}

#[test]
fn an_event_alone_may_have_1_mb() {
    let within = planned(&[event(1, "x"), event(2, &text_for(BODY_BYTES_MAX)), event(3, "x")]);
    assert_eq!(requests(&within).iter().map(|(events, _)| *events).collect::<Vec<usize>>(), [1, 1, 1]);
    assert_eq!(requests(&within)[1].1, BODY_BYTES_MAX);
    let beyond = planned(&[event(1, &text_for(BODY_BYTES_MAX + 1)), event(2, "x")]);
    assert_eq!(requests(&beyond).len(), 1);
    let reason = "properties: make the event larger than the 1 MB of a request";
    assert_eq!(beyond["fates"], json!([{"index": 0, "fate": "reject", "reason": reason}]));
}

#[test]
fn a_tag_is_the_id_that_no_setting_has() {
    let check = |id: &Value, wanted: &str| {
        let mut event = event(1, "x");
        event["integrations"] = json!({"TikTok": {"event_source_id": id}});
        let batch = native::batch(NOW_MS, &[event]);
        let mut plan = switchyard_sdk::Plan::new();
        crate::plan(&tiktok(), &batch, &mut plan);
        let requests = plan.finish(batch).requests;
        assert_eq!(String::from_utf8_lossy(&requests[0].tag), wanted, "{id}");
    };
    check(&Value::Null, "");
    check(&json!(" "), "");
    check(&json!("P"), "");
    check(&json!("P2"), "P2");
    check(&json!(7001), "7001");
    check(&json!("a\"b\u{e9}"), "a\"b\u{e9}");
    check(&json!("x".repeat(TAG_CHARACTERS_MAX)), &"x".repeat(TAG_CHARACTERS_MAX));
    check(&json!("x".repeat(70_000)), &"x".repeat(TAG_CHARACTERS_MAX));
}

#[test]
fn settings_that_are_wrong_are_named() {
    let check = |more: Value, wanted: &str| {
        let mut all = json!({"access_token": "t", "pixel_code": "P"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = TikTok::new(serde_json::from_value(all).unwrap()).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
    };
    check(json!({"access_token": " "}), "access_token: ");
    check(json!({"pixel_code": " "}), "pixel_code: ");
    check(json!({"event_source": "crm"}), "crm_event_set_id: ");
    check(json!({"page_event": "Page View"}), "page_event: ");
    check(json!({"event_names": {"a": "1b"}}), "event_names: ");
    check(json!({"identify_event": "x".repeat(51)}), "identify_event: ");
    check(json!({"default_currency": "EURO"}), "default_currency: ");
    check(json!({"more_properties": ["value"]}), "more_properties: ");
}
