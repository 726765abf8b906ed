//! Revisions and the way back: what is active outlives a restart, what asks for more waits, what is
//! worse than before goes back by itself, and no event is lost over it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_balanced, eventually, message_ids};
use switchyard_tests::load::Load;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};
use switchyard_tests::{paths, shop, wasm};

/// For a part of the backlog of a storm.
const CATCH_UP: Duration = Duration::from_secs(180);

fn bytes_of(id: &str) -> Vec<u8> {
    std::fs::read(paths::plugin(id)).expect("it is built")
}

/// The hostile guest's revision of that letter: P traps at every event, E fails, J rejects, Q spins; of K
/// the judge traps at every answer, of L it spins, of M it speaks of an event that is not there; others are good and tell their letter in a header.
fn hostile(letter: char) -> Vec<u8> {
    wasm::patched(&bytes_of("hostile"), b"hostile-revision-A", format!("hostile-revision-{letter}").as_bytes())
}

fn guest(vendors: &StandIn) -> Setup {
    Setup::shop([Destination::hostile("guest", &vendors.url(), "none")]).section("[guests]\ncall_ms_max = 300\n")
}

fn status(daemon: &Daemon, plugin: &str) -> Value {
    let status = daemon.admin_get("/api/v1/status").json();
    let plugins = status["plugins"].as_array().cloned().unwrap_or_default();
    plugins.into_iter().find(|each| each["plugin"] == plugin).unwrap_or_else(|| panic!("no {plugin} in {status}"))
}

/// The revision that plans most.
fn revision(daemon: &Daemon, plugin: &str) -> String {
    status(daemon, plugin)["revision"].as_str().unwrap_or_default().to_string()
}

fn steps(daemon: &Daemon, plugin: &str) -> Vec<String> {
    let history = daemon.cli_json(&["plugin", "history", plugin]);
    let steps = history["steps"].as_array().cloned().unwrap_or_default();
    steps.iter().map(|step| step["step"].as_str().unwrap_or_default().to_string()).collect()
}

fn file(daemon: &Daemon, bytes: &[u8]) -> PathBuf {
    let path = daemon.directory().join("new.wasm");
    std::fs::write(&path, bytes).expect("the directory takes a file");
    path
}

fn events(name: &str, count: usize) -> Vec<Value> {
    let user = |at: usize| {
        let mut event = shop::padded(&format!("{name}-{at}"), 400);
        event["userId"] = json!(format!("{name}-user-{at}"));
        event
    };
    (0..count).map(user).collect()
}

fn letters(requests: &[Recorded]) -> Vec<&str> {
    requests.iter().filter_map(|request| request.header("x-revision")).collect()
}

fn put(daemon: &Daemon, plugin: &str, bytes: &[u8]) -> String {
    let before = revision(daemon, plugin);
    daemon.put_plugin(plugin, bytes);
    eventually("the new revision is active", SOON, || revision(daemon, plugin) != before);
    revision(daemon, plugin)
}

#[test]
fn a_rollback_outlives_a_restart_and_the_inbox_does_not_bring_back_what_was_rolled_back() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(guest(&vendors));
    let first = revision(&daemon, "hostile");
    let second = put(&daemon, "hostile", &hostile('B'));
    let said = daemon.cli(&["plugin", "rollback", "hostile"]);
    assert!(said.contains(&first[..12]), "{said}");
    assert_eq!(revision(&daemon, "hostile"), first);
    daemon.end();
    daemon.restart();
    daemon.accept(&events("after", 3));
    vendors.wait_until("they arrive", SOON, |requests| requests.len() == 3);
    assert_eq!(letters(&vendors.requests()), ["A", "A", "A"], "the file in the inbox is the newer one");
    let logged = daemon.log().len();
    daemon.put_plugin("hostile", &hostile('B'));
    eventually("the log says so", SOON, || daemon.log()[logged..].contains("was rolled back and is left where it is"));
    assert_eq!(revision(&daemon, "hostile"), first);
    let path = file(&daemon, &hostile('B')).display().to_string();
    daemon.cli(&["plugin", "install", &path]);
    assert_eq!(revision(&daemon, "hostile"), second, "who installs it means it");
    assert_eq!(steps(&daemon, "hostile"), ["activated", "activated", "rolled_back", "activated"]);
    daemon.cli(&["plugin", "promote", "hostile"]);
    daemon.cli(&["plugin", "rollback", "hostile"]);
    assert_eq!(revision(&daemon, "hostile"), first);
    daemon.cli(&["plugin", "rollback", "hostile", "--to", &second[..8]]);
    assert_eq!(revision(&daemon, "hostile"), second);
    let output = daemon.cli_output(&["plugin", "rollback", "hostile", "--to", "0123"]);
    assert!(!output.success && output.all().contains("plugin history hostile"), "{}", output.all());
}

