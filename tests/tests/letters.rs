//! What an operator does with events that were kept: dead letters, replays from the queue, erasing a
//! user, backups.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, arrivals, assert_balanced, eventually, message_ids};
use switchyard_tests::load::Load;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};
use switchyard_tests::{cli, paths, shop};

/// For what goes at a rate, on a loaded machine.
const IN_TIME: Duration = Duration::from_secs(120);

fn events(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|at| shop::padded(&format!("{name}-{at}"), 300)).collect()
}

fn dying(vendors: &StandIn) -> Destination {
    vendors.program(u64::MAX, Answer::status(404), |_| true);
    Destination::webhook("webhook", &vendors.url())
}

fn deaths(daemon: &Daemon, count: u64) {
    eventually("all are dead", SOON, || daemon.counter("shop/webhook", "dead") == count);
}

#[test]
fn dead_letters_are_exported_and_discarded_by_filter() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([dying(&vendors)]));
    daemon.accept(&events("letter", 3));
    deaths(&daemon, 3);
    let exported = daemon.cli_output(&["dead-letters", "export", "--reason", "vendor_refused"]).json_lines();
    assert_eq!(exported.len(), 3, "{exported:?}");
    let of = |id: &str| exported.iter().find(|letter| letter["message_id"] == id).expect("it is exported");
    let letter = of("letter-1");
    assert_eq!(letter["payload"]["messageId"], "letter-1", "the event is in it");
    assert!(letter["death"]["answer"].as_str().is_some_and(|answer| answer.contains("404")), "{letter}");

    let died_ms = exported.iter().filter_map(|letter| letter["died_ms"].as_u64()).max().expect("they died");
    let later = (died_ms + 1).to_string();
    assert_eq!(daemon.cli_json(&["dead-letters", "list", "--from", &later]), json!([]));
    assert_eq!(daemon.cli_json(&["dead-letters", "list", "--to", "2020-01-01T00:00:00Z"]), json!([]));
    let wrong = daemon.cli_output(&["dead-letters", "list", "--from", "yesterday"]);
    assert!(!wrong.success && wrong.stderr.contains("RFC 3339"), "{}", wrong.all());

    let refused = daemon.cli_output(&["dead-letters", "discard"]);
    assert!(!refused.success && refused.stderr.contains("--all"), "{}", refused.all());
    let discard = ["dead-letters", "discard", "--message-id", "letter-1"];
    assert_eq!(daemon.cli_json(&discard)["discarded"], 1);
    assert_eq!(daemon.cli_json(&discard)["discarded"], 0, "safe to repeat");
    let left = daemon.cli_json(&["dead-letters", "list"]);
    assert_eq!(left.as_array().map(Vec::len), Some(2), "{left}");
    let counters = daemon.counters("shop/webhook");
    assert_eq!((&counters["dead"], &counters["dead_letters"]["kept"]), (&json!(3), &json!(2)), "{counters}");
    assert_balanced(&counters);
}

#[test]
fn pages_of_the_interface_follow_each_other_by_a_cursor() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([dying(&vendors)]));
    daemon.accept(&events("page", 5));
    deaths(&daemon, 5);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.admin_get(&format!("/api/v1/dead-letters?limit=2{cursor}")).json();
        let letters = page["dead_letters"].as_array().expect("a page has letters").clone();
        assert!(letters.len() <= 2, "{page}");
        seen.extend(letters.iter().map(|letter| letter["message_id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, (0..5).map(|at| format!("\"page-{at}\"")).collect::<Vec<_>>());
    let refused = daemon.admin_get("/api/v1/dead-letters?cursor=nonsense");
    assert_eq!(refused.status, 400, "{}", refused.text());
}

