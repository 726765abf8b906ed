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
fn the_form_of_the_settings_is_made_of_the_types() {
    let project = Project::new("typed", "rust");
    let code = project.read("src/lib.rs");
    let fields = "    url: String,\n";
    let more = "    url: String,
    /// API key
    /// Made in the console.
    #[setting(secret)]
    key: Option<String>,
    /// Region
    #[setting(default = \"eu\")]
    region: Region,
";
    let region = "
#[derive(Deserialize, Settings)]
#[serde(rename_all = \"lowercase\")]
enum Region { Eu, Us }

impl Region {
    fn name(&self) -> &str { match self { Region::Eu => \"eu\", Region::Us => \"us\" } }
}
";
    assert!(code.contains(fields));
    project.write("src/lib.rs", &(code.replace(fields, more) + region));
    project.replace("src/lib.rs", ".json_event(&event)", ".json_event(&event).tag(settings.region.name().as_bytes())");
    let built = project.plugin("build", &[]);
    assert!(built.success, "{}", built.all());
    let manifest = switchyard::plugin::manifest::read_manifest(&project.bytes()).expect("it has a manifest");
    let schema = json!({
        "type": "object",
        "properties": {
            "url": {"type": "string", "title": "URL", "description": "Where events are sent."},
            "key": {"type": "string", "title": "API key", "description": "Made in the console.", "secret": true},
            "region": {"type": "string", "enum": ["eu", "us"], "title": "Region", "default": "eu"},
        },
        "required": ["url"],
        "additionalProperties": false,
    });
    assert_eq!(manifest.settings, schema);
    let section = b"switchyard:settings";
    assert!(!project.bytes().windows(section.len()).any(|bytes| bytes == section), "it is in the manifest alone");

    // The console's form of it.
    let daemon = Daemon::start(Setup::shop([]));
    let installed = daemon.cli_output(&["plugin", "install", &project.file().display().to_string()]);
    assert!(installed.success, "{}", installed.all());
    let form = daemon.admin_get("/integrations/typed/add").text();
    for shown in ["URL", "Where events are sent.", "API key", "Made in the console.", "Region"] {
        assert!(form.contains(shown), "{shown}: {form}");
    }

    let described = project.read("plugin.toml") + "\n[settings.url]\ntype = \"string\"\n";
    project.write("plugin.toml", &described);
    let twice = project.plugin("build", &[]);
    assert!(!twice.success && twice.all().contains("described twice"), "{}", twice.all());
    project.replace("src/lib.rs", "#[setting(secret)]", "#[setting(secrit)]");
    let wrong = project.plugin("build", &[]);
    assert!(!wrong.success && wrong.all().contains("no such attribute of a setting; there are"), "{}", wrong.all());
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
