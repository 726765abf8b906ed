//! New revisions under load: nothing is lost, nothing answered with an error, and a file that is no
//! good is refused while the old revision goes on.

use std::time::Duration;

use serde_json::Value;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, eventually, message_ids};
use switchyard_tests::load::{Load, Sent};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;
use switchyard_tests::{paths, shop, wasm};

/// For the backlog of a whole storm.
const CATCH_UP: Duration = Duration::from_secs(180);

fn bytes_of(id: &str) -> Vec<u8> {
    std::fs::read(paths::plugin(id)).expect("it is built")
}

/// The active revision of a plugin.
fn revision(daemon: &Daemon, id: &str) -> String {
    let status = daemon.admin_get("/api/v1/status").json();
    let plugins = status["plugins"].as_array().cloned().unwrap_or_default();
    let plugin = plugins.iter().find(|plugin| plugin["id"] == id || plugin["plugin"] == id);
    let revision = plugin.and_then(|plugin| plugin["revision"].as_str());
    revision.unwrap_or_else(|| panic!("no plugin {id} with a revision in {status}")).to_string()
}

fn assert_all_arrive(vendors: &StandIn, sent: &Sent) {
    assert_eq!(sent.refusals, Vec::<String>::new(), "nothing is answered with an error");
    assert_eq!(sent.failures, 0, "nothing goes without an answer");
    assert!(!sent.acknowledged.is_empty());
    vendors.wait_until("all that was acknowledged", CATCH_UP, |requests| all_arrived(requests, &sent.acknowledged));
}

#[test]
fn new_revisions_take_over_under_load() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let webhook = bytes_of("webhook");
    let load = Load::start(&daemon.url(""), "wk_test", 2, "swap");
    for number in 0..paths::size(8, 100) {
        let before = revision(&daemon, "webhook");
        let taken = load.acknowledged();
        daemon.put_plugin("webhook", &wasm::revision(&webhook, number));
        eventually("the new revision is active", SOON, || revision(&daemon, "webhook") != before);
        eventually("events go on", SOON, || load.acknowledged() > taken);
    }
    assert_all_arrive(&vendors, &load.stop());
    eventually("all are settled", CATCH_UP, || daemon.counter("shop/webhook", "waiting") == 0);
    assert_eq!(daemon.counter("shop/webhook", "dead"), 0);
}

#[test]
fn a_plugin_is_installed_over_the_command_line() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let before = revision(&daemon, "webhook");
    let file = daemon.directory().join("webhook-new.wasm");
    std::fs::write(&file, wasm::revision(&bytes_of("webhook"), 1)).expect("the directory takes a file");
    daemon.cli(&["plugin", "install", &file.display().to_string()]);
    eventually("the new revision is active", SOON, || revision(&daemon, "webhook") != before);
    let installed = std::fs::read(daemon.plugin_file("webhook")).expect("it is there");
    assert_eq!(installed, wasm::revision(&bytes_of("webhook"), 1), "it is there at the next start too");
}

#[test]
fn what_is_no_good_is_refused_and_the_old_revision_goes_on() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let webhook = bytes_of("webhook");
    let before = revision(&daemon, "webhook");
    let load = Load::start(&daemon.url(""), "wk_test", 2, "refuse");
    let bad: [(&str, Vec<u8>, &str); 5] = [
        ("truncated", wasm::truncated(&webhook), ""),
        ("empty", Vec::new(), ""),
        ("no wasm", b"#!/bin/sh\necho hello\n".to_vec(), ""),
        ("another version", wasm::of_another_version(&webhook), "7.1.0"),
        ("an import", wasm::with_an_import(&webhook, "wasi:sockets/network@0.2.0"), "wasi:sockets"),
    ];
    for (what, bytes, says) in bad {
        let file = daemon.directory().join("bad.wasm");
        std::fs::write(&file, &bytes).expect("the directory takes a file");
        let output = daemon.cli_output(&["plugin", "install", &file.display().to_string()]);
        assert!(!output.success, "{what} was taken");
        assert!(output.all().contains(says), "{what}: {}", output.all());
        let logged = daemon.log().len();
        daemon.put_plugin("webhook", &bytes);
        eventually("the refusal is logged", SOON, || daemon.log()[logged..].contains("refused"));
        assert_eq!(revision(&daemon, "webhook"), before, "{what}");
    }
    assert_all_arrive(&vendors, &load.stop());
    assert_eq!(daemon.counter("shop/webhook", "dead"), 0);
}

#[test]
fn a_new_revision_is_tried_with_each_destinations_settings_first() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::hostile("guest", &vendors.url(), "none")]));
    let hostile = bytes_of("hostile");
    let before = revision(&daemon, "hostile");
    // The guest's revision letter says what its configure does.
    for (letter, what) in [("S", "spins"), ("R", "refuses its settings"), ("T", "traps")] {
        let bytes = wasm::patched(&hostile, b"hostile-revision-A", format!("hostile-revision-{letter}").as_bytes());
        let file = daemon.directory().join("bad.wasm");
        std::fs::write(&file, bytes).expect("the directory takes a file");
        let output = daemon.cli_output(&["plugin", "install", &file.display().to_string()]);
        assert!(!output.success, "a revision that {what} was taken");
        assert_eq!(revision(&daemon, "hostile"), before);
    }
    let good = wasm::patched(&hostile, b"hostile-revision-A", b"hostile-revision-B");
    daemon.put_plugin("hostile", &good);
    eventually("the new revision is active", SOON, || revision(&daemon, "hostile") != before);
    daemon.accept(&[shop::padded("by-b", 400)]);
    vendors.wait_until("it arrives", SOON, |requests| requests.len() == 1);
    assert_eq!(vendors.requests()[0].header("x-revision"), Some("B"), "the new code planned it");
}

#[test]
fn a_plugin_that_comes_later_starts_its_destination() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    std::fs::remove_file(daemon.plugin_file("webhook")).expect("it was laid out");
    daemon.restart();
    let events: Vec<Value> = (0..5).map(|at| shop::padded(&format!("early-{at}"), 400)).collect();
    daemon.accept(&events);
    daemon.put_plugin("webhook", &bytes_of("webhook"));
    let ids = message_ids(&events);
    vendors.wait_until("what was accepted before", SOON, |requests| all_arrived(requests, &ids));
}
