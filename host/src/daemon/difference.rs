//! What another configuration would change: the same events planned under both, and the requests that
//! would leave compared. Nothing is sent. For `switchyard diff`, and for who edits rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};

use super::plugins::noted;
use crate::config::{Config, Destination};
use crate::event::Event;
use crate::plugin::handles::HandleKey;
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::read_manifest;
use crate::plugin::plan::{Auth, Fate, Request};
use crate::plugin::revision::Revision;
use crate::queue::{DestinationId, PipelineId};
use crate::transformation::Routing;

/// Events of which the requests before and after are shown for one destination; the others are counted.
/// 1,000: as many as anyone asks for at once.
pub const SHOWN_MAX: usize = 1_000;

/// What another configuration would change for one destination.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationDifference {
    /// Which.
    pub destination: String,
    /// Whether only one of the configurations has it: `added` or `removed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<&'static str>,
    /// Why it cannot be planned, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Events with the same requests, or kept back for the same reason.
    pub same: usize,
    /// Events with other requests, or kept back for another reason.
    pub changed: usize,
    /// Events that go only under the new configuration.
    pub goes_now: usize,
    /// Events that go only under the old one.
    pub goes_no_more: usize,
    /// The events that differ.
    pub events: Vec<EventDifference>,
}

/// What another configuration would change for one event and destination.
#[derive(Clone, Debug, Serialize)]
pub struct EventDifference {
    /// The event's identity.
    pub message_id: String,
    /// Its kind and name.
    pub title: String,
    /// What it comes to under the old configuration; None: it has no such destination.
    pub before: Option<Value>,
    /// What it comes to under the new one.
    pub after: Option<Value>,
}

/// Plans events under configurations. Takes its time: keep it off the async runtime.
pub struct Planner {
    host: Arc<PluginHost>,
    revisions: HashMap<String, Arc<Revision>>,
}

impl Planner {
    /// A planner with these plugins.
    pub fn new(host: Arc<PluginHost>, revisions: HashMap<String, Arc<Revision>>) -> Planner {
        Planner { host, revisions }
    }

    /// A planner with those plugins that two configurations need, from the second one's directory. What the
    /// daemon compiled is not compiled again.
    pub fn load(old: &Config, new: &Config) -> anyhow::Result<Planner> {
        let compiled = new.data_directory.join("compiled");
        let cache = compiled.is_dir().then_some(&*compiled);
        let host = Arc::new(PluginHost::new(super::run::plugin_limits(new), cache)?);
        let needed: BTreeSet<&str> =
            old.destinations().chain(new.destinations()).map(|(_, each)| each.plugin.as_str()).collect();
        let directory = &new.plugin_directory;
        let files = std::fs::read_dir(directory).with_context(|| format!("{} cannot be read", directory.display()))?;
        let mut revisions = HashMap::new();
        for path in files.flatten().map(|file| file.path()) {
            if path.extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            let bytes = host.read_file(&path)?;
            let Ok(manifest) = read_manifest(&bytes) else { continue };
            if needed.contains(manifest.id.as_str()) {
                let revision = host.load(&bytes).with_context(|| path.display().to_string())?;
                revisions.insert(manifest.id, Arc::new(revision));
            }
        }
        // What was rolled back is not what runs.
        for revision in noted(&host, new)?.into_iter().filter(|each| needed.contains(each.manifest().id.as_str())) {
            revisions.insert(revision.manifest().id.clone(), revision);
        }
        Ok(Planner { host, revisions })
    }

    /// What an event comes to in a destination: requests with handles in place of secrets, or why there are
    /// none.
    pub fn outcome(&self, destination: &Arc<Destination>, event: &Event) -> Value {
        match self.ready(destination) {
            Ok(ready) => ready.outcome(event),
            Err(error) => json!({"dead": format!("{error:#}")}),
        }
    }

    /// The kinds that a plugin can do something with, by name; None: the plugin is not there.
    pub fn kinds(&self, plugin: &str) -> Option<&[String]> {
        self.revisions.get(plugin).map(|revision| &revision.manifest().kinds[..])
    }

    /// Plans the events of each pipeline under both configurations. Only what differs is in the answer,
    /// and what cannot be planned.
    pub fn differences(
        &self,
        old: &Config,
        new: &Config,
        events: &BTreeMap<PipelineId, Vec<Event>>,
    ) -> Vec<DestinationDifference> {
        let of = |config: &Config| -> BTreeMap<DestinationId, (PipelineId, Arc<Destination>)> {
            let each = config.destinations();
            each.map(|(pipeline, each)| (each.id.clone(), (pipeline.id.clone(), each.clone()))).collect()
        };
        let (old, new) = (of(old), of(new));
        let ids: BTreeSet<&DestinationId> = old.keys().chain(new.keys()).collect();
        let differ = ids.into_iter().map(|id| {
            let (before, after) = (old.get(id), new.get(id));
            let pipeline = before.or(after).map(|(pipeline, _)| pipeline);
            let events = pipeline.and_then(|pipeline| events.get(pipeline)).map_or(&[][..], Vec::as_slice);
            self.difference(id, before.map(|(_, each)| each), after.map(|(_, each)| each), events)
        });
        differ.collect()
    }

