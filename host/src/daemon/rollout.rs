//! New revisions, and the way back: what comes into the inbox or is installed becomes active, goes on
//! trial, or waits for a grant; rollbacks go to a revision that is kept.
//!
//! What is decided is durable before it takes effect, and a revision's bytes are on the shelf before
//! that: whenever the daemon stops, the next start finds what the record says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};

use super::kept_settings::{KeptSettings, Replacement, digest, of_file, replacement};
use super::plugins::{Chosen, Dropped};
use super::record::{Held, PluginRecord, StepKind, TrialRecord};
use super::watching::{Baseline, InFlight};
use super::{Changing, Daemon, Replaying, Steps, comparison};
use crate::delivery::active::Active;
use crate::plugin::permissions::Ask;
use crate::plugin::revision::Revision;
use crate::queue::DeadFilter;

/// Stored events that are planned for a comparison, at most: 10,000 take some seconds.
pub const COMPARED_EVENTS_MAX: usize = 10_000;

/// Dead letters of a revision that was taken back are replayed at this rate, in events a second.
const REPLAY_RATE: u32 = 1_000;

/// What the operator says when a plugin is installed.
#[derive(Clone, Debug, Default)]
pub struct Install {
    /// Its signature.
    pub signature: Option<String>,
    /// Whether it gets what it newly asks for.
    pub grants: bool,
    /// So many percent of the users go to it; None: all.
    pub canary_percent: Option<f64>,
}

/// Who wants a change.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Inbox,
    Operator,
}

/// A way back.
pub(super) struct Back<'a> {
    /// Where to.
    pub target: &'a Arc<Revision>,
    /// What is left.
    pub from: &'a Chosen,
    /// The settings to go back to; None: those that are in force.
    pub settings: Option<KeptSettings>,
    /// How the history calls it.
    pub step: StepKind,
    /// Why.
    pub why: &'a str,
}

/// A revision that shall take over, or go on trial.
struct Next<'a> {
    revision: &'a Arc<Revision>,
    bytes: &'a [u8],
    percent: f64,
    by: By,
    detail: &'a str,
}

impl Daemon {
    /// Looks for new and changed plugin files; those that are good become active, or wait for a grant.
    pub async fn reload_plugins(&self) {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        for dropped in changing.plugins.look().await {
            let path = dropped.path.clone();
            if let Err(error) = self.take_in(changing, dropped).await {
                changing.plugins.refuse(&path, &error);
            }
        }
        let noted = match self.note_inbox(changing).await {
            Ok(()) => self.note_settings(changing).await,
            error => error,
        };
        if let Err(error) = noted {
            tracing::error!(%error, "what the inbox holds, or which settings are in force, cannot be written down");
        }
        self.pulse.notify_one();
    }

    async fn take_in(&self, changing: &mut Changing, dropped: Dropped) -> anyhow::Result<()> {
        let Dropped { path, revision, bytes } = dropped;
        let manifest = revision.manifest();
        let asks = asks(changing, &revision);
        if asks.is_empty() {
            let detail = format!("from {}", path.display());
            let next = Next { revision: &revision, bytes: &bytes, percent: 100.0, by: By::Inbox, detail: &detail };
            return self.take_over(changing, next).await.map(|_| ());
        }
        for ask in &asks {
            tracing::warn!(plugin = %manifest.id, version = %manifest.version, revision = revision.short_digest(), %ask,
                "the revision asks for more than the ones before and waits: `switchyard plugin grant {}` lets it in", manifest.id);
        }
        self.shelf.put(&revision, &bytes)?;
        let mut record = changing.plugins.record(&manifest.id);
        let asked: Vec<String> = asks.iter().map(|ask| ask.what.clone()).collect();
        let (now_ms, version) = ((self.now)(), manifest.version.clone());
        record.add(now_ms, StepKind::Held, (revision.digest(), &version), asked.join("; "));
        record.held = Some(Held { revision: revision.digest().to_string(), version, since_ms: now_ms, asks });
        self.keep(changing, record).await
    }

