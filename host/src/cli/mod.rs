//! The command line. Human-readable by default, `--json` for machines.

mod admin_client;
mod dead_letters;
mod plugin;
mod status;
mod tables;
mod trace;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;

/// Switchyard: forwards events from Segment-compatible SDKs to vendors, through sandboxed plugins.
#[derive(Parser)]
#[command(name = "switchyard", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    Run(ConfigArgument),
    /// Check a configuration, and the plugins and settings it names, without running.
    Check(ConfigArgument),
    /// Show what the daemon is doing.
    Status(AdminArguments),
    /// Show what became of an event.
    Trace {
        /// The event's messageId.
        message_id: String,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// List, show and replay dead letters.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Build, inspect, run, measure and install plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
}

#[derive(Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct AdminArguments {
    /// The daemon's configuration file: names the admin address and the data directory.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a command; the exit code is the process's.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(argument) => crate::daemon::run(load(&argument.config)?),
        Command::Check(argument) => check(&argument.config),
        Command::Status(admin) => status::status(&admin),
        Command::Trace { message_id, admin } => trace::trace(&message_id, &admin),
        Command::DeadLetters(call) => dead_letters::run(call),
        Command::Plugin(call) => plugin::run(call),
    }
}

fn load(path: &Path) -> anyhow::Result<Config> {
    Ok(Config::load(path, &|name| std::env::var(name).ok())?)
}

fn check(path: &Path) -> anyhow::Result<()> {
    let config = load(path)?;
    let report = crate::daemon::check(&config)?;
    for warning in &report.warnings {
        println!("warning: {warning}");
    }
    anyhow::ensure!(report.mistakes.is_empty(), "{}", report.mistakes.join("\n"));
    let destinations = config.destinations().count();
    println!("{}: good: {} pipelines, {destinations} destinations", path.display(), config.pipelines.len());
    Ok(())
}

/// Prints a value as JSON.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value).context("JSON cannot be written")?);
    Ok(())
}

/// A time for a person: UTC, to the millisecond.
fn shown_time(at_ms: u64) -> String {
    crate::validate::time::format(i64::try_from(at_ms).unwrap_or(i64::MAX))
}
