//! `switchyard transform`, `pii` and `diff`: what the configured transformations do to events, by the
//! daemon's own code. Nothing is sent.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::status::print_table;
use super::{AdminArguments, admin_client, load, print_json};
use crate::clock;
use crate::config::{Config, Destination};
use crate::daemon::difference::{DestinationDifference, EventDifference, Planner};
use crate::event::{Event, EventKind};
use crate::plugin::manifest::read_manifest;
use crate::plugin::run::read_events;
use crate::queue::PipelineId;
use crate::transformation::{Action, Class, Part, Policy, Routing, STEPS_MAX, Step, StepEffect, Steps, classes_in};
use crate::validate::event_from_line;

/// Events that `diff` asks a daemon for at most.
const LAST_MAX: usize = 10_000;

#[derive(Args)]
pub(super) struct Transform {
    /// The pipeline.
    #[arg(long)]
    pipeline: String,
    /// Its destination.
    #[arg(long)]
    destination: String,
    /// Events, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
    /// Print one JSON object an event.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Pii {
    /// Also look for personal data in these events, one JSON object a line: which classes each
    /// destination would get.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

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

/// Prints each event before and after, and what each rule did.
pub(super) fn transform(call: &Transform) -> anyhow::Result<()> {
    let config = load(&call.config)?;
    let destination = find(&config, &call.pipeline, &call.destination)?;
    let kinds = kinds_of(&config, &destination)?;
    let storage = storage_policy(&config, &call.pipeline)?;
    let (events, _) = read_events(&call.events, clock::now_ms())?;
    let out = &mut std::io::stdout().lock();
    for event in &events {
        let stored = storage.stored(event).ok().context("the policy on personal data is too much work")?;
        let (steps, routing) = destination.transformation.explain(&kinds, &stored);
        let is_stored_changed = stored.json != event.json;
        match call.json {
            true => writeln!(out, "{}", as_json(event, is_stored_changed.then_some(&stored), &steps, &routing))?,
            false => print(out, event, is_stored_changed.then_some(&stored), &steps, &routing)?,
        }
    }
    Ok(())
}

fn raw(event: &Event) -> Value {
    serde_json::from_slice(&event.json).unwrap_or_default()
}

fn as_json(event: &Event, stored: Option<&Event>, steps: &[Step], routing: &Routing) -> Value {
    let mut shown = json!({"message_id": event.message_id.as_str(), "before": raw(event), "steps": steps});
    if let Some(stored) = stored {
        shown["stored"] = raw(stored);
    }
    match routing {
        Routing::Goes(after) => shown["after"] = raw(after),
        Routing::Filtered(rule) => shown["filtered"] = json!(rule),
        Routing::Refused(why) => shown["refused"] = json!(why),
    }
    shown
}

fn print(
    out: &mut dyn Write,
    event: &Event,
    stored: Option<&Event>,
    steps: &[Step],
    routing: &Routing,
) -> std::io::Result<()> {
    writeln!(out, "{} {}", event.message_id, event.title())?;
    writeln!(out, "  before    {}", String::from_utf8_lossy(&event.json))?;
    if let Some(stored) = stored {
        writeln!(out, "  stored    {}", String::from_utf8_lossy(&stored.json))?;
    }
    for step in steps {
        let effect = match step.effect {
            StepEffect::Skipped => "skipped",
            StepEffect::Nothing => "nothing",
            StepEffect::Changed => "changed",
            StepEffect::Filtered => "filtered",
            StepEffect::Refused => "refused",
        };
        let level = if step.level == Some(crate::transformation::Level::Pipeline) { "pipeline " } else { "" };
        let dash = if step.detail.is_empty() { "" } else { ": " };
        writeln!(out, "  {effect:<9} {level}{} ({}){dash}{}", step.name, step.operation, step.detail)?;
    }
    match routing {
        Routing::Goes(after) if after.json == event.json => writeln!(out, "  after     as before")?,
        Routing::Goes(after) => writeln!(out, "  after     {}", String::from_utf8_lossy(&after.json))?,
        Routing::Filtered(rule) => writeln!(out, "  does not go: {rule}")?,
        Routing::Refused(why) => writeln!(out, "  becomes a dead letter: {why}")?,
    }
    writeln!(out)
}

fn find(config: &Config, pipeline: &str, destination: &str) -> anyhow::Result<Arc<Destination>> {
    let mut all = config.destinations().filter(|(of, _)| of.id.0 == pipeline);
    let found = all.find(|(_, each)| each.name == destination).map(|(_, each)| each.clone());
    found.with_context(|| {
        let known: Vec<&str> = config.destinations().map(|(_, each)| each.id.0.as_str()).collect();
        format!("there is no destination `{destination}` of a pipeline `{pipeline}`: there are {}", known.join(", "))
    })
}

/// The kinds that the destination's plugin knows; all, where the plugin is not there.
fn kinds_of(config: &Config, destination: &Destination) -> anyhow::Result<Vec<String>> {
    for entry in std::fs::read_dir(&config.plugin_directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            if let Ok(manifest) = read_manifest(&bytes)
                && manifest.id == destination.plugin
            {
                return Ok(manifest.kinds);
            }
        }
    }
    let directory = config.plugin_directory.display();
    eprintln!("the plugin `{}` is not in {directory}: taken to know all kinds of events", destination.plugin);
    Ok(EventKind::ALL.map(|kind| kind.to_string()).to_vec())
}

