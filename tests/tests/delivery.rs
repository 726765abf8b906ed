//! Send and settle: retries, Retry-After, splits, dead letters and their replay, isolation, draining.

use std::time::Duration;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, arrivals, assert_balanced, eventually, message_ids};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

fn events(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|at| shop::padded(&format!("{name}-{at}"), 400)).collect()
}

/// A webhook that takes arrays of events.
fn batching(vendors: &StandIn) -> Destination {
    Destination::webhook("webhook", &vendors.url()).setting("batching", "array")
}

fn mentions(text: &'static str) -> impl Fn(&Recorded) -> bool + Send + Sync {
    move |request| String::from_utf8_lossy(&request.content()).contains(text)
}

#[test]
fn a_retry_has_the_same_bytes() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    for status in [503, 500, 429, 408] {
        vendors.program(1, Answer::status(status), |_| true);
    }
    daemon.accept(&events("again", 1));
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let requests = vendors.requests();
    let statuses: Vec<u16> = requests.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 500, 429, 408, 200]);
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    let name = |step: &Value| step["step"].as_str().unwrap_or_default().to_string();
    let steps: Vec<String> = daemon.steps("again-0").iter().map(name).collect();
    assert_eq!(steps.last().map(String::as_str), Some("delivered"), "{steps:?}");
    assert!(steps.iter().any(|step| step == "retry"), "{steps:?}");
}

#[test]
fn retry_after_is_honoured() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    vendors.program(1, Answer::retry_after(2), |_| true);
    daemon.accept(&events("patient", 1));
    vendors.wait_until("the second attempt", SOON, |requests| requests.len() == 2);
    let requests = vendors.requests();
    let waited_ms = requests[1].at_ms - requests[0].at_ms;
    assert!(waited_ms >= 2_000, "the vendor asked for 2 s and got {waited_ms} ms");
}

#[test]
fn a_batch_too_large_for_the_vendor_is_split() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(413), |request| request.objects().len() > 2);
    let daemon = Daemon::start(Setup::shop([batching(&vendors)]));
    let events = events("large", 16);
    daemon.accept(&events);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 16);
    let arrived = arrivals(&vendors.requests());
    assert_eq!(arrived.len(), 16);
    assert!(arrived.values().all(|times| *times == 1), "{arrived:?}");
    assert!(vendors.requests().iter().any(|request| request.status == 413), "batches were sent at all");
}

