//! The command line. Human-readable by default, `--json` for machines.

mod admin_client;
mod dead_letters;
mod destinations;
mod diff;
mod fetch;
mod pii;
mod pinned;
mod plugin;
mod replay;
mod rollout;
mod status;
mod tables;
mod token;
mod trace;
mod transform;
mod upkeep;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::queue::Existing;

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
    /// Let a destination's events wait until it is resumed; nothing is lost.
    Pause(destinations::Which),
    /// Let a destination go on, whether it was paused by hand or by its plugin.
    Resume(destinations::Which),
    /// List, show, replay, discard and export dead letters.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Send events of the queue to a destination again, or to a new one.
    Replay(replay::Replay),
    /// Erase everything that is kept of a user's events.
    Erase {
        /// The userId or anonymousId.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Copy the store of a running daemon to a file.
    Backup {
        /// The file to make.
        file: PathBuf,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Put a backup into a data directory that no daemon has open.
    Restore {
        /// The backup.
        file: PathBuf,
        /// The data directory.
        #[arg(long)]
        data: PathBuf,
        /// Replace the store that is there.
        #[arg(long)]
        force: bool,
    },
    /// Make a token for a person, and the lines that let it in.
    Token(token::TokenArguments),
    /// Show what the transformations of a destination do to events from a file, rule by rule.
    Transform(transform::Transform),
    /// Show which destination receives which class of personal data.
    Pii(pii::Pii),
    /// Show what another configuration would change in what is sent, of the last events.
    Diff(diff::Diff),
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
        Command::Pause(which) => destinations::pause(&which, true),
        Command::Resume(which) => destinations::pause(&which, false),
        Command::DeadLetters(call) => dead_letters::run(call),
        Command::Replay(call) => replay::run(&call),
        Command::Erase { user, admin } => upkeep::erase(&user, &admin),
        Command::Backup { file, admin } => upkeep::backup(&file, &admin),
        Command::Restore { file, data, force } => {
            upkeep::restore(&file, &data, if force { Existing::Replace } else { Existing::Keep })
        }
        Command::Token(arguments) => token::token(&arguments),
        Command::Transform(call) => transform::transform(&call),
        Command::Pii(call) => pii::pii(&call),
        Command::Diff(call) => diff::diff(&call),
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
