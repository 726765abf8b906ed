//! `switchyard plugin explain`: where each field of an outbound request comes from.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use super::handles::HandleKey;
use super::host::PluginHost;
use super::lineage::{Field, How, Inputs, Lineage, explain as trace};
use super::permissions::Permissions;
use super::run::{DESTINATION, Guest};
use super::sheet::sheet;
use crate::validate::event_from_line;

/// Characters shown of a value.
const SHOWN_CHARS_MAX: usize = 60;

/// What the author gave.
#[derive(Clone, Debug)]
pub struct ExplainArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Settings as JSON, secrets with their values.
    pub settings: PathBuf,
    /// One event as JSON.
    pub event: PathBuf,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
    /// Whether to print JSON.
    pub as_json: bool,
}

/// Prints each field of the requests that the event becomes, with where it comes from.
pub fn explain(host: &PluginHost, arguments: &ExplainArguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let guest = Guest::load(host, &arguments.plugin, &arguments.settings)?;
    let read = |path: &PathBuf| -> anyhow::Result<Value> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    };
    let (event, settings) = (read(&arguments.event)?, read(&arguments.settings)?);
    let inputs = Inputs { event, settings, now_ms: arguments.now_ms, received_ms: arguments.now_ms };
    let plan = |inputs: &Inputs| sheet_of(&guest, inputs);
    plan(&inputs).with_context(|| format!("{} is no event that the plugin plans", arguments.event.display()))?;
    let secrets = Permissions::of(guest.revision.manifest()).secrets;
    let lineage = trace(&inputs, |setting| secrets.contains_key(setting), |inputs| plan(inputs).ok());
    let lineage = lineage.context("the plugin plans the event only sometimes")?;
    match arguments.as_json {
        true => writeln!(out, "{:#}", serde_json::to_value(&lineage)?)?,
        false => print(&lineage, out)?,
    }
    Ok(())
}

fn sheet_of(guest: &Guest, inputs: &Inputs) -> anyhow::Result<Value> {
    let event = event_from_line(inputs.event.to_string().as_bytes(), "explained", inputs.received_ms)
        .map_err(|why| anyhow::anyhow!("{why}"))?;
    let (settings, handles) = guest.revision.schema().hide(&inputs.settings, DESTINATION, &HandleKey::fixed())?;
    let plan = guest.revision.plan(&settings.to_string(), inputs.now_ms, &[event])?;
    Ok(sheet(&plan, &handles))
}

fn print(lineage: &Lineage, out: &mut dyn Write) -> anyhow::Result<()> {
    let width = lineage.fields.iter().map(|field| field.field.chars().count()).max().unwrap_or(0);
    for field in &lineage.fields {
        writeln!(out, "{:<width$}  {}  <- {}", field.field, shown(&field.value), origins(field))?;
    }
    if !lineage.deciding.is_empty() {
        writeln!(out, "which requests there are depends on: {}", lineage.deciding.join(", "))?;
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.chars().count() > SHOWN_CHARS_MAX {
        true => text.chars().take(SHOWN_CHARS_MAX).chain("...".chars()).collect(),
        false => text,
    }
}

fn origins(field: &Field) -> String {
    let origin = |how: How, input: &str| match how {
        How::Copy => input.to_string(),
        How::Derived => format!("derived from {input}"),
        How::Condition => format!("there for {input}"),
    };
    let shown: Vec<String> = field.origins.iter().map(|each| origin(each.how, &each.input)).collect();
    match field.origins.first().map(|first| first.how) {
        None => "constant".to_string(),
        Some(How::Condition) => format!("constant, {}", shown.join(", ")),
        Some(_) => shown.join(", "),
    }
}