#[test]
fn a_batch_that_is_refused_is_split_down_to_the_culprit() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(400), mentions("culprit-0"));
    let daemon = Daemon::start(Setup::shop([batching(&vendors)]));
    let mut all = events("good", 9);
    all.insert(4, events("culprit", 1).remove(0));
    daemon.accept(&all);
    eventually("the neighbours are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 9);
    eventually("the culprit is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let letter = &letters.as_array().expect("a list")[0];
    assert_eq!(letter["message_id"], "culprit-0", "{letters}");
    assert!(letter["death"]["answer"].as_str().is_some_and(|answer| answer.contains("400")), "{letters}");
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn a_dead_letter_is_shown_and_replayed() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let webhook = Destination::webhook("webhook", &vendors.url()).delivery("attempts_max", 3);
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&events("late", 2));
    eventually("both are dead", SOON, || daemon.counter("shop/webhook", "dead") == 2);
    assert_eq!(vendors.requests().len(), 6, "three attempts each");
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let first = letters.as_array().and_then(|letters| letters.first()).expect("two letters").clone();
    let id = first["id"].to_string();
    let shown = daemon.cli_json(&["dead-letters", "show", &id]);
    assert!(shown.to_string().contains("late-"), "{shown}");
    vendors.heal();
    daemon.cli_json(&["dead-letters", "replay", "--all"]);
    eventually("both are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    let counters = daemon.counters("shop/webhook");
    assert_eq!((&counters["replayed"], &counters["dead"]), (&json!(2), &json!(2)), "a replay is a new delivery");
    assert_balanced(&counters);
    let sent = all_arrived(&vendors.requests(), &["late-0".to_string(), "late-1".to_string()]);
    assert!(sent, "the whole events were kept");
}

#[test]
fn what_a_vendor_refuses_for_good_dies_at_once() {
    for status in [404, 422] {
        let vendors = StandIn::start();
        vendors.program(1, Answer::Status { status, headers: Vec::new(), body: "no".to_string() }, |_| true);
        let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
        daemon.accept(&events("refused", 1));
        eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
        assert_eq!(vendors.requests().len(), 1, "status {status} is not tried again");
    }
}

#[test]
fn a_vendor_that_is_elsewhere_gets_nothing_more_until_it_is_back() {
    elsewhere(Destination::obedient);
    // Its judge leaves redirects to the host.
    elsewhere(Destination::webhook);
}

fn elsewhere(destination: fn(&str, &str) -> Destination) {
    let vendors = StandIn::start();
    let headers = vec![("location".to_string(), format!("{}/webhook-elsewhere", vendors.url()))];
    vendors.program(4, Answer::Status { status: 301, headers, body: String::new() }, |_| true);
    let vendor = destination("vendor", &vendors.url()).delivery("backoff_ms_min", 400);
    let daemon = Daemon::start(Setup::shop([vendor]));
    daemon.accept(&events("moved", 1));
    eventually("the destination is paused", SOON, || {
        let status = daemon.admin_get("/api/v1/status").json().to_string();
        status.contains("\"paused\"") && status.contains("/webhook-elsewhere: check the address")
    });
    daemon.accept(&events("behind", 3));
    eventually("all are delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 4);
    let requests = vendors.requests();
    assert!(requests.iter().all(|request| request.path == "/webhook"), "a redirect is never followed");
    let before_it_worked = requests.iter().take_while(|request| request.status == 301).count();
    assert_eq!(before_it_worked, 4, "only the first event is tried until it works");
    assert_eq!(daemon.counter("shop/vendor", "dead"), 0);
}

/// An event for the obedient guest.
fn asking(id: &str, properties: &Value) -> Value {
    let mut event = shop::padded(id, 0);
    event["properties"] = properties.clone();
    event
}

fn saying(status: u16, body: &Value) -> Answer {
    Answer::Status { status, headers: Vec::new(), body: body.to_string() }
}

#[test]
fn a_quota_that_is_used_up_holds_back_its_own_requests_only() {
    let vendors = StandIn::start();
    vendors.program(1, saying(429, &json!({"retry_after_ms": 1_500, "slow_quota_ms": 1_500})), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::obedient("vendor", &vendors.url())]));
    daemon.accept(&[asking("first", &json!({"quota": "search"}))]);
    vendors.wait_until("the first attempt", SOON, |requests| requests.len() == 1);
    eventually("it is noted", SOON, || daemon.steps("first").iter().any(|step| step["step"] == "retry"));
    daemon.accept(&[
        asking("same", &json!({"quota": "search"})),
        asking("other", &json!({"quota": "events"})),
        asking("none", &json!({})),
    ]);
    eventually("all are delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 4);
    let at_ms = |id: &str| {
        let of_it = vendors.requests().into_iter().filter(|request| request.json()["messageId"] == id);
        of_it.map(|request| request.at_ms).collect::<Vec<u64>>()
    };
    let used_up_ms = at_ms("first")[0];
    assert!(at_ms("other")[0] < used_up_ms + 1_500 && at_ms("none")[0] < used_up_ms + 1_500);
    assert_eq!(at_ms("same").len(), 1, "it was not sent before its time");
    assert!(at_ms("same")[0] >= used_up_ms + 1_500, "{:?} after {used_up_ms}", at_ms("same"));
    let held = daemon.steps("same").into_iter().find(|step| step["step"] == "held").expect("it was held");
    assert!(held["detail"].as_str().is_some_and(|detail| detail.contains("`search`")), "{held}");
}

#[test]
fn a_wait_that_an_answer_asks_for_is_that_of_the_requests_quota() {
    let vendors = StandIn::start();
    vendors.program(1, Answer::retry_after(2), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::obedient("vendor", &vendors.url())]));
    daemon.accept(&[asking("first", &json!({"quota": "search"}))]);
    eventually("it is noted", SOON, || daemon.steps("first").iter().any(|step| step["step"] == "retry"));
    daemon.accept(&[asking("other", &json!({}))]);
    vendors.wait_until("all", SOON, |requests| requests.len() == 3);
    let requests = vendors.requests();
    assert_eq!(requests[1].json()["messageId"], "other", "it did not wait");
    assert!(requests[2].at_ms - requests[0].at_ms >= 2_000);
}

#[test]
fn a_request_that_is_too_late_is_planned_again_instead_of_sent() {
    let vendors = StandIn::start();
    vendors.program(1, saying(503, &json!({"retry_after_ms": 1_500})), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::obedient("vendor", &vendors.url())]));
    let soon_ms = switchyard_tests::stand_in::now_ms() + 1_200;
    daemon.accept(&[asking("late", &json!({"not_after_ms": soon_ms}))]);
    daemon.accept(&[asking("in-time", &json!({"not_after_ms": soon_ms + 3_600_000}))]);
    eventually("one is delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 1);
    eventually("one is filtered", SOON, || daemon.counter("shop/vendor", "filtered") == 1);
    assert_eq!(vendors.requests().len(), 2, "the late one was sent once");
    let steps = daemon.steps("late");
    assert!(steps.iter().any(|step| step["step"] == "late"), "{steps:?}");
    assert!(steps.iter().any(|step| step["detail"] == "not_after_ms: is past"), "{steps:?}");
}