#[test]
fn settings_go_back_too_until_the_file_has_others() {
    let vendors = StandIn::start();
    let setup = |path: &str| {
        let guest = Destination::hostile("guest", &vendors.url(), "none");
        Setup::shop([guest.setting("endpoint", format!("{}/webhook-{path}", vendors.url()))])
    };
    let mut daemon = Daemon::start(setup("first"));
    let send = |daemon: &Daemon, name: &str, path: &str| {
        daemon.accept(&events(name, 1));
        vendors.wait_until(path, SOON, |requests| {
            requests.last().is_some_and(|last| last.path == format!("/webhook-{path}"))
        });
    };
    send(&daemon, "one", "first");
    daemon.write_config(&daemon.config_text(&setup("second")));
    eventually("it is a step", SOON, || steps(&daemon, "hostile") == ["activated", "configured"]);
    send(&daemon, "two", "second");
    let said = daemon.cli(&["plugin", "rollback", "hostile"]);
    assert!(said.contains("shop/guest has its earlier settings again"), "{said}");
    send(&daemon, "three", "first");
    daemon.end();
    daemon.restart();
    send(&daemon, "four", "first");
    assert!(!daemon.cli_output(&["plugin", "rollback", "hostile"]).success, "there is nothing before that");
    daemon.write_config(&daemon.config_text(&setup("third")));
    eventually("it is a step", SOON, || steps(&daemon, "hostile").last().is_some_and(|step| step == "configured"));
    send(&daemon, "five", "third");
    let store = std::fs::read(daemon.data().join("store.redb")).expect("it is there");
    assert!(!store.windows(22).any(|window| window == b"planted-hostile-secret"), "the store has handles");
}

#[test]
fn the_inbox_is_taken_in_at_a_start_and_what_was_taken_in_needs_it_no_more() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(guest(&vendors));
    let first = revision(&daemon, "hostile");
    daemon.end();
    daemon.put_plugin("hostile", &hostile('B'));
    daemon.restart();
    eventually("what came meanwhile is active", SOON, || revision(&daemon, "hostile") != first);
    let second = revision(&daemon, "hostile");
    daemon.end();
    std::fs::remove_file(daemon.plugin_file("hostile")).expect("it is there");
    daemon.restart();
    assert_eq!(revision(&daemon, "hostile"), second);
    daemon.accept(&events("later", 1));
    vendors.wait_until("it arrives", SOON, |requests| letters(requests) == ["B"]);
    assert_eq!(daemon.cli_output(&["check"]).all().matches("hostile").count(), 0, "check knows what is active");
}

#[test]
fn what_asks_for_more_waits_for_a_grant_and_says_why() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(guest(&vendors));
    let first = revision(&daemon, "hostile");
    let greedy = wasm::with_manifest(&hostile('B'), |manifest| {
        manifest["hosts"] = json!(["{settings.endpoint}", "elsewhere.example"]);
        manifest["permissions"]["elsewhere.example"] = json!("Everything is copied there.");
        manifest["secrets"] = json!({"secret": {"use": ["auth", "body"], "reason": "The body needs it."}});
    });
    let path = file(&daemon, &greedy).display().to_string();
    let output = daemon.cli_output(&["plugin", "install", &path]);
    assert!(!output.success, "{}", output.all());
    for says in
        ["elsewhere.example: Everything is copied there.", "secret` in the body", "The body needs it.", "--grant"]
    {
        assert!(output.all().contains(says), "{says}: {}", output.all());
    }
    daemon.put_plugin("hostile", &greedy);
    eventually("it waits", SOON, || status(&daemon, "hostile")["held"].is_object());
    assert_eq!(revision(&daemon, "hostile"), first);
    daemon.end();
    daemon.restart();
    let history = daemon.cli(&["plugin", "history", "hostile"]);
    assert!(history.contains("plugin grant hostile") && history.contains("Everything is copied there."), "{history}");
    daemon.cli(&["plugin", "grant", "hostile"]);
    assert_ne!(revision(&daemon, "hostile"), first);
    assert!(status(&daemon, "hostile")["held"].is_null());
    // What was granted once is granted to the next one.
    let next = wasm::revision(&greedy, 1);
    put(&daemon, "hostile", &next);
    assert!(!daemon.cli_output(&["plugin", "grant", "hostile"]).success);
}

