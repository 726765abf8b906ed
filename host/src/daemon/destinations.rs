//! The destinations that run: one runtime each, and what it works with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::kept_settings::{KeptSettings, Replacement, in_force, kept as kept_settings};
use super::plugins::Chosen;
use crate::config::{Config, Destination, Pipeline};
use crate::delivery::active::{Active, ActiveGuest, FindKept, missing_grants};
use crate::delivery::health::RuntimeStatus;
use crate::delivery::runtime::{Runtime, Shared};
use crate::delivery::trial::Trial;
use crate::meter::Meters;
use crate::plugin::fault::PluginError;
use crate::plugin::handles::HandleKey;
use crate::plugin::host::PluginHost;
use crate::plugin::revision::Revision;
use crate::plugin::shelf::Shelf;
use crate::queue::{DestinationId, EventStore, Feed, Start, StoreError};
use crate::send::tokens::Tokens;

/// The destinations that run.
pub struct Destinations {
    shared: Shared,
    host: Arc<PluginHost>,
    shelf: Arc<Shelf>,
    handle_key: HandleKey,
    meters: Arc<Meters>,
    running: BTreeMap<DestinationId, Running>,
    /// The access tokens of each destination: they outlive a change of its configuration.
    tokens: Mutex<HashMap<DestinationId, Arc<Tokens>>>,
    /// Settings that a rollback put in the place of the file's.
    replaced: HashMap<String, Replacement>,
}