#[test]
fn what_a_vendor_warns_of_is_in_the_story_of_a_delivered_event() {
    let vendors = StandIn::start();
    vendors.program(1, saying(200, &json!({"warning": "ip: is not read"})), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::obedient("vendor", &vendors.url())]));
    daemon.accept(&[asking("warned", &json!({}))]);
    eventually("it is delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 1);
    let last = daemon.steps("warned").pop().expect("a story");
    assert_eq!((&last["step"], &last["detail"]), (&json!("delivered"), &json!("the vendor warns: ip: is not read")));
}

#[test]
fn a_destination_that_hangs_slows_no_other() {
    let vendors = StandIn::start();
    let stuck = StandIn::start();
    stuck.program(u64::MAX, Answer::Hang, |_| true);
    let daemon = Daemon::start(Setup::shop([
        Destination::webhook("stuck", &stuck.url()),
        Destination::webhook("down", "http://127.0.0.1:9"),
        Destination::webhook("well", &vendors.url()),
    ]));
    let all = events("beside", 500);
    for batch in all.chunks(50) {
        daemon.accept(batch);
    }
    eventually("the healthy destination has all", SOON, || daemon.counter("shop/well", "delivered") == 500);
    assert_eq!(daemon.counter("shop/stuck", "delivered"), 0);
    assert_eq!(daemon.counter("shop/down", "delivered"), 0);
    assert!(all_arrived(&vendors.requests(), &message_ids(&all)));
}

#[test]
fn an_orderly_end_finishes_what_is_in_flight_and_repeats_nothing() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let all = events("drained", 400);
    for batch in all.chunks(100) {
        daemon.accept(batch);
    }
    vendors.wait_until("some have arrived", SOON, |requests| requests.len() > 20);
    let status = daemon.end();
    assert!(status.success(), "{status}");
    daemon.restart();
    let ids = message_ids(&all);
    vendors.wait_until("all events", SOON, |requests| all_arrived(requests, &ids));
    eventually("all are settled", SOON, || daemon.counter("shop/webhook", "delivered") == 400);
    let arrived = arrivals(&vendors.requests());
    let repeated: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

/// What is in flight at the end is waited for, as long as the grace says; beyond it, it is left to the
/// next start. The end is an orderly one either way.
#[test]
fn the_grace_of_an_end_is_for_what_is_in_flight() {
    for (answer, grace_ms, requests) in [(Answer::Late(Duration::from_millis(600)), 20_000, 1), (Answer::Hang, 200, 2)]
    {
        let vendors = StandIn::start();
        vendors.program(1, answer, |_| true);
        let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
        let mut daemon = Daemon::start(setup.top(&format!("drain_grace_ms = {grace_ms}")));
        daemon.accept(&events("in-flight", 1));
        vendors.wait_until("it is in flight", SOON, |requests| requests.len() == 1);
        let status = daemon.end();
        assert!(status.success(), "{grace_ms}: {status}");
        daemon.restart();
        eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
        daemon.accept(&events("later", 1));
        eventually("so is the next one", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
        assert_eq!(vendors.requests().len(), requests + 1, "{grace_ms}: what was settled is not sent again");
        assert_balanced(&daemon.counters("shop/webhook"));
    }
}

#[test]
fn a_partial_failure_kills_only_the_records_that_it_names() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::mixpanel("mixpanel", &vendors.url())]));
    let failed = json!({
        "code": 400, "error": "some data points in the request failed validation", "num_records_imported": 2,
        "status": "Bad Request", "failed_records": [{"index": 1, "field": "properties.x", "message": "refused here"}],
    });
    let answer = Answer::Status { status: 400, headers: Vec::new(), body: failed.to_string() };
    vendors.program(1, answer, |request| request.objects().len() == 3);
    daemon.accept(&events("partial", 3));
    eventually("all have their outcome", SOON, || {
        daemon.counter("shop/mixpanel", "delivered") + daemon.counter("shop/mixpanel", "dead") == 3
    });
    assert_eq!(daemon.counter("shop/mixpanel", "dead"), 1);
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    assert!(letters.to_string().contains("refused here"), "{letters}");
}

#[test]
fn no_secret_is_shown_anywhere() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let ga4 = Destination::ga4("ga4", &vendors.url()).delivery("attempts_max", 2);
    let daemon = Daemon::start(Setup::shop([ga4]));
    daemon.accept(&events("secret", 1));
    eventually("it is dead", SOON, || daemon.counter("shop/ga4", "dead") == 1);
    assert!(vendors.requests()[0].query.contains("api_secret=ga4-secret"), "the vendor got it");
    let shown = [
        daemon.trace("secret-0").to_string(),
        daemon.cli(&["dead-letters", "list", "--json"]),
        daemon.admin_get("/api/v1/status").text(),
        daemon.log(),
    ];
    for text in shown {
        assert!(!text.contains("ga4-secret"), "{text}");
    }
}