#[test]
fn a_replay_at_a_rate_sends_each_once_and_not_those_that_die_again() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([dying(&vendors)]));
    daemon.accept(&events("again", 12));
    deaths(&daemon, 12);
    // The vendor refuses them again: a replay that took those up would never end.
    let answer = daemon.cli_json(&["dead-letters", "replay", "--all", "--rate", "40"]);
    assert_eq!((&answer["replayed"], &answer["done"]), (&json!(12), &json!(true)), "{answer}");
    deaths(&daemon, 24);
    vendors.heal();
    let answer = daemon.cli_json(&["dead-letters", "replay", "--event", "Product Viewed", "--limit", "7"]);
    assert_eq!(answer["replayed"], 7);
    eventually("seven are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 7);
    assert!(arrivals(&vendors.requests()).values().all(|times| *times == 1));
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn dead_letters_go_beyond_their_bound_and_the_log_says_so() {
    let vendors = StandIn::start();
    let section = "[dead_letters]\nretention_days = 1\nbytes_max = 3000";
    let daemon = Daemon::start(Setup::shop([dying(&vendors)]).section(section));
    daemon.accept(&events("bounded", 20));
    deaths(&daemon, 20);
    daemon.wait_for_log("dead letters expired");
    let counters = daemon.counters("shop/webhook");
    let letters = &counters["dead_letters"];
    let count = |name: &str| letters[name].as_u64().unwrap_or_default();
    assert_eq!(count("kept") + count("expired"), 20, "{letters}");
    assert!(count("kept") > 0 && count("bytes") <= 3_000, "{letters}");
    assert_balanced(&counters);
    assert!(daemon.cli(&["status"]).contains("dead letters kept"));
}

#[test]
fn events_that_a_rule_filters_hold_up_none_behind_them() {
    let vendors = StandIn::start();
    let webhook = Destination::webhook("webhook", &vendors.url())
        .key("only_kinds", json!(["identify"]))
        .delivery("batch_events_max", 10);
    let daemon = Daemon::start(Setup::shop([webhook]));
    let mut all = events("filtered", 35);
    all.push(json!({"type": "identify", "messageId": "meant", "userId": "u"}));
    daemon.accept(&all);
    eventually("the one behind is delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 1);
    assert_eq!(daemon.counter("shop/webhook", "filtered"), 35);
}

/// `switchyard replay` of all that the queue keeps, left to itself.
fn start_replay(daemon: &Daemon, rate: &str) -> Child {
    let config = daemon.config().display().to_string();
    Command::new(paths::daemon())
        .args(["replay", "--destination", "shop/second", "--from", "0", "--to", "2100-01-01", "--rate", rate])
        .args(["--config", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("switchyard can be started")
}

#[test]
fn a_backfill_goes_on_after_a_kill_and_makes_each_delivery_once() {
    let vendors = StandIn::start();
    let webhook = |name: &str| Destination::webhook(name, &vendors.url());
    let mut daemon = Daemon::start(Setup::shop([webhook("first")]));
    let mut all = events("backfill", 60);
    all.push(json!({"type": "identify", "messageId": "filtered", "userId": "u"}));
    daemon.accept(&all);
    eventually("the first has all", SOON, || daemon.counter("shop/first", "delivered") == 61);
    let second = webhook("second").setting("url", format!("{}/webhook-second", vendors.url()));
    let both = Setup::shop([webhook("first"), second.key("only_kinds", json!(["track"]))]);
    daemon.write_config(&daemon.config_text(&both));
    eventually("the second is there", SOON, || daemon.admin_get("/api/v1/status").text().contains("shop/second"));

    let mut replay = start_replay(&daemon, "5");
    eventually("some are replayed", SOON, || daemon.counter("shop/second", "replayed") >= 6);
    let range = ["replay", "--destination", "shop/second", "--from", "0", "--to", "2100-01-01"];
    let twice = daemon.cli_output(&range);
    assert!(!twice.success && twice.stderr.contains("under way"), "{}", twice.all());
    daemon.kill();
    let ended = replay.wait().expect("it is our child");
    assert!(!ended.success(), "it says that it did not come to its end");
    daemon.restart();
    let before = daemon.counter("shop/second", "replayed");
    assert!((6..61).contains(&before), "{before}");
    let other = daemon.cli_output(&["replay", "--destination", "shop/second", "--from", "5", "--to", "6"]);
    assert!(!other.success && other.stderr.contains("run that one again"), "{}", other.all());
    let answer = daemon.cli_json(&[&range[..], &["--rate", "10000"]].concat());
    assert_eq!((&answer["replayed"], &answer["passed"], &answer["done"]), (&json!(61), &json!(0), &json!(true)));
    assert!(answer["reaches_back_ms"].as_u64().is_some(), "{answer}");
    eventually("all have their outcome", IN_TIME, || daemon.counter("shop/second", "owed") == 0);
    let counters = daemon.counters("shop/second");
    let ends = (&counters["replayed"], &counters["delivered"], &counters["filtered"]);
    assert_eq!(ends, (&json!(61), &json!(60), &json!(1)), "{counters}");
    assert_balanced(&counters);
    let sent = vendors.requests_to("/webhook-second");
    assert!(all_arrived(&sent, &message_ids(&all[..60])));
    let unknown = daemon.cli_output(&["replay", "--destination", "shop/third", "--from", "0", "--to", "1"]);
    assert!(!unknown.success && unknown.stderr.contains("shop/third"), "{}", unknown.all());
}

/// The files below a directory that hold a text.
fn holding(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn an_erased_user_is_found_nowhere_below_the_daemon_s_directory() {
    const PLANTED: &str = "planted-51c8";
    let vendors = StandIn::start();
    let batching = |name: &str| {
        let url = format!("{}/webhook-{name}", vendors.url());
        Destination::webhook(name, &vendors.url()).setting("url", url).setting("batching", "array")
    };
    vendors.program(u64::MAX, Answer::retry_after(3_600), |request| request.path == "/webhook-down");
    vendors.program(u64::MAX, Answer::status(404), |request| request.path == "/webhook-dead");
    let mut daemon = Daemon::start(Setup::shop([batching("well"), batching("down"), batching("dead")]));
    let of = |id: String, user: &str| {
        let traits = json!({"email": format!("{user}@example.com")});
        json!({"type": "track", "event": "Seen", "messageId": id, "userId": user, "context": {"traits": traits}})
    };
    let all: Vec<Value> =
        (0..6).flat_map(|at| [of(format!("{PLANTED}-{at}"), PLANTED), of(format!("other-{at}"), "other")]).collect();
    daemon.accept(&all);
    eventually("all have been tried", SOON, || {
        let count = |name: &str, counter: &str| daemon.counter(&format!("shop/{name}"), counter);
        (count("well", "delivered"), count("down", "owed"), count("dead", "dead")) == (12, 12, 12)
    });
    assert!(!holding(&daemon.data(), PLANTED).is_empty(), "the search can find it");
    let erased = daemon.cli_json(&["erase", "--user", PLANTED]);
    let counts = (&erased["events"], &erased["expired"], &erased["dead_letters"]);
    assert_eq!(counts, (&json!(6), &json!(6), &json!(6)), "{erased}");
    assert_eq!(holding(daemon.directory(), PLANTED), Vec::<String>::new());
    assert!(daemon.log().contains("a user was erased"), "the log says that it was done");
    for name in ["well", "down", "dead"] {
        assert_balanced(&daemon.counters(&format!("shop/{name}")));
    }
    assert_eq!(daemon.counter("shop/down", "expired"), 6);
    daemon.kill();
    vendors.heal();
    daemon.restart();
    assert_eq!(daemon.counter("shop/down", "owed"), 6, "the others are owed still");
    assert_eq!(daemon.cli_json(&["dead-letters", "list"]).as_array().map(Vec::len), Some(6));
    daemon.end();
    assert_eq!(holding(daemon.directory(), PLANTED), Vec::<String>::new());
}

#[test]
fn a_backup_under_load_is_restored_with_all_that_was_accepted_before_it() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let setup = || Setup::shop([Destination::webhook("webhook", &vendors.url()).delivery("attempts_max", 1_000)]);
    let mut daemon = Daemon::start(setup());
    let before = events("before", 200);
    daemon.accept(&before);
    let load = Load::start(&daemon.url(""), "wk_test", 2, "load");
    eventually("the load runs", SOON, || load.acknowledged() > 50);
    let folder = tempfile::tempdir().expect("a directory for the backup");
    let file = folder.path().join("backup").display().to_string();
    let held = daemon.cli_json(&["backup", &file]);
    let accepted = held["accepted"].as_u64().unwrap_or_default();
    assert!(accepted >= 250, "{held}");
    let twice = daemon.cli_output(&["backup", &file]);
    assert!(!twice.success && twice.stderr.contains("another file"), "{}", twice.all());
    load.stop();
    let data = daemon.data().display().to_string();
    let in_use = cli::run(&["restore", &file, "--data", &data, "--force"]);
    assert!(!in_use.success && in_use.stderr.contains("in use"), "{}", in_use.all());
    daemon.kill();

    let mut restored = Daemon::prepare(setup());
    let data = restored.data().display().to_string();
    let told = cli::run(&["restore", &file, "--data", &data]);
    assert!(told.success && told.stdout.contains(&format!("{accepted} events accepted")), "{}", told.all());
    let kept = cli::run(&["restore", &file, "--data", &data]);
    assert!(!kept.success && kept.stderr.contains("--force"), "{}", kept.all());
    vendors.heal();
    vendors.forget();
    restored.restart();
    assert_eq!(restored.counter("shop/webhook", "accepted"), accepted);
    vendors.wait_until("all before the backup", IN_TIME, |requests| all_arrived(requests, &message_ids(&before)));
    eventually("all are settled", IN_TIME, || restored.counter("shop/webhook", "delivered") == accepted);
    assert_balanced(&restored.counters("shop/webhook"));
}