    /// Checks a plugin's file and lets it take over for every destination that uses it, or for some
    /// users. On an error nothing has changed.
    pub async fn install_plugin(&self, bytes: Bytes, install: Install) -> anyhow::Result<Value> {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        let revision = changing.plugins.load(bytes.clone(), install.signature).await?;
        let asks = asks(changing, &revision);
        if !asks.is_empty() && !install.grants {
            let asks: Vec<String> = asks.iter().map(|ask| format!("  {ask}")).collect();
            anyhow::bail!(
                "{} {} asks for more than the revisions before; --grant lets it in:\n{}",
                revision.manifest().id,
                revision.manifest().version,
                asks.join("\n")
            );
        }
        let percent = install.canary_percent.unwrap_or(100.0);
        let next = Next { revision: &revision, bytes: &bytes, percent, by: By::Operator, detail: "installed" };
        let destinations = self.take_over(changing, next).await?;
        Ok(json!({
            "success": true,
            "plugin": revision.manifest().id,
            "version": revision.manifest().version,
            "revision": revision.digest(),
            "percent": percent,
            "granted": asks,
            "destinations": destinations,
        }))
    }

    /// Lets in the revision of a plugin that waits for a grant.
    pub async fn grant(&self, plugin: &str) -> anyhow::Result<Value> {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        let record = changing.plugins.record(plugin);
        let held = record.held.as_ref().with_context(|| format!("no revision of `{plugin}` waits for a grant"))?;
        let (revision, bytes) = self.from_shelf(&held.revision).await?;
        let next = Next { revision: &revision, bytes: &bytes, percent: 100.0, by: By::Operator, detail: "granted" };
        let destinations = self.take_over(changing, next).await?;
        Ok(json!({
            "success": true, "plugin": plugin, "version": revision.manifest().version,
            "revision": revision.digest(), "percent": 100.0, "granted": held.asks, "destinations": destinations,
        }))
    }

    /// Lets all users go to the revision that is on trial, which ends the trial.
    pub async fn promote(&self, plugin: &str) -> anyhow::Result<Value> {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        let chosen = changing.plugins.get(plugin);
        let Some((revision, _)) = chosen.and_then(|chosen| chosen.trial.clone()) else {
            anyhow::bail!(
                "no revision of `{plugin}` is on trial: `switchyard plugin history {plugin}` tells what happened"
            );
        };
        self.end_well(changing, &revision, "by the operator").await?;
        Ok(json!({
            "success": true, "plugin": plugin, "version": revision.manifest().version, "revision": revision.digest(),
        }))
    }

    /// The revision on trial is good: it alone is active from now on.
    pub(super) async fn end_well(
        &self,
        changing: &mut Changing,
        revision: &Arc<Revision>,
        detail: &str,
    ) -> anyhow::Result<()> {
        let id = revision.manifest().id.clone();
        let chosen = Chosen::only(revision.clone());
        let ready = changing.destinations.ready_with(&changing.config, &chosen).await?;
        let mut record = changing.plugins.record(&id);
        record.trial = None;
        record.active = Some(revision.digest().to_string());
        let version = &revision.manifest().version;
        record.add((self.now)(), StepKind::Promoted, (revision.digest(), version), detail.to_string());
        self.keep(changing, record).await?;
        self.choose(changing, chosen, ready);
        tracing::info!(plugin = %id, version, revision = revision.short_digest(), "the revision has proved good and is no longer on trial");
        Ok(())
    }

