//! Order: nothing overtakes what came before in its lane, retries and restarts included; others are
//! not held back.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

/// The n-th event of a user.
fn event(user: &str, number: usize) -> Value {
    json!({"type": "track", "event": "Step", "userId": user, "messageId": format!("{user}-{number}"),
           "timestamp": "2026-01-01T00:00:00Z", "properties": {"number": number}})
}

/// Events of several users by turns.
fn by_turns(users: &[&str], each: usize) -> Vec<Value> {
    (0..each).flat_map(|number| users.iter().map(move |user| event(user, number))).collect()
}

/// The ids of a user's events that were accepted, in the order of their arrival.
fn accepted(vendors: &StandIn, user: &str) -> Vec<String> {
    let requests = vendors.requests();
    let accepted = requests.iter().filter(|request| request.accepted());
    let ids = accepted.flat_map(Recorded::objects).map(|event| event["messageId"].as_str().unwrap_or("").to_string());
    ids.filter(|id| id.starts_with(&format!("{user}-"))).collect()
}

fn in_order(user: &str, each: usize) -> Vec<String> {
    (0..each).map(|number| format!("{user}-{number}")).collect()
}

/// Whether a request carries that event.
fn carries(id: &'static str) -> impl Fn(&Recorded) -> bool + Send + Sync {
    move |request| request.objects().iter().any(|event| event["messageId"] == id)
}

fn ordered(vendors: &StandIn, order: &str) -> Destination {
    Destination::webhook("webhook", &vendors.url()).delivery("order", order).delivery("breaker_failures", 1_000)
}

fn wait_for(daemon: &Daemon, delivered: u64) {
    eventually("all are delivered", SOON * 2, || daemon.counter("shop/webhook", "delivered") == delivered);
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn an_event_that_fails_holds_back_only_its_own_user() {
    let vendors = StandIn::start();
    vendors.program(4, Answer::status(500), carries("ana-1"));
    let daemon = Daemon::start(Setup::shop([ordered(&vendors, "user")]));
    daemon.accept(&by_turns(&["ana", "ben", "cem"], 10));
    eventually("the others are delivered", SOON, || accepted(&vendors, "ben").len() == 10);
    wait_for(&daemon, 30);
    for user in ["ana", "ben", "cem"] {
        assert_eq!(accepted(&vendors, user), in_order(user, 10));
    }
    assert!(daemon.steps("ana-2").iter().any(|step| step["step"] == "held"), "{:?}", daemon.steps("ana-2"));
    assert!(!daemon.steps("ben-2").iter().any(|step| step["step"] == "held"), "{:?}", daemon.steps("ben-2"));
}

#[test]
fn a_request_of_many_users_that_fails_for_one_keeps_the_order_of_that_one() {
    let vendors = StandIn::start();
    vendors.program(3, Answer::status(503), carries("ben-0"));
    let webhook = ordered(&vendors, "user").setting("batching", "array").delivery("batch_events_max", 3);
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&by_turns(&["ana", "ben", "cem"], 12));
    wait_for(&daemon, 36);
    for user in ["ana", "ben", "cem"] {
        assert_eq!(accepted(&vendors, user), in_order(user, 12));
    }
}

#[test]
fn a_half_of_a_refused_request_that_fails_holds_the_other_half_back() {
    let vendors = StandIn::start();
    let (has_first, has_bad) = (carries("ana-0"), carries("bad-0"));
    vendors.program(1, Answer::status(503), move |request| has_first(request) && !has_bad(request));
    vendors.program(u64::MAX, Answer::status(400), carries("bad-0"));
    let daemon = Daemon::start(Setup::shop([ordered(&vendors, "user").setting("batching", "array")]));
    let mut events = by_turns(&["ana"], 3);
    events.extend(by_turns(&["bad"], 1));
    daemon.accept(&events);
    eventually("all have ended", SOON, || {
        let counters = daemon.counters("shop/webhook");
        counters["delivered"] == 3 && counters["dead"] == 1
    });
    assert_eq!(accepted(&vendors, "ana"), in_order("ana", 3), "the first two failed once");
}

