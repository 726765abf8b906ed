//! The daemon's own command line.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::paths;

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Both outputs, for messages.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it failed or printed none.
    pub fn json(&self) -> Value {
        assert!(self.success, "it failed: {}", self.all());
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.all()))
    }

    /// Standard output as one JSON value a line.
    ///
    /// # Panics
    /// When it failed or a line is none.
    pub fn json_lines(&self) -> Vec<Value> {
        assert!(self.success, "it failed: {}", self.all());
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
        self.stdout.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
    }
}

/// Runs `switchyard` with these arguments to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[])
}

/// As [`run`], with variables of the environment.
///
/// # Panics
/// When it cannot be started.
pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let output = Command::new(paths::daemon())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("switchyard can be started");
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