    /// Goes back: from a revision on trial to the one before, else to the last one that was active
    /// before, or to the one whose digest begins with `to`.
    pub async fn roll_back_plugin(&self, plugin: &str, to: Option<&str>) -> anyhow::Result<Value> {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        let record = changing.plugins.record(plugin);
        let chosen = changing.plugins.get(plugin).with_context(|| format!("there is no plugin `{plugin}`"))?.clone();
        let step = match (to, &chosen.trial) {
            (None, Some(_)) => None,
            (None, None) => {
                Some(record.before_active().with_context(|| format!("no earlier revision of `{plugin}` is kept"))?)
            }
            (Some(prefix), _) => {
                let found = record.find(prefix).filter(|step| !prefix.is_empty() && self.shelf.has(&step.revision));
                Some(found.with_context(|| {
                    format!("no revision `{prefix}` of `{plugin}` is kept: `switchyard plugin history {plugin}` names those that are")
                })?)
            }
        };
        let (target, settings) = match step {
            None => (chosen.stable.clone(), None),
            Some(step) => (self.from_shelf(&step.revision).await?.0, step.settings.clone()),
        };
        let left = chosen.current().clone();
        let other_settings = settings.as_ref().is_some_and(|settings| *settings != record.settings);
        anyhow::ensure!(
            target.digest() != left.digest() || other_settings,
            "revision {} of `{plugin}` is active already",
            target.short_digest()
        );
        let back =
            Back { target: &target, from: &chosen, settings, step: StepKind::RolledBack, why: "by the operator" };
        let replaced = self.go_back(changing, back).await?;
        Ok(json!({
            "success": true, "plugin": plugin, "version": target.manifest().version, "revision": target.digest(),
            "from": left.digest(), "settings_of": replaced,
        }))
    }

    /// Makes an earlier revision the only one, and keeps those out that run now. Answers the destinations
    /// that have other settings than the file from now on.
    pub(super) async fn go_back(&self, changing: &mut Changing, back: Back<'_>) -> anyhow::Result<Vec<String>> {
        let Back { target, from, settings, step, why } = back;
        let id = target.manifest().id.clone();
        let chosen = Chosen::only(target.clone());
        let mut record = changing.plugins.record(&id);
        if let Some(settings) = &settings {
            let of_plugin = changing.config.destinations().filter(|(_, each)| each.plugin == id);
            let replaced = of_plugin.filter_map(|(_, each)| {
                let wanted = settings.get(&each.id.0)?;
                let replacement = replacement(each, target, changing.destinations.handle_key(), wanted)?;
                Some((each.id.0.clone(), replacement))
            });
            let replaced: BTreeMap<String, Replacement> = replaced.collect();
            if record.settings != *settings {
                record.leave_settings(&record.settings.clone());
            }
            record.settings_left.retain(|left| *left != digest(settings));
            record.replaced = replaced;
        }
        let before = changing.plugins.record(&id).replaced;
        let destinations: Vec<String> = of_plugin(changing, &id);
        changing.destinations.replace_settings(destinations.clone(), &record.replaced);
        let ready = match changing.destinations.ready_with(&changing.config, &chosen).await {
            Ok(ready) => ready,
            Err(error) => {
                changing.destinations.replace_settings(destinations, &before);
                return Err(error);
            }
        };
        let on_trial = from.trial.as_ref().map(|(revision, _)| revision);
        // Who goes forward again, to one that was rolled back, leaves nothing bad behind.
        let goes_forward = record.rolled_back.iter().any(|each| each == target.digest());
        let left_behind = [Some(&from.stable), on_trial].into_iter().flatten();
        for left in left_behind.filter(|left| !goes_forward && left.digest() != target.digest()) {
            record.keep_out(left.digest());
        }
        record.let_in(target.digest());
        record.trial = None;
        record.active = Some(target.digest().to_string());
        let left = on_trial.unwrap_or(&from.stable);
        let replaced: Vec<String> = record.replaced.keys().cloned().collect();
        let with_settings = match &replaced[..] {
            [] => String::new(),
            of => format!(", with its settings of {}", of.join(", ")),
        };
        let detail = format!("{why}; back to {}{with_settings}", target.short_digest());
        record.add((self.now)(), step, (left.digest(), &left.manifest().version), detail);
        let in_force = changing.destinations.settings_in_force(&changing.config, target);
        record.now_with(in_force, changing.config.plugins.revisions_kept);
        self.keep(changing, record).await?;
        self.choose(changing, chosen, ready);
        tracing::warn!(plugin = %id, from = left.short_digest(), to = target.short_digest(), why, "the plugin was rolled back");
        for destination in &replaced {
            tracing::warn!(%destination, "its settings are those of before the rollback, until the configuration file has others");
        }
        Ok(replaced)
    }

