//! Events over TLS: HTTP/1.1 and HTTP/2, and a certificate that is replaced while events come in.

use std::path::Path;

use switchyard_tests::daemon::{Daemon, replace};
use switchyard_tests::expect::{SOON, all_arrived, eventually};
use switchyard_tests::http::{Request, Response, send_over_tls};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::StandIn;

/// A certificate for loopback, as DER; written to the files as PEM.
fn new_certificate(directory: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()]).expect("a certificate can be made");
    replace(&directory.join("key.pem"), made.signing_key.serialize_pem().as_bytes());
    replace(&directory.join("certificate.pem"), made.cert.pem().as_bytes());
    made.cert.der().to_vec()
}

fn prepare(vendors: &StandIn) -> Daemon {
    let webhook = Destination::webhook("webhook", &vendors.url());
    let tls = "[listen.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"";
    Daemon::prepare(Setup::shop([webhook]).section(tls))
}

fn send(daemon: &Daemon, id: &str, trusted: &[u8], http2: bool) -> Result<(Response, String), String> {
    let url = format!("https://{}/v1/track", daemon.ingest());
    let request = Request::post(url, shop::padded(id, 400).to_string()).write_key("wk_test");
    send_over_tls(request, trusted, http2)
}

#[test]
fn events_come_over_both_versions_and_the_certificate_can_be_replaced() {
    let vendors = StandIn::start();
    let mut daemon = prepare(&vendors);
    let first = new_certificate(daemon.directory());
    daemon.spawn();
    daemon.wait_for_log("ready");
    for (id, http2, version) in [("one", false, "HTTP/1.1"), ("two", true, "HTTP/2.0")] {
        let (response, found) = send(&daemon, id, &first, http2).expect("an answer");
        assert_eq!((response.status, found.as_str()), (200, version), "{}", response.text());
    }
    vendors.wait_until("both", SOON, |requests| all_arrived(requests, &["one".to_string(), "two".to_string()]));
    let second = new_certificate(daemon.directory());
    eventually("the new certificate is shown", SOON, || send(&daemon, "three", &second, true).is_ok());
    assert!(send(&daemon, "four", &first, true).is_err(), "and the old one no more");
    replace(&daemon.directory().join("certificate.pem"), b"nonsense");
    daemon.wait_for_log("the changed certificate is refused");
    let (response, _) = send(&daemon, "five", &second, false).expect("an answer");
    assert_eq!(response.status, 200);
}

#[test]
fn a_certificate_that_cannot_be_read_is_named_at_the_start() {
    let vendors = StandIn::start();
    let mut daemon = prepare(&vendors);
    new_certificate(daemon.directory());
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()]).expect("a certificate can be made");
    for (key, says) in [(String::new(), "key.pem"), (other.signing_key.serialize_pem(), "do not go together")] {
        replace(&daemon.directory().join("key.pem"), key.as_bytes());
        daemon.spawn();
        assert!(!daemon.wait_for_end().success());
        assert!(daemon.log().contains("listen.tls") && daemon.log().contains(says), "{}", daemon.log());
    }
}

/// The admin address beyond loopback, with a certificate from files.
fn prepare_admin(vendors: &StandIn) -> Daemon {
    let tls =
        "[admin]\nhosts = [\"console.example\"]\n[admin.tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"";
    let daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(tls));
    let text = std::fs::read_to_string(daemon.config()).expect("the configuration is there");
    let admin = daemon.admin_url("").replace("http://", "");
    let beyond =
        text.replace(&format!("admin = {admin:?}"), &format!("admin = {:?}", admin.replace("127.0.0.1", "0.0.0.0")));
    assert_ne!(beyond, text);
    daemon.write_config(&beyond);
    daemon
}

#[test]
fn the_console_over_tls_keeps_its_cookie_for_tls_and_answers_no_other_host() {
    let vendors = StandIn::start();
    let mut daemon = prepare_admin(&vendors);
    let certificate = new_certificate(daemon.directory());
    daemon.spawn();
    daemon.wait_for_log("ready");
    let url = |path: &str| daemon.admin_url(path).replace("http://", "https://");
    let ask = |request: Request| send_over_tls(request, &certificate, false).expect("an answer").0;
    let page = ask(Request::get(url("/sign-in")));
    assert_eq!((page.status, page.header("strict-transport-security")), (200, Some("max-age=31536000")));
    let signed_in = ask(Request::post(url("/sign-in"), format!("token={}", daemon.admin_token())));
    let cookie = signed_in.header("set-cookie").expect("a cookie").to_string();
    for part in ["HttpOnly", "SameSite=Strict", "Secure"] {
        assert!(cookie.split("; ").any(|own| own == part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap_or_default();
    for (host, status) in [("rebound.example", 421), ("console.example", 200)] {
        let answer = ask(Request::get(url("/")).header("host", host).header("cookie", cookie));
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
    }
    assert!(Request::get(daemon.admin_url("/sign-in")).send().is_err(), "without TLS there is no answer");
    let second = new_certificate(daemon.directory());
    let ask = |trusted: &[u8]| send_over_tls(Request::get(url("/sign-in")), trusted, true);
    eventually("the new certificate is shown", SOON, || ask(&second).is_ok());
    assert!(ask(&certificate).is_err(), "and the old one no more");
}

#[test]
fn beyond_loopback_a_certificate_is_needed_that_can_be_read() {
    let vendors = StandIn::start();
    let mut daemon = prepare_admin(&vendors);
    daemon.spawn();
    assert!(!daemon.wait_for_end().success());
    assert!(daemon.log().contains("admin.tls") && daemon.log().contains("certificate.pem"), "{}", daemon.log());
    let text = std::fs::read_to_string(daemon.config()).expect("the configuration is there");
    daemon.write_config(text.split("[admin.tls]").next().unwrap_or_default());
    daemon.spawn();
    assert!(!daemon.wait_for_end().success());
    assert!(daemon.log().contains("without TLS: give [admin.tls]"), "{}", daemon.log());
}
