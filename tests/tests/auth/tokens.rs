//! Access tokens and signatures that the host makes, in the whole daemon.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

use super::{answer, deaths, event};

/// A webhook that wants a token of the stand-in.
fn webhook(vendors: &StandIn, auth: &str) -> Destination {
    Destination::webhook("webhook", &vendors.url())
        .setting("auth", auth)
        .setting("token_url", format!("{}/token", vendors.url()))
}

fn with_client(vendors: &StandIn) -> Destination {
    webhook(vendors, "oauth2_client_credentials").setting("client_id", "id").setting("client_secret", "client-s3cret")
}

/// The endpoint gives these tokens, one a request, and the last for ever.
fn give(vendors: &StandIn, tokens: &[&str]) {
    for (number, token) in tokens.iter().enumerate() {
        let times = if number + 1 == tokens.len() { u64::MAX } else { 1 };
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
        vendors.program(times, answer(200, body.to_string()), |request| request.path == "/token");
    }
}

fn bears(token: &'static str) -> impl Fn(&Recorded) -> bool + Send + Sync {
    move |request| request.header("authorization") == Some(&format!("Bearer {token}"))
}

fn form(request: &Recorded) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}

#[test]
fn a_token_is_fetched_once_for_many_requests() {
    let vendors = StandIn::start();
    give(&vendors, &["first"]);
    let daemon = Daemon::start(Setup::shop([with_client(&vendors)]));
    let events: Vec<Value> = (0..20).map(|at| event(&format!("once-{at}"))).collect();
    daemon.accept(&events);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 20);
    assert_eq!(vendors.requests_to("/token").len(), 1, "one fetch at a time, and one was enough");
    assert!(vendors.requests_to("/webhook").iter().all(bears("first")));
    let asked = &vendors.requests_to("/token")[0];
    assert_eq!(form(asked), "grant_type=client_credentials");
    assert_eq!(asked.header("authorization"), Some("Basic aWQ6Y2xpZW50LXMzY3JldA=="));
}

