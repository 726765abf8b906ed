//! `switchyard plugin install | grant | promote | rollback | history`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::admin_client::encoded;
use super::fetch::{Fetched, fetch};
use super::{AdminArguments, admin_client, print_json, shown_time};
use crate::admin::SIGNATURE_HEADER;
use crate::plugin::source::{Sha256Hex, Source};

#[derive(Subcommand)]
pub(super) enum Rollout {
    /// Install a plugin's file into a running daemon.
    Install(Install),
    /// Let in the revision that waits because it asks for more than the ones before.
    Grant(Which),
    /// End a trial: all users go to the new revision.
    Promote(Which),
    /// Go back to the revision before.
    Rollback {
        #[command(flatten)]
        which: Which,
        /// To the revision whose digest begins so.
        #[arg(long)]
        to: Option<String>,
    },
    /// Show what happened to a plugin.
    History(Which),
}

#[derive(Args)]
pub(super) struct Install {
    /// The plugin's file: a path, an https URL with --sha256, or oci://REGISTRY/REPOSITORY@sha256:DIGEST.
    file: Source,
    /// The SHA-256 that the file must have.
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256Hex>,
    /// Let it have what it newly asks for: hosts, uses of secrets, larger batches.
    #[arg(long)]
    grant: bool,
    /// Show first what it would change: so many of the last events are planned with it and with what is
    /// active, and nothing is sent.
    #[arg(long, value_name = "EVENTS")]
    shadow: Option<usize>,
    /// Only so many percent of the users go to it, until `plugin promote` or `plugin rollback`.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    canary: Option<f64>,
    /// Install it after --shadow without asking.
    #[arg(long, requires = "shadow")]
    yes: bool,
    /// The file with its signature; FILE.minisig, or URL.minisig, by default, when that is there.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Args)]
pub(super) struct Which {
    /// The plugin's id.
    plugin: String,
    #[command(flatten)]
    admin: AdminArguments,
}

fn percent(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    share
        .filter(|share| *share > 0.0 && *share < 100.0)
        .ok_or_else(|| "write a share between 0% and 100%, such as 5%".to_string())
}

pub(super) fn run(call: Rollout) -> anyhow::Result<()> {
    match call {
        Rollout::Install(call) => install(&call),
        Rollout::Grant(which) => change(&which, "grant", &Value::Null),
        Rollout::Promote(which) => change(&which, "promote", &Value::Null),
        Rollout::Rollback { which, to } => change(&which, "rollback", &json!({"to": to})),
        Rollout::History(which) => history(&which),
    }
}

/// Installs a file that was just built, as it is.
pub(super) fn install_file(file: &Path, admin: &AdminArguments) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let answer = admin_client::call_with(admin, "plugins", Bytes::from(bytes), None)?;
    if admin.json {
        return print_json(&answer);
    }
    print_active(&answer);
    Ok(())
}

fn install(call: &Install) -> anyhow::Result<()> {
    let Fetched { bytes, signature } =
        fetch(&call.file, call.sha256.as_ref(), call.signature.as_deref(), &call.admin.config)?;
    let header = || signature.as_ref().map(|text| (SIGNATURE_HEADER, STANDARD.encode(text)));
    if let Some(last) = call.shadow {
        let path = format!("plugins/shadow?last={last}");
        let compared = admin_client::call_with(&call.admin, &path, bytes.clone(), header())?;
        match call.admin.json {
            true => print_json(&compared)?,
            false => print_comparison(&compared)?,
        }
        if !call.yes && !is_wanted()? {
            return Ok(());
        }
    }
    let mut path = format!("plugins?grant={}", call.grant);
    if let Some(canary) = call.canary {
        path.push_str(&format!("&canary={canary}"));
    }
    let answer = admin_client::call_with(&call.admin, &path, bytes, header())?;
    if call.admin.json {
        return print_json(&answer);
    }
    print_active(&answer);
    for ask in answer["granted"].as_array().into_iter().flatten() {
        println!("  granted: {}", text(ask, "what"));
    }
    Ok(())
}

/// Asks on a terminal; elsewhere nobody wants it.
fn is_wanted() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        eprintln!("nothing is installed: run it again without --shadow, or with --yes");
        return Ok(false);
    }
    print!("install it? [y/N] ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn change(which: &Which, what: &str, call: &Value) -> anyhow::Result<()> {
    let path = format!("plugins/{}/{what}", encoded(&which.plugin));
    let body = if call.is_null() { Bytes::new() } else { Bytes::from(call.to_string()) };
    let answer = admin_client::call(&which.admin, Method::POST, &path, body)?;
    if which.admin.json {
        return print_json(&answer);
    }
    print_active(&answer);
    for destination in answer["settings_of"].as_array().into_iter().flatten() {
        let destination = destination.as_str().unwrap_or_default();
        println!("  {destination} has its earlier settings again, until the configuration file has others than now");
    }
    Ok(())
}

