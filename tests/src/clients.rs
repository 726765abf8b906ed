//! The real SDKs: the npm and PyPI packages that `cargo xtask test` installs into target/clients,
//! driven by the scripts of tests/sdk-clients.

use std::process::Command;

use serde_json::Value;

use crate::paths;

/// Runs the Node client against a daemon; returns the events as the SDK says it sent them.
///
/// # Panics
/// When it is not installed or fails.
pub fn node(base_url: &str, write_key: &str) -> Vec<Value> {
    let directory = paths::target().join("clients/node");
    let script = directory.join("send.js");
    assert!(script.is_file(), "{} is not there: run `cargo xtask clients` first", script.display());
    run(Command::new("node").arg(script).args([base_url, write_key]))
}

/// Runs the Python client against a daemon; returns the events as the SDK says it sent them.
///
/// # Panics
/// When it is not installed or fails.
pub fn python(base_url: &str, write_key: &str, options: &[&str]) -> Vec<Value> {
    let packages = paths::target().join("clients/python");
    assert!(packages.is_dir(), "{} is not there: run `cargo xtask clients` first", packages.display());
    let script = paths::root().join("tests/sdk-clients/python/send.py");
    let mut command = Command::new("python3");
    run(command.arg(script).args([base_url, write_key]).args(options).env("PYTHONPATH", packages))
}

fn run(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?} failed:\n{stdout}{}", String::from_utf8_lossy(&output.stderr));
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
        .collect()
}
