//! `switchyard plugin explain`: where each field of the requests that an event becomes comes from. With a
//! destination of a configuration, the event goes through its rules first, and they are named.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value};

use crate::cli::load;
use crate::cli::transform::storage_policy;
use crate::clock;
use crate::config::{Config, Destination};
use crate::event::Event;
use crate::plugin::explain::{self, ExplainArguments, Way};
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::{Manifest, read_manifest};
use crate::plugin::run::read_json;
use crate::transformation::{Level, Policy, Routing, Rule, Step, StepEffect};

/// What to explain.
#[derive(Args)]
pub(in crate::cli) struct Explain {
    /// The plugin's file; by default that of the destination, from the plugin directory.
    #[arg(required_unless_present = "destination")]
    file: Option<PathBuf>,
    /// Settings as JSON, secrets with their values; by default those of the destination.
    #[arg(long, required_unless_present = "destination")]
    settings: Option<PathBuf>,
    /// One event as JSON.
    #[arg(long)]
    event: PathBuf,
    /// A destination, PIPELINE/NAME: the event goes through its transformations first.
    #[arg(long)]
    destination: Option<String>,
    /// The configuration file that has the destination.
    #[arg(long, value_name = "FILE", default_value = "switchyard.toml")]
    config: PathBuf,
    /// The time of the call, milliseconds since 1970; now by default.
    #[arg(long)]
    now: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(host: &PluginHost, call: &Explain, out: &mut dyn Write) -> anyhow::Result<()> {
    let event = read_json(&call.event)?;
    let configured = call.destination.as_ref().map(|name| Configured::find(&call.config, name)).transpose()?;
    let plugin = match (&call.file, &configured) {
        (Some(file), _) => file.clone(),
        (None, Some(configured)) => configured.plugin_file()?,
        (None, None) => anyhow::bail!("name the plugin's file, or a destination"),
    };
    let settings = match (&call.settings, &configured) {
        (Some(file), _) => read_json(file)?,
        (None, Some(configured)) => configured.destination.settings.0.clone(),
        (None, None) => anyhow::bail!("name the settings' file, or a destination"),
    };
    let now_ms = call.now.unwrap_or_else(clock::now_ms);
    let arguments = ExplainArguments { plugin, settings, event, now_ms, as_json: call.json };
    let Some(configured) = configured else { return explain::explain(host, &arguments, None, out) };
    let kinds = manifest(host, &arguments.plugin)?.kinds;
    let go = |event: &Event| configured.go(&kinds, event);
    let steps = |event: &Event| configured.steps(&kinds, event);
    explain::explain(host, &arguments, Some(&Way { go: &go, steps: &steps }), out)
}

fn manifest(host: &PluginHost, file: &Path) -> anyhow::Result<Manifest> {
    let bytes = host.read_file(file)?;
    read_manifest(&bytes).with_context(|| file.display().to_string())
}

/// A destination with what its pipeline does before an event is stored.
struct Configured {
    config: Config,
    pipeline: String,
    destination: Arc<Destination>,
    storage: Policy,
}

impl Configured {
    fn find(path: &Path, name: &str) -> anyhow::Result<Configured> {
        let config = load(path)?;
        let found = config.destinations().find(|(_, each)| each.id.0 == name);
        let Some((pipeline, destination)) = found.map(|(of, each)| (of.id.to_string(), each.clone())) else {
            let known: Vec<&str> = config.destinations().map(|(_, each)| each.id.0.as_str()).collect();
            anyhow::bail!("there is no destination `{name}`: there are {}", known.join(", "));
        };
        let storage = storage_policy(&config, &pipeline)?;
        Ok(Configured { config, pipeline, destination, storage })
    }

    /// The file in the plugin directory that is the destination's plugin.
    fn plugin_file(&self) -> anyhow::Result<PathBuf> {
        let directory = &self.config.plugin_directory;
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        let is_it = |path: &PathBuf| {
            let manifest = std::fs::read(path).ok().and_then(|bytes| read_manifest(&bytes).ok());
            manifest.is_some_and(|manifest| manifest.id == self.destination.plugin)
        };
        files.find(is_it).with_context(|| {
            format!("the plugin `{}` is not in {}: name its file", self.destination.plugin, directory.display())
        })
    }

    fn stored(&self, event: &Event) -> Result<Event, String> {
        self.storage.stored(event).map_err(|_| "the policy on personal data is too much work".to_string())
    }

    /// The event as the plugin sees it, or why it does not.
    fn go(&self, kinds: &[String], event: &Event) -> Result<Event, String> {
        match self.destination.transformation.apply(kinds, &self.stored(event)?) {
            Routing::Goes(event) => Ok(event),
            Routing::Filtered(by) => Err(format!("filtered by {by}")),
            Routing::Refused(why) => Err(why.to_string()),
        }
    }

    /// What each rule made of an event, under its name.
    fn steps(&self, kinds: &[String], event: &Event) -> Vec<(String, Value)> {
        let Ok(stored) = self.stored(event) else { return Vec::new() };
        let mut made = Vec::new();
        if stored.json != event.json {
            let by = format!("the policy on personal data of pipeline {}, before it is stored", self.pipeline);
            made.extend(serde_json::from_slice(&stored.json).ok().map(|after| (by, after)));
        }
        let (steps, _) = self.destination.transformation.explain(kinds, &stored);
        let changed = steps.iter().filter(|step| step.effect == StepEffect::Changed);
        made.extend(
            changed.filter_map(|step| Some((self.name(step), serde_json::from_str(step.after.as_ref()?).ok()?))),
        );
        made
    }

    fn name(&self, step: &Step) -> String {
        let written = self.destination.transformation.written();
        let (of, rules) = match step.level {
            Some(Level::Pipeline) => (format!("pipeline {}", self.pipeline), &written.pipeline_rules),
            _ => (format!("destination {}", self.destination.id), &written.rules),
        };
        let Some(number) = step.rule else {
            return match step.operation {
                "pii" => format!("the policy on personal data of {of}"),
                _ => format!("{} of {of}", step.name),
            };
        };
        let named = match step.name.starts_with("rule ") {
            true => step.name.clone(),
            false => format!("rule {} `{}`", number + 1, step.name),
        };
        let what =
            rules.written().get(number).map_or_else(|| step.operation.to_string(), |rule| said(rule, step.operation));
        format!("{named} of {of}: {what}")
    }
}

/// What a rule does, shortly: `set properties.value = 5`. Keys of hashes are not shown.
fn said(rule: &Rule, operation: &str) -> String {
    let written = serde_json::to_value(rule).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let none = Map::new();
    let members = written.as_object().unwrap_or(&none);
    let part = |key: &str| members.get(key).map(text);
    let mut said = operation.to_string();
    said.extend(part(operation).map(|paths| format!(" {paths}")));
    said.extend(members.get("value").map(|value| format!(" = {value}")));
    for key in ["from", "template", "expression"] {
        said.extend(part(key).map(|source| format!(" = {source}")));
    }
    for key in ["to", "under", "as"] {
        said.extend(part(key).map(|to| format!(" {key} {to}")));
    }
    said
}
