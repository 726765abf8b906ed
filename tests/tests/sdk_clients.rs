//! The real SDKs: what a vendor got is what the SDK sent, event by event, of every call type; each of
//! a few hundred events once; and all of them through a kill -9 of the daemon, for SDKs that retry.

use std::collections::BTreeMap;

use serde_json::Value;
use switchyard_tests::clients::Sdk;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{
    SETTLE_WINDOW_MS, SOON, all_arrived, arrivals, assert_arrived_whole, assert_settled_stays_settled, eventually,
    message_id, message_ids,
};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn, now_ms};

const KINDS: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];

/// Events of a test that counts.
const MANY: usize = 300;

/// Requests to the vendor before the kill, and after it, at the least.
const REQUESTS: usize = 20;

/// Every call once: compares what arrived with what the SDK says it sent.
fn every_call(sdk: Sdk) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([
        Destination::webhook("webhook", &vendors.url()),
        Destination::ga4("ga4", &vendors.url()),
        Destination::mixpanel("mixpanel", &vendors.url()),
    ]));
    let sent = sdk.send_every_call(&daemon.url(""), "wk_test");
    assert_arrive_whole(&vendors, &sent);
    assert_each_once(&vendors, &sent);
    assert_vendors_got(&vendors, &sent);
}

/// A few hundred events of all types, each of which arrives once.
fn many(sdk: Sdk) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let sent = sdk.send_count(&daemon.url(""), "wk_test", MANY);
    assert_eq!(sent.len(), MANY);
    assert_arrive_whole(&vendors, &sent);
    eventually("all is settled", SOON, || daemon.counter("shop/webhook", "delivered") == MANY as u64);
    assert_each_once(&vendors, &sent);
}

/// The daemon is killed and comes back while the SDK sends: the SDK gives nothing up, all of it
/// arrives, and nothing that was settled comes again.
fn through_a_kill(sdk: Sdk) {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let mut client = sdk.start(&daemon.url(""), "wk_test");
    eventually("events have arrived for a while", SOON, || {
        client.go_on();
        let requests = vendors.requests();
        requests.len() >= REQUESTS && requests[0].at_ms + SETTLE_WINDOW_MS < now_ms()
    });
    daemon.kill();
    let kill_ms = now_ms();
    let before = vendors.requests().len();
    daemon.restart();
    eventually("events arrive again", SOON, || {
        client.go_on();
        vendors.requests().len() >= before + REQUESTS
    });
    let sent = client.end();
    assert_arrive_whole(&vendors, &sent);
    eventually("all is settled", SOON, || daemon.counter("shop/webhook", "waiting") == 0);
    assert_settled_stays_settled(&vendors.requests(), &[kill_ms]);
}

/// All call types were sent, all of it arrives whole, and nothing else does.
fn assert_arrive_whole(vendors: &StandIn, sent: &[Value]) {
    for kind in KINDS {
        assert!(sent.iter().any(|event| event["type"] == kind), "the client sent no {kind}");
    }
    let ids = message_ids(sent);
    vendors.wait_until("every event at the webhook", SOON, |requests| all_arrived(&webhook_only(requests), &ids));
    let arrived = by_id(&webhook_only(&vendors.requests()));
    for event in sent {
        assert_arrived_whole(event, &arrived[message_id(event)]);
    }
    assert_eq!(arrived.len(), sent.len(), "nothing arrives that was not sent");
}

fn assert_each_once(vendors: &StandIn, sent: &[Value]) {
    let arrivals = arrivals(&webhook_only(&vendors.requests()));
    for event in sent {
        assert_eq!(arrivals[message_id(event)], 1, "{event}");
    }
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
fn node_every_call() {
    every_call(Sdk::Node);
}

#[test]
fn node_many() {
    many(Sdk::Node);
}

#[test]
fn node_through_a_kill() {
    through_a_kill(Sdk::Node);
}

#[test]
fn rudder_node_every_call() {
    every_call(Sdk::RudderNode);
}

#[test]
fn rudder_node_many() {
    many(Sdk::RudderNode);
}

#[test]
fn rudder_node_through_a_kill() {
    through_a_kill(Sdk::RudderNode);
}

#[test]
fn python_every_call() {
    every_call(Sdk::Python);
}

#[test]
fn python_many() {
    many(Sdk::Python);
}

#[test]
fn python_through_a_kill() {
    through_a_kill(Sdk::Python);
}

#[test]
fn python_gzip_every_call() {
    every_call(Sdk::PythonGzip);
}

#[test]
fn python_gzip_many() {
    many(Sdk::PythonGzip);
}

#[test]
fn rudder_python_every_call() {
    every_call(Sdk::RudderPython);
}

#[test]
fn rudder_python_many() {
    many(Sdk::RudderPython);
}

#[test]
fn rudder_python_through_a_kill() {
    through_a_kill(Sdk::RudderPython);
}

#[test]
fn rust_every_call() {
    every_call(Sdk::Rust);
}

#[test]
fn rust_many() {
    many(Sdk::Rust);
}

#[test]
fn browser_every_call() {
    every_call(Sdk::Browser);
}

#[test]
fn browser_many() {
    many(Sdk::Browser);
}

#[test]
fn browser_through_a_kill() {
    through_a_kill(Sdk::Browser);
}
