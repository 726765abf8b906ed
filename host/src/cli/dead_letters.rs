//! `switchyard dead-letters list | show | replay`.

use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::{AdminArguments, admin_client, print_json, shown_time, status::print_table};

#[derive(Subcommand)]
pub(super) enum DeadLetters {
    /// List dead letters, newest first.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Show one dead letter, with its event and the vendor's answer.
    Show {
        /// Its number, as `list` shows it.
        id: u64,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Send dead letters again: all that match the filters.
    Replay {
        /// Those with these numbers.
        ids: Vec<u64>,
        /// Really all, where no filter is given.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        admin: AdminArguments,
    },
}

#[derive(Args)]
pub(super) struct Filter {
    /// Of this destination, as <pipeline>/<destination>.
    #[arg(long)]
    destination: Option<String>,
    /// Of this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Of this event name.
    #[arg(long)]
    event: Option<String>,
    /// Of this event.
    #[arg(long)]
    message_id: Option<String>,
    /// At most so many.
    #[arg(long)]
    limit: Option<usize>,
}

impl Filter {
    fn query(&self) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let pairs = [
            ("destination", &self.destination),
            ("reason", &self.reason),
            ("event", &self.event),
            ("message_id", &self.message_id),
            ("limit", &limit),
        ];
        let pairs: Vec<String> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", admin_client::encoded(value.as_ref()?))))
            .collect();
        pairs.join("&")
    }

    fn is_empty(&self) -> bool {
        self.query().is_empty()
    }
}

pub(super) fn run(call: DeadLetters) -> anyhow::Result<()> {
    match call {
        DeadLetters::List { filter, admin } => list(&filter, &admin),
        DeadLetters::Show { id, admin } => show(id, &admin),
        DeadLetters::Replay { ids, all, filter, admin } => replay(ids, all, &filter, &admin),
    }
}

fn list(filter: &Filter, admin: &AdminArguments) -> anyhow::Result<()> {
    let path = format!("dead-letters?{}", filter.query());
    let letters = admin_client::call(admin, Method::GET, &path, Bytes::new())?;
    if admin.json {
        return print_json(&letters);
    }
    let rows: Vec<Vec<String>> = letters.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        println!("no dead letters");
    } else {
        print_table(&["id", "died", "destination", "event", "messageId", "reason", "detail"], &rows);
    }
    Ok(())
}

fn row(letter: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let name = if text(&letter["event"]).is_empty() { text(&letter["kind"]) } else { text(&letter["event"]) };
    vec![
        letter["id"].to_string(),
        shown_time(letter["died_ms"].as_u64().unwrap_or_default()),
        text(&letter["destination"]),
        name,
        text(&letter["message_id"]),
        text(&letter["death"]["reason"]),
        text(&letter["death"]["detail"]).chars().take(80).collect(),
    ]
}

fn show(id: u64, admin: &AdminArguments) -> anyhow::Result<()> {
    let letters = admin_client::call(admin, Method::GET, &format!("dead-letters/{id}"), Bytes::new())?;
    if admin.json {
        return print_json(&letters);
    }
    for letter in letters.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
        println!("dead letter {} of {}", letter["id"], text(&letter["destination"]));
        println!("  died      {}", shown_time(letter["died_ms"].as_u64().unwrap_or_default()));
        println!("  reason    {}: {}", text(&letter["death"]["reason"]), text(&letter["death"]["detail"]));
        println!("  attempts  {}", letter["death"]["attempts"]);
        println!("  revision  {}", text(&letter["death"]["revision"]));
        println!("  request   {}", text(&letter["death"]["request"]));
        println!("  answer    {}", text(&letter["death"]["answer"]));
        println!("{}", serde_json::to_string_pretty(&letter["payload"])?);
    }
    Ok(())
}

fn replay(ids: Vec<u64>, all: bool, filter: &Filter, admin: &AdminArguments) -> anyhow::Result<()> {
    anyhow::ensure!(
        all || !ids.is_empty() || !filter.is_empty(),
        "name dead letters by number, give a filter, or say --all"
    );
    let call = json!({
        "destination": filter.destination,
        "ids": if ids.is_empty() { Value::Null } else { json!(ids) },
        "reason": filter.reason,
        "event": filter.event,
        "message_id": filter.message_id,
        "limit": filter.limit.unwrap_or(0),
    });
    let answer = admin_client::call(admin, Method::POST, "dead-letters/replay", Bytes::from(call.to_string()))?;
    if admin.json {
        return print_json(&answer);
    }
    println!("{} deliveries made anew", answer["replayed"]);
    Ok(())
}