#[test]
fn strict_order_holds_for_all_events_and_over_a_restart() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(Setup::shop([ordered(&vendors, "strict")]));
    vendors.program(u64::MAX, Answer::status(500), carries("ben-3"));
    daemon.accept(&by_turns(&["ana", "ben"], 8));
    vendors.wait_until("it failed twice", SOON, |requests| {
        requests.iter().filter(|request| carries("ben-3")(request)).count() >= 2
    });
    assert_eq!(accepted(&vendors, "ana"), in_order("ana", 4), "nothing overtakes it");
    daemon.kill();
    daemon.restart();
    vendors.heal();
    wait_for(&daemon, 16);
    for user in ["ana", "ben"] {
        assert_eq!(accepted(&vendors, user), in_order(user, 8));
    }
}

#[test]
fn what_a_user_did_before_she_signed_in_comes_first() {
    let vendors = StandIn::start();
    vendors.program(3, Answer::status(500), carries("visit-0"));
    let daemon = Daemon::start(Setup::shop([ordered(&vendors, "user")]));
    let ids = [json!({"anonymousId": "a-1"}), json!({"anonymousId": "a-1", "userId": "u-1"}), json!({"userId": "u-1"})];
    let mut events = by_turns(&["visit"], 3);
    for (event, ids) in events.iter_mut().zip(ids) {
        let event = event.as_object_mut().expect("an event");
        event.remove("userId");
        event.extend(ids.as_object().expect("ids").clone());
    }
    daemon.accept(&events);
    wait_for(&daemon, 3);
    assert_eq!(accepted(&vendors, "visit"), in_order("visit", 3));
}

#[test]
fn beyond_the_bound_the_order_of_a_user_is_given_up_and_counted() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(500), carries("ana-0"));
    let daemon = Daemon::start(Setup::shop([ordered(&vendors, "user").delivery("order_held_max", 3)]));
    let events = by_turns(&["ana"], 8);
    daemon.accept(&events[..4]);
    eventually("four wait", SOON, || daemon.counters("shop/webhook")["owed"] == 4);
    assert_eq!(accepted(&vendors, "ana").len(), 0);
    daemon.accept(&events[4..]);
    eventually("those beyond the bound go", SOON, || accepted(&vendors, "ana").len() == 4);
    assert_eq!(daemon.counters("shop/webhook")["order_given_up"], 4);
    vendors.heal();
    wait_for(&daemon, 8);
}

#[test]
fn without_order_nothing_waits_for_what_failed() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(500), carries("ana-1"));
    let daemon = Daemon::start(Setup::shop([ordered(&vendors, "none")]));
    daemon.accept(&by_turns(&["ana"], 6));
    eventually("the others are delivered", SOON, || accepted(&vendors, "ana").len() == 5);
    vendors.heal();
    wait_for(&daemon, 6);
}

/// Who comes after an erased user's request waits for nothing: in strict order that would be for ever.
#[test]
fn a_lane_is_free_again_once_its_request_was_erased() {
    for order in ["strict", "user"] {
        let vendors = StandIn::start();
        let headers = vec![("retry-after".to_string(), "3600".to_string())];
        let much_later = Answer::Status { status: 503, headers, body: String::new() };
        vendors.program(u64::MAX, much_later, carries("ana-0"));
        let daemon = Daemon::start(Setup::shop([ordered(&vendors, order)]));
        daemon.accept(&[event("ana", 0)]);
        eventually("it waits for another attempt", SOON, || daemon.counter("shop/webhook", "stored_requests") == 1);
        daemon.cli(&["erase", "--user", "ana"]);
        daemon.accept(&[event("ana", 1)]);
        wait_for(&daemon, 1);
        assert!(!daemon.steps("ana-1").iter().any(|step| step["step"] == "held"), "{:?}", daemon.steps("ana-1"));
    }
}
