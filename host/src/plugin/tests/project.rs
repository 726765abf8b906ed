//! plugin.toml: what becomes of it, and how its mistakes are named.

use serde_json::json;

use crate::plugin::manifest::{Manifest, Order, Place};
use crate::plugin::project::read;

const GOOD: &str = r#"
id = "example"
name = "Example"
kinds = ["track"]
order = "user"

[hosts]
"api.example.com" = "Events are sent here."
"{settings.endpoint}" = "Replaces it."

[batch]
events_max = 7

[settings.endpoint]
type = "string"
[settings.key]
type = "string"
required = true
secret = true
[settings.map]
type = "object"
properties.a = { type = "string", required = true }
properties.b = { type = "array", items = { type = "string" } }
[settings.more]
type = "object"
additionalProperties = { type = "string" }

[secrets.key]
use = ["body", "query"]
reason = "It stands in the body."
"#;

/// Reads a folder with this plugin.toml and this fixture.
fn project(text: &str, fixture: &str) -> Result<Manifest, String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("plugin.toml"), text).expect("a file");
    std::fs::create_dir(folder.path().join("fixtures")).expect("a folder");
    std::fs::write(folder.path().join("fixtures/one.json"), fixture).expect("a file");
    read(folder.path(), Some("1.2.3")).map_err(|error| error.to_string())
}

const FIXTURE: &str = r#"{"settings":{},"now_ms":1,"events":[],"plan":{}}"#;

#[test]
fn a_manifest_is_made_of_it() {
    let manifest = project(GOOD, FIXTURE).expect("a good folder");
    assert_eq!((manifest.id.as_str(), manifest.version.as_str(), manifest.order), ("example", "1.2.3", Order::User));
    assert_eq!(manifest.hosts, ["api.example.com", "{settings.endpoint}"]);
    assert_eq!(manifest.permissions["api.example.com"], "Events are sent here.");
    assert_eq!((manifest.batch.events_max, manifest.batch.bytes_max), (7, 1 << 20));
    assert_eq!(manifest.secret_use("key").places, [Place::Body, Place::Query]);
    assert_eq!(manifest.secret_use("other").places, [Place::Auth]);
    assert_eq!(manifest.fixtures[0].name, "one");
    let schema = json!({
        "type": "object", "required": ["key"], "additionalProperties": false,
        "properties": {
            "endpoint": {"type": "string"},
            "key": {"type": "string", "secret": true},
            "map": {
                "type": "object", "required": ["a"], "additionalProperties": false,
                "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}}},
            },
            "more": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    });
    assert_eq!(manifest.settings, schema);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let check = |from: &str, to: &str, words: &[&str]| {
        assert!(GOOD.contains(from), "{from}");
        let message = project(&GOOD.replace(from, to), FIXTURE).expect_err("a mistake");
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    check("name = \"Example\"", "nme = \"Example\"", &["plugin.toml:3", "nme"]);
    check("events_max", "events_most", &["plugin.toml:12", "events_most"]);
    check("secret = true", "secrit = true", &["plugin.toml:19", "secrit", "secret"]);
    check("items = { type = \"string\" }", "items = { tpye = \"string\" }", &["plugin.toml:23", "tpye"]);
    check("order = \"user\"", "order = \"some\"", &["plugin.toml:5", "some", "strict"]);
    check("\"Replaces it.\"", "5", &["plugin.toml:9", "{settings.endpoint}"]);
    check("[settings.endpoint]", "[settings.other]", &["hosts", "{settings.endpoint}"]);
    check("[secrets.key]", "[secrets.token]", &["secrets", "token"]);
    check("api.example.com", "https://api.example.com/x", &["hosts", "https://api.example.com/x", "without scheme"]);
    check("\"track\"", "\"trak\"", &["kinds", "trak", "identify"]);
    check("id = \"example\"", "id = \"Ex ample\"", &["id", "Ex ample"]);
    check("required = true\nsecret", "required = [\"a\"]\nsecret", &["required"]);
}

#[test]
fn a_fixture_that_cannot_be_read_is_named() {
    let message = project(GOOD, "{\n\"settings\": {},\n\"now\": 1}").expect_err("a mistake");
    assert!(message.contains("one.json:3") && message.contains("now"), "{message}");
}
