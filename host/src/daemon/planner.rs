//! Plans events under configurations that are not in effect, with the active revisions: finds and sets up
//! what a comparison compares.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Context;

use super::comparison::{Comparison, Outcome, SetUp, compare};
use super::plugins::noted;
use crate::config::{Config, Destination};
use crate::delivery::guest::Guests;
use crate::event::Event;
use crate::plugin::handles::HandleKey;
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::read_manifest;
use crate::plugin::revision::Revision;
use crate::queue::{DestinationId, PipelineId};

/// Events of one destination that are shown whole; the others are counted. As many as anyone asks for at
/// once.
const SHOWN_MAX: usize = 1_000;

/// Threads for guests where no daemon has any.
const WORKERS: usize = 2;

/// Plans events under configurations.
pub struct Planner {
    host: Arc<PluginHost>,
    guests: Guests,
    revisions: HashMap<String, Arc<Revision>>,
}

impl Planner {
    /// A planner with these plugins.
    pub fn new(host: Arc<PluginHost>, guests: Guests, revisions: HashMap<String, Arc<Revision>>) -> Planner {
        Planner { host, guests, revisions }
    }

    /// A planner with those plugins that two configurations need, from the second one's directory. What the
    /// daemon compiled is not compiled again. Takes its time: keep it off the async runtime.
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
        Ok(Planner { host, guests: Guests::start(WORKERS)?, revisions })
    }

    /// What an event comes to in a destination.
    ///
    /// # Errors
    /// When the destination cannot plan.
    pub async fn outcome(&self, destination: &Arc<Destination>, event: &Event) -> anyhow::Result<Outcome> {
        Ok(self.set_up(destination).await?.outcome(&self.guests, event).await)
    }

    /// The kinds that a plugin can do something with, by name; None: the plugin is not there.
    pub fn kinds(&self, plugin: &str) -> Option<&[String]> {
        self.revisions.get(plugin).map(|revision| &revision.manifest().kinds[..])
    }

    /// Plans the events of each pipeline under both configurations.
    pub async fn compare(
        &self,
        old: &Config,
        new: &Config,
        events: &BTreeMap<PipelineId, Vec<Event>>,
    ) -> Vec<Comparison> {
        let of = |config: &Config| -> BTreeMap<DestinationId, (PipelineId, Arc<Destination>)> {
            let each = config.destinations();
            each.map(|(pipeline, each)| (each.id.clone(), (pipeline.id.clone(), each.clone()))).collect()
        };
        let (old, new) = (of(old), of(new));
        let ids: BTreeSet<&DestinationId> = old.keys().chain(new.keys()).collect();
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            let (before, after) = (old.get(id), new.get(id));
            let pipeline = before.or(after).map(|(pipeline, _)| pipeline);
            let events = pipeline.and_then(|pipeline| events.get(pipeline)).map_or(&[][..], Vec::as_slice);
            let comparison = self.compare_one(id, [before, after].map(|each| each.map(|(_, each)| each)), events).await;
            all.push(comparison.unwrap_or_else(|error| Comparison::impossible(id, format!("{error:#}"))));
        }
        all
    }

    async fn compare_one(
        &self,
        id: &DestinationId,
        [old, new]: [Option<&Arc<Destination>>; 2],
        events: &[Event],
    ) -> anyhow::Result<Comparison> {
        let (old, new) = (self.set_up_of(old).await?, self.set_up_of(new).await?);
        Ok(compare(&self.guests, id, (old.as_ref(), new.as_ref()), events, SHOWN_MAX).await)
    }

    async fn set_up_of(&self, destination: Option<&Arc<Destination>>) -> anyhow::Result<Option<SetUp>> {
        match destination {
            Some(destination) => Ok(Some(self.set_up(destination).await?)),
            None => Ok(None),
        }
    }

    async fn set_up(&self, destination: &Arc<Destination>) -> anyhow::Result<SetUp> {
        let revision = self.revisions.get(&destination.plugin).cloned();
        let revision =
            revision.with_context(|| format!("the plugin `{}` is not in the plugin directory", destination.plugin))?;
        let (host, destination) = (self.host.clone(), destination.clone());
        // The settings are tried in the plugin, which takes as long as it takes.
        let set_up = tokio::task::spawn_blocking(move || {
            // The handles of a fixed key: the same for both configurations, and no secret is shown.
            let key = HandleKey::fixed();
            let (settings, handles) = host.settings(&revision, &destination.settings.0, &destination.id.0, &key)?;
            anyhow::Ok(SetUp::new(destination, revision, settings.into(), Arc::new(handles)))
        });
        set_up.await.context("the settings could not be tried")?
    }
}
