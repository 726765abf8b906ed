//! `switchyard dead-letters list | show | replay | discard | export`.

use std::io::Write;

use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::replay::follow;
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
        /// So many events a second.
        #[arg(long, default_value_t = 100)]
        rate: u32,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        admin: AdminArguments,
    },
    /// Remove dead letters: all that match the filters. No counter changes.
    Discard {
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
    /// Print dead letters with their events, oldest first, one JSON object a line.
    Export {
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
    /// Given up at this time or later: RFC 3339, or milliseconds since 1970.
    #[arg(long)]
    from: Option<String>,
    /// Given up before this time.
    #[arg(long)]
    to: Option<String>,
    /// At most so many.
    #[arg(long)]
    limit: Option<usize>,
}

/// Letters asked for at a time.
const PAGE_LETTERS: usize = 1_000;

impl Filter {
    fn query(&self) -> String {
        let pairs = [
            ("destination", &self.destination),
            ("reason", &self.reason),
            ("event", &self.event),
            ("message_id", &self.message_id),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let pairs: Vec<String> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", admin_client::encoded(value.as_ref()?))))
            .collect();
        pairs.join("&")
    }

    fn call(&self, ids: &[u64], all: bool) -> anyhow::Result<Value> {
        anyhow::ensure!(
            all || !ids.is_empty() || self.limit.is_some() || !self.query().is_empty(),
            "name dead letters by number, give a filter, or say --all"
        );
        Ok(json!({
            "destination": self.destination,
            "ids": if ids.is_empty() { Value::Null } else { json!(ids) },
            "reason": self.reason,
            "event": self.event,
            "message_id": self.message_id,
            "from": self.from,
            "to": self.to,
            "limit": self.limit.unwrap_or(0),
        }))
    }
}

pub(super) fn run(call: DeadLetters) -> anyhow::Result<()> {
    match call {
        DeadLetters::List { filter, admin } => list(&filter, &admin),
        DeadLetters::Show { id, admin } => show(id, &admin),
        DeadLetters::Replay { ids, all, rate, filter, admin } => {
            let mut call = filter.call(&ids, all)?;
            call["rate"] = json!(rate);
            let state = follow(&admin, "dead-letters/replay", &call, "replayed")?;
            told(&admin, &state, &format!("{} deliveries made anew", state["replayed"]))
        }
        DeadLetters::Discard { ids, all, filter, admin } => {
            let state = follow(&admin, "dead-letters/discard", &filter.call(&ids, all)?, "discarded")?;
            told(&admin, &state, &format!("{} dead letters discarded", state["discarded"]))
        }
        DeadLetters::Export { filter, admin } => export(&filter, &admin),
    }
}

fn told(admin: &AdminArguments, state: &Value, text: &str) -> anyhow::Result<()> {
    if admin.json {
        return print_json(state);
    }
    println!("{text}");
    Ok(())
}

fn list(filter: &Filter, admin: &AdminArguments) -> anyhow::Result<()> {
    let limit = filter.limit.unwrap_or(100);
    let mut letters: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    while letters.len() < limit {
        let count = (limit - letters.len()).min(PAGE_LETTERS);
        let path = format!("dead-letters?{}&limit={count}{cursor}", filter.query());
        let mut page = admin_client::call(admin, Method::GET, &path, Bytes::new())?;
        letters.extend(page["dead_letters"].as_array_mut().into_iter().flat_map(std::mem::take));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    if admin.json {
        return print_json(&Value::Array(letters));
    }
    if letters.is_empty() {
        println!("no dead letters");
    } else {
        let rows: Vec<Vec<String>> = letters.iter().map(row).collect();
        print_table(&["id", "died", "destination", "event", "messageId", "reason", "detail"], &rows);
    }
    Ok(())
}

fn export(filter: &Filter, admin: &AdminArguments) -> anyhow::Result<()> {
    let path = format!("dead-letters/export?{}", filter.query());
    let mut left = filter.limit.unwrap_or(usize::MAX);
    let mut out = std::io::stdout().lock();
    admin_client::call_lines(admin, Method::GET, &path, Bytes::new(), |line| {
        if line.starts_with(b"{\"success\":false") {
            let failure: Value = serde_json::from_slice(line)?;
            anyhow::bail!("{}", failure["message"].as_str().unwrap_or_default());
        }
        if left > 0 {
            left -= 1;
            out.write_all(line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
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
