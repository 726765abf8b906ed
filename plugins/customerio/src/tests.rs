//! The bounds of a request, each kept and gone beyond: too much to be written down as a case. And the
//! settings that are refused.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::rules::{ATTRIBUTES_MAX, BODY_BYTES_MAX, COMMANDS, ITEM_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::settings::{CustomerIo, Settings};

const NOW_MS: u64 = 1_700_000_000_000;

fn customer_io(settings: Value) -> Result<CustomerIo, String> {
    let mut all = json!({"site_id": "sw_site", "api_key": "sw_key"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    CustomerIo::new(settings)
}

fn planned(settings: Value, events: &[Value]) -> Value {
    native::plan(&customer_io(settings).unwrap(), crate::plan, NOW_MS, events)
}

/// The items of each request.
fn items(plan: &Value) -> Vec<Vec<Value>> {
    let requests = plan["requests"].as_array().unwrap();
    requests.iter().map(|request| request["body_json"]["batch"].as_array().unwrap().clone()).collect()
}

fn track(user: usize, text: &str) -> Value {
    json!({"type": "track", "messageId": "m", "userId": format!("u-{user}"), "event": "E", "properties": {"a": 1, "t": text, "z": 2}})
}

fn identify(text: &str) -> Value {
    json!({"type": "identify", "messageId": "m", "userId": "u", "traits": {"a": 1, "t": [text], "z": 2}})
}

fn group(text: &str) -> Value {
    json!({"type": "group", "messageId": "m", "groupId": "g", "traits": {"a": 1, "t": [text], "z": 2}})
}

fn add_device(text: &str) -> Value {
    json!({"type": "track", "messageId": "m", "userId": "u", "event": "Device Created or Updated",
           "context": {"device": {"token": text, "type": "ios"}}})
}

fn members(count: usize, value: fn(usize) -> Value) -> Value {
    (0..count).map(|number| (format!("p{number}"), value(number))).collect()
}

/// A text with which the only item of `event` has so many bytes.
fn text_for(event: fn(&str) -> Value, bytes: usize) -> String {
    let plan = planned(json!({"attribute_bytes_max": ITEM_BYTES_MAX}), &[event("x")]);
    let body = plan["requests"][0]["body"].as_str().unwrap().len() - r#"{"batch":[]}"#.len();
    "x".repeat(bytes - body + 1)
}

#[test]
fn what_does_not_fit_into_an_item_is_left_out() {
    let events: [fn(&str) -> Value; 3] = [|text| track(1, text), identify, group];
    for event in events {
        let written = |bytes: usize| {
            let settings = json!({"attribute_bytes_max": ITEM_BYTES_MAX});
            let plan = planned(settings, &[event(&text_for(event, bytes))]);
            let item = items(&plan)[0][0].clone();
            assert!(item.to_string().len() <= ITEM_BYTES_MAX);
            item["attributes"].clone()
        };
        let names = |bytes| written(bytes).as_object().unwrap().keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(ITEM_BYTES_MAX), ["a", "t", "z"]);
        assert_eq!(names(ITEM_BYTES_MAX + 1), ["a", "t"]);
        assert_eq!(names(ITEM_BYTES_MAX + r#","z":2"#.len()), ["a", "t"]);
        assert_eq!(names(ITEM_BYTES_MAX + r#","z":2"#.len() + 1), ["a", "z"]);
    }
}

#[test]
fn an_item_that_is_too_large_all_the_same_is_rejected() {
    let named = |bytes: usize| {
        let event = json!({"type": "page", "messageId": "m", "userId": "u", "properties": {"url": "x".repeat(bytes)}});
        planned(json!({"long_names": "keep"}), &[event])
    };
    assert_eq!(items(&named(ITEM_BYTES_MAX / 2 - 200))[0].len(), 1);
    let plan = named(ITEM_BYTES_MAX);
    assert_eq!(plan["fates"][0]["reason"], "name: the page has more than 32,000 bytes");
    let token = |bytes: usize| planned(json!({}), &[add_device(&"x".repeat(bytes))]);
    assert_eq!(items(&token(TOKEN_BYTES_MAX))[0].len(), 1);
    assert_eq!(token(TOKEN_BYTES_MAX + 1)["fates"][0]["reason"], "context.device.token: is too long");
}

#[test]
fn attributes_of_a_device_stop_where_the_item_is_full() {
    let mut event = add_device("t");
    event["properties"] = members(40, |_| "x".repeat(1_000).into());
    let item = items(&planned(json!({}), &[event]))[0][0].clone();
    let bytes = item.to_string().len();
    assert!((ITEM_BYTES_MAX - 1_100..=ITEM_BYTES_MAX).contains(&bytes), "{bytes}");
    let mut event = add_device("t");
    event["properties"] = members(ATTRIBUTES_MAX + 1, Value::from);
    let item = items(&planned(json!({}), &[event]))[0][0].clone();
    assert_eq!(item["device"]["attributes"].as_object().unwrap().len(), ATTRIBUTES_MAX);
}

#[test]
fn attributes_of_a_relationship_leave_room_for_the_rest() {
    let many = members(40, |_| "x".repeat(1_000).into());
    let event = json!({"type": "group", "messageId": "m", "groupId": "g", "userId": "u",
                       "traits": {"relationshipAttributes": many, "name": "Acme"}});
    let item = items(&planned(json!({}), &[event]))[0][0].clone();
    assert!(item.to_string().len() <= ITEM_BYTES_MAX);
    let kept = item["cio_relationships"][0]["relationship_attributes"].as_object().unwrap().len();
    assert!((25..40).contains(&kept), "{kept}");
}

#[test]
fn an_identify_has_at_most_300_attributes() {
    let written = |count: usize| {
        let traits = members(count, Value::from);
        let event = json!({"type": "identify", "messageId": "m", "userId": "u", "anonymousId": "a", "traits": traits});
        items(&planned(json!({}), &[event]))[0][0]["attributes"].as_object().unwrap().len()
    };
    assert_eq!(written(ATTRIBUTES_MAX - 1), ATTRIBUTES_MAX);
    assert_eq!(written(ATTRIBUTES_MAX), ATTRIBUTES_MAX);
}

#[test]
fn a_request_stays_below_500_kb() {
    let full: fn(&str) -> Value = |text| track(1, text);
    let text = text_for(full, ITEM_BYTES_MAX);
    let mut events = vec![full(&text); 15];
    // Fifteen full items and their commas leave less than one more.
    let room = BODY_BYTES_MAX - r#"{"batch":[]}"#.len() - 15 * (ITEM_BYTES_MAX + 1);
    events.push(full(&text_for(full, room)));
    let plan = planned(json!({}), &events);
    assert_eq!(plan["requests"][0]["body"].as_str().unwrap().len(), BODY_BYTES_MAX);
    assert_eq!(items(&plan).iter().map(Vec::len).collect::<Vec<usize>>(), [16]);
    events[15] = full(&text_for(full, room + 1));
    events.push(full(""));
    let plan = planned(json!({}), &events);
    assert_eq!(items(&plan).iter().map(Vec::len).collect::<Vec<usize>>(), [15, 2]);
    assert_eq!(plan["requests"][1]["covers"], json!([15, 16]));
}

#[test]
fn the_items_of_an_event_stay_in_one_request() {
    let full: fn(&str) -> Value = |text| track(1, text);
    let mut events = vec![full(&text_for(full, ITEM_BYTES_MAX)); 15];
    // The event alone would fit.
    let mut both = full(&"x".repeat(19_500));
    both["context"] = json!({"traits": {"a": "x".repeat(500)}});
    events.push(both);
    let plan = planned(json!({"send_traits": "always"}), &events);
    assert_eq!(items(&plan).iter().map(Vec::len).collect::<Vec<usize>>(), [15, 2]);
    let plan = planned(json!({}), &events);
    assert_eq!(items(&plan).iter().map(Vec::len).collect::<Vec<usize>>(), [16]);
}

#[test]
fn people_keep_their_lane() {
    let customer_io = customer_io(json!({"parallel_requests": 4})).unwrap();
    let lanes = |events: &[Value]| -> Vec<(String, usize)> {
        let batch = native::batch(NOW_MS, events);
        let mut plan = switchyard_sdk::Plan::new();
        crate::plan(&customer_io, &batch, &mut plan);
        plan.finish(batch).requests.into_iter().map(|request| (request.lanes.concat(), request.covers.len())).collect()
    };
    let all: Vec<Value> = (0..60).map(|user| track(user, "")).collect();
    let found = lanes(&all);
    assert_eq!(found.len(), 4);
    assert_eq!(found.iter().map(|(_, covers)| covers).sum::<usize>(), 60);
    let lane = lanes(&all[7..8])[0].0.clone();
    let same = json!({"type": "identify", "messageId": "m", "userId": "u-7"});
    assert_eq!(lanes(&[same, all[7].clone()]), [(lane, 2)]);
}

#[test]
fn the_tag_counts_items_only_where_an_event_has_several() {
    let customer_io = customer_io(json!({"device_calls": "device_and_event"})).unwrap();
    let tag = |events: &[Value]| {
        let batch = native::batch(NOW_MS, events);
        let mut plan = switchyard_sdk::Plan::new();
        crate::plan(&customer_io, &batch, &mut plan);
        let request = plan.finish(batch).requests.remove(0);
        assert_eq!(request.key, "batch");
        request.tag
    };
    assert_eq!(tag(&[track(1, ""), track(2, "")]), b"");
    assert_eq!(tag(&[track(1, ""), add_device("t")]), b"1,2");
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let check = |settings: Value, setting: &str| {
        let refused = customer_io(settings).err().unwrap_or_default();
        assert!(refused.starts_with(setting), "{setting}: {refused}");
    };
    check(json!({"site_id": " "}), "site_id: ");
    check(json!({"api_key": ""}), "api_key: ");
    check(json!({"parallel_requests": 0}), "parallel_requests: ");
    check(json!({"parallel_requests": 17}), "parallel_requests: ");
    check(json!({"attribute_bytes_max": 999}), "attribute_bytes_max: ");
    check(json!({"attribute_bytes_max": 32_001}), "attribute_bytes_max: ");
    check(json!({"object_type_id": "company"}), "object_type_id: ");
    check(json!({"topic_purposes": {"news": "topic_1"}}), "topic_purposes: news: ");
    check(json!({"region": "au"}), "unknown variant `au`");
    check(json!({"datacenter": "EU"}), "unknown field `datacenter`");
}

#[test]
fn names_of_commands_are_in_lower_case() {
    assert!(COMMANDS.iter().all(|(name, _)| *name == name.to_lowercase()));
}