struct Running {
    active: watch::Sender<Arc<Active>>,
    /// By the operator.
    paused: bool,
    stop: watch::Sender<bool>,
    status: Arc<Mutex<RuntimeStatus>>,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Destinations {
    /// With none running yet.
    pub fn new(shared: Shared, host: Arc<PluginHost>, shelf: Arc<Shelf>, handle_key: HandleKey) -> Destinations {
        let (meters, tokens) = (Arc::default(), Mutex::default());
        let (running, replaced) = (BTreeMap::new(), HashMap::new());
        Destinations { shared, host, shelf, handle_key, meters, running, tokens, replaced }
    }

    /// A destination ready to work. An error says which setting is wrong and what would be right. A
    /// plugin that is not there is no error: the destination waits for it.
    pub async fn ready(&self, destination: &Arc<Destination>, chosen: Option<&Chosen>) -> anyhow::Result<Arc<Active>> {
        let Some(chosen) = chosen else {
            let trouble = format!("the plugin `{}` is not in the plugin directory", destination.plugin);
            return Ok(Arc::new(Active::new(destination.clone(), Err(trouble), self.tokens_of(destination))));
        };
        for host in missing_grants(destination, chosen.current().manifest()) {
            tracing::info!(destination = %destination.id, %host, "the plugin names a host that is not in allowed_hosts: requests there will be refused");
        }
        let replacement = self.replaced.get(&destination.id.0);
        let destination = &in_force(destination, &chosen.stable, &self.handle_key, replacement)?;
        let making = self.making(destination);
        let Some((revision, percent)) = &chosen.trial else {
            let mut active = making.active(&chosen.stable).await?;
            active.kept = Some(kept(making));
            return Ok(Arc::new(active));
        };
        let new = making.active(revision).await?;
        let mut active = match making.active(&chosen.stable).await {
            Ok(active) => active,
            Err(error) if *percent >= 100.0 => {
                tracing::warn!(destination = %destination.id, error = format!("{error:#}"),
                    "the revision before does not take these settings: the new one works without it");
                return Ok(Arc::new(Active { kept: Some(kept(making)), ..new }));
            }
            Err(error) => return Err(error),
        };
        active.trial = Some(Arc::new(Trial { new: Arc::new(new), percent: *percent }));
        active.kept = Some(kept(making));
        Ok(Arc::new(active))
    }

    fn making(&self, destination: &Arc<Destination>) -> Making {
        Making {
            host: self.host.clone(),
            shelf: self.shelf.clone(),
            key: self.handle_key.clone(),
            meters: self.meters.clone(),
            tokens: self.tokens_of(destination),
            destination: destination.clone(),
        }
    }

    /// As [`Destinations::ready`], for the daemon's start: a plugin that does not refuse its settings but
    /// hangs or traps over them keeps nobody else from starting. Its destination waits for a better one.
    pub async fn ready_or_waiting(
        &self,
        destination: &Arc<Destination>,
        chosen: Option<&Chosen>,
    ) -> anyhow::Result<Arc<Active>> {
        match self.ready(destination, chosen).await {
            Err(error) if matches!(error.downcast_ref(), Some(PluginError::Fault(_))) => {
                let trouble =
                    format!("the plugin `{}` fails over its settings: {}", destination.plugin, error.root_cause());
                Ok(Arc::new(Active::new(destination.clone(), Err(trouble), self.tokens_of(destination))))
            }
            ready => ready,
        }
    }

    fn tokens_of(&self, destination: &Destination) -> Arc<Tokens> {
        let mut all = self.tokens.lock().expect("nobody panics while holding the tokens");
        all.entry(destination.id.clone()).or_default().clone()
    }

    /// All destinations that use a plugin, ready with what is chosen of it.
    pub async fn ready_with(&self, config: &Config, chosen: &Chosen) -> anyhow::Result<Vec<Arc<Active>>> {
        let mut ready = Vec::new();
        for (_, destination) in config.destinations().filter(|(_, each)| each.plugin == chosen.stable.manifest().id) {
            ready.push(self.ready(destination, Some(chosen)).await?);
        }
        Ok(ready)
    }

    /// Puts settings in the place of the file's, or takes such away, for destinations made ready from now on.
    pub fn replace_settings(&mut self, of: impl IntoIterator<Item = String>, by: &BTreeMap<String, Replacement>) {
        for destination in of {
            match by.get(&destination) {
                Some(replacement) => self.replaced.insert(destination, replacement.clone()),
                None => self.replaced.remove(&destination),
            };
        }
    }

    /// The key that handles are made with.
    pub fn handle_key(&self) -> &HandleKey {
        &self.handle_key
    }

    /// The settings that are in force for a plugin's destinations, as they are kept.
    pub fn settings_in_force(&self, config: &Config, revision: &Revision) -> KeptSettings {
        let of_plugin = config.destinations().filter(|(_, each)| each.plugin == revision.manifest().id);
        let kept = of_plugin.filter_map(|(_, each)| {
            let in_force = in_force(each, revision, &self.handle_key, self.replaced.get(&each.id.0)).ok()?;
            Some((each.id.0.clone(), kept_settings(&in_force, revision, &self.handle_key)))
        });
        kept.collect()
    }

    /// Whether any running destination works with a plugin.
    pub fn works_with(&self, plugin: &str) -> bool {
        let mut all = self.running.values().map(|running| running.active.borrow());
        all.any(|active| active.destination.plugin == plugin && active.guest.is_some())
    }

    /// What a running destination works with.
    pub fn active(&self, id: &DestinationId) -> Option<Arc<Active>> {
        self.running.get(id).map(|running| running.active.borrow().clone())
    }

    /// Lets running destinations go on with what is ready, at their next batch.
    pub fn activate(&self, ready: Vec<Arc<Active>>) {
        for active in ready {
            self.meters.keep_revisions(&active.destination.id, &digests(&active));
            if let Some(running) = self.running.get(&active.destination.id) {
                running.active.send_replace(Arc::new(active.paused_by_operator(running.paused)));
            }
        }
    }

    /// Pauses a running destination or lets it go on, whoever had paused it but the configuration.
    pub fn pause(&mut self, id: &DestinationId, paused: bool) {
        if let Some(running) = self.running.get_mut(id) {
            running.paused = paused;
            running.active.send_modify(|active| *active = Arc::new(active.paused_by_operator(paused)));
        }
    }

    /// Starts destinations. Their feeds are opened together, so that they share the store's commits.
    pub async fn start(
        &mut self,
        store: &Arc<dyn EventStore>,
        ready: Vec<(Arc<Pipeline>, Arc<Active>)>,
        grace_ms: u64,
    ) -> Result<(), StoreError> {
        let open = |(pipeline, active): &(Arc<Pipeline>, Arc<Active>)| {
            let from = if active.destination.from_earliest { Start::Earliest } else { Start::Now };
            store.open(&active.destination.id, &pipeline.id, from)
        };
        let feeds = join_all(ready.iter().map(open)).await;
        for ((_, active), feed) in ready.into_iter().zip(feeds) {
            self.run(active, feed?, grace_ms);
        }
        Ok(())
    }

    fn run(&mut self, active: Arc<Active>, feed: Box<dyn Feed>, grace_ms: u64) {
        let id = active.destination.id.clone();
        let paused = feed.was_paused();
        let (active_sender, active_receiver) = watch::channel(Arc::new(active.paused_by_operator(paused)));
        let (stop_sender, stop_receiver) = watch::channel(false);
        let status = Arc::new(Mutex::new(RuntimeStatus::default()));
        let runtime = Runtime::new(self.shared.clone(), feed, active_receiver, stop_receiver, status.clone());
        let own = id.clone();
        let task = tokio::spawn(async move {
            let ended = runtime.run(Duration::from_millis(grace_ms)).await;
            if let Err(error) = &ended {
                tracing::error!(destination = %own, %error, "the destination stopped: the store does not answer");
            }
            ended
        });
        self.running.insert(id, Running { active: active_sender, paused, stop: stop_sender, status, task });
    }

    /// Stops destinations and waits for them.
    pub async fn stop(&mut self, ids: &[DestinationId]) {
        self.tokens.lock().expect("nobody panics while holding the tokens").retain(|id, _| !ids.contains(id));
        let stopping: Vec<Running> = ids.iter().filter_map(|id| self.running.remove(id)).collect();
        for running in &stopping {
            running.stop.send_replace(true);
        }
        for running in stopping {
            if let Err(error) = running.task.await {
                tracing::error!(%error, "a destination's task failed");
            }
        }
        ids.iter().for_each(|id| self.meters.forget(id));
    }

    /// Stops all destinations and waits for them.
    pub async fn stop_all(&mut self) {
        let ids: Vec<DestinationId> = self.running.keys().cloned().collect();
        self.stop(&ids).await;
    }

    /// Those that run.
    pub fn ids(&self) -> Vec<DestinationId> {
        self.running.keys().cloned().collect()
    }

    /// What is counted of them.
    pub fn meters(&self) -> Arc<Meters> {
        self.meters.clone()
    }

    /// What each runtime shows, with its configuration.
    pub fn statuses(&self) -> HashMap<DestinationId, (Arc<Destination>, RuntimeStatus)> {
        let shown = |running: &Running| {
            let status = running.status.lock().expect("nobody panics while holding the status").clone();
            (running.active.borrow().destination.clone(), status)
        };
        self.running.iter().map(|(id, running)| (id.clone(), shown(running))).collect()
    }
}

/// Checks a destination's settings and tries them in the plugin.
pub(super) fn guest(
    host: &PluginHost,
    revision: &Arc<Revision>,
    destination: &Destination,
    key: &HandleKey,
    meters: &Meters,
) -> anyhow::Result<ActiveGuest> {
    let (settings, handles) = host.settings(revision, &destination.settings.0, &destination.id.0, key)?;
    Ok(ActiveGuest {
        revision: revision.clone(),
        settings: settings.into(),
        handles: Arc::new(handles),
        meter: meters.guest(&destination.id, &destination.plugin),
        counts: meters.revision(&destination.id, revision.digest()),
    })
}

/// What a destination is made ready with.
struct Making {
    host: Arc<PluginHost>,
    shelf: Arc<Shelf>,
    key: HandleKey,
    meters: Arc<Meters>,
    tokens: Arc<Tokens>,
    destination: Arc<Destination>,
}

impl Making {
    /// The destination with a revision.
    async fn active(&self, revision: &Arc<Revision>) -> anyhow::Result<Active> {
        let (host, key, meters) = (self.host.clone(), self.key.clone(), self.meters.clone());
        let (destination, revision) = (self.destination.clone(), revision.clone());
        let guest = tokio::task::spawn_blocking(move || guest(&host, &revision, &destination, &key, &meters)).await?;
        let guest = guest.with_context(|| format!("destination `{}`", self.destination.id))?;
        let mut active = Active::new(self.destination.clone(), Ok(guest), self.tokens.clone());
        active.client = active.client.with_meter(self.meters.attempts(&self.destination.id));
        Ok(active)
    }
}

/// Finds a destination with a revision on the shelf; what was found is remembered.
fn kept(making: Making) -> FindKept {
    let making = Arc::new(making);
    let found: Arc<tokio::sync::Mutex<HashMap<String, Option<Arc<Active>>>>> = Arc::default();
    Arc::new(move |digest: String| {
        let (making, found) = (making.clone(), found.clone());
        Box::pin(async move {
            let mut found = found.lock().await;
            if let Some(known) = found.get(&digest) {
                return known.clone();
            }
            let (shelf, wanted) = (making.shelf.clone(), digest.clone());
            let revision = tokio::task::spawn_blocking(move || shelf.get(&wanted)).await.ok()?.ok();
            let active = match revision {
                Some(revision) => making.active(&revision).await.ok().map(Arc::new),
                None => None,
            };
            if active.is_none() {
                tracing::info!(destination = %making.destination.id, revision = digest.get(..12).unwrap_or(&digest),
                    "a stored request was planned by a revision that is no longer kept: the active one reads its answers");
            }
            found.insert(digest, active.clone());
            active
        })
    })
}

/// The digests of the revisions that a destination works with.
fn digests(active: &Active) -> Vec<&str> {
    let on_trial = active.trial.as_ref().and_then(|trial| trial.new.guest.as_ref());
    active.guest.iter().chain(on_trial).map(|guest| guest.revision.digest()).collect()
}
