//! Alerts by webhook: each trouble said once when it begins and once when it ends.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};
use switchyard_tests::{paths, wasm};

/// A receiver that takes everything.
fn hooks() -> StandIn {
    let hooks = StandIn::start();
    hooks.program(u64::MAX, Answer::status(200), |_| true);
    hooks
}

/// Alerts to a receiver on loopback, with short times.
fn alerts(hooks: &StandIn) -> String {
    format!(
        "[alerts]\nurl = \"{}/hook-secret\"\nallowed_addresses = [\"127.0.0.0/8\"]\n\
         down_for_seconds = 0.3\nquiet_for_seconds = 1\ngap_seconds = 0.2",
        hooks.url()
    )
}

/// What was said of this trouble: its states, in order.
fn said(requests: &[Recorded], alert: &str) -> Vec<String> {
    let all = requests.iter().filter(|request| request.accepted()).flat_map(|request| {
        let message = request.json();
        assert!(message["text"].as_str().is_some_and(|text| text.starts_with("switchyard: ")), "{message}");
        message["alerts"].as_array().cloned().unwrap_or_default()
    });
    let of_it = all.filter(|each| each["alert"] == alert);
    of_it.map(|each| each["state"].as_str().unwrap_or_default().to_string()).collect()
}

fn wait_for(hooks: &StandIn, alert: &str, states: &[&str]) {
    hooks.wait_until(&format!("{alert} {states:?}"), SOON, |requests| said(requests, alert) == states);
}

#[test]
fn a_destination_that_fails_is_told_once_and_once_when_it_works_again() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let webhook = Destination::webhook("webhook", &vendors.url()).delivery("attempts_max", 10_000);
    let mut daemon = Daemon::start(Setup::shop([webhook]).section(&alerts(&hooks)));
    daemon.accept(&(0..6).map(|at| shop::padded(&format!("down-{at}"), 400)).collect::<Vec<Value>>());
    wait_for(&hooks, "destination_down", &["begins"]);
    assert_eq!(hooks.requests()[0].json()["alerts"][0]["subject"], "shop/webhook");
    vendors.heal();
    wait_for(&hooks, "destination_down", &["begins", "ends"]);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 6);
    daemon.end();
    assert_eq!(said(&hooks.requests(), "destination_down"), ["begins", "ends"]);
    assert!(!daemon.log().contains("hook-secret"), "a webhook's URL is a secret");
}

#[test]
fn a_destination_that_is_paused_is_told() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let webhook = || Destination::webhook("webhook", &vendors.url());
    let daemon = Daemon::start(Setup::shop([webhook()]).section(&alerts(&hooks)));
    daemon.write_config(&daemon.config_text(&Setup::shop([webhook().key("paused", true)]).section(&alerts(&hooks))));
    wait_for(&hooks, "destination_down", &["begins"]);
    daemon.write_config(&daemon.config_text(&Setup::shop([webhook()]).section(&alerts(&hooks))));
    wait_for(&hooks, "destination_down", &["begins", "ends"]);
}

#[test]
fn dead_letters_are_told_when_they_arrive_and_when_no_more_do() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    vendors.program(u64::MAX, Answer::status(404), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&alerts(&hooks)));
    daemon.accept(&[shop::padded("dead", 400)]);
    wait_for(&hooks, "dead_letters", &["begins", "ends"]);
    let message = hooks.requests()[0].json();
    assert!(message["text"].as_str().is_some_and(|text| text.contains("1 dead letters")), "{message}");
}

#[test]
fn a_plugin_that_is_refused_is_told() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&alerts(&hooks)));
    daemon.put_plugin("webhook", b"no plugin at all");
    wait_for(&hooks, "plugin_refused", &["begins"]);
    let webhook = std::fs::read(paths::plugin("webhook")).expect("it is built");
    daemon.put_plugin("webhook", &webhook);
    wait_for(&hooks, "plugin_refused", &["begins", "ends"]);
}

#[test]
fn a_disk_without_its_reserve_is_told() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let reserve = "[queue]\ndisk_reserve_bytes = 9000000000000000000";
    let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
    let daemon = Daemon::start(setup.section(reserve).section(&alerts(&hooks)));
    wait_for(&hooks, "disk_reserve", &["begins"]);
    assert_eq!(daemon.post("/v1/batch", &json!({"batch": [shop::padded("full", 400)]})).status, 429);
}

#[test]
fn a_store_that_failed_is_told() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&alerts(&hooks));
    let mut daemon = Daemon::prepare(setup);
    daemon.set_file_kib_max(Some(8 << 10));
    daemon.restart();
    let mut number = 0;
    eventually("the store has failed", SOON * 2, || {
        number += 1;
        let batch: Vec<Value> = (0..100).map(|at| shop::padded(&format!("full-{number}-{at}"), 20_000)).collect();
        daemon.post("/v1/batch", &json!({"batch": batch})).status == 503
    });
    wait_for(&hooks, "store_poisoned", &["begins"]);
}

#[test]
fn a_webhook_that_fails_is_loud_in_the_log_and_gets_its_message_later() {
    let (vendors, hooks) = (StandIn::start(), StandIn::start());
    hooks.program(2, Answer::status(500), |_| true);
    hooks.program(u64::MAX, Answer::status(200), |_| true);
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&alerts(&hooks)));
    daemon.put_plugin("webhook", b"no plugin at all");
    wait_for(&hooks, "plugin_refused", &["begins"]);
    daemon.wait_for_log("ALERTS ARE NOT TAKEN");
    assert!(!daemon.log().contains("hook-secret"), "{}", daemon.log());
}

#[test]
fn a_webhook_on_an_address_that_is_not_granted_gets_nothing() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let ungranted = alerts(&hooks).replace("127.0.0.0/8", "10.0.0.0/8");
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&ungranted));
    daemon.put_plugin("webhook", b"no plugin at all");
    daemon.wait_for_log("ALERTS CANNOT BE SENT");
    assert!(daemon.log().contains("not a public address"), "{}", daemon.log());
    assert!(hooks.requests().is_empty());
}

#[test]
fn a_revision_that_goes_back_by_itself_is_told_until_another_is_chosen() {
    let (vendors, hooks) = (StandIn::start(), hooks());
    let guest = Destination::hostile("guest", &vendors.url(), "none");
    let daemon = Daemon::start(Setup::shop([guest]).section(&alerts(&hooks)));
    let good = std::fs::read(paths::plugin("hostile")).expect("it is built");
    let of_letter =
        |letter: &str| wasm::patched(&good, b"hostile-revision-A", format!("hostile-revision-{letter}").as_bytes());
    daemon.put_plugin("hostile", &of_letter("P"));
    daemon.wait_for_log("percent=100");
    daemon.accept(&(0..30).map(|at| shop::padded(&format!("bad-{at}"), 400)).collect::<Vec<Value>>());
    wait_for(&hooks, "plugin_rolled_back", &["begins"]);
    daemon.put_plugin("hostile", &of_letter("B"));
    wait_for(&hooks, "plugin_rolled_back", &["begins", "ends"]);
    eventually("all are delivered", SOON, || daemon.counter("shop/guest", "delivered") == 30);
}
