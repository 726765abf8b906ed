//! `switchyard transform`: what a destination's transformations do to events, by the daemon's own code.
//! Nothing is sent.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::load;
use crate::clock;
use crate::config::{Config, Destination};
use crate::event::{Event, EventKind};
use crate::plugin::manifest::read_manifest;
use crate::plugin::run::read_events;
use crate::transformation::{Level, Part, Policy, Routing, Step, StepEffect};

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
        let level = if step.level == Some(Level::Pipeline) { "pipeline " } else { "" };
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
    let mut all = config.destinations().filter(|(of, _)| of.id.as_str() == pipeline);
    let found = all.find(|(_, each)| each.name == destination).map(|(_, each)| each.clone());
    found.with_context(|| {
        let known: Vec<&str> = config.destinations().map(|(_, each)| each.id.0.as_str()).collect();
        format!("there is no destination `{destination}` of a pipeline `{pipeline}`: there are {}", known.join(", "))
    })
}

/// The kinds that the destination's plugin knows; all, where the plugin is not there.
pub(super) fn kinds_of(config: &Config, destination: &Destination) -> anyhow::Result<Vec<String>> {
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

/// What a pipeline's policy treats before an event is stored.
pub(super) fn storage_policy(config: &Config, pipeline: &str) -> anyhow::Result<Policy> {
    let found = config.pipelines.iter().find(|each| each.id.as_str() == pipeline).context("the pipeline is there")?;
    Policy::new(&found.pii, Part::BeforeStorage).map_err(|(class, message)| anyhow::anyhow!("pii.{class}: {message}"))
}
