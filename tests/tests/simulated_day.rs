//! One day of simulated time: events come, the vendor fails in changing ways, the store is closed or
//! cut off in between. The balance is checked at each step; in the end all is delivered, in order where
//! order is kept. The faults follow from one seed, which a failure prints.

use std::sync::Mutex;
use std::time::Duration;

use switchyard::clock::Clock;
use switchyard_tests::setup::Destination;
use switchyard_tests::simulated::{Random, World, clock, event, first_arrivals, webhook};
use switchyard_tests::stand_in::{Answer, StandIn};

/// Simulated milliseconds in one of the machine's: a day takes half a minute.
const SPEED: u32 = 2_880;

const MINUTES: u64 = 24 * 60;
const EVENTS_A_MINUTE: u64 = 6;
const USERS: u64 = 20;
const RESTART_EVERY_MINUTES: u64 = 170;

/// How the vendor is in a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fine,
    Shaky,
    Down,
    Throttling,
}

/// The vendor's weather by quarters of an hour; the last hours are fine.
fn weather(seed: u64) -> Vec<Weather> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    while all.len() < 92 {
        let kind = [Weather::Fine, Weather::Shaky, Weather::Down, Weather::Throttling][random.below(4) as usize];
        all.extend(std::iter::repeat_n(kind, 1 + random.below(6) as usize));
    }
    all.truncate(92);
    all.extend([Weather::Fine; 8]);
    all
}

/// A vendor with that weather.
fn vendor(seed: u64, now: &Clock) -> StandIn {
    let vendor = StandIn::start();
    let (weather, began_ms) = (weather(seed), now());
    let rule = |answer: Answer, kind: Weather, percent: u64| {
        let (weather, now, random) = (weather.clone(), now.clone(), Mutex::new(Random(seed ^ percent)));
        vendor.program(u64::MAX, answer, move |_| {
            let quarter = ((now() - began_ms) / (15 * 60_000)) as usize;
            let is_so = weather.get(quarter).copied().unwrap_or(Weather::Fine) == kind;
            is_so && random.lock().expect("nobody panics while holding it").below(100) < percent
        });
    };
    rule(Answer::status(503), Weather::Down, 100);
    rule(Answer::status(500), Weather::Shaky, 30);
    rule(Answer::Close, Weather::Shaky, 10);
    rule(Answer::retry_after(20), Weather::Throttling, 60);
    vendor
}

fn destination(name: &str, order: &str, vendor: &StandIn) -> Destination {
    let webhook = webhook(name, vendor).delivery("order", order);
    let webhook = webhook.delivery("backoff_ms_min", 1_000).delivery("backoff_ms_max", 120_000);
    webhook.delivery("attempts_max", 1_000_000).delivery("breaker_open_ms_max", 60_000)
}

#[test]
fn a_day_of_random_faults_loses_nothing() {
    let seed = std::env::var("SWITCHYARD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_101);
    let now = clock(SPEED);
    let vendor = vendor(seed, &now);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(day(seed, &now, &vendor));
}

async fn day(seed: u64, now: &Clock, vendor: &StandIn) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let destinations = [destination("any", "none", vendor), destination("ordered", "user", vendor)];
    let world = World::new(now, SPEED, destinations);
    let began_ms = now();
    let mut random = Random(seed);
    let mut day = world.open(&path).await;
    let mut accepted = 0;
    for minute in 0..MINUTES {
        let due_ms = began_ms + minute * 60_000;
        tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(now())) / SPEED).await;
        let events = (accepted..accepted + EVENTS_A_MINUTE).map(|number| event(number, USERS, now())).collect();
        day.store.append(events).await.expect("the store takes it");
        accepted += EVENTS_A_MINUTE;
        for status in day.balanced(accepted, seed).await {
            assert_eq!(status.counters.dead + status.counters.expired, 0, "seed {seed}: {status:?}");
        }
        if minute % RESTART_EVERY_MINUTES == RESTART_EVERY_MINUTES - 1 {
            day.close(random.below(2) == 0).await;
            day = world.open(&path).await;
        }
    }
    day.all_ended(accepted, seed, Duration::from_secs(60)).await;
    let requests = vendor.requests();
    for path in ["/webhook-any", "/webhook-ordered"] {
        let arrived: usize = first_arrivals(&requests, path).values().map(Vec::len).sum();
        assert_eq!(arrived as u64, accepted, "seed {seed}: {path}");
    }
    for (user, numbers) in first_arrivals(&requests, "/webhook-ordered") {
        assert!(numbers.is_sorted(), "seed {seed}: {user}: {numbers:?}");
    }
    assert!(requests.iter().any(|request| !request.accepted()), "seed {seed}: the vendor never failed");
    day.close(true).await;
}
