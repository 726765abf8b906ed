//! The way out: TLS that is verified, proxies, addresses, answers without end.

use switchyard_tests::daemon::{Daemon, replace};
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::http::basic;
use switchyard_tests::proxy::Proxy;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};
use switchyard_tests::tls_front::TlsFront;

use super::{answer, deaths, event};

/// One attempt, and what came of it.
fn once(url: &str) -> Destination {
    Destination::webhook("webhook", url).delivery("attempts_max", 1)
}

#[test]
fn a_certificate_that_nobody_signed_is_refused_unless_it_is_trusted() {
    let vendors = StandIn::start();
    let front = TlsFront::start("127.0.0.1", vendors.address());
    let setup = Setup::shop([once(&format!("https://{}", front.address()))]);
    let daemon = Daemon::start(setup.clone());
    daemon.accept(&[event("untrusted")]);
    eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    let (reason, detail) = deaths(&daemon).remove(0);
    assert!(reason == "attempts_exhausted" && detail.contains("certificate"), "{reason}: {detail}");
    assert!(vendors.requests().is_empty(), "not a byte of the event left");
    replace(&daemon.directory().join("own.pem"), front.pem().as_bytes());
    daemon.write_config(&daemon.config_text(&setup.section("[egress]\nca_file = \"own.pem\"")));
    daemon.wait_for_log("the changed configuration is in effect");
    daemon.accept(&[event("trusted")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let other = TlsFront::start("127.0.0.1", vendors.address());
    replace(&daemon.directory().join("own.pem"), other.pem().as_bytes());
    eventually("and refused when the file names another", SOON, || {
        daemon.accept(&[event(&format!("again-{}", daemon.counter("shop/webhook", "accepted")))]);
        daemon.counter("shop/webhook", "dead") > 1
    });
}

#[test]
fn requests_share_a_connection_where_the_vendor_speaks_http_2() {
    let vendors = StandIn::start();
    let front = TlsFront::offering(&["h2", "http/1.1"], "127.0.0.1", vendors.address());
    let webhook = Destination::webhook("webhook", &format!("https://{}", front.address()));
    let setup = Setup::shop([webhook.delivery("batch_events_max", 1)]).section("[egress]\nca_file = \"own.pem\"");
    let mut daemon = Daemon::prepare(setup);
    replace(&daemon.directory().join("own.pem"), front.pem().as_bytes());
    daemon.restart();
    daemon.accept(&[event("first")]);
    eventually("the first is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    let made = front.connections();
    let others: Vec<_> = (0..40).map(|number| event(&format!("other-{number}"))).collect();
    daemon.accept(&others);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 41);
    assert_eq!(front.connections(), made, "no other connection was made");
    for request in vendors.requests() {
        let host = request.header("host");
        assert!(host.is_none(), "HTTP/2 has no such header: {host:?}");
    }
}

#[test]
fn https_goes_through_the_proxys_tunnel_and_names_are_the_proxys_to_resolve() {
    let vendors = StandIn::start();
    let front = TlsFront::start("vendor.test", vendors.address());
    let proxy = Proxy::start(front.address(), Some(basic("me", "proxy-s3cret")));
    let url = format!("http://me:proxy-s3cret@{}", proxy.address());
    let egress = format!("[egress]\nproxy = \"{url}\"\nca_file = \"own.pem\"");
    let mut daemon =
        Daemon::prepare(Setup::shop([Destination::webhook("webhook", "https://vendor.test")]).section(&egress));
    replace(&daemon.directory().join("own.pem"), front.pem().as_bytes());
    daemon.restart();
    daemon.accept(&[event("tunnelled")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert_eq!(proxy.asked()[0].line, "CONNECT vendor.test:443 HTTP/1.1");
    assert!(vendors.requests()[0].header("proxy-authorization").is_none(), "that is for the proxy alone");
    let status = daemon.cli_json(&["status"]);
    assert_eq!(status["egress"]["addresses_checked_by"], "the proxy");
    assert_eq!(status["egress"]["proxy"]["https"], format!("http://{}", proxy.address()));
    let shown = daemon.cli(&["status"]);
    assert!(shown.contains(&format!("through a proxy (http://{})", proxy.address())), "{shown}");
    assert!(!status.to_string().contains("s3cret") && !daemon.log().contains("s3cret"), "{status}");
}

#[test]
fn http_goes_to_the_proxy_whole_and_a_proxy_that_refuses_costs_no_event() {
    let vendors = StandIn::start();
    let proxy = Proxy::start(vendors.address(), Some(basic("me", "proxy-s3cret")));
    let webhook = Destination::webhook("webhook", "http://vendor.test");
    let setup = |password: &str| {
        let egress = format!("[egress]\nproxy = \"http://me:{password}@{}\"", proxy.address());
        Setup::shop([webhook.clone()]).section(&egress)
    };
    let daemon = Daemon::start(setup("wrong"));
    daemon.accept(&[event("proxied")]);
    eventually("it is refused", SOON, || !proxy.asked().is_empty());
    assert!(vendors.requests().is_empty());
    daemon.write_config(&daemon.config_text(&setup("proxy-s3cret")));
    daemon.wait_for_log("the changed configuration is in effect");
    daemon.accept(&[event("again")]);
    eventually("both are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.line == "POST http://vendor.test/webhook HTTP/1.1"), "{asked:?}");
}

#[test]
fn the_environments_proxy_is_used_but_for_this_machine_and_no_proxy() {
    let vendors = StandIn::start();
    let proxy = Proxy::start(vendors.address(), None);
    let direct = Destination::webhook("direct", "http://direct.test").delivery("attempts_max", 1);
    let mut daemon = Daemon::prepare(Setup::shop([
        Destination::webhook("far", "http://vendor.test"),
        Destination::webhook("near", &vendors.url()),
        direct.delivery("timeout_ms", 2_000),
    ]));
    daemon.set_environment("HTTP_PROXY", &format!("http://{}", proxy.address()));
    daemon.set_environment("NO_PROXY", "direct.test");
    daemon.restart();
    daemon.accept(&[event("around")]);
    for destination in ["shop/far", "shop/near"] {
        eventually("it is delivered", SOON, || daemon.counter(destination, "delivered") == 1);
    }
    eventually("nobody knows this name", SOON, || daemon.counter("shop/direct", "dead") == 1);
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.line.contains("http://vendor.test/")), "{asked:?}");
}

#[test]
fn with_a_proxy_hosts_still_need_their_grants() {
    let vendors = StandIn::start();
    let proxy = Proxy::start(vendors.address(), None);
    for mode in ["elsewhere", "link-local"] {
        let egress = format!("[egress]\nproxy = \"http://{}\"\nno_proxy = [\"127.0.0.1\"]", proxy.address());
        let guest = Destination::hostile("guest", &vendors.url(), mode);
        let daemon = Daemon::start(Setup::shop([guest]).section(&egress));
        let culprit = serde_json::json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": mode});
        daemon.accept(&[culprit]);
        eventually("it is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
        assert_eq!(deaths(&daemon).remove(0).0, "egress_refused", "{mode}");
    }
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}

#[test]
fn a_name_of_this_machine_needs_a_grant_of_its_address() {
    let vendors = StandIn::start();
    let url = format!("http://localhost:{}", vendors.address().port());
    let granted = |ranges: &[&str]| once(&url).key("allowed_addresses", ranges.to_vec());
    let daemon = Daemon::start(Setup::shop([granted(&["10.0.0.0/8", "169.254.169.254"])]));
    daemon.accept(&[event("refused")]);
    eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    let (reason, detail) = deaths(&daemon).remove(0);
    assert_eq!(reason, "egress_refused");
    assert!(detail.contains("localhost") && detail.contains("allowed_addresses"), "{detail}");
    assert!(vendors.requests().is_empty());
    daemon.write_config(&daemon.config_text(&Setup::shop([granted(&["127.0.0.1"])])));
    daemon.wait_for_log("the changed configuration is in effect");
    daemon.accept(&[event("allowed")]);
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
}

#[test]
fn an_answer_that_drips_ends_with_the_attempts_time() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::SlowBody, |_| true);
    let daemon = Daemon::start(Setup::shop([once(&vendors.url()).delivery("timeout_ms", 700)]));
    daemon.accept(&[event("dripping")]);
    eventually("it is dead", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    assert_eq!(deaths(&daemon), [("attempts_exhausted".to_string(), "no answer within 700 ms".to_string())]);
}

#[test]
fn an_answer_is_cut_and_never_decompressed() {
    let vendors = StandIn::start();
    vendors.program(1, Answer::Huge(64 << 20), |_| true);
    let headers = vec![("content-encoding".to_string(), "gzip".to_string())];
    vendors.program(1, Answer::Status { status: 422, headers, body: "as it came".to_string() }, |_| true);
    vendors.program(1, answer(307, "elsewhere"), |_| true);
    let daemon = Daemon::start(Setup::shop([once(&vendors.url())]));
    daemon.accept(&[event("huge")]);
    eventually("the huge one counts", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    daemon.accept(&[event("compressed")]);
    eventually("it is refused", SOON, || daemon.counter("shop/webhook", "dead") == 1);
    assert!(deaths(&daemon)[0].1.contains("as it came"), "{:?}", deaths(&daemon));
    daemon.accept(&[event("redirected")]);
    eventually("a redirect is no delivery", SOON, || daemon.counter("shop/webhook", "dead") == 2);
    assert!(vendors.requests().iter().all(|request| request.header("accept-encoding").is_none()));
}
