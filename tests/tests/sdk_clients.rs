//! The real SDKs, every call type: what a vendor got is what the SDK sent, event by event.

use std::collections::BTreeMap;

use serde_json::Value;
use switchyard_tests::clients;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_arrived_whole, message_id, message_ids};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn};

const KINDS: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];

/// Lets a client send, and compares what arrived with what it says it sent.
fn check(send: impl Fn(&str, &str) -> Vec<Value>) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([
        Destination::webhook("webhook", &vendors.url()),
        Destination::ga4("ga4", &vendors.url()),
        Destination::mixpanel("mixpanel", &vendors.url()),
    ]));
    let sent = send(&daemon.url(""), "wk_test");
    for kind in KINDS {
        assert!(sent.iter().any(|event| event["type"] == kind), "the client sent no {kind}");
    }
    let ids = message_ids(&sent);
    vendors.wait_until("every event at the webhook", SOON, |requests| all_arrived(&webhook_only(requests), &ids));
    let arrived = by_id(&webhook_only(&vendors.requests()));
    for event in &sent {
        assert_arrived_whole(event, &arrived[message_id(event)]);
    }
    assert_eq!(arrived.len(), sent.len(), "nothing arrives that was not sent");
    assert_vendors_got(&vendors, &sent);
}

fn webhook_only(requests: &[Recorded]) -> Vec<Recorded> {
    requests.iter().filter(|request| request.path == "/webhook").cloned().collect()
}

fn by_id(requests: &[Recorded]) -> BTreeMap<String, Value> {
    let events = requests.iter().flat_map(Recorded::objects);
    events.map(|event| (message_id(&event).to_string(), event)).collect()
}

/// GA4 and Mixpanel got the order, with its values, and nothing that they would object to.
fn assert_vendors_got(vendors: &StandIn, sent: &[Value]) {
    let order = sent.iter().find(|event| event["event"] == "Order Completed").expect("the client sends an order");
    vendors.wait_until("the purchase at GA4", SOON, |requests| !purchases(requests).is_empty());
    let purchase = purchases(&vendors.requests()).remove(0);
    assert_eq!(purchase["params"]["transaction_id"], order["properties"]["order_id"]);
    assert_eq!(purchase["params"]["value"], order["properties"]["total"]);
    assert_eq!(purchase["params"]["currency"], order["properties"]["currency"]);
    assert_eq!(purchase["params"]["items"].as_array().map(Vec::len), Some(2));
    vendors.wait_until("the order at Mixpanel", SOON, |requests| !orders(requests).is_empty());
    let imported = orders(&vendors.requests()).remove(0);
    assert_eq!(imported["properties"]["order_id"], order["properties"]["order_id"]);
    assert_eq!(imported["properties"]["distinct_id"], order["userId"]);
    vendors.wait_until("the profile at Mixpanel", SOON, |requests| {
        requests.iter().any(|request| request.path == "/mixpanel/engage" && request.accepted())
    });
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

fn purchases(requests: &[Recorded]) -> Vec<Value> {
    let collected = requests.iter().filter(|request| request.path == "/ga4/mp/collect");
    let events = collected.flat_map(|request| request.json()["events"].as_array().cloned().unwrap_or_default());
    events.filter(|event| event["name"] == "purchase").collect()
}

fn orders(requests: &[Recorded]) -> Vec<Value> {
    let imported = requests.iter().filter(|request| request.path == "/mixpanel/import").flat_map(Recorded::objects);
    imported.filter(|event| event["event"] == "Order Completed").collect()
}

#[test]
fn the_node_sdk_sends_every_call_type() {
    check(clients::node);
}

#[test]
fn the_python_sdk_sends_every_call_type() {
    check(|url, key| clients::python(url, key, &[]));
}

#[test]
fn the_python_sdk_sends_every_call_type_compressed() {
    check(|url, key| clients::python(url, key, &["--gzip"]));
}
