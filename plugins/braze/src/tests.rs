//! The bounds of a request, each kept and gone beyond: too much to be written down as a case. And the
//! settings that are refused.

use serde_json::{Value, json};
use switchyard_sdk::native;

use crate::rules::{
    BODY_BYTES_MAX, EXTERNAL_ID_BYTES_MAX, INSTANCES, JOINS_MAX, OBJECTS_MAX, PROPERTIES_BYTES_MAX, PROPERTIES_MAX,
    PURCHASES_MAX, RECOMMENDED,
};
use crate::settings::{Braze, Settings};

const NOW_MS: u64 = 1_700_000_000_000;

fn braze(settings: Value) -> Result<Braze, String> {
    let mut all = json!({"api_key": "sw_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "instance": "US-01"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let settings: Settings = serde_json::from_value(all).map_err(|error| error.to_string())?;
    Braze::new(settings)
}

fn planned(settings: Value, events: &[Value]) -> Value {
    native::plan(&braze(settings).unwrap(), crate::plan, NOW_MS, events)
}

/// How many objects each request has in a list.
fn objects(plan: &Value, list: &str) -> Vec<usize> {
    let requests = plan["requests"].as_array().unwrap();
    requests.iter().map(|request| request["body_json"][list].as_array().map_or(0, Vec::len)).collect()
}

fn track(user: usize, text: &str) -> Value {
    json!({"type": "track", "messageId": "m", "userId": format!("u-{user}"), "event": "E", "properties": {"t": text}})
}

fn identify(user: usize) -> Value {
    json!({"type": "identify", "messageId": "m", "userId": format!("u-{user}"), "traits": {"a": 1}})
}

fn order(user: usize, products: usize, quantity: u64) -> Value {
    let products: Vec<Value> = (0..products)
        .map(|number| json!({"product_id": format!("p-{number}"), "price": 1.5, "quantity": quantity}))
        .collect();
    json!({"type": "track", "messageId": "m", "userId": format!("u-{user}"), "event": "Order Completed",
           "properties": {"products": products}})
}

#[test]
fn a_request_has_at_most_75_objects_over_all_lists() {
    let mut events: Vec<Value> = (0..30).map(|user| track(user, "")).collect();
    events.extend((30..60).map(identify));
    events.extend((60..65).map(|user| order(user, 3, 1)));
    let plan = planned(json!({}), &events);
    assert_eq!((objects(&plan, "events"), objects(&plan, "attributes")), (vec![30], vec![30]));
    assert_eq!(objects(&plan, "purchases"), [OBJECTS_MAX - 60]);
    events.push(track(65, ""));
    assert_eq!(objects(&planned(json!({}), &events), "events"), [30, 1]);
}

#[test]
fn older_contracts_have_75_objects_in_each_list() {
    let settings = json!({"limit_each_kind": true});
    let mut events: Vec<Value> = (0..75).map(|user| track(user, "")).collect();
    events.extend((75..150).map(identify));
    events.extend((150..175).map(|user| order(user, 3, 1)));
    let plan = planned(settings.clone(), &events);
    assert_eq!((objects(&plan, "events"), objects(&plan, "attributes")), (vec![75], vec![75]));
    assert_eq!(objects(&plan, "purchases"), [75]);
    events.push(order(175, 1, 1));
    assert_eq!(objects(&planned(settings, &events), "purchases"), [75, 1]);
}

#[test]
fn the_objects_of_a_user_stay_together_where_one_request_takes_them() {
    let mut events: Vec<Value> = (0..70).map(|user| track(user, "")).collect();
    events.extend((0..6).map(|_| track(99, "")));
    assert_eq!(objects(&planned(json!({}), &events), "events"), [70, 6]);
    // What is too much for one request fills what is there.
    let events: Vec<Value> = (0..160).map(|number| track(usize::from(number > 9), "")).collect();
    assert_eq!(objects(&planned(json!({}), &events), "events"), [75, 75, 10]);
}

#[test]
fn an_order_of_more_than_75_purchases_has_requests_of_its_own() {
    let key = |plan: &Value| -> Vec<String> {
        let braze = braze(json!({})).unwrap();
        let batch = native::batch(NOW_MS, std::slice::from_ref(plan));
        let mut made = switchyard_sdk::Plan::new();
        crate::plan(&braze, &batch, &mut made);
        made.finish(batch).requests.into_iter().map(|request| request.key).collect()
    };
    assert_eq!(key(&order(1, 75, 1)), ["track"]);
    assert_eq!(key(&order(1, 76, 1)), ["track", "track-2"]);
    let mut other = track(2, "");
    other["messageId"] = "m-2".into();
    let plan = planned(json!({}), &[track(1, ""), order(1, 151, 1), other]);
    assert_eq!(objects(&plan, "purchases"), [0, 75, 75, 1, 0]);
    let plan = planned(
        json!({"objects_per_request": 1, "send_traits": "always"}),
        &[json!({
            "type": "track", "messageId": "m", "userId": "u", "event": "E", "context": {"traits": {"a": 1}}
        })],
    );
    assert_eq!((objects(&plan, "attributes"), objects(&plan, "events")), (vec![1, 0], vec![0, 1]));
}

#[test]
fn an_order_has_at_most_750_purchases() {
    let plan = planned(json!({}), &[order(1, 1, PURCHASES_MAX as u64 * 100)]);
    assert_eq!(objects(&plan, "purchases"), [75; 10]);
    let plan = planned(json!({}), &[order(1, 1, PURCHASES_MAX as u64 * 100 + 1)]);
    assert!(plan["fates"][0]["reason"].as_str().unwrap().starts_with("properties.products: "), "{plan}");
}

#[test]
fn a_request_has_at_most_50_joins() {
    let joins = |count: usize| -> Vec<Value> {
        let event = |number: usize| {
            json!({"type": "identify", "messageId": "m", "userId": format!("u-{number}"),
                                           "anonymousId": format!("a-{number}")})
        };
        (0..count).map(event).collect()
    };
    assert_eq!(objects(&planned(json!({}), &joins(JOINS_MAX)), "aliases_to_identify"), [50]);
    assert_eq!(objects(&planned(json!({}), &joins(JOINS_MAX + 1)), "aliases_to_identify"), [50, 1]);
    let merges = |count: usize| -> Vec<Value> {
        let event = |number: usize| {
            json!({"type": "alias", "messageId": "m", "userId": format!("u-{number}"),
                                           "previousId": format!("p-{number}")})
        };
        (0..count).map(event).collect()
    };
    assert_eq!(objects(&planned(json!({}), &merges(JOINS_MAX)), "merge_updates"), [50]);
    assert_eq!(objects(&planned(json!({}), &merges(JOINS_MAX + 1)), "merge_updates"), [50, 1]);
}

#[test]
fn a_request_stays_below_4_mb() {
    let event = |user: usize| {
        let mut event = track(user, "");
        event["properties"]["list"] = json!(["x".repeat(90_000)]);
        event
    };
    let events: Vec<Value> = (0..50).map(event).collect();
    let plan = planned(json!({}), &events);
    let bodies: Vec<usize> =
        plan["requests"].as_array().unwrap().iter().map(|request| request["body"].as_str().unwrap().len()).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().all(|bytes| *bytes <= BODY_BYTES_MAX), "{bodies:?}");
    assert_eq!(objects(&plan, "events").iter().sum::<usize>(), 50);
}

#[test]
fn properties_are_at_most_256_and_100_kb() {
    let members = |count: usize| -> Value { (0..count).map(|number| (format!("p{number}"), json!(number))).collect() };
    let written = |properties: Value| -> Value {
        let event = json!({"type": "track", "messageId": "m", "userId": "u", "event": "E", "properties": properties});
        planned(json!({}), &[event])["requests"][0]["body_json"]["events"][0]["properties"].clone()
    };
    assert_eq!(written(members(PROPERTIES_MAX)).as_object().unwrap().len(), PROPERTIES_MAX);
    assert_eq!(written(members(PROPERTIES_MAX + 1)).as_object().unwrap().len(), PROPERTIES_MAX);
    // {"a":1,"l":["..."],"z":2}
    let list = |bytes: usize| json!({"a": 1, "l": ["x".repeat(bytes - r#"{"a":1,"l":[""],"z":2}"#.len())], "z": 2});
    let within = written(list(PROPERTIES_BYTES_MAX));
    assert_eq!(within.to_string().len(), PROPERTIES_BYTES_MAX);
    assert_eq!(written(list(PROPERTIES_BYTES_MAX + 7)), json!({"a": 1, "z": 2}));
}

#[test]
fn an_attribute_is_at_most_100_kb() {
    let written = |bytes: usize| -> Value {
        let traits = json!({"a": 1, "l": ["x"], "big": {"k": vec!["x".repeat(200); bytes / 203]}});
        let event = json!({"type": "identify", "messageId": "m", "userId": "u", "traits": traits});
        planned(json!({}), &[event])["requests"][0]["body_json"]["attributes"][0].clone()
    };
    assert!(written(PROPERTIES_BYTES_MAX - 300).get("big").is_some());
    assert_eq!(written(PROPERTIES_BYTES_MAX + 300), json!({"external_id": "u", "a": 1, "l": ["x"]}));
}

#[test]
fn an_external_id_is_at_most_987_bytes() {
    let plan =
        |id: String| planned(json!({}), &[json!({"type": "track", "messageId": "m", "userId": id, "event": "E"})]);
    assert_eq!(objects(&plan("x".repeat(EXTERNAL_ID_BYTES_MAX)), "events"), [1]);
    // The bytes of the text count, not those of its escapes.
    assert_eq!(objects(&plan("\"".repeat(EXTERNAL_ID_BYTES_MAX)), "events"), [1]);
    let beyond = plan("x".repeat(EXTERNAL_ID_BYTES_MAX + 1));
    assert_eq!(beyond["fates"][0]["reason"], "userId: has more than 987 bytes");
}

#[test]
fn users_keep_their_lane() {
    let braze = braze(json!({"parallel_requests": 4})).unwrap();
    let lanes = |events: &[Value]| -> Vec<(String, usize)> {
        let batch = native::batch(NOW_MS, events);
        let mut plan = switchyard_sdk::Plan::new();
        crate::plan(&braze, &batch, &mut plan);
        plan.finish(batch).requests.into_iter().map(|request| (request.lanes.concat(), request.covers.len())).collect()
    };
    let all: Vec<Value> = (0..60).map(|user| track(user, "")).collect();
    let found = lanes(&all);
    assert_eq!(found.len(), 4);
    assert_eq!(found.iter().map(|(_, covers)| covers).sum::<usize>(), 60);
    let lane = lanes(&all[7..8])[0].0.clone();
    assert_eq!(lanes(&[identify(7), all[7].clone()]), [(lane, 2)]);
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let check = |settings: Value, setting: &str| {
        let refused = braze(settings).err().unwrap_or_default();
        assert!(refused.starts_with(setting), "{setting}: {refused}");
    };
    check(json!({"api_key": " "}), "api_key: ");
    check(json!({"instance": null}), "instance: ");
    check(json!({"instance": "US-99"}), "instance: ");
    check(json!({"objects_per_request": 0}), "objects_per_request: ");
    check(json!({"objects_per_request": 76}), "objects_per_request: ");
    check(json!({"parallel_requests": 0}), "parallel_requests: ");
    check(json!({"parallel_requests": 17}), "parallel_requests: ");
    check(json!({"default_currency": "euro"}), "default_currency: ");
    for name in ["email", "first_name", "external_id", "$group", "_merge_objects"] {
        check(json!({"group_attribute": name}), "group_attribute: ");
    }
    check(json!({"anonymous_users": "all"}), "unknown variant `all`");
    check(json!({"region": "eu"}), "unknown field `region`");
    assert!(braze(json!({"instance": null, "endpoint": "https://proxy.example/braze/"})).is_ok());
    for (instance, base) in INSTANCES {
        assert_eq!(braze(json!({"instance": instance})).unwrap().track_url, format!("{base}/users/track"));
    }
}

#[test]
fn names_of_recommended_events_are_in_lower_case() {
    assert!(RECOMMENDED.iter().all(|(name, _)| *name == name.to_lowercase()));
}