fn print_active(answer: &Value) {
    let share = match answer["percent"].as_f64() {
        Some(percent) if percent < 100.0 => format!(" for {percent} % of the users"),
        _ => String::new(),
    };
    println!(
        "{} {} is active{share}, revision {}",
        text(answer, "plugin"),
        text(answer, "version"),
        short(answer, "revision")
    );
    for destination in answer["destinations"].as_array().into_iter().flatten() {
        println!("  {}", destination.as_str().unwrap_or_default());
    }
}

fn history(which: &Which) -> anyhow::Result<()> {
    let history = admin_client::call(
        &which.admin,
        Method::GET,
        &format!("plugins/{}/history", encoded(&which.plugin)),
        Bytes::new(),
    )?;
    if which.admin.json {
        return print_json(&history);
    }
    let rows: Vec<Vec<String>> = history["steps"].as_array().into_iter().flatten().map(row).collect();
    super::status::print_table(&["when", "what", "version", "revision", "kept", "more"], &rows);
    if let Some(held) = history["held"].as_object() {
        println!(
            "\nrevision {} waits for `switchyard plugin grant {}`:",
            short(&history["held"], "revision"),
            which.plugin
        );
        for ask in held["asks"].as_array().into_iter().flatten() {
            println!("  {}: {}", text(ask, "what"), text(ask, "why"));
        }
    }
    if history["trial"].is_object() {
        println!(
            "\nrevision {} is on trial; events of it and of the one before:",
            short(&history["trial"], "revision")
        );
        let rows: Vec<Vec<String>> =
            history["compared"].as_array().into_iter().flatten().flat_map(trial_rows).collect();
        super::status::print_table(&["destination", "", "planned", "traps", "faults", "rejected", "retried"], &rows);
    }
    Ok(())
}

fn row(step: &Value) -> Vec<String> {
    vec![
        shown_time(step["at_ms"].as_u64().unwrap_or_default()),
        text(step, "step").replace('_', " "),
        text(step, "version"),
        short(step, "revision"),
        if step["kept"] == true { "yes" } else { "no" }.to_string(),
        text(step, "detail"),
    ]
}

fn trial_rows(compared: &Value) -> Vec<Vec<String>> {
    let row = |name: &str| {
        let counts = &compared[name];
        let mut cells = vec![text(compared, "destination"), name.to_string()];
        cells.extend(["planned", "traps", "faults", "rejected", "retried"].map(|count| counts[count].to_string()));
        cells
    };
    vec![row("before"), row("new")]
}

/// What a revision would change, for a person.
fn print_comparison(compared: &Value) -> anyhow::Result<()> {
    println!("{} {}, revision {}", text(compared, "plugin"), text(compared, "version"), short(compared, "revision"));
    for ask in compared["asks"].as_array().into_iter().flatten() {
        println!("  it asks for more: {}: {}", text(ask, "what"), text(ask, "why"));
    }
    for destination in compared["destinations"].as_array().into_iter().flatten() {
        print_destination(destination);
    }
    Ok(())
}

/// What differs in one destination.
pub(super) fn print_destination(compared: &Value) {
    println!(
        "\n{}: {} events planned twice, {} the same, {} changed; requests of {} events before, of {} now",
        text(compared, "destination"),
        compared["events"],
        compared["same"],
        compared["changed"],
        compared["sent_by_old"],
        compared["sent_by_new"]
    );
    if compared["faults_of_old"] != 0 || compared["faults_of_new"] != 0 {
        println!(
            "  the plugin fails at {} events before, at {} now",
            compared["faults_of_old"], compared["faults_of_new"]
        );
    }
    if let Some(why) = compared["ended_early"].as_str() {
        println!("  it ended early: {why}");
    }
    for kind in compared["differences"].as_array().into_iter().flatten() {
        println!("  {:>6} x {} {}", kind["events"].to_string(), text(kind, "field"), text(kind, "how"));
        if let Some(example) = kind["examples"].get(0) {
            println!("           {}", text(example, "message_id"));
            for (sign, value) in [('-', &example["old"]), ('+', &example["new"])] {
                if let Some(value) = value.as_str() {
                    println!("           {sign} {value}");
                }
            }
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_string()
}

fn short(value: &Value, name: &str) -> String {
    text(value, name).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_share_of_users() {
        for (text, share) in [("5%", Some(5.0)), ("5", Some(5.0)), ("0.5%", Some(0.5)), ("99.9", Some(99.9))] {
            assert_eq!(percent(text).ok(), share);
        }
        for text in ["0", "100%", "-1", "x", ""] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
