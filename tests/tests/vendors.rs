//! A shop's events through the whole daemon to each further vendor: every event has its outcome, none
//! is dead, and the vendor, which enforces its documented limits, objects to nothing.

use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, StandIn, now_ms};
use switchyard_tests::vendors::hubspot::ACCESS_TOKEN;

/// Sends the stream of some visitors to one destination.
fn check(path: &str, destination: impl FnOnce(&str) -> Destination) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([destination(&vendors.url())]));
    let events = shop::stream(7, 4, now_ms() - 60_000);
    events.chunks(20).for_each(|batch| daemon.accept(batch));
    eventually("every event has its outcome", SOON * 4, || {
        let counters = daemon.counters("shop/vendor");
        let ended = ["delivered", "filtered", "dead"].map(|name| counters[name].as_u64().unwrap_or(0));
        ended.iter().sum::<u64>() == events.len() as u64
    });
    let counters = daemon.counters("shop/vendor");
    assert_balanced(&counters);
    assert_eq!(counters["dead"], 0, "{counters}");
    assert!(counters["delivered"].as_u64() > Some(0), "{counters}");
    assert!(!vendors.requests_to(path).is_empty(), "nothing came to {path}");
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn amplitude() {
    check("/amplitude/", |base| {
        let amplitude = Destination::new("vendor", "amplitude").setting("api_key", "amplitude-key");
        amplitude.setting("endpoint", format!("{base}/amplitude"))
    });
}

#[test]
fn braze() {
    check("/braze/", |base| {
        let braze = Destination::new("vendor", "braze").setting("api_key", "braze-key");
        braze.setting("endpoint", format!("{base}/braze"))
    });
}

#[test]
fn slack() {
    check("/slack/", |base| {
        let slack =
            Destination::new("vendor", "slack").setting("webhook_url", "https://hooks.slack.com/services/T0/B0/X");
        slack.setting("endpoint", format!("{base}/slack")).setting("include_unmatched", true)
    });
}

#[test]
fn hubspot() {
    check("/hubspot/", |base| {
        let hubspot = Destination::new("vendor", "hubspot").setting("access_token", "hubspot-token");
        hubspot.setting("endpoint", format!("{base}/hubspot"))
    });
}

/// As an app that was installed into the account: by access tokens, which are fetched, and fetched anew
/// when HubSpot refuses one.
#[test]
fn hubspot_by_access_tokens() {
    let vendors = StandIn::start();
    let hubspot = Destination::new("vendor", "hubspot").setting("auth", "oauth2").setting("client_id", "app");
    let hubspot = hubspot.setting("client_secret", "app-s3cret").setting("refresh_token", "refresh-s3cret");
    let daemon = Daemon::start(Setup::shop([hubspot.setting("endpoint", format!("{}/hubspot", vendors.url()))]));
    let identify = |number: usize| {
        json!({"type": "identify", "userId": "u", "messageId": format!("m-{number}"),
               "traits": {"email": format!("u{number}@example.com")}})
    };
    daemon.accept(&[identify(1)]);
    eventually("it is delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 1);
    vendors.program(1, Answer::status(401), |request| request.path.starts_with("/hubspot/crm/"));
    daemon.accept(&[identify(2)]);
    eventually("it is delivered with another token", SOON, || daemon.counter("shop/vendor", "delivered") == 2);
    let asked = vendors.requests_to("/hubspot/oauth/2026-03/token");
    assert_eq!(asked.len(), 2, "one for all, until it was refused");
    let form = |refresh: &str| {
        format!("grant_type=refresh_token&refresh_token={refresh}&client_id=app&client_secret=app-s3cret")
    };
    assert_eq!(asked[0].body, form("refresh-s3cret"));
    assert_eq!(asked[1].body, form("stand-in-refresh"), "the vendor replaced it");
    let bearer = format!("Bearer {ACCESS_TOKEN}");
    let calls = vendors.requests_to("/hubspot/crm/");
    assert!(calls.len() == 3 && calls.iter().all(|call| call.header("authorization") == Some(&bearer)), "{calls:?}");
    assert_eq!(vendors.violations(), Vec::<String>::new());
    assert!(!daemon.log().contains("s3cret"), "no secret is logged");
}

#[test]
fn customerio() {
    check("/customerio/", |base| {
        let customerio = Destination::new("vendor", "customerio").setting("site_id", "customerio-site");
        customerio.setting("api_key", "customerio-key").setting("endpoint", format!("{base}/customerio"))
    });
}

#[test]
fn meta_capi() {
    check("/meta-capi/", |base| {
        let meta = Destination::new("vendor", "meta-capi").setting("dataset_id", "1234567890");
        meta.setting("access_token", "meta-token").setting("endpoint", format!("{base}/meta-capi"))
    });
}

#[test]
fn tiktok() {
    check("/tiktok/", |base| {
        let tiktok = Destination::new("vendor", "tiktok").setting("access_token", "tiktok-token");
        tiktok.setting("pixel_code", "PIXEL1").setting("endpoint", format!("{base}/tiktok"))
    });
}

#[test]
fn klaviyo() {
    check("/klaviyo/", |base| {
        let klaviyo = Destination::new("vendor", "klaviyo").setting("api_key", "pk_klaviyo");
        klaviyo.setting("endpoint", format!("{base}/klaviyo"))
    });
}

/// TikTok refuses a whole request with status 200, and does not always say for which event.
#[test]
fn a_judge_that_asks_for_a_split_finds_the_culprit() {
    let vendors = StandIn::start();
    let body = json!({"code": 40002, "message": "Invalid parameter.", "request_id": "r", "data": {}}).to_string();
    vendors.program(u64::MAX, Answer::Status { status: 200, headers: Vec::new(), body }, |request| {
        String::from_utf8_lossy(&request.content()).contains("culprit")
    });
    let tiktok = Destination::new("vendor", "tiktok").setting("access_token", "tiktok-token");
    let tiktok = tiktok.setting("pixel_code", "PIXEL1").setting("endpoint", format!("{}/tiktok", vendors.url()));
    let daemon = Daemon::start(Setup::shop([tiktok]));
    let order = |number: usize| {
        let name = if number == 5 { "culprit" } else { "good" };
        json!({"type": "track", "event": "Order Completed", "messageId": format!("{name}-{number}"), "userId": "u-1",
               "context": {"userAgent": "Mozilla/5.0", "ip": "203.0.113.9", "traits": {"email": "ana@example.com"}},
               "properties": {"order_id": format!("o-{number}"), "total": 10.5, "currency": "EUR"}})
    };
    daemon.accept(&(0..12).map(order).collect::<Vec<_>>());
    eventually("the others are delivered", SOON, || daemon.counter("shop/vendor", "delivered") == 11);
    eventually("the culprit is dead", SOON, || daemon.counter("shop/vendor", "dead") == 1);
    let letters = daemon.cli(&["dead-letters", "list"]);
    assert!(letters.contains("culprit-5"), "{letters}");
    assert!(daemon.steps("good-0").iter().any(|step| step["step"] == "halved"), "{:?}", daemon.steps("good-0"));
    assert_balanced(&daemon.counters("shop/vendor"));
}
