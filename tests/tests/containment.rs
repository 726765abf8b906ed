//! Every way to misbehave of the hostile guest is refused or contained when it is installed, when its
//! fixtures run, when it is tried on paper, and when it is on trial. tests/hostile.rs has the run time.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;
use switchyard_tests::{paths, shop, wasm};

/// What the guest does while it plans: the modes of tests/hostile.rs.
const MODES: [&str; 27] = [
    "spin",
    "recurse",
    "grow",
    "trap",
    "error",
    "million",
    "too-many",
    "huge",
    "gigabyte",
    "range",
    "covers-twice",
    "fate-range",
    "left-out",
    "both",
    "two-fates",
    "newline",
    "host-header",
    "elsewhere",
    "link-local",
    "user-info",
    "secret-in-path",
    "secret-in-header",
    "secret-elsewhere",
    "nonsense-url",
    "nonsense-method",
    "honest",
    "always-spin",
];

/// What it does while it reads an answer. Nobody answers at install, in fixtures and on paper: there it
/// plans as others do.
const JUDGES: [&str; 15] = [
    "judge-spin",
    "judge-trap",
    "judge-grow",
    "judge-recurse",
    "judge-range",
    "judge-twice",
    "judge-million",
    "judge-huge",
    "judge-huge-pause",
    "judge-gigabyte",
    "judge-follow-ups",
    "judge-too-many",
    "judge-follow-range",
    "judge-follow-url",
    "judge-follow-elsewhere",
];

/// Modes of which the host only learns when the request is sent.
const SEND_TIME: [&str; 4] = ["elsewhere", "link-local", "secret-elsewhere", "honest"];

fn hostile(letter: char) -> Vec<u8> {
    let plugin = std::fs::read(paths::plugin("hostile")).expect("it is built");
    wasm::patched(&plugin, b"hostile-revision-A", format!("hostile-revision-{letter}").as_bytes())
}

fn culprit() -> Value {
    json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"})
}

/// The same guest with a fixture in which it plans the culprit in this mode, and is expected to plan
/// nothing.
fn with_fixture(mode: &str) -> Vec<u8> {
    with_expectation(mode, &json!({"requests": [], "fates": []}))
}

fn with_expectation(mode: &str, plan: &Value) -> Vec<u8> {
    wasm::with_manifest(&hostile('B'), |manifest| {
        manifest["fixtures"] = json!([{
            "name": "culprit",
            "settings": {"mode": mode, "endpoint": "https://vendor.example/in", "secret": "planted-hostile-secret"},
            "now_ms": 1_700_000_000_000_u64,
            "events": [culprit()],
            "plan": plan,
        }]);
    })
}

#[test]
fn at_install_and_in_fixtures() {
    let vendors = StandIn::start();
    let setup = Setup::shop([
        Destination::hostile("guest", &vendors.url(), "honest"),
        Destination::webhook("webhook", &vendors.url()),
    ]);
    let daemon = Daemon::start(setup.section("[guests]\ncall_ms_max = 300\n"));
    let file = daemon.directory().join("bad.wasm");
    let refused = |what: &str, bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("the directory takes a file");
        let output = daemon.cli_output(&["plugin", "install", &file.display().to_string()]);
        assert!(!output.success, "{what} was installed");
        assert!(!output.all().contains("planted-hostile-secret"), "{what}: {}", output.all());
        output.all()
    };
    for mode in MODES.into_iter().chain(JUDGES) {
        let said = refused(mode, &with_fixture(mode));
        assert!(said.contains("fixture `culprit`"), "{mode}: {said}");
    }
    for letter in ['S', 'R', 'T'] {
        refused("a revision that fails over its settings", &hostile(letter));
    }
    daemon.accept(&[shop::padded("after", 400)]);
    eventually("all goes on", SOON, || {
        daemon.counter("shop/guest", "delivered") == 1 && daemon.counter("shop/webhook", "delivered") == 1
    });
}

/// A judge that misbehaves is not asked before there is an answer: the file is good, as far as it goes.
#[test]
fn a_judge_is_not_asked_at_install_and_in_fixtures() {
    let vendors = StandIn::start();
    let setup = Setup::shop([Destination::hostile("guest", &vendors.url(), "judge-spin")]);
    let daemon = Daemon::start(setup.section("[guests]\ncall_ms_max = 300\n"));
    let file = daemon.directory().join("next.wasm");
    for (number, mode) in (0..).zip(JUDGES) {
        let honest =
            json!({"requests": [{"method": "POST", "url": "https://vendor.example/in", "covers": [0]}], "fates": []});
        let bytes = wasm::revision(&with_expectation(mode, &honest), number);
        std::fs::write(&file, bytes).expect("the directory takes a file");
        let output = daemon.cli_output(&["plugin", "install", &file.display().to_string()]);
        assert!(output.success, "{mode}: {}", output.all());
    }
    assert_eq!(vendors.requests().len(), 0, "nothing is sent");
    daemon.accept(&[culprit(), shop::padded("after", 400)]);
    eventually("all goes on", SOON, || daemon.counter("shop/guest", "delivered") == 2);
    assert_balanced(&daemon.counters("shop/guest"));
}

#[test]
fn on_paper() {
    let vendors = StandIn::start();
    let of = |mode: &str| Destination::hostile(mode, &vendors.url(), mode);
    let modes: Vec<&str> = MODES.into_iter().chain(JUDGES).collect();
    let mut all: Vec<Destination> = modes.iter().copied().map(of).collect();
    all.push(Destination::webhook("webhook", &vendors.url()));
    let daemon = Daemon::start(Setup::shop(all).section("[guests]\ncall_ms_max = 200\n"));
    daemon.accept(&[shop::padded("one", 400), culprit(), shop::padded("two", 400)]);
    eventually("the other destination has all", SOON, || daemon.counter("shop/webhook", "delivered") == 3);
    eventually("the others have ended", SOON * 4, || {
        let mut tried = modes.iter().filter(|mode| **mode != "always-spin");
        tried.all(|mode| daemon.counter(&format!("shop/{mode}"), "waiting") == 0)
    });
    let sent = vendors.requests().len();
    let file = daemon.directory().join("next.wasm");
    std::fs::write(&file, hostile('B')).expect("the directory takes a file");
    let compared = daemon.cli_json(&["plugin", "install", &file.display().to_string(), "--shadow", "3"]);
    let destinations = compared["destinations"].as_array().cloned().unwrap_or_default();
    assert_eq!(destinations.len(), modes.len(), "{compared}");
    for each in &destinations {
        let mode = each["destination"].as_str().unwrap_or_default().trim_start_matches("shop/").to_string();
        let faults = each["faults_of_new"].as_u64();
        match &mode[..] {
            "always-spin" => assert!(each["ended_early"].is_string() || faults == Some(3), "{each}"),
            mode if SEND_TIME.contains(&mode) || JUDGES.contains(&mode) => assert_eq!(faults, Some(0), "{each}"),
            _ => assert!(faults <= Some(1) && each["events"] == 3, "{each}"),
        }
    }
    assert!(!compared.to_string().contains("planted-hostile-secret"));
    assert_eq!(vendors.requests().len(), sent, "nothing is sent");
    daemon.accept(&[shop::padded("after", 400)]);
    eventually("all goes on", SOON, || daemon.counter("shop/webhook", "delivered") == 4);
    modes.iter().for_each(|mode| assert_balanced(&daemon.counters(&format!("shop/{mode}"))));
}
