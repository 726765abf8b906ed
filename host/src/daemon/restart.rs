//! A restart without a gap: on SIGUSR2 the process checks the program that stands at its path now,
//! stops as it does on SIGTERM, and becomes that program, with the listening sockets still open.

use std::process::Command;

use anyhow::Context;

/// What the kernel adds to the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

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