fn storage_policy(config: &Config, pipeline: &str) -> anyhow::Result<Policy> {
    let found = config.pipelines.iter().find(|each| each.id.0 == pipeline).context("the pipeline is there")?;
    Policy::new(&found.pii, Part::BeforeStorage).map_err(|(class, message)| anyhow::anyhow!("pii.{class}: {message}"))
}

/// Prints which destination receives which class of personal data.
pub(super) fn pii(call: &Pii) -> anyhow::Result<()> {
    let config = load(&call.config)?;
    let events = match &call.events {
        Some(file) => read_events(file, clock::now_ms())?.0,
        None => Vec::new(),
    };
    let mut report = Vec::new();
    for (pipeline, destination) in config.destinations() {
        let storage = storage_policy(&config, &pipeline.id.0)?;
        let kinds = if events.is_empty() { Vec::new() } else { kinds_of(&config, destination)? };
        let seen = observed(&storage, destination, &kinds, &events);
        for class in Class::ALL {
            let (before, after) = seen.get(&class).copied().unwrap_or_default();
            report.push(json!({
                "pipeline": pipeline.id.0,
                "destination": destination.name,
                "class": class,
                "stored": form(storage.action(class)),
                "receives": form(storage.action(class).or(destination.transformation.policy().action(class))),
                "events_with_it": before,
                "received_with_it": after,
            }));
        }
    }
    if call.json {
        return print_json(&Value::Array(report));
    }
    let mut heads = vec!["destination", "class", "stored", "receives"];
    if call.events.is_some() {
        heads.extend(["events with it", "received with it"]);
    }
    let rows = report.iter().map(|row| {
        let text = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), String::from);
        let mut cells = vec![
            format!("{}/{}", text("pipeline"), text("destination")),
            text("class"),
            text("stored"),
            text("receives"),
        ];
        if call.events.is_some() {
            cells.extend([text("events_with_it"), text("received_with_it")]);
        }
        cells
    });
    print_table(&heads, &rows.collect::<Vec<_>>());
    Ok(())
}

fn form(action: Option<Action>) -> &'static str {
    match action {
        None | Some(Action::Allow) => "as it is",
        Some(Action::Remove) => "not at all",
        Some(Action::Mask) => "masked",
        Some(Action::Hash) => "hashed",
    }
}

/// Of each class, in how many events it came, and in how many it would be received.
fn observed(
    storage: &Policy,
    destination: &Destination,
    kinds: &[String],
    events: &[Event],
) -> BTreeMap<Class, (usize, usize)> {
    let mut seen: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    let classes = |event: &Event| classes_in(event.view(), &Steps::new(STEPS_MAX)).unwrap_or_default();
    for event in events {
        classes(event).into_iter().for_each(|class| seen.entry(class).or_default().0 += 1);
        let Ok(stored) = storage.stored(event) else { continue };
        if let Routing::Goes(after) = destination.transformation.apply(kinds, &stored) {
            // What is masked is of its class still, and says little.
            let policy = destination.transformation.policy();
            let as_it_is = |class: &Class| !policy.treats_everywhere(*class) && !storage.treats_everywhere(*class);
            classes(&after).into_iter().filter(as_it_is).for_each(|class| seen.entry(class).or_default().1 += 1);
        }
    }
    seen
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
    let differences = Planner::load(&new)?.differences(&old, &new, &events);
    if call.json {
        return print_json(&serde_json::to_value(&differences)?);
    }
    let out = &mut std::io::stdout().lock();
    for difference in &differences {
        print_difference(out, difference)?;
    }
    Ok(())
}

/// The last events of each pipeline that the daemon keeps, oldest first.
fn stored(config: &Config, path: &Path, last: usize) -> anyhow::Result<BTreeMap<PipelineId, Vec<Event>>> {
    let admin = AdminArguments { config: path.to_path_buf(), json: true };
    let mut all = BTreeMap::new();
    for pipeline in &config.pipelines {
        let call = format!("pipelines/{}/events?last={last}", admin_client::encoded(&pipeline.id.0));
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

fn print_difference(out: &mut dyn Write, difference: &DestinationDifference) -> std::io::Result<()> {
    let only = difference.only.map(|only| format!(" ({only})")).unwrap_or_default();
    writeln!(
        out,
        "{}{only}: {} the same, {} changed, {} go now, {} go no more",
        difference.destination, difference.same, difference.changed, difference.goes_now, difference.goes_no_more
    )?;
    if let Some(trouble) = &difference.trouble {
        writeln!(out, "  cannot be planned: {trouble}")?;
    }
    for event in &difference.events {
        print_event(out, event)?;
    }
    Ok(())
}

fn print_event(out: &mut dyn Write, event: &EventDifference) -> std::io::Result<()> {
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
