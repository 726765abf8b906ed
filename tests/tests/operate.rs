//! What an operator does to a running daemon: pause, resume, bounds of a backlog.

use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, StandIn};

fn events(name: &str, count: usize, bytes: usize) -> Vec<serde_json::Value> {
    (0..count).map(|at| shop::padded(&format!("{name}-{at}"), bytes)).collect()
}

#[test]
fn a_paused_destination_keeps_its_events_over_a_restart_and_goes_on_when_it_is_resumed() {
    let vendors = StandIn::start();
    let others = StandIn::start();
    let other = Destination::webhook("other", &others.url());
    let mut daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url()), other]));
    daemon.cli(&["pause", "shop/webhook"]);
    daemon.accept(&events("kept", 5, 400));
    eventually("the other one goes on", SOON, || daemon.counter("shop/other", "delivered") == 5);
    let counters = daemon.counters("shop/webhook");
    assert_eq!((&counters["state"], &counters["waiting"]), (&json!("paused"), &json!(5)));
    assert!(counters["why"].as_str().is_some_and(|why| why.contains("switchyard resume shop/webhook")), "{counters}");
    daemon.kill();
    daemon.restart();
    assert_eq!(daemon.counters("shop/webhook")["paused"], true);
    assert_eq!(vendors.requests().len(), 0);
    daemon.cli(&["resume", "shop/webhook"]);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 5);
    assert_balanced(&daemon.counters("shop/webhook"));
    let refused = daemon.cli_output(&["pause", "shop/nobody"]);
    assert!(!refused.success && refused.stderr.contains("there is no destination `shop/nobody`"), "{}", refused.stderr);
}

#[test]
fn a_destination_made_as_paused_loses_nothing() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url()).key("paused", true)]));
    daemon.accept(&events("early", 3, 400));
    daemon.cli(&["resume", "shop/webhook"]);
    let counters = daemon.counters("shop/webhook");
    assert_eq!((&counters["state"], &counters["why"]), (&json!("paused"), &json!("by the configuration")));
    assert_eq!(counters["waiting"], 3);
    assert_eq!(vendors.requests().len(), 0);
}

#[test]
fn beyond_its_bound_the_backlog_of_a_dead_vendor_expires_and_harms_nobody() {
    let vendors = StandIn::start();
    let dead = StandIn::start();
    dead.program(u64::MAX, Answer::status(503), |_| true);
    let dead = Destination::webhook("dead", &dead.url()).delivery("backlog_bytes_max", 400_000);
    let held = Destination::webhook("held", &vendors.url()).key("paused", true);
    let held = held.delivery("backlog_bytes_max", 200_000).delivery("at_backlog_max", "hold");
    let daemon = Daemon::start(Setup::shop([dead, held, Destination::webhook("healthy", &vendors.url())]));
    for round in 0..20 {
        daemon.accept(&events(&format!("round-{round}"), 50, 1_000));
    }
    eventually("the healthy one has all", SOON * 2, || daemon.counter("shop/healthy", "delivered") == 1_000);
    eventually("the oldest expired", SOON, || daemon.counter("shop/dead", "expired") > 0);
    let counters = daemon.counters("shop/dead");
    assert_balanced(&counters);
    assert!(counters["waiting"].as_u64() < Some(400), "less than 400 KB wait: {counters}");
    assert!(counters["waiting"].as_u64() > Some(0), "the newest wait: {counters}");
    assert_eq!(daemon.counter("shop/held", "expired"), 0, "it holds");
    assert_eq!(daemon.counter("shop/held", "waiting"), 1_000);
    let expired = daemon.steps("round-1-0").into_iter().filter(|step| step["step"] == "expired").count();
    assert_eq!(expired, 1, "{:?}", daemon.steps("round-1-0"));
    assert!(daemon.log().contains("its backlog is beyond its bound"), "{}", daemon.log());
}