/// A bad revision comes into the inbox while events arrive.
fn check_bad(letter: char) {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(400), |request| request.header("x-revision") == Some("V"));
    let daemon = Daemon::start(guest(&vendors));
    let first = revision(&daemon, "hostile");
    daemon.accept(&events("before", 60));
    eventually("the first revision is known", SOON, || daemon.counter("shop/guest", "delivered") == 60);
    put(&daemon, "hostile", &hostile(letter));
    let late = events("late", 60);
    daemon.accept(&late);
    eventually("it goes back by itself", SOON, || revision(&daemon, "hostile") == first);
    eventually("every event is delivered", SOON, || daemon.counter("shop/guest", "waiting") == 0);
    vendors.wait_until("every event arrives", SOON, |requests| {
        let accepted: Vec<Recorded> = requests.iter().filter(|request| request.accepted()).cloned().collect();
        all_arrived(&accepted, &message_ids(&late))
    });
    eventually("no dead letter is left", SOON, || daemon.cli_json(&["dead-letters", "list"]) == json!([]));
    assert_balanced(&daemon.counters("shop/guest"));
    assert_eq!(steps(&daemon, "hostile").last().map(String::as_str), Some("rolled_back_by_itself"));
    assert!(daemon.log().contains("worse than the one before"), "{letter}");
    let metrics = daemon.admin_get("/metrics").text();
    assert!(metrics.contains("switchyard_plugin_rollbacks_total{plugin=\"hostile\"} 1"), "{letter}");
}

#[test]
fn a_revision_that_traps_goes_back_by_itself() {
    check_bad('P');
}

#[test]
fn a_revision_that_spins_goes_back_by_itself() {
    check_bad('Q');
}

#[test]
fn a_revision_that_fails_goes_back_by_itself() {
    check_bad('E');
}

#[test]
fn a_revision_that_rejects_everything_goes_back_by_itself() {
    check_bad('J');
}

#[test]
fn a_revision_whose_judge_traps_goes_back_by_itself() {
    check_bad('K');
}

/// What it had in flight is not read one time-out after the other.
#[test]
fn a_revision_whose_judge_spins_goes_back_by_itself() {
    check_bad('L');
}

#[test]
fn a_revision_whose_judge_speaks_of_no_event_goes_back_by_itself() {
    check_bad('M');
}

#[test]
fn a_revision_that_the_vendor_refuses_goes_back_by_itself_and_its_letters_are_sent_again() {
    check_bad('V');
}

#[test]
fn some_users_go_to_a_canary_and_all_of_them_once_it_is_promoted() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::start(guest(&vendors));
    let path = file(&daemon, &hostile('B')).display().to_string();
    daemon.cli(&["plugin", "install", &path, "--canary", "30%"]);
    let both = || letters(&vendors.requests()).iter().map(|letter| letter.to_string()).collect::<Vec<_>>();
    for round in 0..2 {
        daemon.accept(&events(&format!("round-{round}"), 200));
    }
    vendors.wait_until("all arrive", SOON, |requests| requests.len() == 400);
    let of_b = both().iter().filter(|letter| *letter == "B").count();
    assert!((60..=180).contains(&of_b), "{of_b} of 400 with 30 %");
    daemon.end();
    daemon.restart();
    vendors.forget();
    let mut again = events("round-0", 200);
    again.iter_mut().for_each(|event| {
        event["messageId"] = json!(format!("again-{}", event["messageId"].as_str().unwrap_or_default()))
    });
    daemon.accept(&again);
    vendors.wait_until("all arrive", SOON, |requests| requests.len() == 200);
    assert!(
        both().iter().any(|letter| letter == "A") && both().iter().any(|letter| letter == "B"),
        "it is still on trial"
    );
    daemon.cli(&["plugin", "promote", "hostile"]);
    vendors.forget();
    daemon.accept(&events("promoted", 50));
    vendors.wait_until("all arrive", SOON, |requests| requests.len() == 50);
    assert!(both().iter().all(|letter| letter == "B"));
    assert_eq!(steps(&daemon, "hostile"), ["activated", "canary", "promoted"]);
}

