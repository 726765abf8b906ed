//! kill -9 in the middle of everything, again and again: every event that was answered with 200 is
//! delivered, and what was settled more than a moment before a kill is not sent again.

use std::time::Duration;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{all_arrived, assert_balanced, assert_settled_stays_settled, eventually};
use switchyard_tests::load::Load;
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop::Dice;
use switchyard_tests::stand_in::{Answer, Recorded, StandIn, now_ms};

/// For the backlog of a whole storm.
const CATCH_UP: Duration = Duration::from_secs(180);

/// Four destinations of one pipeline: one works, one answers every fifth request with 500, one is slow,
/// one takes a request in part.
fn storm(vendors: &StandIn) -> Setup {
    let seen = std::sync::Mutex::new(Dice::new(12));
    vendors.program(u64::MAX, Answer::status(500), move |request| {
        request.path == "/webhook-fails" && seen.lock().expect("nobody panics while holding it").below(5) == 0
    });
    vendors.program(u64::MAX, Answer::Late(SLOW), |request| request.path == "/webhook-slow");
    vendors.program(u64::MAX, Answer::Computed(in_part), |request| request.path == "/mixpanel/import");
    let webhook = |name: &str| {
        Destination::webhook(name, &vendors.url())
            .setting("url", format!("{}/webhook-{name}", vendors.url()))
            .setting("batching", "array")
            .setting("batch_events_max", 10)
            .delivery("attempts_max", 1_000)
    };
    let partly = Destination::mixpanel("partly", &vendors.url()).delivery("attempts_max", 1_000);
    Setup::shop([webhook("works"), webhook("fails"), webhook("slow"), partly])
}

const DESTINATIONS: [&str; 4] = ["shop/works", "shop/fails", "shop/slow", "shop/partly"];

/// How long the slow vendor takes.
const SLOW: Duration = Duration::from_millis(150);

/// Whether the vendor that takes a request in part refuses an event: those whose number ends in 7.
fn is_refused(message_id: &str) -> bool {
    message_id.ends_with('7')
}

/// As Mixpanel answers where some records are refused: the others are imported.
fn in_part(request: &Recorded) -> Answer {
    let records = imported_ids(request);
    let failed: Vec<Value> = records
        .iter()
        .enumerate()
        .filter(|(_, id)| is_refused(id))
        .map(|(index, id)| json!({"index": index, "insert_id": id, "field": "event", "message": "refused"}))
        .collect();
    if failed.is_empty() {
        return Answer::Vendor;
    }
    let body = json!({"code": 400, "error": "some data points in the request failed validation",
        "num_records_imported": records.len() - failed.len(), "status": "Bad Request", "failed_records": failed});
    let headers = vec![("content-type".to_string(), "application/json".to_string())];
    Answer::Status { status: 400, headers, body: body.to_string() }
}

fn imported_ids(request: &Recorded) -> Vec<String> {
    let id = |record: Value| record["properties"]["$insert_id"].as_str().unwrap_or_default().to_string();
    request.objects().into_iter().map(id).collect()
}

/// What the vendor that takes a request in part has taken, in the form of a webhook's requests.
fn taken_in_part(vendors: &StandIn) -> Vec<Recorded> {
    let taken = |request: Recorded| {
        let ids = imported_ids(&request).into_iter().filter(|id| !is_refused(id));
        let events: Vec<Value> = ids.map(|id| json!({"messageId": id})).collect();
        Recorded { status: 200, headers: Vec::new(), body: Value::from(events).to_string().into(), ..request }
    };
    vendors.requests_to("/mixpanel/import").into_iter().map(taken).collect()
}

#[test]
fn nothing_accepted_is_lost_and_nothing_settled_comes_again() {
    let vendors = StandIn::start();
    let mut dice = Dice::new(11);
    let mut daemon = Daemon::start(storm(&vendors));
    let load = Load::start(&daemon.url(""), "wk_test", 4, "storm");
    let mut kills_ms = Vec::new();
    for _ in 0..paths::size(5, 60) {
        let enough = load.acknowledged() + 50 + dice.below(400);
        eventually("events are taken", CATCH_UP, || load.acknowledged() >= enough);
        daemon.kill();
        kills_ms.push(now_ms());
        daemon.restart();
        DESTINATIONS.iter().for_each(|destination| assert_balanced(&daemon.counters(destination)));
    }
    let sent = load.stop();
    assert!(!sent.acknowledged.is_empty());
    assert_eq!(sent.refusals, Vec::<String>::new(), "a daemon that runs refuses nothing");
    let accepted = sent.acknowledged.len() as u64;
    for destination in DESTINATIONS {
        eventually("all counters come to rest", CATCH_UP, || {
            let counters = daemon.counters(destination);
            counters["waiting"] == 0 && counters["owed"] == 0
        });
        let counters = daemon.counters(destination);
        assert_balanced(&counters);
        assert!(counters["accepted"].as_u64() >= Some(accepted), "{counters}");
    }
    for name in ["works", "fails", "slow"] {
        let requests = vendors.requests_to(&format!("/webhook-{name}"));
        assert!(all_arrived(&requests, &sent.acknowledged), "{name} lacks an event");
        assert_settled_stays_settled(&requests, &kills_ms);
        assert_eq!(daemon.counter(&format!("shop/{name}"), "dead"), 0);
    }
    let taken = taken_in_part(&vendors);
    let (refused, expected): (Vec<String>, Vec<String>) =
        sent.acknowledged.iter().cloned().partition(|id| is_refused(id));
    assert!(all_arrived(&taken, &expected), "partly lacks an event");
    assert_settled_stays_settled(&taken, &kills_ms);
    // A sender that got no answer may have had its events accepted all the same.
    assert!(daemon.counter("shop/partly", "dead") >= refused.len() as u64);
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
