//! `switchyard plugin run` and `judge`: plan an author's events, read an author's answers, and print
//! what the plugin says. Sends nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::handles::{HandleKey, Handles};
use super::host::PluginHost;
use super::plan::Response;
use super::revision::Revision;
use super::shown::{judgement_json, plan_json};
use crate::event::Event;
use crate::validate::event_from_line;

/// The destination that handles are made for.
pub(super) const DESTINATION: &str = "run";

/// What the author gave.
#[derive(Clone, Debug)]
pub struct RunArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Settings as JSON, secrets with their values.
    pub settings: PathBuf,
    /// One event a line.
    pub events: PathBuf,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
    /// Events in a batch; by default the plugin's own bound.
    pub batch: Option<usize>,
}

/// Prints one JSON object a batch, and to `said` what the plugin says to its author.
pub fn run(
    host: &PluginHost,
    arguments: &RunArguments,
    out: &mut dyn Write,
    said: &mut dyn Write,
) -> anyhow::Result<()> {
    let guest = Guest::load_files(host, &arguments.plugin, &arguments.settings)?;
    let (events, _) = read_events(&arguments.events, arguments.now_ms)?;
    let own = guest.revision.manifest().batch.events_max as usize;
    for (number, batch) in events.chunks(arguments.batch.unwrap_or(own).max(1)).enumerate() {
        let (plan, heard) = guest.revision.plan_heard(&guest.settings, arguments.now_ms, batch);
        write!(said, "{heard}")?;
        let plan = plan.with_context(|| format!("batch {}", number + 1))?;
        let shown =
            plan_json(&plan, &guest.handles, arguments.now_ms).with_context(|| format!("batch {}", number + 1))?;
        writeln!(out, "{shown}")?;
    }
    Ok(())
}

/// What the author gave.
#[derive(Clone, Debug)]
pub struct JudgeArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Settings as JSON, secrets with their values.
    pub settings: PathBuf,
    /// One answer a line.
    pub answers: PathBuf,
    /// The time of the call, milliseconds since 1970.
    pub now_ms: u64,
}

/// A vendor's answer as an author writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorsAnswer {
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    body_json: Option<Value>,
    #[serde(default = "one_event")]
    covers: Vec<u32>,
    /// As `plugin run` shows it.
    #[serde(default)]
    tag: String,
    /// One that is no text.
    tag_base64: Option<String>,
}

fn one_event() -> Vec<u32> {
    vec![0]
}

impl AuthorsAnswer {
    fn into_response(self) -> anyhow::Result<Response> {
        let tag = match &self.tag_base64 {
            Some(text) => STANDARD.decode(text).context("tag_base64")?,
            None => self.tag.into_bytes(),
        };
        Ok(Response {
            tag: tag.into(),
            covers: self.covers,
            status: self.status,
            headers: self.headers.into_iter().collect(),
            body: self.body_json.map_or(Bytes::from(self.body), |json| json.to_string().into()),
        })
    }
}

/// Prints one JSON object an answer: what the plugin's judge makes of it.
pub fn judge(host: &PluginHost, arguments: &JudgeArguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let guest = Guest::load_files(host, &arguments.plugin, &arguments.settings)?;
    anyhow::ensure!(guest.revision.has_judge(), "{} exports no judge", arguments.plugin.display());
    let text = std::fs::read_to_string(&arguments.answers).with_context(|| arguments.answers.display().to_string())?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", arguments.answers.display(), number + 1);
        let answer: AuthorsAnswer = serde_json::from_str(line).with_context(place)?;
        let response = answer.into_response().with_context(place)?;
        let judged = guest.revision.judge(&guest.settings, arguments.now_ms, &response);
        let judgement = judged.with_context(place)?;
        let shown = judgement_json(&judgement, &guest.handles, arguments.now_ms).with_context(place)?;
        writeln!(out, "{shown}")?;
    }
    Ok(())
}

/// A plugin with an author's settings.
pub(super) struct Guest {
    /// The code.
    pub revision: Revision,
    /// What it is called with.
    pub settings: String,
    /// The secrets by handle.
    pub handles: Handles,
}

impl Guest {
    /// Loads plugin and settings from their files, and tries the settings.
    pub fn load_files(host: &PluginHost, plugin: &Path, settings: &Path) -> anyhow::Result<Guest> {
        let values = read_json(settings)?;
        Guest::load(host, plugin, &values).with_context(|| settings.display().to_string())
    }

    /// Loads a plugin from its file, and tries settings.
    pub fn load(host: &PluginHost, plugin: &Path, settings: &Value) -> anyhow::Result<Guest> {
        let wasm = host.read_file(plugin)?;
        let revision = host.load_untried(&wasm).with_context(|| plugin.display().to_string())?;
        let (settings, handles) = host.settings(&revision, settings, DESTINATION, &HandleKey::fixed())?;
        Ok(Guest { revision, settings, handles })
    }
}

/// A file's JSON.
pub(crate) fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// The events of a file, and its lines. Empty lines are passed over; an event without messageId gets
/// its line's number.
pub(crate) fn read_events(path: &Path, now_ms: u64) -> anyhow::Result<(Vec<Event>, Vec<Vec<u8>>)> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut events = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = number + 1;
        let event = event_from_line(line, &format!("line-{number}"), now_ms)
            .map_err(|why| anyhow::anyhow!("{}:{number}: {why}", path.display()))?;
        events.push(event);
        lines.push(line.to_vec());
    }
    anyhow::ensure!(!events.is_empty(), "{}: no events", path.display());
    Ok((events, lines))
}
