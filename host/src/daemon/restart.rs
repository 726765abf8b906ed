//! A restart without a gap: on SIGUSR2 the process checks the program that stands at its path now,
//! stops as it does on SIGTERM, and becomes that program, with the listening sockets still open.
//!
//! A SIGUSR2 that nobody listens for would end the process. So it is listened for before anything else
//! is done, and held back from the moment at which this process goes to that at which its successor
//! listens, which then serves it.

use std::process::Command;

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{self, SignalKind};

/// What the kernel adds to the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

/// Listens for SIGUSR2. Within an async runtime, on the thread that called [`hold_back`] before it became
/// this program.
pub(super) fn listen() -> anyhow::Result<unix::Signal> {
    let wanted = unix::signal(SignalKind::user_defined2()).context("SIGUSR2 cannot be listened for")?;
    SigSet::from(Signal::SIGUSR2).thread_unblock().context("SIGUSR2 is held back")?;
    Ok(wanted)
}

/// Holds SIGUSR2 back until the successor listens for it. For the thread that becomes the successor.
pub(super) fn hold_back() -> anyhow::Result<()> {
    SigSet::from(Signal::SIGUSR2).thread_block().context("SIGUSR2 cannot be held back")
}

/// This process's program, as it stands there now, with this process's arguments.
pub(super) fn this_program() -> anyhow::Result<Command> {
    let path = std::env::current_exe().context("the program's path is not known")?;
    let text = path.to_string_lossy();
    let path = text.strip_suffix(REPLACED).unwrap_or(&text).to_string();
    let mut command = Command::new(path);
    command.args(std::env::args_os().skip(1));
    Ok(command)
}

/// Whether the program that stands there now would start: it checks the configuration as `check` does.
///
/// # Errors
/// What it says.
pub(super) fn try_successor(config_path: &std::path::Path) -> anyhow::Result<()> {
    let program = this_program()?;
    let output = Command::new(program.get_program())
        .arg("check")
        .arg("--config")
        .arg(config_path)
        .output()
        .with_context(|| format!("{} cannot be started", program.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the successor refuses to start: {}", said.trim());
    Ok(())
}
