//! A vendor that is down for hours, while events keep coming: nothing is lost, the order of each user
//! holds, and memory stays flat, since what waits is on disk.
//!
//! Ten hours with an event a second, as 36,000 events, with SWITCHYARD_SOAK; a short outage without.
//! While the circuit breaker is open nothing is sent however long it takes, so the hours themselves
//! need not pass.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually, message_id};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

const USERS: usize = 50;

/// Growth that caches of fixed size explain, in KiB.
const GROWTH_KIB_MAX: u64 = 160 << 10;

/// The n-th event of the outage; each user's are numbered by it.
fn event(number: usize) -> Value {
    json!({"type": "track", "event": "Tick", "userId": format!("u-{}", number % USERS),
           "messageId": format!("m-{number}"), "properties": {"number": number, "padding": "x".repeat(400)}})
}

/// The numbers of each user's events, in the order in which they were accepted by the vendor.
fn arrived(requests: &[Recorded]) -> BTreeMap<String, Vec<u64>> {
    let mut by_user: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in requests.iter().filter(|request| request.accepted()).flat_map(Recorded::objects) {
        let user = event["userId"].as_str().unwrap_or_default().to_string();
        by_user.entry(user).or_default().push(event["properties"]["number"].as_u64().unwrap_or(u64::MAX));
    }
    by_user
}

#[test]
fn after_a_long_outage_all_is_delivered_in_order_and_memory_stayed_flat() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let webhook = Destination::webhook("webhook", &vendors.url()).setting("batching", "array");
    let daemon = Daemon::start(Setup::shop([webhook.delivery("order", "user").delivery("attempts_max", 1_000_000)]));
    let count = paths::size(3_000, 36_000) as usize;
    let mut memory_kib = 0;
    for from in (0..count).step_by(100) {
        let batch: Vec<Value> = (from..(from + 100).min(count)).map(event).collect();
        daemon.accept(&batch);
        if from == count / 10 / 100 * 100 {
            memory_kib = daemon.memory_kib();
        }
    }
    eventually("the circuit breaker is open", SOON, || daemon.counters("shop/webhook")["state"] == "failing");
    let counters = daemon.counters("shop/webhook");
    assert_eq!(counters["delivered"], 0, "{counters}");
    assert_balanced(&counters);
    let grown_kib = daemon.memory_kib().saturating_sub(memory_kib);
    assert!(grown_kib < GROWTH_KIB_MAX, "memory grew by {grown_kib} KiB while {count} events came");
    vendors.heal();
    eventually("all are delivered", SOON * 6, || daemon.counter("shop/webhook", "delivered") == count as u64);
    assert_balanced(&daemon.counters("shop/webhook"));
    let arrived = arrived(&vendors.requests());
    assert_eq!(arrived.len(), USERS);
    for (user, numbers) in arrived {
        assert_eq!(numbers.len(), count / USERS, "{user} has each event once");
        assert!(numbers.is_sorted(), "{user}: {numbers:?}");
    }
    assert_eq!(message_id(&event(7)), "m-7");
}
