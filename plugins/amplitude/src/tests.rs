//! The bounds of a request, each kept and gone beyond: too much to be written down as a case.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::rules::{BODY_BYTES_MAX, EVENTS_MAX, PRODUCTS_MAX, TAG_BYTES_MAX};
use crate::settings::{Amplitude, Settings};

const NOW_MS: u64 = 1_700_000_000_000;

fn planned(settings: Value, events: &[Value]) -> Value {
    let mut all = json!({"api_key": "sw_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).unwrap();
    native::plan(&Amplitude::new(settings).unwrap(), crate::plan, NOW_MS, events)
}

/// How many events each request has.
fn covers(plan: &Value) -> Vec<usize> {
    plan["requests"].as_array().unwrap().iter().map(|request| request["covers"].as_array().unwrap().len()).collect()
}

fn track(number: usize, text: &str) -> Value {
    json!({"type": "track", "messageId": format!("m-{number}"), "userId": "u-1", "event": "E", "properties": {"t": text}})
}

fn identify(text: &str) -> Value {
    json!({"type": "identify", "messageId": "m", "userId": "u-1", "traits": {"t": text}})
}

/// A text with which the body of `event` has so many bytes.
fn text_for(event: fn(&str) -> Value, bytes: usize) -> String {
    let plan = planned(json!({}), &[event("x")]);
    let around = plan["requests"][0]["body"].as_str().unwrap().len() - 1;
    "x".repeat(bytes - around)
}

#[test]
fn a_body_of_events_has_less_than_1_mb() {
    let event: fn(&str) -> Value = |text| track(1, text);
    assert_eq!(covers(&planned(json!({}), &[event(&text_for(event, BODY_BYTES_MAX))])), [1]);
    let plan = planned(json!({}), &[event(&text_for(event, BODY_BYTES_MAX + 1))]);
    assert_eq!(covers(&plan), [0; 0]);
    assert!(plan["fates"][0]["reason"].as_str().unwrap().starts_with("properties: "), "{plan}");
    assert_eq!(covers(&planned(json!({"use_batch_endpoint": true}), &[event(&"x".repeat(BODY_BYTES_MAX + 1))])), [1]);
}

#[test]
fn a_form_is_measured_encoded() {
    assert_eq!(covers(&planned(json!({}), &[identify(&text_for(identify, BODY_BYTES_MAX))])), [1]);
    let plan = planned(json!({}), &[identify(&text_for(identify, BODY_BYTES_MAX + 1))]);
    assert!(plan["fates"][0]["reason"].as_str().unwrap().starts_with("traits: "), "{plan}");
    // Each of these is three bytes in JSON and nine in the form.
    let plan = planned(json!({}), &[identify(&"€".repeat(BODY_BYTES_MAX / 9))]);
    assert!(plan["fates"][0]["reason"].as_str().unwrap().starts_with("traits: "), "{plan}");
}

#[test]
fn what_does_not_fit_goes_into_the_next_request() {
    let half = "x".repeat(BODY_BYTES_MAX / 2);
    let plan = planned(json!({}), &[track(1, &half), track(2, &half), track(3, "")]);
    assert_eq!(covers(&plan), [1, 2]);
    for request in plan["requests"].as_array().unwrap() {
        assert!(request["body_json"]["events"].is_array());
    }
    assert_eq!(covers(&planned(json!({}), &[identify(&half), identify(&half)])), [1, 1]);
}

#[test]
fn a_request_has_at_most_2000_events() {
    let events: Vec<Value> = (0..=EVENTS_MAX).map(|number| track(number, "")).collect();
    assert_eq!(covers(&planned(json!({}), &events[1..])), [EVENTS_MAX]);
    assert_eq!(covers(&planned(json!({}), &events)), [EVENTS_MAX, 1]);
}

#[test]
fn a_tag_fits_into_what_the_host_takes() {
    let id = "i".repeat(1_024);
    let event = |number: usize| {
        json!({"type": "track", "messageId": format!("m-{number}"), "userId": format!("{}{number:03}", &id[3..]),
               "anonymousId": id, "event": "E"})
    };
    let events: Vec<Value> = (0..100).map(event).collect();
    let batch = native::batch(NOW_MS, &events);
    let mut plan = switchyard_sdk::Plan::new();
    let settings: Settings = serde_json::from_value(json!({"api_key": "k"})).unwrap();
    crate::plan(&Amplitude::new(settings).unwrap(), &batch, &mut plan);
    let plan = plan.finish(batch);
    assert!(plan.requests.len() > 1);
    assert!(plan.requests.iter().all(|request| request.tag.len() <= TAG_BYTES_MAX));
    assert_eq!(plan.requests.iter().map(|request| request.covers.len()).sum::<usize>(), 100);
}

#[test]
fn of_an_order_with_too_many_products_none_is_an_event() {
    let order = |products: usize| {
        let products: Vec<Value> = (0..products).map(|number| json!({"product_id": number})).collect();
        json!({"type": "track", "messageId": "m", "userId": "u-1", "event": "Order Completed", "properties": {"products": products}})
    };
    let records = |products: usize| {
        let plan = planned(json!({"products": "events"}), &[order(products)]);
        plan["requests"][0]["body_json"]["events"].as_array().unwrap().len()
    };
    assert_eq!(records(PRODUCTS_MAX), PRODUCTS_MAX + 1);
    assert_eq!(records(PRODUCTS_MAX + 1), 1);
}
