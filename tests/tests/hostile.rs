//! A hostile guest in the whole daemon: each way to misbehave is contained, the culprit goes to the
//! dead letters with a reason, its neighbours and every other destination are served.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn};
use switchyard_tests::{paths, shop, wasm};

const NEIGHBOURS: usize = 12;

/// A batch with one culprit among its neighbours, through a destination in this mode.
fn check(mode: &str) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(
        Setup::shop([
            Destination::hostile("guest", &vendors.url(), mode),
            Destination::webhook("webhook", &vendors.url()),
        ])
        .section("[guests]\ncall_ms_max = 300\n"),
    );
    let mut events: Vec<Value> = (0..NEIGHBOURS).map(|at| shop::padded(&format!("neighbour-{at}"), 400)).collect();
    events.insert(NEIGHBOURS / 2, json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"}));
    daemon.accept(&events);
    eventually("the neighbours are delivered", SOON * 2, || {
        daemon.counter("shop/guest", "delivered") == NEIGHBOURS as u64
    });
    eventually("the culprit is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
    eventually("the other destination has all", SOON, || {
        daemon.counter("shop/webhook", "delivered") == NEIGHBOURS as u64 + 1
    });
    let to_guest: Vec<Recorded> = vendors.requests_to("/webhook-guest");
    let ids: Vec<String> = (0..NEIGHBOURS).map(|at| format!("neighbour-{at}")).collect();
    assert!(all_arrived(&to_guest, &ids), "{mode}");
    assert!(!all_arrived(&to_guest, &["culprit".to_string()]), "{mode}: nothing of the culprit left");
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let letter = &letters.as_array().expect("a list")[0];
    assert_eq!(letter["message_id"], "culprit", "{mode}: {letters}");
    assert!(letter["death"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{mode}: {letters}");
    assert!(!letters.to_string().contains("planted-hostile-secret"), "{mode}: {letters}");
    let log = daemon.log();
    if letter["death"]["reason"] == "plugin_fault" {
        let named = |line: &str| ["shop/guest", "hostile", "culprit"].iter().all(|name| line.contains(name));
        assert!(log.lines().any(named), "{mode}: the log names destination, plugin and event");
    }
    assert!(!log.contains("planted-hostile-secret"), "{mode}");
    assert_balanced(&daemon.counters("shop/guest"));
    assert_balanced(&daemon.counters("shop/webhook"));
}

/// A judge that fails decides nothing: the host reads the status itself.
fn check_judge(mode: &str) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(
        Setup::shop([Destination::hostile("guest", &vendors.url(), mode)]).section("[guests]\ncall_ms_max = 300\n"),
    );
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit, shop::padded("neighbour", 400)]);
    eventually("both are delivered", SOON, || daemon.counter("shop/guest", "delivered") == 2);
    assert_eq!(vendors.requests().len(), 2, "{mode}: nothing is sent twice");
    assert_balanced(&daemon.counters("shop/guest"));
}

/// What comes after a time-out waits in the queue, and is probed with one at a time.
#[test]
fn a_guest_that_fails_at_each_event_opens_its_breaker_and_what_comes_waits() {
    let vendors = StandIn::start();
    let guest = Destination::hostile("guest", &vendors.url(), "always-trap")
        .delivery("backoff_ms_max", 3_600_000)
        .delivery("breaker_failures", 5)
        .delivery("backoff_ms_min", 3_600_000)
        .delivery("breaker_open_ms_max", 3_600_000);
    let daemon = Daemon::start(Setup::shop([guest]));
    let events = |name: &str| (0..20).map(|at| shop::padded(&format!("{name}-{at}"), 400)).collect::<Vec<Value>>();
    daemon.accept(&events("before"));
    daemon.wait_for_log("the circuit breaker is open");
    daemon.accept(&events("after"));
    eventually("what was planned is dead", SOON, || daemon.counter("shop/guest", "dead") >= 5);
    let counters = daemon.counters("shop/guest");
    assert_eq!(counters["state"], "failing");
    let (dead, waiting) = (counters["dead"].as_u64(), counters["waiting"].as_u64());
    assert!(dead <= Some(20) && waiting >= Some(20), "those that came later wait: {counters}");
    assert_balanced(&counters);
}

#[test]
fn a_guest_that_always_spins_opens_its_breaker() {
    let vendors = StandIn::start();
    let guest = Destination::hostile("guest", &vendors.url(), "always-spin").delivery("breaker_failures", 1);
    let daemon = Daemon::start(
        Setup::shop([guest, Destination::webhook("webhook", &vendors.url())]).section("[guests]\ncall_ms_max = 300\n"),
    );
    daemon.accept(&[shop::padded("one", 400)]);
    daemon.wait_for_log("the circuit breaker is open");
    eventually("status says so", SOON, || daemon.counters("shop/guest")["state"] == "failing");
    daemon.accept(&[shop::padded("two", 400), shop::padded("three", 400)]);
    eventually("each was tried", SOON, || daemon.counter("shop/guest", "dead") == 3);
    eventually("the other destination has all", SOON, || daemon.counter("shop/webhook", "delivered") == 3);
    assert_eq!(vendors.requests_to("/webhook-guest").len(), 0);
    assert_balanced(&daemon.counters("shop/guest"));
}

