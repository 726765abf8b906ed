//! kill -9 in the middle of everything, again and again: every event that was answered with 200 is
//! delivered, and what was settled more than a moment before a kill is not sent again.

use std::time::Duration;

use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{all_arrived, assert_balanced, assert_settled_stays_settled, eventually};
use switchyard_tests::load::Load;
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop::Dice;
use switchyard_tests::stand_in::{Answer, StandIn, now_ms};

/// For the backlog of a whole storm.
const CATCH_UP: Duration = Duration::from_secs(180);

#[test]
fn nothing_accepted_is_lost_and_nothing_settled_comes_again() {
    let vendors = StandIn::start();
    let mut dice = Dice::new(11);
    let faults = Dice::new(12);
    // Every twentieth request fails, so that stored requests are in the storm too.
    let seen = std::sync::Mutex::new(faults);
    vendors.program(u64::MAX, Answer::status(503), move |_| {
        seen.lock().expect("nobody panics while holding it").below(20) == 0
    });
    let webhook = Destination::webhook("webhook", &vendors.url()).delivery("attempts_max", 1_000);
    let mut daemon = Daemon::start(Setup::shop([webhook]));
    let load = Load::start(&daemon.url(""), "wk_test", 4, "storm");
    let mut kills_ms = Vec::new();
    for kill in 0..paths::size(5, 100) {
        let enough = load.acknowledged() + 50 + dice.below(400);
        eventually("events are taken", CATCH_UP, || load.acknowledged() >= enough);
        daemon.kill();
        kills_ms.push(now_ms());
        daemon.restart();
        assert_eq!(kills_ms.len() as u64, kill + 1);
    }
    let sent = load.stop();
    vendors.heal();
    assert!(!sent.acknowledged.is_empty());
    vendors.wait_until("all that was acknowledged", CATCH_UP, |requests| all_arrived(requests, &sent.acknowledged));
    assert_eq!(sent.refusals, Vec::<String>::new(), "a daemon that runs refuses nothing");
    assert_settled_stays_settled(&vendors.requests(), &kills_ms);
    eventually("all counters come to rest", CATCH_UP, || {
        let counters = daemon.counters("shop/webhook");
        counters["waiting"] == 0 && counters["owed"] == 0
    });
    let counters = daemon.counters("shop/webhook");
    assert_balanced(&counters);
    assert!(counters["delivered"].as_u64() >= Some(sent.acknowledged.len() as u64), "{counters}");
}

#[test]
fn what_waits_for_another_attempt_survives_a_kill_with_the_same_bytes() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let webhook = Destination::webhook("webhook", &vendors.url()).delivery("attempts_max", 1_000);
    let mut daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[switchyard_tests::shop::padded("kept", 700)]);
    vendors.wait_until("two attempts", CATCH_UP, |requests| requests.len() >= 2);
    daemon.kill();
    vendors.heal();
    daemon.restart();
    vendors.wait_until("it arrives", CATCH_UP, |requests| all_arrived(requests, &["kept".to_string()]));
    let requests = vendors.requests();
    assert!(requests.iter().all(|request| request.body == requests[0].body), "every attempt has the same bytes");
    eventually("it is settled", CATCH_UP, || daemon.counter("shop/webhook", "delivered") == 1);
}