    /// Notes which settings are in force where that is new, and forgets those that were put in the place
    /// of settings that the file no longer has.
    pub(super) async fn note_settings(&self, changing: &mut Changing) -> anyhow::Result<()> {
        let ids: Vec<String> = changing.plugins.ids().into_iter().map(str::to_string).collect();
        for id in ids {
            let Some(revision) = changing.plugins.get(&id).map(|chosen| chosen.current().clone()) else { continue };
            let mut record = changing.plugins.record(&id);
            let key = changing.destinations.handle_key();
            let holds = |destination: &String, replacement: &Replacement| {
                let configured = changing.config.destinations().find(|(_, each)| each.id.0 == *destination);
                configured.is_some_and(|(_, each)| of_file(each, key) == replacement.instead_of)
            };
            record.replaced.retain(|destination, replacement| holds(destination, replacement));
            let in_force = changing.destinations.settings_in_force(&changing.config, &revision);
            if record.settings == in_force && record.replaced == changing.plugins.record(&id).replaced {
                continue;
            }
            if !record.settings.is_empty() {
                let version = &revision.manifest().version;
                let detail = "the configuration file has other settings".to_string();
                record.add((self.now)(), StepKind::Configured, (revision.digest(), version), detail);
            }
            record.settings_left.retain(|left| *left != digest(&in_force));
            record.now_with(in_force, changing.config.plugins.revisions_kept);
            changing.destinations.replace_settings(of_plugin(changing, &id), &record.replaced);
            self.keep(changing, record).await?;
        }
        Ok(())
    }

    /// Lets a revision take over, or go on trial. Answers the destinations that use it.
    async fn take_over(&self, changing: &mut Changing, next: Next<'_>) -> anyhow::Result<Vec<String>> {
        let Next { revision, bytes, percent, by, detail } = next;
        let manifest = revision.manifest();
        let before = changing.plugins.get(&manifest.id).cloned();
        // What no destination works with is nothing to go back to.
        let before = before.filter(|_| changing.destinations.works_with(&manifest.id));
        let stable = before.as_ref().map(|chosen| self.proved(changing, chosen));
        let is_watched = percent < 100.0 || changing.config.plugins.watch.watch_ms > 0;
        let chosen = match stable {
            Some(stable) if is_watched && stable.digest() != revision.digest() => {
                Chosen { stable, trial: Some((revision.clone(), percent)) }
            }
            _ => Chosen::only(revision.clone()),
        };
        let ready = changing.destinations.ready_with(&changing.config, &chosen).await?;
        self.shelf.put(revision, bytes)?;
        let now_ms = (self.now)();
        let mut record = changing.plugins.record(&manifest.id);
        record.active = Some(chosen.stable.digest().to_string());
        let on_trial = |(revision, percent): &(Arc<Revision>, f64)| TrialRecord {
            revision: revision.digest().to_string(),
            percent: *percent,
            since_ms: now_ms,
        };
        record.trial = chosen.trial.as_ref().map(on_trial);
        record.granted.grant(manifest);
        record.held = record.held.filter(|held| held.revision != revision.digest());
        record.let_in(revision.digest());
        let is_canary = chosen.trial.is_some() && percent < 100.0;
        let step = if is_canary { StepKind::Canary } else { StepKind::Activated };
        let detail = if is_canary { format!("{detail}, for {percent} % of the users") } else { detail.to_string() };
        record.add(now_ms, step, (revision.digest(), &manifest.version), detail);
        let in_force = changing.destinations.settings_in_force(&changing.config, revision);
        record.now_with(in_force, changing.config.plugins.revisions_kept);
        self.keep(changing, record).await?;
        if by == By::Operator && !is_canary {
            // It has taken effect all the same.
            if let Err(error) = changing.plugins.keep_file(revision, bytes) {
                tracing::warn!(error = format!("{error:#}"), "the installed plugin is not in the plugin directory");
            }
        }
        let destinations = ready.iter().map(|active| active.destination.id.0.clone()).collect();
        tracing::info!(plugin = %manifest.id, version = %manifest.version, revision = revision.short_digest(),
            destinations = ready.len(), percent, "the plugin is active");
        self.choose(changing, chosen, ready);
        Ok(destinations)
    }