/// A judge that never has enough costs its own event.
#[test]
fn a_judge_that_asks_for_follow_ups_without_end() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::hostile("guest", &vendors.url(), "judge-follow-ups")]));
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit, shop::padded("neighbour", 400)]);
    eventually("the neighbour is delivered", SOON, || daemon.counter("shop/guest", "delivered") == 1);
    eventually("the culprit is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
    assert_eq!(vendors.requests().len(), 1 + 1 + 4, "the neighbour, the culprit, and four steps");
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let detail = letters[0]["death"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("follow-ups"), "{letters}");
    assert_balanced(&daemon.counters("shop/guest"));
}

/// A plugin that hangs at its settings is refused at the start; its events wait for a better one.
#[test]
fn a_guest_that_spins_or_traps_over_its_settings() {
    for revision in [b"hostile-revision-S", b"hostile-revision-T"] {
        let vendors = StandIn::start();
        let mut daemon = Daemon::prepare(Setup::shop([
            Destination::hostile("guest", &vendors.url(), "honest"),
            Destination::webhook("webhook", &vendors.url()),
        ]));
        let good = std::fs::read(paths::plugin("hostile")).expect("it is built");
        daemon.put_plugin("hostile", &wasm::patched(&good, b"hostile-revision-A", revision));
        daemon.restart();
        daemon.accept(&[shop::padded("one", 400), shop::padded("two", 400)]);
        eventually("the other destination has all", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
        assert_eq!(daemon.counter("shop/guest", "waiting"), 2);
        eventually("status says why", SOON, || daemon.counters("shop/guest")["state"] == "waiting for the plugin");
        assert!(daemon.log().contains("shop/guest"), "the log names the destination");
        daemon.put_plugin("hostile", &good);
        eventually("what waited is delivered", SOON, || daemon.counter("shop/guest", "delivered") == 2);
        assert_balanced(&daemon.counters("shop/guest"));
    }
}

#[test]
fn a_judge_that_spins() {
    check_judge("judge-spin");
}

#[test]
fn a_judge_that_traps() {
    check_judge("judge-trap");
}

#[test]
fn a_judge_of_events_that_are_not_there() {
    check_judge("judge-range");
}

#[test]
fn a_guest_that_spins() {
    check("spin");
}

#[test]
fn a_guest_that_recurses() {
    check("recurse");
}

#[test]
fn a_guest_that_grows_its_memory() {
    check("grow");
}

#[test]
fn a_guest_that_traps() {
    check("trap");
}

#[test]
fn a_guest_that_answers_with_an_error() {
    check("error");
}

#[test]
fn a_guest_that_plans_a_million_requests() {
    check("million");
}

#[test]
fn a_guest_that_plans_more_requests_than_the_host_takes() {
    check("too-many");
}

#[test]
fn a_guest_whose_output_is_huge() {
    check("huge");
}

#[test]
fn a_guest_whose_covers_are_out_of_range() {
    check("range");
}

#[test]
fn a_guest_that_covers_an_event_twice() {
    check("covers-twice");
}

#[test]
fn a_guest_with_the_fate_of_an_event_that_is_not_there() {
    check("fate-range");
}

#[test]
fn a_guest_with_a_user_in_its_url() {
    check("user-info");
}

#[test]
fn a_guest_that_puts_a_secret_into_the_path() {
    check("secret-in-path");
}

#[test]
fn a_guest_that_puts_a_secret_into_a_header_of_its_own() {
    check("secret-in-header");
}

#[test]
fn a_guest_that_sends_a_secret_to_another_host() {
    check("secret-elsewhere");
}

#[test]
fn a_judge_that_says_two_things_of_an_event() {
    check_judge("judge-twice");
}

#[test]
fn a_guest_that_leaves_an_event_out() {
    check("left-out");
}

#[test]
fn a_guest_that_gives_a_fate_and_a_request() {
    check("both");
}

#[test]
fn a_guest_that_gives_two_fates() {
    check("two-fates");
}

#[test]
fn a_guest_with_a_newline_in_a_header() {
    check("newline");
}

#[test]
fn a_guest_with_a_header_that_is_the_hosts() {
    check("host-header");
}

#[test]
fn a_guest_that_wants_another_host() {
    check("elsewhere");
}

#[test]
fn a_guest_that_wants_a_link_local_address() {
    check("link-local");
}

#[test]
fn a_guest_whose_url_is_nonsense() {
    check("nonsense-url");
}

#[test]
fn a_guest_whose_method_is_nonsense() {
    check("nonsense-method");
}