#[test]
fn a_bad_canary_goes_back_by_itself_and_costs_no_event() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |request| request.header("x-revision") == Some("W"));
    let guest = Destination::hostile("guest", &vendors.url(), "none").delivery("breaker_failures", 1_000_000);
    let guest = guest.delivery("breaker_failure_share", 1.0);
    let daemon = Daemon::start(Setup::shop([guest]).section("[plugins.watch]\nretries = 0.2\n"));
    let first = revision(&daemon, "hostile");
    let path = file(&daemon, &hostile('W')).display().to_string();
    daemon.cli(&["plugin", "install", &path, "--canary", "40"]);
    daemon.accept(&events("tried", 200));
    eventually("it goes back by itself", SOON, || {
        steps(&daemon, "hostile").last().is_some_and(|step| step == "rolled_back_by_itself")
    });
    assert_eq!(revision(&daemon, "hostile"), first);
    // What it has planned goes on with its bytes, and is read by its judge.
    vendors.heal();
    eventually("all are delivered", SOON, || daemon.counter("shop/guest", "delivered") == 200);
    let tried_again =
        vendors.requests().into_iter().find(|request| request.accepted() && request.header("x-revision") == Some("W"));
    let id = tried_again.expect("some were tried again").json()["messageId"].as_str().unwrap_or_default().to_string();
    let steps = daemon.steps(&id);
    let last = steps.last().expect("it has steps");
    assert_eq!(last["step"], "delivered");
    assert_ne!(last["revision"], first[..12], "the revision that planned it reads the answer: {last}");
}

#[test]
fn a_shadow_shows_what_would_change_and_sends_nothing() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(guest(&vendors));
    daemon.accept(&events("known", 20));
    vendors.wait_until("they arrive", SOON, |requests| requests.len() == 20);
    let first = revision(&daemon, "hostile");
    let path = file(&daemon, &hostile('B')).display().to_string();
    let output = daemon.cli_output(&["plugin", "install", &path, "--shadow", "10"]);
    assert!(output.success, "{}", output.all());
    for says in [
        "10 events planned twice, 0 the same, 10 changed",
        "10 x requests.event.headers.x-revision changed",
        "- \"A\"",
        "+ \"B\"",
    ] {
        assert!(output.stdout.contains(says), "{says}: {}", output.stdout);
    }
    assert_eq!((revision(&daemon, "hostile"), vendors.requests().len()), (first, 20));
    daemon.cli(&["plugin", "install", &path, "--shadow", "10", "--yes"]);
    eventually("it is active", SOON, || steps(&daemon, "hostile").len() == 2);
}

/// How many events have not arrived, where each request has one.
fn missing(vendors: &StandIn, ids: &[String]) -> usize {
    let requests = vendors.requests();
    let accepted = requests.iter().filter(|request| request.accepted());
    let arrived: HashSet<String> =
        accepted.filter_map(|request| Some(request.json()["messageId"].as_str()?.to_string())).collect();
    ids.iter().filter(|id| !arrived.contains(*id)).count()
}

/// Swaps under load, some of them to revisions that are bad in one way or another.
#[test]
fn a_storm_of_revisions_under_load_loses_nothing() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(400), |request| request.header("x-revision") == Some("V"));
    let daemon = Daemon::start(guest(&vendors));
    let load = Load::start(&daemon.url(""), "wk_test", 2, "storm");
    let bad = ['P', 'V', 'J', 'E', 'Q'];
    let swaps = paths::size(20, 100);
    let mut rolled_back = 0;
    eventually("events flow", SOON, || daemon.counter("shop/guest", "delivered") > 100);
    for number in 0..swaps {
        let before = revision(&daemon, "hostile");
        if number % 10 == 9 {
            let letter = bad[(number / 10) as usize % bad.len()];
            let bytes = wasm::revision(&hostile(letter), number);
            daemon.put_plugin("hostile", &bytes);
            rolled_back += 1;
            eventually("the bad revision goes back by itself", CATCH_UP, || {
                status(&daemon, "hostile")["rollbacks"] == rolled_back
            });
            continue;
        }
        daemon.put_plugin("hostile", &wasm::revision(&hostile('B'), number));
        eventually("the new revision is active", SOON, || revision(&daemon, "hostile") != before);
        let taken = load.acknowledged();
        eventually("events go on", SOON, || load.acknowledged() > taken);
    }
    let sent = load.stop();
    assert_eq!(sent.refusals, Vec::<String>::new(), "nothing is answered with an error");
    assert_eq!(sent.failures, 0, "nothing goes without an answer");
    // Looked at seldom: what reads all that has arrived holds up what arrives.
    loop {
        let (arrived, missing) = (vendors.requests().len(), missing(&vendors, &sent.acknowledged));
        if missing == 0 {
            break;
        }
        vendors.wait_until("the backlog goes on", CATCH_UP, |requests| requests.len() >= arrived + missing.min(1_000));
    }
    eventually("all are settled", CATCH_UP, || {
        let counters = daemon.counters("shop/guest");
        counters["waiting"] == 0 && counters["owed"] == 0
    });
    eventually("no dead letter is left", CATCH_UP, || daemon.cli_json(&["dead-letters", "list"]) == json!([]));
    assert_balanced(&daemon.counters("shop/guest"));
    println!(
        "{swaps} swaps, {rolled_back} of them rolled back by themselves; {} events, none lost",
        sent.acknowledged.len()
    );
}
