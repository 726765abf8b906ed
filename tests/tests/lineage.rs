//! `switchyard plugin explain`: where each field of a request comes from, of real plugins.

use serde_json::{Value, json};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::{cli, paths};

/// Explains an event, and answers the origin of a field in words: `constant`, `copy of ...`.
fn explain(plugin: &str, settings: &Value, event: &Value) -> impl Fn(&str) -> String + use<> {
    let folder = tempfile::tempdir().expect("a directory");
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).expect("the directory takes a file");
        path.display().to_string()
    };
    let (settings, event) = (write("settings.json", settings), write("event.json", event));
    let plugin = paths::plugin(plugin).display().to_string();
    let arguments =
        ["plugin", "explain", &plugin, "--settings", &settings, "--event", &event, "--now", "1700000000000"];
    let people = cli::run(&arguments);
    assert!(people.success && people.stdout.contains("<-"), "{}{}", people.stdout, people.stderr);
    let lineage = cli::run(&[&arguments[..], &["--json"]].concat()).json();
    move |field: &str| {
        let fields = lineage["fields"].as_array().cloned().unwrap_or_default();
        let found = fields.iter().find(|each| each["field"].as_str().is_some_and(|name| name.ends_with(field)));
        let found = found.unwrap_or_else(|| panic!("no {field} in {lineage:#}"));
        let all = found["origins"].as_array().into_iter().flatten();
        let shown = all.filter(|origin| origin["how"] != "condition").map(|origin| {
            format!(
                "{} of {}",
                origin["how"].as_str().unwrap_or_default(),
                origin["input"].as_str().unwrap_or_default()
            )
        });
        let origins: Vec<String> = shown.collect();
        if origins.is_empty() { "constant".to_string() } else { origins.join(", ") }
    }
}

fn order() -> Value {
    json!({
        "type": "track", "event": "Order Completed", "userId": "user-7", "anonymousId": "anonymous-7",
        "messageId": "order-7", "timestamp": "2023-11-14T22:13:10.000Z",
        "properties": {"order_id": "o-77", "total": 27.5, "currency": "EUR",
            "products": [{"product_id": "p-1", "name": "Cup", "price": 27.5, "quantity": 1}]},
    })
}

#[test]
fn what_webhook_sends_is_a_copy_of_the_event() {
    let of = explain("webhook", &json!({"url": "https://receiver.example/in"}), &order());
    assert_eq!(of("body.event"), "copy of event event");
    assert_eq!(of("body.properties.total"), "copy of event properties.total");
    assert_eq!(of("body.properties.products[0].name"), "copy of event properties.products[0].name");
    assert_eq!(of(".method"), "constant");
    assert!(of(".url").contains("setting url"), "{}", of(".url"));
}

#[test]
fn what_ga4_sends_comes_from_the_event_the_settings_and_the_plugin() {
    let settings = json!({"measurement_id": "G-TEST77", "api_secret": "planted-secret-value"});
    let of = explain("ga4", &settings, &order());
    assert_eq!(of("params.transaction_id"), "copy of event properties.order_id");
    assert_eq!(of("params.currency"), "copy of event properties.currency");
    assert_eq!(of("user_id"), "copy of event userId");
    assert_eq!(of("items[0].item_name"), "copy of event properties.products[0].name");
    assert_eq!(of("query.measurement_id"), "copy of setting measurement_id");
    assert!(of("api_secret").contains("secret api_secret"), "{}", of("api_secret"));
    assert!(of("body.events[0].name").contains("derived of event event"), "{}", of("body.events[0].name"));
}

/// A configuration with rules, without a daemon.
fn configured(rules: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let destination = Destination::webhook("hook", "https://receiver.example").key("only_kinds", vec!["track"]);
    let setup = Setup::shop([destination.tables(rules)]).of_pipelines(
        "[[pipeline.rule]]\nset = \"properties.currency\"\nvalue = \"USD\"\n[pipeline.pii]\nip = \"remove\"\n",
    );
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a directory");
    std::fs::copy(paths::plugin("webhook"), plugins.join("webhook.wasm")).expect("it is built");
    let path = folder.path().join("switchyard.toml");
    std::fs::write(&path, setup.to_toml("127.0.0.1:1", "127.0.0.1:2")).expect("the directory takes a file");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn what_a_rule_made_is_named_by_the_rule() {
    let rules = "
        [[pipeline.destination.rule]]
        set = \"properties.value\"
        value = 7
        [[pipeline.destination.rule]]
        name = \"names\"
        copy = \"properties.order_id\"
        to = \"properties.transaction\"
        [[pipeline.destination.rule]]
        hash = \"userId\"
        secret = \"planted-secret-key\"
        [[pipeline.destination.rule]]
        when = \"properties.total > 20.0\"
        set = \"properties.size\"
        value = \"large\"
        [[pipeline.destination.rule]]
        events = [\"Nothing\"]
        drop = \"matching\"
        ";
    let (folder, config) = configured(rules);
    let event = folder.path().join("event.json");
    std::fs::write(&event, order().to_string()).expect("the directory takes a file");
    let event = event.display().to_string();
    let arguments = ["plugin", "explain", "--config", &config, "--destination", "shop/hook", "--event", &event];
    let people = cli::run(&arguments);
    assert!(people.success, "{}", people.all());
    let of = |field: &str| {
        let line = people.stdout.lines().find(|line| line.split_whitespace().next() == Some(field));
        let line = line.unwrap_or_else(|| panic!("no {field} in {}", people.stdout));
        line.split_once("<- ").expect("each field comes from somewhere").1.to_string()
    };
    let in_body = |field: &str| of(&format!("requests.send.body.{field}"));
    assert_eq!(in_body("event"), "event event");
    assert_eq!(in_body("properties.order_id"), "event properties.order_id");
    assert_eq!(in_body("properties.value"), "rule 1 of destination shop/hook: set properties.value = 7");
    let copied = "event properties.order_id, rule 2 `names` of destination shop/hook: copy properties.order_id to properties.transaction";
    assert_eq!(in_body("properties.transaction"), copied);
    let hashed = in_body("userId");
    assert_eq!(hashed, "rule 3 of destination shop/hook: hash userId, derived from event userId");
    let conditional = in_body("properties.size");
    assert!(
        conditional.starts_with("rule 4 of destination shop/hook: set properties.size = \"large\""),
        "{conditional}"
    );
    assert!(conditional.contains("event properties.total"), "{conditional}");
    assert_eq!(in_body("properties.currency"), "rule 1 of pipeline shop: set properties.currency = \"USD\"");
    assert!(!people.all().contains("planted-secret-key"), "{}", people.all());
    let filtered = json!({"type": "identify", "userId": "u", "messageId": "m"});
    std::fs::write(&event, filtered.to_string()).expect("the directory takes a file");
    let output = cli::run(&arguments);
    assert!(!output.success && output.all().contains("only_kinds"), "{}", output.all());
    let output = cli::run(&["plugin", "explain", "--config", &config, "--destination", "shop/none", "--event", &event]);
    assert!(!output.success && output.all().contains("shop/hook"), "{}", output.all());
}
