//! The bounds of requests, each kept and gone beyond: too much to be written down as a case. And what a
//! case does not show: tags, and the settings that are refused.

use serde_json::{Value, json};
use switchyard_sdk::bindings::types;
use switchyard_sdk::native;

use crate::rules::{
    BODY_BYTES_MAX, ELEMENTS_MAX, EVENTS_MAX, PROFILE_BYTES_MAX, PROFILES_MAX, REVISION, TAG_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::settings::{Klaviyo, Settings};
use crate::shop::SHOP;

const NOW_MS: u64 = 1_700_000_000_000;

fn klaviyo(settings: Value) -> Result<Klaviyo, String> {
    let mut all = json!({"api_key": "sw_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    Klaviyo::new(settings)
}

fn planned(settings: Value, events: &[Value]) -> Value {
    native::plan(&klaviyo(settings).unwrap(), crate::plan, NOW_MS, events)
}

fn requests(settings: Value, events: &[Value]) -> Vec<types::Request> {
    let batch = native::batch(NOW_MS, events);
    let mut plan = switchyard_sdk::Plan::new();
    crate::plan(&klaviyo(settings).unwrap(), &batch, &mut plan);
    plan.finish(batch).requests
}

fn track(number: usize, properties: Value) -> Value {
    json!({"type": "track", "messageId": format!("m-{number}"), "userId": "u-1", "event": "E", "properties": properties})
}

fn order(number: usize, products: usize) -> Value {
    let mut event = track(number, json!({"products": vec![json!({"name": "Tea", "price": 5}); products]}));
    event["event"] = "Order Completed".into();
    event
}

fn identify(number: usize, traits: Value) -> Value {
    json!({"type": "identify", "messageId": format!("m-{number}"), "userId": format!("u-{number}"), "traits": traits})
}

/// The records of a job.
fn records(request: &Value) -> &Vec<Value> {
    let attributes = &request["body_json"]["data"]["attributes"];
    let list = attributes.get("events-bulk-create").or(attributes.get("profiles")).unwrap();
    list["data"].as_array().unwrap()
}

/// How many records each request has.
fn counts(plan: &Value) -> Vec<usize> {
    plan["requests"].as_array().unwrap().iter().map(|request| records(request).len()).collect()
}

/// The properties of the first event.
fn properties(plan: &Value) -> Value {
    records(&plan["requests"][0])[0]["attributes"]["events"]["data"][0]["attributes"]["properties"].clone()
}

#[test]
fn a_job_has_at_most_1000_events() {
    let events: Vec<Value> = (0..=EVENTS_MAX).map(|number| track(number, json!({}))).collect();
    assert_eq!(counts(&planned(json!({}), &events[1..])), [EVENTS_MAX]);
    assert_eq!(counts(&planned(json!({}), &events)), [EVENTS_MAX, 1]);
}

#[test]
fn a_job_has_at_most_1000_products() {
    // Three orders, and one job of their own events.
    let plan = |last: usize| counts(&planned(json!({}), &[order(1, 400), order(2, 400), order(3, last)]));
    assert_eq!(plan(200), [3, 3]);
    assert_eq!(plan(201), [2, 3, 1]);
}

#[test]
fn an_order_has_at_most_1000_products_that_are_events() {
    let products = |count: usize| {
        let plan = planned(json!({}), &[order(1, count)]);
        records(&plan["requests"][1])[0]["attributes"]["events"]["data"].as_array().unwrap().len()
    };
    assert_eq!(products(EVENTS_MAX), EVENTS_MAX);
    assert_eq!(products(EVENTS_MAX + 1), EVENTS_MAX);
}

#[test]
fn a_job_has_at_most_10000_profiles() {
    let settings = json!({"profile_requests": "bulk"});
    let events: Vec<Value> = (0..=PROFILES_MAX).map(|number| identify(number, json!({}))).collect();
    assert_eq!(counts(&planned(settings.clone(), &events[1..])), [PROFILES_MAX]);
    assert_eq!(counts(&planned(settings, &events)), [PROFILES_MAX, 1]);
}

#[test]
fn a_job_stays_within_5_mb() {
    let bytes = |plan: &Value, request: usize| plan["requests"][request]["body"].as_str().unwrap().len();
    let text = "x".repeat(90_000);
    let mut events: Vec<Value> = (10..65).map(|number| track(number, json!({"a": text}))).collect();
    let around = bytes(&planned(json!({}), &events), 0);
    assert!(around < BODY_BYTES_MAX);
    events.push(track(65, json!({"a": ["x".repeat(10_000), ""]})));
    let one_more = bytes(&planned(json!({}), &events), 0);
    // What the last text must have so that the body is as large as may be.
    let last = |bytes: usize| track(65, json!({"a": ["x".repeat(10_000), "x".repeat(bytes)]}));
    let room = BODY_BYTES_MAX - one_more;
    events[55] = last(room);
    let plan = planned(json!({}), &events);
    assert_eq!((counts(&plan), bytes(&plan, 0)), (vec![56], BODY_BYTES_MAX));
    events[55] = last(room + 1);
    let plan = planned(json!({}), &events);
    assert_eq!(counts(&plan), [55, 1]);
    assert_eq!(records(&plan["requests"][1])[0]["type"], "event-bulk-create");
}

#[test]
fn an_event_of_more_than_5_mb_is_rejected() {
    let texts = vec!["x".repeat(90_000); 60];
    for requests in ["bulk", "single"] {
        let plan = planned(json!({"event_requests": requests}), &[track(1, json!({"a": texts})), track(2, json!({}))]);
        assert_eq!(plan["requests"].as_array().unwrap().len(), 1, "{requests}");
        assert_eq!(plan["requests"][0]["covers"], json!([1]));
        let reason = plan["fates"][0]["reason"].as_str().unwrap();
        assert!(reason.starts_with("properties: the event has more than 5 MB"), "{reason}");
    }
}

#[test]
fn properties_are_at_most_400() {
    let members = |count: usize| -> Value { (0..count).map(|number| (format!("p{number}"), json!(number))).collect() };
    let count = |settings: Value, event: Value| properties(&planned(settings, &[event])).as_object().unwrap().len();
    assert_eq!(count(json!({}), track(1, members(400))), 400);
    assert_eq!(count(json!({}), track(1, members(401))), 400);
    assert_eq!(count(json!({"revision": "2025-01-15"}), track(1, members(300))), 300);
    assert_eq!(count(json!({"revision": "2025-01-15"}), track(1, members(301))), 300);
    let mut full = order(1, 2);
    full["properties"].as_object_mut().unwrap().extend(members(400).as_object().unwrap().clone());
    let plan = planned(json!({}), &[full]);
    assert_eq!(properties(&plan).as_object().unwrap().len(), 400);
    // The products come first.
    assert_eq!(properties(&plan)["Items"].as_array().unwrap().len(), 2);
}

#[test]
fn texts_have_at_most_100_kb() {
    let text = |bytes: usize| "x".repeat(bytes);
    let long = || text(TEXT_BYTES_MAX + 1);
    let written = |value: Value| properties(&planned(json!({}), &[track(1, value)]));
    let within = json!({"a": text(TEXT_BYTES_MAX), "b": {"c": text(TEXT_BYTES_MAX)}});
    assert_eq!(written(within.clone()), within);
    assert_eq!(
        written(json!({"a": long(), "b": {"c": long(), "d": 1}, "e": [long(), 2]})),
        json!({"b": {"d": 1}, "e": [2]})
    );
    // The bytes of the text count, not those of its escapes.
    assert_eq!(written(json!({"a": "\"".repeat(TEXT_BYTES_MAX)}))["a"].as_str().map(str::len), Some(TEXT_BYTES_MAX));
    let mut event = order(1, 1);
    event["properties"]["products"] =
        json!([{"name": long(), "sku": "s", "categories": [long(), "Tea"], "brand": long()}]);
    let plan = planned(json!({}), &[event]);
    assert_eq!(properties(&plan)["Items"], json!([{"SKU": "s", "Categories": ["Tea"]}]));
    assert_eq!(properties(&plan)["Categories"], json!(["Tea"]));
    assert_eq!(properties(&plan).get("ItemNames"), None);
}

#[test]
fn lists_have_at_most_4000_elements() {
    let written = |count: usize| {
        let value = json!({"a": vec![1; count], "b": {"c": vec![2; count]}});
        let properties = properties(&planned(json!({}), &[track(1, value)]));
        (properties["a"].as_array().unwrap().len(), properties["b"]["c"].as_array().unwrap().len())
    };
    assert_eq!(written(ELEMENTS_MAX), (ELEMENTS_MAX, ELEMENTS_MAX));
    assert_eq!(written(ELEMENTS_MAX + 1), (ELEMENTS_MAX, ELEMENTS_MAX));
    let items = |count: usize| properties(&planned(json!({}), &[order(1, count)]))["Items"].as_array().unwrap().len();
    assert_eq!(items(ELEMENTS_MAX), ELEMENTS_MAX);
    assert_eq!(items(ELEMENTS_MAX + 1), ELEMENTS_MAX);
}

#[test]
fn a_profile_has_at_most_100_kb() {
    let texts = |bytes: usize| json!({"firstName": "Ana", "a": vec!["x".repeat(200); bytes / 203], "z": 1});
    for settings in [json!({}), json!({"profile_requests": "bulk"}), json!({"trait_operators": {"a": "append"}})] {
        let plan = planned(settings.clone(), &[identify(1, texts(PROFILE_BYTES_MAX - 1_000))]);
        let body = plan["requests"][0]["body"].as_str().unwrap();
        assert!(body.contains("xxx") && body.len() <= PROFILE_BYTES_MAX, "{settings}");
        let plan = planned(settings, &[identify(1, texts(PROFILE_BYTES_MAX + 1_000))]);
        let body = plan["requests"][0]["body"].as_str().unwrap();
        assert!(!body.contains("xxx") && body.contains("\"z\":1") && body.contains("Ana"), "{body}");
    }
}

#[test]
fn the_tag_of_a_profile_has_one_identifier() {
    let tag = |event: Value| String::from_utf8(requests(json!({}), &[event]).remove(0).tag).unwrap();
    let contact = json!({"email": "ana@example.com", "phone": "+15005550006", "plan": "pro"});
    let wanted = r#"{"data":{"type":"profile","attributes":{"email":"ana@example.com","properties":{"plan":"pro"}}}}"#;
    assert_eq!(tag(identify(1, contact.clone())), wanted);
    let number = r#"{"data":{"type":"profile","attributes":{"external_id":"u-1"}}}"#;
    assert_eq!(tag(identify(1, json!({"phone": "+15005550006"}))), number);
    assert_eq!(tag(identify(1, json!({"plan": "pro"}))), "");
    let mut known = identify(1, json!({"email": "ana@example.com"}));
    known["integrations"] = json!({"Klaviyo": {"profile_id": "01GDDKASAP8TKDDA2GRZDSVP4H"}});
    assert_eq!(tag(known), r#"{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{}}}"#);
    let large = |bytes: usize| json!({"email": "ana@example.com", "a": ["x".repeat(bytes)]});
    let frame = tag(identify(1, large(0))).len();
    assert_eq!(tag(identify(1, large(TAG_BYTES_MAX - frame))).len(), TAG_BYTES_MAX);
    assert_eq!(tag(identify(1, large(TAG_BYTES_MAX - frame + 1))), "");
}

#[test]
fn an_event_planned_again_keeps_its_id() {
    let events = [order(1, 2), track(2, json!({}))];
    let ids = |events: &[Value]| -> Vec<String> {
        let plan = planned(json!({}), events);
        let all = plan["requests"].as_array().unwrap().iter().flat_map(records).cloned().collect::<Vec<Value>>();
        let events = all.iter().flat_map(|record| record["attributes"]["events"]["data"].as_array().unwrap());
        events.map(|event| event["attributes"]["unique_id"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(ids(&events), ["m-1", "m-2", "m-1-0", "m-1-1"]);
    assert_eq!(ids(&events[..1]), ["m-1", "m-1-0", "m-1-1"]);
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let check = |settings: Value, setting: &str| {
        let refused = klaviyo(settings).err().unwrap_or_default();
        assert!(refused.starts_with(setting), "{setting}: {refused}");
    };
    check(json!({"api_key": " "}), "api_key: ");
    for revision in ["latest", "2026-7-15", "2026/07/15", "2026-07-15.", "2026-07-15 .pre", "2026-07-1x"] {
        check(json!({"revision": revision}), "revision: ");
    }
    check(json!({"event_requests": "many"}), "unknown variant `many`");
    check(json!({"trait_operators": {"a": "multiply"}}), "unknown variant `multiply`");
    check(json!({"region": "eu"}), "unknown field `region`");
    for revision in [REVISION, "2026-07-15.pre", " "] {
        assert!(klaviyo(json!({"revision": revision})).is_ok(), "{revision}");
    }
}

#[test]
fn names_of_events_are_in_lower_case() {
    assert!(SHOP.iter().all(|(name, _)| *name == name.to_lowercase()));
}
