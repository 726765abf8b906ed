//! `switchyard plugin explain`: where each field of an outbound request comes from.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::handles::HandleKey;
use super::host::PluginHost;
use super::lineage::{Field, How, Inputs, Lineage, Ruled, Transformed, explain as trace};
use super::permissions::Permissions;
use super::run::{DESTINATION, Guest};
use super::sheet::sheet;
use crate::event::Event;
use crate::validate::event_from_line;

/// Characters shown of a value.
const SHOWN_CHARS_MAX: usize = 60;

/// What is explained.
#[derive(Clone, Debug)]
pub struct ExplainArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Its settings, secrets with their values.
    pub settings: Value,
    /// The event.
    pub event: Value,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
    /// Whether to print JSON.
    pub as_json: bool,
}

/// The way of an event to a plugin, through the rules of a destination.
pub struct Way<'a> {
    /// The event as the plugin sees it, or why it does not.
    pub go: &'a dyn Fn(&Event) -> Result<Event, String>,
    /// What each rule made of an event: its name, and the event after it.
    pub steps: &'a dyn Fn(&Event) -> Vec<(String, Value)>,
}

/// Prints each field of the requests that the event becomes, with where it comes from.
pub fn explain(
    host: &PluginHost,
    arguments: &ExplainArguments,
    way: Option<&Way<'_>>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let guest = Guest::load(host, &arguments.plugin, &arguments.settings)
        .with_context(|| arguments.plugin.display().to_string())?;
    let (event, now_ms) = (arguments.event.clone(), arguments.now_ms);
    let inputs = Inputs { event, settings: arguments.settings.clone(), now_ms, received_ms: now_ms };
    let plan = |inputs: &Inputs| {
        let event = event_of(inputs)?;
        match way.map(|way| (way.go)(&event)) {
            None => planned(&guest, inputs, event),
            Some(Ok(event)) => planned(&guest, inputs, event),
            Some(Err(why)) => Ok(json!({"requests": {}, "fate": why})),
        }
    };
    plan(&inputs).context("this is no event that the plugin plans")?;
    let transformed = way.map(|way| transformed(way, &inputs)).transpose()?;
    let plan_transformed = |event: &Value| {
        let inputs = Inputs { event: event.clone(), ..inputs.clone() };
        planned(&guest, &inputs, event_of(&inputs).ok()?).ok()
    };
    let ruled = transformed.as_ref().map(|transformed| Ruled { transformed, plan: &plan_transformed });
    let secrets = Permissions::of(guest.revision.manifest()).secrets;
    let is_secret = |setting: &str| secrets.contains_key(setting);
    let lineage = trace(&inputs, is_secret, |inputs| plan(inputs).ok(), ruled.as_ref());
    let lineage = lineage.context("the plugin plans the event only sometimes")?;
    match arguments.as_json {
        true => writeln!(out, "{:#}", serde_json::to_value(&lineage)?)?,
        false => print(&lineage, out)?,
    }
    Ok(())
}

/// The event as a plugin without rules before it sees it.
fn event_of(inputs: &Inputs) -> anyhow::Result<Event> {
    event_from_line(inputs.event.to_string().as_bytes(), "explained", inputs.received_ms)
        .map_err(|why| anyhow::anyhow!("{why}"))
}

fn transformed(way: &Way<'_>, inputs: &Inputs) -> anyhow::Result<Transformed> {
    let event = event_of(inputs)?;
    if let Err(why) = (way.go)(&event) {
        anyhow::bail!("the event does not go to this destination: {why}");
    }
    let mut transformed = Transformed::new(serde_json::from_slice(&event.json)?);
    (way.steps)(&event).into_iter().for_each(|(by, after)| transformed.changed(&by, after));
    Ok(transformed)
}

fn planned(guest: &Guest, inputs: &Inputs, event: Event) -> anyhow::Result<Value> {
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