#[test]
fn a_refused_token_is_fetched_again_once_and_then_the_destination_pauses() {
    let vendors = StandIn::start();
    give(&vendors, &["old", "new", "newer"]);
    vendors.program(u64::MAX, Answer::status(401), bears("old"));
    let daemon = Daemon::start(Setup::shop([with_client(&vendors)]));
    daemon.accept(&[event("first")]);
    eventually("it is delivered with another token", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert_eq!(vendors.requests_to("/token").len(), 2);
    vendors.heal();
    vendors.program(u64::MAX, Answer::status(403), |request| request.path == "/webhook");
    give(&vendors, &["newest"]);
    daemon.accept(&[event("second")]);
    eventually("it pauses", SOON, || daemon.counters("shop/webhook")["state"] == "paused");
    let why = daemon.counters("shop/webhook")["why"].to_string();
    assert!(why.contains("credentials: 403"), "{why}");
    assert!(vendors.requests_to("/webhook").iter().filter(|request| request.status == 403).count() >= 2);
    vendors.heal();
    give(&vendors, &["newest"]);
    eventually("it goes on by itself", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    eventually("it says so", SOON, || daemon.counters("shop/webhook")["state"] == "working");
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn an_endpoint_that_fails_costs_no_event_and_no_attempt() {
    let vendors = StandIn::start();
    let is_endpoint = |request: &Recorded| request.path == "/token";
    vendors.program(1, Answer::status(500), is_endpoint);
    let refusal = json!({"error": "invalid_client", "error_description": "not client-s3cret"});
    vendors.program(1, answer(401, refusal.to_string()), is_endpoint);
    give(&vendors, &["at-last"]);
    let daemon = Daemon::start(Setup::shop([with_client(&vendors).delivery("attempts_max", 2)]));
    daemon.accept(&[event("patient")]);
    eventually("the refusal is told", SOON, || {
        let counters = daemon.counters("shop/webhook");
        counters["state"] == "paused" && counters["why"].to_string().contains("invalid_client")
    });
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert_eq!(daemon.counter("shop/webhook", "dead"), 0);
    assert_eq!(vendors.requests_to("/webhook").len(), 1, "nothing was sent without a token");
    let steps = daemon.trace("patient").to_string();
    assert!(steps.contains("no access token from") && steps.contains("500"), "{steps}");
    assert!(!steps.contains("s3cret") && !daemon.log().contains("s3cret"), "{steps}");
}

#[test]
fn a_refresh_token_that_is_replaced_is_used_from_then_on() {
    let vendors = StandIn::start();
    let first = json!({"access_token": "one", "refresh_token": "second-refresh"});
    vendors.program(1, answer(200, first.to_string()), |request| request.path == "/token");
    give(&vendors, &["two"]);
    vendors.program(u64::MAX, Answer::status(401), bears("one"));
    let webhook = webhook(&vendors, "oauth2_refresh_token")
        .setting("client_id", "id")
        .setting("client_secret", "client-s3cret")
        .setting("client_auth", "body")
        .setting("refresh_token", "first-refresh");
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[event("refreshed")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let asked: Vec<String> = vendors.requests_to("/token").iter().map(form).collect();
    let expected = |token: &str| {
        format!("grant_type=refresh_token&refresh_token={token}&client_id=id&client_secret=client-s3cret")
    };
    assert_eq!(asked, [expected("first-refresh"), expected("second-refresh")]);
    assert!(daemon.log().contains("replaced the refresh token"), "the operator is told");
}

#[test]
fn a_service_account_signs_for_itself() {
    let vendors = StandIn::start();
    give(&vendors, &["of-the-robot"]);
    let key = paths::fixture("rsa-test-key.pem");
    let file = json!({"client_email": "robot@project.example", "private_key_id": "key-1", "private_key": key});
    let webhook = webhook(&vendors, "jwt_bearer")
        .setting("jwt_key", file.to_string())
        .setting("scopes", json!(["https://a.example/events"]));
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[event("robot")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert!(vendors.requests_to("/webhook").iter().all(bears("of-the-robot")));
    let asked = form(&vendors.requests_to("/token")[0]);
    let (start, assertion) = asked.split_once("&assertion=").expect("an assertion");
    assert_eq!(start, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let parts: Vec<Value> = assertion
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON"))
        .collect();
    assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    assert_eq!(parts[1]["iss"], "robot@project.example");
    assert_eq!(parts[1]["aud"], json!(format!("{}/token", vendors.url())));
    assert_eq!(parts[1]["scope"], "https://a.example/events");
    assert_eq!(parts[1]["exp"].as_u64().map(|exp| exp - 3600), parts[1]["iat"].as_u64());
}

#[test]
fn the_endpoint_is_held_to_the_grants() {
    let vendors = StandIn::start();
    let port = vendors.address().port();
    let webhook = with_client(&vendors)
        .setting("token_url", format!("http://127.0.0.2:{port}/token"))
        .key("allowed_addresses", vec!["127.0.0.1"]);
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[event("forbidden")]);
    eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    let (reason, detail) = deaths(&daemon).remove(0);
    assert_eq!(reason, "egress_refused");
    assert!(detail.contains("127.0.0.2"), "{detail}");
    assert!(vendors.requests().is_empty());
}

#[test]
fn a_signature_for_aws_is_made_at_each_attempt() {
    let vendors = StandIn::start();
    vendors.program(1, Answer::status(503), |_| true);
    let webhook = Destination::webhook("webhook", &vendors.url())
        .setting("auth", "aws_sigv4")
        .setting("aws_region", "eu-central-1")
        .setting("aws_service", "execute-api")
        .setting("aws_access_key", "AKIDEXAMPLE")
        .setting("aws_secret_key", "aws-s3cret-key")
        .setting("aws_session_token", "aws-session");
    let daemon = Daemon::start(Setup::shop([webhook]));
    daemon.accept(&[event("signed")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let requests = vendors.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let date = request.header("x-amz-date").expect("a time");
        let value = request.header("authorization").expect("a signature");
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}/eu-central-1/execute-api/aws4_request, ", &date[..8]);
        assert!(value.starts_with(&scope), "{value}");
        assert!(value.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "), "{value}");
        assert_eq!(request.header("x-amz-security-token"), Some("aws-session"));
    }
}