    /// The revision that a new one would go back to: the one on trial only if it has shown enough.
    fn proved(&self, changing: &Changing, chosen: &Chosen) -> Arc<Revision> {
        match &chosen.trial {
            Some((revision, percent)) if *percent >= 100.0 && self.has_shown_enough(changing, revision) => {
                revision.clone()
            }
            _ => chosen.stable.clone(),
        }
    }

    /// Makes a record durable.
    async fn keep(&self, changing: &mut Changing, mut record: PluginRecord) -> anyhow::Result<()> {
        record.inbox = changing.plugins.inbox(&record.plugin);
        self.store.put_record(&record.name(), record.encode()).await?;
        changing.plugins.recorded(record);
        Ok(())
    }

    /// Writes down what the inbox holds, where that is new.
    async fn note_inbox(&self, changing: &mut Changing) -> anyhow::Result<()> {
        let stale: Vec<PluginRecord> = changing
            .plugins
            .records()
            .filter(|record| record.active.is_some() && record.inbox != changing.plugins.inbox(&record.plugin))
            .cloned()
            .collect();
        for record in stale {
            self.keep(changing, record).await?;
        }
        Ok(())
    }

    /// What a plugin works with from now on, which is durable already.
    fn choose(&self, changing: &mut Changing, chosen: Chosen, ready: Vec<Arc<Active>>) {
        let id = chosen.stable.manifest().id.clone();
        let baseline = chosen.trial.as_ref().map(|_| Baseline::of(&ready));
        match baseline {
            Some(baseline) => changing.plugins.baselines.insert(id, baseline),
            None => changing.plugins.baselines.remove(&id),
        };
        changing.plugins.choose(chosen);
        changing.destinations.activate(ready);
        changing.plugins.note_active(&self.shelf_directory);
        let kept: BTreeSet<String> = changing.plugins.kept();
        let shelf = self.shelf.clone();
        tokio::task::spawn_blocking(move || shelf.keep_only(&kept));
        self.trials_changed.notify_one();
        self.pulse.notify_one();
    }

    async fn from_shelf(&self, digest: &str) -> anyhow::Result<(Arc<Revision>, Vec<u8>)> {
        let (shelf, digest) = (self.shelf.clone(), digest.to_string());
        Ok(tokio::task::spawn_blocking(move || anyhow::Ok((shelf.get(&digest)?, shelf.bytes(&digest)?))).await??)
    }

