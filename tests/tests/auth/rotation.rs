//! Secrets that change where they are kept take effect without a restart.

use serde_json::json;
use switchyard_tests::daemon::{Daemon, replace};
use switchyard_tests::expect::{SOON, all_arrived, eventually};
use switchyard_tests::load::Load;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};

use super::event;

fn bears(token: &'static str) -> impl Fn(&Recorded) -> bool {
    move |request| request.header("authorization") == Some(&format!("Bearer {token}"))
}

/// A webhook whose token is given as this TOML, with the daemon's files laid out and nothing started.
fn prepare(vendors: &StandIn, token: &str) -> Daemon {
    let webhook =
        Destination::webhook("webhook", &vendors.url()).setting("auth", "bearer").setting("token", "the-token");
    let daemon = Daemon::prepare(Setup::shop([webhook.clone()]));
    let text = daemon.config_text(&Setup::shop([webhook]));
    daemon.write_config(&text.replace("\"the-token\"", token));
    daemon
}

#[test]
fn a_secrets_file_that_changes_takes_effect_under_load_and_nothing_is_lost() {
    let vendors = StandIn::start();
    let mut daemon = prepare(&vendors, "{ file = \"secrets/token\" }");
    let directory = daemon.directory().join("secrets");
    std::fs::create_dir(&directory).expect("a directory");
    replace(&directory.join("token"), b"first-token\n");
    daemon.restart();
    let load = Load::start(&daemon.url(""), "wk_test", 2, "rotated");
    vendors.wait_until("the first token", SOON, |requests| requests.iter().any(bears("first-token")));
    replace(&directory.join("token"), b"second-token\n");
    vendors.wait_until("the second token", SOON, |requests| requests.iter().any(bears("second-token")));
    let sent = load.stop();
    assert_eq!((sent.refusals, sent.failures), (Vec::new(), 0));
    vendors.wait_until("all have arrived", SOON * 2, |requests| all_arrived(requests, &sent.acknowledged));
    assert!(vendors.requests().iter().all(|request| bears("first-token")(request) || bears("second-token")(request)));
    assert_eq!(daemon.counter("shop/webhook", "dead"), 0);
}

#[test]
fn a_request_that_waits_is_sent_with_the_new_secret() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(401), |request| !bears("good-token")(request));
    let mut daemon = prepare(&vendors, "{ file = \"token\" }");
    replace(&daemon.directory().join("token"), b"bad-token");
    daemon.restart();
    daemon.accept(&[event("waiting")]);
    eventually("it pauses", SOON, || daemon.counters("shop/webhook")["state"] == "paused");
    replace(&daemon.directory().join("token"), b"good-token");
    eventually("it is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
}

#[test]
fn a_command_is_asked_again_and_its_answer_takes_effect() {
    let vendors = StandIn::start();
    let mut daemon = prepare(&vendors, "{ command = [\"cat\", \"vault\"], refresh_seconds = 1 }");
    replace(&daemon.directory().join("vault"), b" first-token \n");
    daemon.restart();
    daemon.accept(&[event("before")]);
    vendors.wait_until("the first token", SOON, |requests| requests.iter().any(bears("first-token")));
    replace(&daemon.directory().join("vault"), b"second-token");
    daemon.wait_for_log("the changed configuration is in effect");
    daemon.accept(&[event("after")]);
    vendors.wait_until("the second token", SOON, |requests| requests.iter().any(bears("second-token")));
    std::fs::remove_file(daemon.directory().join("vault")).expect("it is there");
    daemon.wait_for_log("the command `cat` failed");
    let status = daemon.cli_json(&["status"]);
    assert!(status["configuration"]["refused"].to_string().contains("`cat` failed"), "{status}");
    daemon.accept(&[event("still")]);
    eventually("the running one stays", SOON, || daemon.counter("shop/webhook", "delivered") == 3);
    assert_eq!(status["egress"], json!({"proxy": null, "addresses_checked_by": "this daemon"}));
}
