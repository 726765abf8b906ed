//! Commands as printed steps with their times.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Failure, root, target};

/// A command in the work tree, with one build directory whatever the caller's environment says.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).env("CARGO_TARGET_DIR", target());
    for (name, _) in std::env::vars() {
        if tells_of_this_package(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether it is a variable by which cargo tells this program of its own package. Some packages are built
/// anew when such a variable changes, so that they would be at every turn from `cargo` to `cargo xtask`.
fn tells_of_this_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// This cargo.
pub fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    command(&cargo, arguments)
}

/// Prints the step, runs it with its output shown, prints how long it took.
pub fn step(name: &str, command: &mut Command) -> Result<(), Failure> {
    let started = begin(name);
    let status = command.status().map_err(|error| not_started(command, &error))?;
    end(name, started);
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})")) }
}

/// As [`step`], and every line of standard output is also given to `see`. Returns whether it
/// succeeded.
pub fn step_seen(name: &str, command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
    let started = begin(name);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    let output = child.stdout.take().ok_or("standard output is not piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("{name}: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        see(&line);
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    end(name, started);
    Ok(status.success())
}

/// Whether a command can be run and succeeds, quietly; its standard output.
pub fn quiet(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn begin(name: &str) -> Instant {
    println!("== {name}");
    let _ = std::io::stdout().flush();
    Instant::now()
}

fn end(name: &str, started: Instant) {
    println!("-- {name}: {:.1} s", started.elapsed().as_secs_f64());
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    format!("{} cannot be started: {error}", command.get_program().to_string_lossy())
}