    /// Replays the dead letters that a revision left since a time, aside.
    pub(super) fn replay_letters_of(self: &Arc<Daemon>, revision: &str, since_ms: u64, in_flight: InFlight) {
        let filter =
            DeadFilter { revision: Some(revision.to_string()), from_ms: Some(since_ms), ..DeadFilter::default() };
        let daemon = self.clone();
        let digest = revision.to_string();
        tokio::spawn(async move {
            in_flight.ended().await;
            let Some(mut steps) = Steps::begin(&daemon, Replaying::Letters(filter), REPLAY_RATE).await else { return };
            let mut last = Value::Null;
            while let Some(step) = steps.next().await {
                match step {
                    Ok(state) => last = state,
                    Err(error) => {
                        tracing::error!(%error, "dead letters of the revision that was rolled back are not replayed");
                        return;
                    }
                }
            }
            if let Some(replayed @ 1..) = last["replayed"].as_u64() {
                tracing::info!(
                    revision = &digest[..12],
                    replayed,
                    "the dead letters of the revision that was rolled back are sent again"
                );
            }
        });
    }

    /// What a plugin's file would change: each of its destinations plans its last events with it and
    /// with what is active. Sends nothing, and changes nothing.
    pub async fn shadow(&self, bytes: Bytes, signature: Option<String>, last: usize) -> anyhow::Result<Value> {
        let (revision, asks, pairs) = {
            let changing = self.changing.read().await;
            let revision = changing.plugins.load(bytes, signature).await?;
            let chosen = Chosen::only(revision.clone());
            let ready = changing.destinations.ready_with(&changing.config, &chosen).await?;
            let mut pairs = Vec::new();
            for new in ready {
                let old = changing.destinations.active(&new.destination.id);
                let pipeline = changing.config.destinations().find(|(_, each)| each.id == new.destination.id);
                pairs.extend(old.zip(pipeline).map(|(old, (pipeline, _))| (old, new, pipeline.id.clone())));
            }
            (revision.clone(), asks(&changing, &revision), pairs)
        };
        let mut comparisons = Vec::new();
        for (old, new, pipeline) in pairs {
            let events = self.store.recent(&pipeline, last.min(COMPARED_EVENTS_MAX)).await?;
            let now_ms = (self.now)();
            comparisons.extend(comparison::compare(&self.guests, &old, &new, &events, now_ms).await);
        }
        Ok(json!({
            "success": true, "plugin": revision.manifest().id, "version": revision.manifest().version,
            "revision": revision.digest(), "asks": asks, "destinations": comparisons,
        }))
    }

    /// What happened to a plugin, oldest first, and which of its revisions are kept.
    pub async fn plugin_history(&self, plugin: &str) -> anyhow::Result<Value> {
        let changing = self.changing.read().await;
        let record = changing.plugins.record(plugin);
        anyhow::ensure!(!record.history.is_empty(), "there is no plugin `{plugin}`");
        let steps: Vec<Value> = record
            .history
            .iter()
            .map(|step| {
                let mut shown = serde_json::to_value(step).unwrap_or_default();
                shown["kept"] = self.shelf.has(&step.revision).into();
                shown
            })
            .collect();
        let compared = changing.plugins.get(plugin).map(|chosen| self.compared(&changing, chosen));
        Ok(json!({
            "plugin": plugin, "active": record.active, "trial": record.trial, "held": record.held,
            "rollbacks": record.rollbacks, "compared": compared, "steps": steps,
        }))
    }
}

/// The destinations that use a plugin.
fn of_plugin(changing: &Changing, plugin: &str) -> Vec<String> {
    let of_plugin = changing.config.destinations().filter(|(_, each)| each.plugin == plugin);
    of_plugin.map(|(_, each)| each.id.0.clone()).collect()
}

/// What a revision asks for beyond what its plugin may.
fn asks(changing: &Changing, revision: &Revision) -> Vec<Ask> {
    let manifest = revision.manifest();
    let of_plugin = || changing.config.destinations().filter(|(_, each)| each.plugin == manifest.id);
    let allowed_by_all =
        manifest.hosts.iter().map(|host| host.to_ascii_lowercase()).filter(|host| {
            of_plugin().next().is_some() && of_plugin().all(|(_, each)| each.allowed_hosts.contains(host))
        });
    changing.plugins.record(&manifest.id).asks(manifest, allowed_by_all)
}
