//! The fixed forms that other tools rely on: examples/quickstart with its variables, the two
//! listeners, the admin token, and the event's integrations object.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_balanced, eventually, message_ids};
use switchyard_tests::http::Request;
use switchyard_tests::stand_in::{StandIn, now_ms};
use switchyard_tests::{paths, shop};

fn start(vendors: &StandIn) -> Daemon {
    let mut daemon = Daemon::quickstart(paths::free_address(), paths::free_address(), &vendors.url(), None);
    daemon.restart();
    daemon
}

fn send(daemon: &Daemon, path: &str, body: &serde_json::Value) {
    let response = Request::post(daemon.url(path), body.to_string()).write_key("wk_demo").answer();
    assert_eq!((response.status, &response.json()["success"]), (200, &json!(true)), "{}", response.text());
}

#[test]
fn a_shops_events_reach_all_three_vendors() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let events = shop::stream(3, 6, now_ms() - 60_000);
    for batch in events.chunks(20) {
        send(&daemon, "/v1/batch", &json!({"batch": batch}));
    }
    let ids = message_ids(&events);
    vendors.wait_until("every event at the webhook", SOON, |requests| {
        let webhook: Vec<_> = requests.iter().filter(|request| request.path == "/webhook").cloned().collect();
        all_arrived(&webhook, &ids)
    });
    for destination in ["shop/webhook", "shop/ga4", "shop/mixpanel"] {
        eventually("every event has its outcome", SOON, || {
            let ended = ["delivered", "filtered", "dead", "expired"].map(|name| daemon.counter(destination, name));
            ended.iter().sum::<u64>() == events.len() as u64
        });
        let counters = daemon.counters(destination);
        assert_balanced(&counters);
        assert_eq!(counters["dead"], 0, "{counters}");
    }
    assert!(!vendors.requests_to("/ga4/mp/collect").is_empty());
    assert!(!vendors.requests_to("/mixpanel/import").is_empty());
    assert!(!vendors.requests_to("/mixpanel/engage").is_empty());
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn health_and_readiness_are_on_both_listeners() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    for url in
        [daemon.url("/healthz"), daemon.url("/readyz"), daemon.admin_url("/healthz"), daemon.admin_url("/readyz")]
    {
        assert_eq!(Request::get(&url).answer().status, 200, "{url}");
    }
}

#[test]
fn the_admin_token_is_private_and_needed() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let mode = std::fs::metadata(daemon.data().join("admin-token")).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let without = Request::get(daemon.admin_url("/api/v1/status")).answer();
    assert_eq!(without.status, 401, "{}", without.text());
    let wrong = Request::get(daemon.admin_url("/api/v1/status")).header("authorization", "Bearer wrong").answer();
    assert_eq!(wrong.status, 401, "{}", wrong.text());
    assert_eq!(daemon.admin_get("/api/v1/status").status, 200);
    let outside = Request::get(daemon.url("/api/v1/status")).answer();
    assert_eq!(outside.status, 404, "the listener for events answers no operator: {}", outside.text());
}

#[test]
fn an_integrations_object_is_honoured_but_for_the_webhook() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let event = json!({"userId": "u", "event": "Signed Up", "messageId": "ruled-out", "integrations": {"All": false}});
    send(&daemon, "/v1/track", &event);
    vendors.wait_until("the event at the webhook", SOON, |requests| {
        requests.iter().any(|request| request.path == "/webhook" && request.json()["messageId"] == "ruled-out")
    });
    for destination in ["shop/ga4", "shop/mixpanel"] {
        eventually("it is filtered", SOON, || daemon.counter(destination, "filtered") == 1);
    }
    assert!(vendors.requests_to("/ga4").is_empty() && vendors.requests_to("/mixpanel").is_empty());
}

#[test]
fn the_command_line_finds_the_daemon_by_its_configuration() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    send(&daemon, "/v1/track", &json!({"userId": "u", "event": "Signed Up", "messageId": "traced"}));
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let status = daemon.cli_json(&["status"]);
    assert_eq!(status["destinations"].as_array().map(Vec::len), Some(3), "{status}");
    let stories = daemon.cli_json(&["trace", "traced"]);
    let delivered = |step: &serde_json::Value| step["destination"] == "shop/webhook" && step["step"] == "delivered";
    assert!(stories[0]["steps"].as_array().into_iter().flatten().any(delivered), "{stories}");
    assert!(daemon.cli(&["trace", "traced"]).contains("shop/webhook"));
    assert!(daemon.cli(&["status"]).contains("shop/mixpanel"));
    let checked = daemon.cli_output(&["check"]);
    assert!(checked.success, "{}", checked.all());
}