    fn difference(
        &self,
        id: &DestinationId,
        old: Option<&Arc<Destination>>,
        new: Option<&Arc<Destination>>,
        events: &[Event],
    ) -> DestinationDifference {
        let mut difference = DestinationDifference {
            destination: id.0.clone(),
            only: match (old, new) {
                (None, Some(_)) => Some("added"),
                (Some(_), None) => Some("removed"),
                _ => None,
            },
            ..DestinationDifference::default()
        };
        let ready = |destination: Option<&Arc<Destination>>| destination.map(|each| self.ready(each)).transpose();
        let (old, new) = match (ready(old), ready(new)) {
            (Ok(old), Ok(new)) => (old, new),
            (Err(error), _) | (_, Err(error)) => {
                difference.trouble = Some(format!("{error:#}"));
                return difference;
            }
        };
        for event in events {
            let before = old.as_ref().map(|ready| ready.outcome(event));
            let after = new.as_ref().map(|ready| ready.outcome(event));
            if before == after {
                difference.same += 1;
                continue;
            }
            let goes =
                |outcome: &Option<Value>| outcome.as_ref().is_some_and(|outcome| outcome.get("requests").is_some());
            match (goes(&before), goes(&after)) {
                (false, true) => difference.goes_now += 1,
                (true, false) => difference.goes_no_more += 1,
                _ => difference.changed += 1,
            }
            if difference.events.len() < SHOWN_MAX {
                let (message_id, title) = (event.message_id.to_string(), event.title());
                difference.events.push(EventDifference { message_id, title, before, after });
            }
        }
        difference
    }

    fn ready(&self, destination: &Arc<Destination>) -> anyhow::Result<Ready> {
        let revision = self.revisions.get(&destination.plugin);
        let revision =
            revision.with_context(|| format!("the plugin `{}` is not in the plugin directory", destination.plugin))?;
        // The handles of a fixed key: the same for both configurations, and no secret is shown.
        let key = HandleKey::fixed();
        let (settings, _) = self.host.settings(revision, &destination.settings.0, &destination.id.0, &key)?;
        Ok(Ready { destination: destination.clone(), revision: revision.clone(), settings })
    }
}

/// A destination that can plan.
struct Ready {
    destination: Arc<Destination>,
    revision: Arc<Revision>,
    settings: String,
}

impl Ready {
    /// What an event comes to: requests with handles in place of secrets, or why there are none.
    fn outcome(&self, event: &Event) -> Value {
        let event = match self.destination.transformation.apply(&self.revision.manifest().kinds, event) {
            Routing::Goes(event) => event,
            Routing::Filtered(rule) => return json!({"filtered": rule}),
            Routing::Refused(why) => return json!({"dead": why}),
        };
        // Both plan at the time the event came: the time alone makes no difference.
        let now_ms = event.received_ms;
        match self.revision.plan(&self.settings, now_ms, std::slice::from_ref(&event)) {
            Err(fault) => json!({"dead": fault.to_string()}),
            Ok(plan) if plan.requests.is_empty() => match plan.fates.into_iter().next() {
                Some((_, Fate::Skip(reason))) => json!({"filtered": format!("plugin: {reason}")}),
                Some((_, Fate::Reject(reason))) => json!({"dead": reason}),
                Some((_, Fate::DeferUntilMs(until_ms))) => json!({"deferred_until_ms": until_ms}),
                None => json!({"filtered": "plugin"}),
            },
            Ok(plan) => json!({"requests": plan.requests.iter().map(shown).collect::<Vec<_>>()}),
        }
    }
}

fn shown(request: &Request) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let body = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    let auth: Vec<String> = request.auth.iter().map(way_of).collect();
    json!({"method": request.method, "url": request.url, "headers": headers, "auth": auth, "body": body})
}

/// How a request is authenticated, without the secret.
fn way_of(auth: &Auth) -> String {
    match auth {
        Auth::Bearer(_) => "bearer".to_string(),
        Auth::Basic(..) => "basic".to_string(),
        Auth::Header(name, _) => format!("header {name}"),
        Auth::Query(name, _) => format!("query {name}"),
        Auth::Named(scheme) => scheme.split(':').next().unwrap_or_default().to_string(),
    }
}
