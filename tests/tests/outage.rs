//! A vendor that is down for hours, while events keep coming: nothing is lost, the order of each user
//! holds, and memory stays flat, since what waits is on disk.
//!
//! Against a whole daemon: ten hours with an event a second, as 36,000 events, with SWITCHYARD_SOAK; a
//! short outage without. While the circuit breaker is open nothing is sent however long it takes, so the
//! hours themselves need not pass.
//!
//! In simulated time, where they do: ten hours at constant inflow, with a bound of the backlog that is
//! sized for it, and with bounds of size and of age that are exceeded, at which the oldest expire, counted.

use std::collections::BTreeMap;

use std::time::Duration;

use serde_json::{Value, json};
use switchyard::queue::DestinationStatus;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually, message_id};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::simulated::{self, World, clock, first_arrivals};
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

/// Simulated milliseconds in one of the machine's: ten hours take 50 seconds.
const SPEED: u32 = 720;

const MINUTES: u64 = 600;
const EVENTS_A_MINUTE: u64 = 6;
const EVENTS: u64 = MINUTES * EVENTS_A_MINUTE;
const BACKLOG_HOURS_MAX: u64 = 4;

/// Less than half of what the events of ten hours are.
const BACKLOG_BYTES_MAX: u64 = 200_000;

/// Bytes of one event in the queue, at least and at most.
const EVENT_BYTES: [u64; 2] = [100, 1_000];

fn patient(name: &str, vendor: &StandIn) -> Destination {
    simulated::webhook(name, vendor).delivery("order", "user").delivery("attempts_max", 1_000_000)
}

fn of<'s>(all: &'s [DestinationStatus], name: &str) -> &'s DestinationStatus {
    let is_it = |status: &&DestinationStatus| status.destination.0 == format!("shop/{name}");
    all.iter().find(is_it).expect("it is there")
}

#[test]
fn ten_hours_of_outage_cost_what_the_bounds_of_the_backlog_say_and_no_more() {
    let now = clock(SPEED);
    let vendor = StandIn::start();
    vendor.program(u64::MAX, Answer::status(503), |_| true);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::new(
            &now,
            SPEED,
            [
                patient("enough", &vendor),
                patient("small", &vendor).delivery("backlog_bytes_max", BACKLOG_BYTES_MAX as i64),
                patient("young", &vendor).delivery("backlog_hours_max", BACKLOG_HOURS_MAX as f64),
                patient("held", &vendor)
                    .delivery("backlog_bytes_max", BACKLOG_BYTES_MAX as i64)
                    .delivery("at_backlog_max", "hold"),
            ],
        );
        let working = world.open(&folder.path().join("store.redb")).await;
        let (mut accepted, mut came_ms) = (0, Vec::new());
        for minute in 0..MINUTES {
            let due_ms = simulated::BEGAN_MS + minute * 60_000;
            tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(now())) / SPEED).await;
            let (numbers, now_ms) = (accepted..accepted + EVENTS_A_MINUTE, now());
            came_ms.push(now_ms);
            let events = numbers.map(|number| simulated::event(number, USERS as u64, now_ms)).collect();
            working.store.append(events).await.expect("the store takes it");
            accepted += EVENTS_A_MINUTE;
            working.balanced(accepted, 0).await;
        }
        let all = working.balanced(EVENTS, 0).await;
        for status in &all {
            assert_eq!((status.counters.delivered, status.counters.dead), (0, 0), "{status:?}");
        }
        assert_eq!(of(&all, "enough").counters.expired + of(&all, "held").counters.expired, 0, "{all:?}");
        let [least, most] = EVENT_BYTES.map(|bytes| BACKLOG_BYTES_MAX / bytes);
        let small = of(&all, "small");
        assert!((most..=least).contains(&small.waiting), "about {BACKLOG_BYTES_MAX} bytes wait: {small:?}");
        let young = of(&all, "young");
        // The bound is looked at with each commit, of which the last was after the last event had come.
        let age_ms_max = BACKLOG_HOURS_MAX * 3_600_000;
        let since =
            |from_ms: u64| came_ms.iter().filter(|came_ms| **came_ms >= from_ms).count() as u64 * EVENTS_A_MINUTE;
        let [at_least, at_most] = [now(), came_ms[came_ms.len() - 1]].map(|until_ms| since(until_ms - age_ms_max));
        assert!(at_least < EVENTS && young.counters.expired > 0, "{young:?}");
        assert!((at_least..=at_most).contains(&young.waiting), "{at_least} to {at_most} wait: {young:?}");
        let stories = working.store.trace("m-300").await.expect("the store answers");
        let expired = |name: &str| {
            let steps = stories.iter().flat_map(|story| &story.steps);
            steps.filter(|(id, note)| id.0 == format!("shop/{name}") && note.step == "expired").count()
        };
        assert_eq!(["enough", "held", "small", "young"].map(expired), [0, 0, 1, 1], "{stories:?}");

        vendor.heal();
        working.all_ended(EVENTS, 0, Duration::from_secs(120)).await;
        let all = working.balanced(EVENTS, 0).await;
        let requests = vendor.requests();
        for status in &all {
            let counters = &status.counters;
            assert_eq!(counters.dead, 0, "{status:?}");
            assert_eq!(counters.delivered + counters.expired, EVENTS, "{status:?}");
            let name = status.destination.0.trim_start_matches("shop/");
            let arrived = first_arrivals(&requests, &format!("/webhook-{name}"));
            let count: usize = arrived.values().map(Vec::len).sum();
            // What expired while it was in flight may have come nevertheless.
            let came = counters.delivered..=counters.delivered + counters.expired;
            assert!(came.contains(&(count as u64)), "{name}: {count} came: {status:?}");
            for (user, numbers) in &arrived {
                assert!(numbers.is_sorted(), "{name}: in the order of {user}: {numbers:?}");
            }
        }
        for name in ["enough", "held"] {
            assert_eq!(of(&all, name).counters.delivered, EVENTS, "{name}");
        }
        for name in ["small", "young"] {
            let arrived = first_arrivals(&requests, &format!("/webhook-{name}"));
            let newest = arrived.values().flatten().max();
            assert_eq!(newest, Some(&(EVENTS - 1)), "{name}: the oldest expired, not the newest");
        }
        working.close(true).await;
    });
}
