//! The files of examples/ that an operator takes as they are: what they name is there.

use std::collections::BTreeSet;

use clap::Parser as _;
use granit_parser::{Event, Parser};
use serde_json::Value;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::scrape::Scrape;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;
use switchyard_tests::{paths, shop};

fn example(name: &str) -> String {
    let path = paths::root().join("examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A YAML document; its scalars are texts.
fn yaml(text: &str) -> Value {
    let events = Parser::new_from_str(text).map(|event| event.expect("it is YAML").0);
    let begins = |event: &Event<'_>| matches!(event, Event::StreamStart | Event::DocumentStart(..));
    let mut events = events.skip_while(begins);
    let first = events.next().expect("there is a document");
    node(first, &mut events)
}

fn node<'a>(first: Event<'a>, rest: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match first {
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut values = Vec::new();
            while let Some(event) = rest.next().filter(|event| *event != Event::SequenceEnd) {
                values.push(node(event, rest));
            }
            Value::Array(values)
        }
        Event::MappingStart(..) => {
            let mut members = serde_json::Map::new();
            while let Some(Event::Scalar(key, ..)) = rest.next() {
                let value = rest.next().expect("a key has a value");
                assert!(members.insert(key.to_string(), node(value, rest)).is_none(), "{key} is there twice");
            }
            Value::Object(members)
        }
        other => panic!("the rules need no {other:?}"),
    }
}

/// All texts of a document under keys of these names.
fn texts(document: &Value, keys: &[&str], found: &mut Vec<String>) {
    match document {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(text) if keys.contains(&key.as_str()) => found.push(text.to_string()),
                    _ => texts(value, keys, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, keys, found)),
        _ => {}
    }
}

/// The metrics that an expression names.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    let words = expression.split(|character| !is_part(character));
    let own = |word: &&str| word.starts_with("switchyard_") || word.starts_with("process_");
    words.filter(own).map(str::to_string).collect()
}

/// A scrape of a daemon to which everything has happened that makes a series.
fn full_scrape() -> Scrape {
    let vendors = StandIn::start();
    let plan = "[[pipeline.tracking_plan]]\nkind = \"track\"\non_violation = \"mark\"\nschema = { required = [\"x\"] }";
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).of_pipelines(plan));
    daemon.accept(&[serde_json::json!({"type": "track", "event": "E", "userId": "u", "messageId": "m"})]);
    daemon.post("/v1/batch", &serde_json::json!({"batch": [{"type": "track", "messageId": "nameless"}]}));
    daemon.accept(&[shop::padded("one", 400)]);
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    Scrape::of(&daemon)
}

#[test]
fn dashboard_and_alert_rules_name_metrics_that_exist() {
    let dashboard: Value =
        serde_json::from_str(&example("monitoring/grafana-dashboard.json")).expect("the dashboard is JSON");
    let rules = yaml(&example("monitoring/prometheus-alerts.yml"));
    let scrape = full_scrape();
    let names = scrape.names();
    for (what, document, keys) in
        [("dashboard", &dashboard, &["expr", "query", "definition"][..]), ("rules", &rules, &["expr"])]
    {
        let mut expressions = Vec::new();
        texts(document, keys, &mut expressions);
        assert!(expressions.len() > 10, "{what}: {expressions:?}");
        for expression in expressions.iter().filter(|expression| !expression.starts_with("up{")) {
            let named = metrics_of(expression);
            assert!(!named.is_empty() || expression == "prometheus", "{what}: no metric in {expression}");
            let unknown: Vec<&String> = named.iter().filter(|name| !names.contains(name.as_str())).collect();
            assert!(unknown.is_empty(), "{what}: {unknown:?} in {expression}; there are {names:?}");
        }
    }
    let rules = rules["groups"][0]["rules"].as_array().expect("rules");
    for rule in rules {
        assert!(rule["alert"].is_string() && rule["annotations"]["summary"].is_string(), "{rule}");
    }
}

#[test]
fn the_smallest_plugin_has_at_most_15_lines_and_is_the_one_in_the_readme() {
    let code = example("rust/src/lib.rs");
    assert!(code.lines().count() <= 15, "{code}");
    let readme = std::fs::read_to_string(paths::root().join("README.md")).expect("a README");
    let shown = code.split_once("use switchyard_sdk").map(|(_, rest)| format!("```rust\nuse switchyard_sdk{rest}```"));
    assert!(readme.contains(&shown.expect("it uses the SDK")), "README.md shows another one");
}

#[test]
fn metrics_are_found_in_expressions() {
    let found = metrics_of("sum by (le) (rate(switchyard_a_bucket{x=\"switch\"}[5m])) / process_b > up");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["process_b", "switchyard_a_bucket"]);
}

/// Wants the command line to be one that the binary takes.
fn assert_taken(line: &[String]) {
    let (program, _) = line.split_first().expect("a program");
    assert_eq!(program, "/usr/local/bin/switchyard", "{line:?}");
    if let Err(error) = switchyard::cli::Cli::try_parse_from(line) {
        panic!("{line:?}: {error}");
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_string).collect()
}

#[test]
fn the_unit_runs_what_the_binary_takes() {
    let unit = example("systemd/switchyard.service");
    let lines: Vec<Vec<String>> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart=").or(line.strip_prefix("ExecStartPre=")))
        .map(words)
        .collect();
    assert_eq!(lines.len(), 2, "{unit}");
    lines.iter().for_each(|line| assert_taken(line));
    let socket = example("systemd/switchyard.socket");
    let config: toml::Table = example("systemd/switchyard.toml").parse().expect("the configuration is TOML");
    for listener in ["ingest", "admin"] {
        let address = config["listen"][listener].as_str().expect("an address");
        assert!(socket.contains(&format!("ListenStream={address}\n")), "{address} is not among the sockets");
    }
}

#[test]
fn the_container_runs_what_the_binary_takes() {
    let file = example("container/Containerfile");
    let json_of = |line: &str| -> Vec<String> {
        let at = line.find('[').unwrap_or_else(|| panic!("not in the exec form: {line}"));
        serde_json::from_str(&line[at..]).unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    let line = |begins: &str| {
        let found = file.lines().find(|line| line.starts_with(begins));
        json_of(found.unwrap_or_else(|| panic!("no {begins} in the Containerfile")))
    };
    assert_taken(&[line("ENTRYPOINT "), line("CMD ")].concat());
    assert_taken(&line("HEALTHCHECK "));
    let user = file.lines().rfind(|line| line.starts_with("USER ")).expect("a user");
    assert!(!user.contains("root") && !user.starts_with("USER 0"), "{user}");
}

#[test]
fn the_configurations_are_good() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["systemd/switchyard.toml", "container/switchyard.toml"] {
        let text = example(name).replace("/var/lib/switchyard", "lib").replace("/usr/share/switchyard", "share");
        let file = directory.path().join("switchyard.toml");
        std::fs::write(&file, text).expect("the directory takes a file");
        std::fs::create_dir_all(directory.path().join("lib/plugins")).expect("the directory takes another");
        let variables = [("SHOP_WRITE_KEY", "wk_shop"), ("SHOP_WEBHOOK_URL", "https://example.com/in")];
        let arguments = ["check", "--config", &file.display().to_string()];
        let checked = switchyard_tests::cli::run_with(&arguments, &variables);
        assert!(checked.success, "{name}: {}", checked.all());
    }
}
