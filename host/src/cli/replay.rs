//! `switchyard replay`, and how the state of any replay is shown.

use std::io::{IsTerminal, Write};

use bytes::Bytes;
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::{AdminArguments, admin_client, print_json, shown_time};

#[derive(Args)]
pub(super) struct Replay {
    /// For this destination, as <pipeline>/<destination>.
    #[arg(long)]
    destination: String,
    /// Events accepted at this time or later: RFC 3339, or milliseconds since 1970.
    #[arg(long, required_unless_present = "abandon")]
    from: Option<String>,
    /// Events accepted before this time.
    #[arg(long, required_unless_present = "abandon")]
    to: Option<String>,
    /// So many events a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Give up the replay that is under way; what it replayed stays.
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(replay: &Replay) -> anyhow::Result<()> {
    let call = json!({
        "destination": replay.destination, "from": replay.from, "to": replay.to, "rate": replay.rate,
        "abandon": replay.abandon,
    });
    let state = follow(&replay.admin, "replay", &call, "replayed")?;
    if replay.admin.json {
        return print_json(&state);
    }
    if replay.abandon {
        println!("the replay that was under way is given up");
        return Ok(());
    }
    println!("{} events replayed", state["replayed"]);
    if let Some(passed @ 1..) = state["passed"].as_u64() {
        println!("{passed} events passed over: the destination has still to deliver them");
    }
    match state["reaches_back_ms"].as_u64() {
        Some(oldest_ms) => println!("the queue reaches back to {}", shown_time(oldest_ms)),
        None => println!("the queue keeps no event"),
    }
    Ok(())
}

/// Calls for something that goes step by step, shows each state on a terminal, and answers the last.
pub(super) fn follow(admin: &AdminArguments, path: &str, call: &Value, count: &str) -> anyhow::Result<Value> {
    let shows = !admin.json && std::io::stderr().is_terminal();
    let mut last = Value::Null;
    admin_client::call_lines(admin, Method::POST, path, Bytes::from(call.to_string()), |line| {
        last = serde_json::from_slice(line)?;
        if shows && last["done"] == false {
            let held = last["held"].as_str().map(|held| format!(": waiting, {held} has enough stored requests"));
            eprint!("\r\x1b[K{} {count}{}", last[count], held.unwrap_or_default());
            std::io::stderr().flush()?;
        }
        Ok(())
    })?;
    if shows {
        eprint!("\r\x1b[K");
    }
    anyhow::ensure!(
        last["success"] == true,
        "{}",
        last["message"].as_str().unwrap_or("the daemon's answer was cut off")
    );
    anyhow::ensure!(last["done"] == true, "the daemon stopped before the end: run it again to go on");
    Ok(last)
}
