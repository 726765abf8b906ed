//! The command line for plugin authors: run, bench, inspect, build.

use serde_json::{Value, json};
use switchyard_tests::cli::{self, Output};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::setup::Setup;
use switchyard_tests::{paths, wasm};
use tempfile::TempDir;

struct Files {
    directory: TempDir,
}

impl Files {
    fn new(settings: &Value, events: &[Value]) -> Files {
        let directory = tempfile::tempdir().expect("a directory");
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(directory.path().join("settings.json"), settings.to_string()).expect("a file");
        std::fs::write(directory.path().join("events.jsonl"), lines).expect("a file");
        Files { directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn plugin(&self, words: &[&str], id: &str, more: &[&str]) -> Output {
        let plugin = paths::plugin(id).display().to_string();
        let (settings, events) = (self.path("settings.json"), self.path("events.jsonl"));
        let mut all = words.to_vec();
        all.extend([plugin.as_str(), "--settings", &settings, "--events", &events]);
        all.extend(more);
        cli::run(&all)
    }
}

fn order(id: &str) -> Value {
    let mut event: Value = serde_json::from_str(&paths::fixture("order-completed.json")).expect("the fixture is JSON");
    event["messageId"] = json!(id);
    event
}

fn ga4_settings() -> Value {
    json!({"measurement_id": "G-1", "api_secret": "the-secret", "endpoint": "http://127.0.0.1:9/ga4"})
}

#[test]
fn run_prints_one_object_a_batch() {
    let files = Files::new(&ga4_settings(), &[order("a"), order("b"), order("c")]);
    let now = order("a")["receivedAt"].as_str().map_or("1767607200000", |_| "1767607205000").to_string();
    let batches = files.plugin(&["plugin", "run"], "ga4", &["--batch", "2", "--now", &now]).json_lines();
    assert_eq!(batches.len(), 2);
    for batch in &batches {
        let request = &batch["requests"][0];
        assert_eq!(request["method"], "POST");
        assert!(
            request["url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:9/ga4/mp/collect")),
            "{request}"
        );
        assert!(
            request["url"].as_str().is_some_and(|url| url.contains("the-secret")),
            "an author sees the secret: {request}"
        );
        assert!(request["headers"].is_object() && request["body"].is_string() && request["body_json"].is_object());
        assert!(request["covers"].is_array() && batch["fates"].is_array());
    }
    let again = files.plugin(&["plugin", "run"], "ga4", &["--batch", "2", "--now", &now]);
    assert_eq!(again.json_lines(), batches);
}

#[test]
fn run_names_fates_and_wrong_settings() {
    let files =
        Files::new(&ga4_settings(), &[json!({"type": "alias", "userId": "u", "previousId": "p", "messageId": "a"})]);
    let batches = files.plugin(&["plugin", "run"], "ga4", &[]).json_lines();
    let fate = &batches[0]["fates"][0];
    assert_eq!((&fate["index"], &fate["fate"]), (&json!(0), &json!("skip")), "{fate}");
    assert!(fate["reason"].is_string(), "{fate}");
    let wrong = Files::new(&json!({"measurement_id": 5}), &[order("a")]).plugin(&["plugin", "run"], "ga4", &[]);
    assert!(!wrong.success && wrong.all().contains("measurement_id"), "{}", wrong.all());
    let no_events = Files::new(&ga4_settings(), &[json!("no event")]).plugin(&["plugin", "run"], "ga4", &[]);
    assert!(!no_events.success && no_events.all().contains("1"), "the line is named: {}", no_events.all());
}

#[test]
fn check_names_a_plugin_that_would_be_refused() {
    let daemon = Daemon::prepare(Setup::shop([]));
    let webhook = std::fs::read(paths::plugin("webhook")).expect("it is built");
    daemon.put_plugin("broken", &wasm::truncated(&webhook));
    let checked = daemon.cli_output(&["check"]);
    assert!(!checked.success && checked.all().contains("broken.wasm: the plugin is refused"), "{}", checked.all());
}

#[test]
fn bench_prints_its_figures() {
    let files = Files::new(&ga4_settings(), &[order("a")]);
    let output = files.plugin(&["plugin", "bench"], "ga4", &["--batch", "100", "--seconds", "0.3"]);
    let figures = output.json();
    for name in [
        "events",
        "events_per_second",
        "events_per_cpu_second",
        "yardstick_events_per_cpu_second",
        "yardsticks_per_event",
    ] {
        assert!(figures[name].as_f64().is_some_and(|figure| figure > 0.0), "{name}: {figures}");
    }
}

#[test]
fn inspect_shows_manifest_imports_and_limits() {
    let plugin = paths::plugin("webhook").display().to_string();
    let shown = cli::run(&["plugin", "inspect", &plugin, "--json"]).json();
    assert!(shown.to_string().contains("\"webhook\"") && shown.to_string().contains("1.0.0"), "{shown}");
    assert_eq!(shown["imports"], json!([]), "a plugin imports nothing");
    let told = cli::run(&["plugin", "inspect", &plugin]);
    assert!(told.success && told.stdout.contains("webhook"), "{}", told.all());
    let missing = cli::run(&["plugin", "inspect", "/nowhere.wasm"]);
    assert!(!missing.success && missing.all().contains("/nowhere.wasm"), "{}", missing.all());
}

#[test]
fn build_makes_a_plugin_of_a_folder() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("webhook.wasm").display().to_string();
    let folder = paths::root().join("plugins/webhook").display().to_string();
    let built = cli::run(&["plugin", "build", &folder, "-o", &file]);
    assert!(built.success, "{}", built.all());
    assert!(cli::run(&["plugin", "inspect", &file]).success);
}
