use std::path::Path;

use super::*;

const HEAD: &str = "[data]\ndirectory = \"data\"\n[plugins]\ndirectory = \"plugins\"\n";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("/etc/switchyard.toml"), &|name| (name == "KEY").then(|| "wk".to_string()))
        .map_err(|error| error.to_string())
}

#[test]
fn defaults_and_relative_directories() {
    let config = parse(HEAD).unwrap();
    assert_eq!(config.data_directory, Path::new("/etc/data"));
    assert_eq!(config.admin_address.to_string(), "127.0.0.1:8081");
    assert_eq!(config.ingest.body_bytes_max, 8 << 20);
    assert!(config.pipelines.is_empty());
}

#[test]
fn a_pipeline_with_a_destination() {
    let text = format!(
        "{HEAD}[[pipeline]]\nname = \"shop\"\nwrite_keys = [\"${{env:KEY}}\"]\n[[pipeline.destination]]\nname = \"hook\"\nplugin = \"webhook\"\nallowed_addresses = [\"127.0.0.0/8\"]\n[pipeline.destination.settings]\nurl = \"${{env:URL:-http://localhost}}/x\"\nnumber = 3\n"
    );
    let config = parse(&text).unwrap();
    let (pipeline, destination) = config.destinations().next().unwrap();
    assert_eq!(pipeline.write_keys[0].key, "wk");
    assert_eq!(destination.id.0, "shop/hook");
    assert_eq!(destination.settings.0, serde_json::json!({"url": "http://localhost/x", "number": 3}));
    assert_eq!(format!("{:?}", destination.settings), "Settings(..)");
}

#[test]
fn mistakes_name_file_line_and_what_would_be_right() {
    let check = |text: &str, parts: &[&str]| {
        let message = parse(text).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    };
    check("[data]\ndirectory = \"x\"\n", &["/etc/switchyard.toml:1:", "plugins"]);
    check(&format!("{HEAD}[listen]\ningres = \"a\"\n"), &[":6:", "ingres", "expected", "ingest"]);
    check(&format!("{HEAD}[listen]\ningest = \"a\"\n"), &[":6:", "HOST:PORT"]);
    check(&format!("{HEAD}[queue]\nqueue_bytes_max = -1\n"), &[":6:"]);
    check(&format!("{HEAD}[[pipeline]]\nname = \"a b\"\nwrite_keys = [\"k\"]\n"), &[":6:", "letters"]);
    check(&format!("{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = []\n"), &["at least one key"]);
    check(
        &format!("{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = [\"${{env:NOPE}}\"]\n"),
        &[":7:", "NOPE is not set"],
    );
    check(
        &format!(
            "{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = [\"k\"]\n[[pipeline]]\nname = \"b\"\nwrite_keys = [\"k\"]\n"
        ),
        &["used twice"],
    );
    check(
        &format!(
            "{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = [\"k\"]\n[[pipeline.destination]]\nname = \"d\"\nplugin = \"p\"\nonly_kinds = [\"trak\"]\n"
        ),
        &[":11:", "track, identify"],
    );
    check(
        &format!("{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = [{{ file = \"none\" }}]\n"),
        &["/etc/none", "cannot be read"],
    );
}
