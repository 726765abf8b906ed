//! `switchyard diff`: what another configuration would send otherwise, of the last events. Sends nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::{AdminArguments, admin_client, load, print_json};
use crate::clock;
use crate::config::Config;
use crate::daemon::comparison::{Comparison, Shown};
use crate::daemon::planner::Planner;
use crate::event::Event;
use crate::plugin::run::read_events;
use crate::queue::PipelineId;
use crate::validate::event_from_line;

/// Events that `diff` asks a daemon for at most.
const LAST_MAX: usize = 10_000;

#[derive(Args)]
pub(super) struct Diff {
    /// The configuration as it is.
    old: PathBuf,
    /// The configuration as it could be.
    new: PathBuf,
    /// Plan so many of each pipeline's last events, from the daemon that the old configuration names.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    last: usize,
    /// Plan these events, one JSON object a line, in place of stored ones; for every pipeline.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Plans the last events under both configurations, and prints what would change.
pub(super) fn diff(call: &Diff) -> anyhow::Result<()> {
    anyhow::ensure!((1..=LAST_MAX).contains(&call.last), "--last is from 1 to {LAST_MAX}");
    let (old, new) = (load(&call.old)?, load(&call.new)?);
    let events = match &call.events {
        Some(file) => {
            let (events, _) = read_events(file, clock::now_ms())?;
            let pipelines = old.pipelines.iter().chain(&new.pipelines);
            pipelines.map(|pipeline| (pipeline.id.clone(), events.clone())).collect()
        }
        None => stored(&old, &call.old, call.last)?,
    };
    let planner = Planner::load(&old, &new)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let compared = runtime.block_on(planner.compare(&old, &new, &events));
    if call.json {
        return print_json(&serde_json::to_value(&compared)?);
    }
    let out = &mut std::io::stdout().lock();
    for each in &compared {
        print_comparison(out, each)?;
    }
    Ok(())
}

/// The last events of each pipeline that the daemon keeps, oldest first.
fn stored(config: &Config, path: &Path, last: usize) -> anyhow::Result<BTreeMap<PipelineId, Vec<Event>>> {
    let admin = AdminArguments { config: path.to_path_buf(), json: true };
    let mut all = BTreeMap::new();
    for pipeline in &config.pipelines {
        let call = format!("pipelines/{}/events?last={last}", admin_client::encoded(pipeline.id.as_str()));
        let mut events = Vec::new();
        admin_client::call_lines(&admin, Method::GET, &call, bytes::Bytes::new(), |line| {
            let kept: Value =
                serde_json::from_slice(line).context("the daemon answered with something that is not JSON")?;
            let event = event_from_line(
                kept["event"].to_string().as_bytes(),
                kept["message_id"].as_str().unwrap_or_default(),
                kept["received_ms"].as_u64().unwrap_or_default(),
            );
            events.push(event.map_err(|why| anyhow::anyhow!("an event that the daemon keeps: {why}"))?);
            Ok(())
        })?;
        all.insert(pipeline.id.clone(), events);
    }
    Ok(all)
}

fn print_comparison(out: &mut dyn Write, compared: &Comparison) -> std::io::Result<()> {
    let only = compared.only.map(|only| format!(" ({only})")).unwrap_or_default();
    writeln!(
        out,
        "{}{only}: {} the same, {} changed, of which {} go now and {} go no more",
        compared.destination, compared.same, compared.changed, compared.goes_now, compared.goes_no_more
    )?;
    if let Some(trouble) = &compared.trouble {
        writeln!(out, "  cannot be planned: {trouble}")?;
    }
    if let Some(why) = &compared.ended_early {
        writeln!(out, "  it ended early: {why}")?;
    }
    for event in &compared.shown {
        print_event(out, event)?;
    }
    Ok(())
}

fn print_event(out: &mut dyn Write, event: &Shown) -> std::io::Result<()> {
    writeln!(out, "  {} {}", event.message_id, event.title)?;
    let lines = |side: &Option<Value>| -> Vec<String> {
        let text = side.as_ref().map(|side| serde_json::to_string_pretty(side).unwrap_or_default()).unwrap_or_default();
        text.lines().map(String::from).collect()
    };
    for line in changed_lines(&lines(&event.before), &lines(&event.after)) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// The lines that differ, as `- old` and `+ new`, each with what it stands in. A longest common
/// subsequence; texts of more lines than it is meant for are shown whole.
fn changed_lines(old: &[String], new: &[String]) -> Vec<String> {
    const LINES_MAX: usize = 2_000;
    let minus = |line: &String| format!("- {line}");
    let plus = |line: &String| format!("+ {line}");
    if old.len() > LINES_MAX || new.len() > LINES_MAX {
        return old.iter().map(minus).chain(new.iter().map(plus)).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for (at, line) in old.iter().enumerate().rev() {
        for (other, new_line) in new.iter().enumerate().rev() {
            common[at * width + other] = match line == new_line {
                true => common[(at + 1) * width + other + 1] + 1,
                false => common[(at + 1) * width + other].max(common[at * width + other + 1]),
            };
        }
    }
    let (mut at, mut other, mut lines) = (0, 0, Vec::new());
    while at < old.len() || other < new.len() {
        if at < old.len() && other < new.len() && old[at] == new[other] {
            (at, other) = (at + 1, other + 1);
        } else if other == new.len()
            || at < old.len() && common[(at + 1) * width + other] >= common[at * width + other + 1]
        {
            lines.push(minus(&old[at]));
            at += 1;
        } else {
            lines.push(plus(&new[other]));
            other += 1;
        }
    }
    lines
}
