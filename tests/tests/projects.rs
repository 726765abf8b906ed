//! `switchyard plugin new`, `build`, `test`, `dev` for Rust authors.

use serde_json::json;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::dev::Watching;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::project::{Project, track};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;

/// The most lines of a whole plugin that does something.
const HELLO_LINES_MAX: usize = 15;

#[test]
fn a_new_project_passes_its_tests_and_is_the_same_file_wherever_it_stands() {
    let project = Project::new("hello", "rust");
    let code = project.read("src/lib.rs");
    let lines = code.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count();
    assert!(lines <= HELLO_LINES_MAX, "{lines} lines: {code}");
    let tested = project.plugin("test", &[]);
    assert!(tested.success, "{}", tested.all());
    assert_eq!(tested.stdout.matches("same ").count(), 2, "{}", tested.all());
    assert_eq!(project.imports(), json!([]), "a Rust plugin imports nothing");
    let mut elsewhere = Project::new("hello", "rust");
    elsewhere.build_apart();
    let built = elsewhere.plugin("build", &[]);
    assert!(built.success, "{}", built.all());
    assert!(project.bytes() == elsewhere.bytes(), "the same source gives the same bytes");
}

#[test]
fn a_difference_is_shown_and_can_be_accepted() {
    let project = Project::new("different", "rust");
    project.replace("src/lib.rs", ".json_event(&event)", ".json_event(&event).header(\"x-new\", \"1\")");
    let differs = project.plugin("test", &["--color", "always"]);
    assert!(!differs.success && differs.stdout.contains("differs"), "{}", differs.all());
    assert!(differs.stdout.contains("\u{1b}[32m+") && differs.stdout.contains("x-new"), "{}", differs.all());
    let plain = project.plugin("test", &["--color", "never"]);
    assert!(plain.stdout.contains("\n+ ") && !plain.stdout.contains('\u{1b}'), "{}", plain.all());
    let before = project.read("fixtures/two-users.json");
    let updated = project.plugin("test", &["--update"]);
    assert!(updated.success && updated.stdout.contains("updated"), "{}", updated.all());
    assert_eq!(project.read("fixtures/two-users.json"), before, "it does not speak of headers");
    let again = project.plugin("test", &[]);
    assert!(again.success, "{}", again.all());
    // The accepted fixtures are in the file, so it loads.
    let daemon = Daemon::start(Setup::shop([]));
    let file = project.file().display().to_string();
    let installed = daemon.cli_output(&["plugin", "install", &file]);
    assert!(installed.success, "{}", installed.all());
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    let missing = tempfile::tempdir().expect("a directory");
    let folder = missing.path().display().to_string();
    let cases = [
        (vec!["plugin", "new", "/nowhere/Not-A-Name"], "lower-case letters"),
        (vec!["plugin", "build", &folder], "plugin.toml"),
    ];
    for (arguments, said) in cases {
        let output = switchyard_tests::cli::run(&arguments);
        assert!(!output.success && output.all().contains(said), "{arguments:?}: {}", output.all());
    }
    std::fs::write(missing.path().join("plugin.toml"), "id = \"x\"\nname = \"X\"\nversion = \"1.0.0\"")
        .expect("a file");
    let no_code = switchyard_tests::cli::run(&["plugin", "build", &folder]);
    assert!(no_code.all().contains("Cargo.toml, plugin.js, plugin.py"), "{}", no_code.all());
}

#[test]
fn dev_loads_each_save_into_a_running_daemon() {
    let vendors = StandIn::start();
    let destination = Destination::new("saved", "saved").setting("url", format!("{}/webhook", vendors.url()));
    let daemon = Daemon::prepare(Setup::shop([]));
    let project = Project::new("saved", "rust");
    assert!(project.plugin("build", &[]).success);
    daemon.put_plugin("saved", &project.bytes());
    let mut daemon = daemon;
    daemon.write_config(&daemon.config_text(&Setup::shop([destination])));
    daemon.spawn();
    let mut watching = Watching::start(&project, Some(daemon.config()));
    assert!(watching.round().contains("is active"));
    project.replace("src/lib.rs", ".json_event(&event)", ".json_event(&event).header(\"x-saved\", \"1\")");
    let differs = watching.round();
    assert!(differs.contains("differs") && !differs.contains("is active"), "not before its fixtures hold: {differs}");
    project.replace("fixtures/track.json", "\"headers\": {", "\"headers\": { \"x-saved\": \"1\",");
    let loaded = watching.round();
    assert!(loaded.contains("is active"), "{loaded}");
    daemon.accept(&[track("m-1")]);
    eventually("the new plan is sent", SOON, || {
        vendors.requests().iter().any(|request| request.header("x-saved") == Some("1"))
    });
}
