//! What deny.toml asks of the dependencies: licences, bans, sources. The same rules that cargo-deny
//! applies, for machines that do not have it.

use std::process::Command;

use serde_json::Value;
use switchyard_tests::paths;

/// What is compiled here; other platforms' dependencies are not fetched.
fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform()])
        .current_dir(paths::root())
        .output()
        .expect("cargo runs the tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().cloned().unwrap_or_default()
}

fn platform() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc is beside cargo");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_string()
}

fn rules() -> toml::Table {
    let text = std::fs::read_to_string(paths::root().join("deny.toml")).expect("deny.toml is there");
    text.parse().expect("deny.toml is TOML")
}

fn texts(value: &toml::Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

/// Whether a licence expression can be met by what is allowed: OR binds weaker than AND, which binds
/// weaker than WITH. A slash is the older way to write OR.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words, allowed);
        return words.next() == Some(")") && met;
    }
    let mut licence = words.next().unwrap_or_default().to_string();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(&licence.as_str())
}

#[test]
fn every_licence_is_allowed() {
    let rules = rules();
    let allowed = texts(&rules["licenses"]["allow"]);
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn no_dependency_is_banned() {
    let rules = rules();
    let banned: Vec<&str> =
        rules["bans"]["deny"].as_array().into_iter().flatten().filter_map(|ban| ban["crate"].as_str()).collect();
    assert!(!banned.is_empty(), "deny.toml bans something");
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default();
        assert!(!banned.contains(&name), "{name} is banned");
    }
}

#[test]
fn every_source_is_the_work_tree_or_the_registry() {
    for package in packages() {
        let source = package["source"].as_str().unwrap_or("the work tree");
        let known = source == "the work tree" || source.starts_with("registry+");
        assert!(known, "{} comes from {source}", package["name"]);
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_written() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
    for expression in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(expression, &allowed), "{expression}");
    }
    assert!(is_allowed("Apache-2.0 WITH LLVM-exception", &allowed));
    for expression in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "MIT MIT", "(MIT"] {
        assert!(!is_allowed(expression, &allowed), "{expression}");
    }
}
