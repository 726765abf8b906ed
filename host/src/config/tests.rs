use std::path::Path;

use super::*;

const HEAD: &str = "[data]\ndirectory = \"data\"\n[plugins]\ndirectory = \"plugins\"\n";

fn parse(text: &str) -> Result<Config, String> {
    let environment = |name: &str| (name == "KEY").then(|| "wk".to_string());
    Config::parse(text, Path::new("/etc/switchyard.toml"), &environment).map_err(|error| error.to_string())
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

#[test]
fn a_value_that_is_not_written_well_is_not_shown() {
    for line in ["api_secret = s3cret", "api_secret = 's3cret", "api_secret = \"s3cret\\q\"", "allowed_hosts = s3cret"]
    {
        let message = parse(&format!("{HEAD}[[pipeline]]\n{line}\n")).unwrap_err();
        assert!(message.contains(":6:") && !message.contains("s3cret"), "{message}");
    }
    let wrong = parse(&format!("{HEAD}[queue]\nqueue_bytes_max = -1\n")).unwrap_err();
    assert!(wrong.contains("`queue_bytes_max`"), "{wrong}");
}

#[test]
fn a_secret_may_be_a_commands_answer() {
    let with = |key: &str| parse(&format!("{HEAD}[[pipeline]]\nname = \"a\"\nwrite_keys = [{key}]\n"));
    let config = with("{ command = [\"echo\", \"${env:KEY}-1\"], refresh_seconds = 60 }").unwrap();
    assert_eq!(config.pipelines[0].write_keys[0].key, "wk-1");
    assert_eq!(config.secret_sources.refresh_ms, Some(60_000));
    for (key, part) in [
        ("{ command = [\"false\"] }", "`false` failed"),
        ("{ command = [\"echo\", \"k\"], refresh_seconds = 0 }", "at least 1"),
        ("{ command = [1] }", "command: "),
    ] {
        let message = with(key).unwrap_err();
        assert!(message.contains(":7:") && message.contains(part), "{message}");
    }
}

#[test]
fn the_proxy_and_the_authorities() {
    let with = |egress: &str| parse(&format!("{HEAD}[egress]\n{egress}\n"));
    assert_eq!(parse(HEAD).unwrap().egress.proxy, None);
    assert_eq!(with("proxy = \"\"").unwrap().egress.proxy, None);
    let proxy = with("proxy = \"http://u:pass@p.example:1\"\nno_proxy = [\"a.example\", \"10.0.0.0/8\"]").unwrap();
    let shown = proxy.egress.shown().to_string();
    assert!(shown.contains("http://p.example:1") && shown.contains("a.example,10.0.0.0/8"), "{shown}");
    assert!(!shown.contains("pass") && !format!("{proxy:?}").contains("pass"), "{shown}");
    for (egress, part) in [
        ("proxy = \"https://u:pass@p.example\"", "egress.proxy is not http://host:port"),
        ("proxy = 3", "egress.proxy is a text"),
        ("ca_file = \"none.pem\"", "/etc/none.pem"),
    ] {
        let message = with(egress).unwrap_err();
        assert!(message.contains(":6:") && message.contains(part) && !message.contains("pass@"), "{message}");
    }
}

#[test]
fn every_table_of_the_page_on_transformations_is_good() {
    let page = include_str!("../../docs/transformations.md");
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 15, "{}", blocks.len());
    for block in blocks {
        // A destination has one table of its own: its keys stand in it already.
        let (keys, tables) = match block.strip_prefix("[pipeline.destination]\n") {
            Some(keys) => (keys, ""),
            None => ("", block),
        };
        let text = format!(
            "{HEAD}[[pipeline]]\nname = \"shop\"\nwrite_keys = [\"k\"]\n[[pipeline.destination]]\nname = \"d\"\nplugin = \"p\"\n{keys}\n{tables}"
        );
        parse(&text).unwrap_or_else(|message| panic!("{message}\n{block}"));
    }
}

#[test]
fn mistakes_in_rules_name_their_lines_and_secrets_are_looked_up() {
    let of = |rest: &str| {
        parse(&format!(
            "{HEAD}[[pipeline]]\nname = \"shop\"\nwrite_keys = [\"k\"]\n[[pipeline.destination]]\nname = \"d\"\nplugin = \"p\"\n{rest}"
        ))
    };
    let check = |rest: &str, parts: &[&str]| {
        let message = of(rest).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    };
    check(
        "[[pipeline.destination.rule]]\nname = \"n\"\nlower = \"a..b\"\n",
        &[":13:", "destination `shop/d`", "rule 1, `lower`, character 3", "try `a.b`"],
    );
    check(
        "[[pipeline.rule]]\nlower = \"a\"\n[[pipeline.rule]]\nuper = \"a\"\n[[pipeline.rule]]\nwhen = \"a ==\"\ntrim = \"a\"\n",
        &[":14:", "pipeline `shop`", "did you mean `upper`", "\n/etc/switchyard.toml:16:", "rule 3, `when`"],
    );
    check("[[pipeline.destination.rule]]\nhash = \"a\"\nsecret = \"${env:NOPE}\"\n", &[":13:", "NOPE is not set"]);
    check("[pipeline.pii]\nemial = \"mask\"\n", &[":12:", "no class of personal data"]);
    check("[pipeline.pii]\nemail = \"mash\"\n", &[":12:", "write allow, remove, mask or hash"]);
    check("[pipeline.destination.consent]\nrequires = [\"tcf:99\"]\n", &["consent.requires", "tcf:99"]);
    check("[pipeline.consent]\nwhen = \"x\"\n", &["when", "unknown field"]);
    let config = of("[[pipeline.destination.rule]]\nhash = \"a\"\nsecret = \"${env:KEY}\"\n[[pipeline.destination.rule]]\nreplace = \"a\"\npattern = \"b\"\nwith = \"${1}x\"\n").unwrap();
    let (_, destination) = config.destinations().next().unwrap();
    let shown = format!("{:?}", destination.transformation);
    assert!(!shown.contains("\"wk\""), "a secret is not shown: {shown}");
    assert_eq!(destination.transformation.written().rules.written().len(), 2);
}
