//! New revisions: what comes into the inbox or is installed becomes active, goes on trial, or waits for a
//! grant.
//!
//! What is decided is durable before it takes effect, and a revision's bytes are on the shelf before
//! that: whenever the daemon stops, the next start finds what the record says.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use serde_json::{Value, json};

use super::plugins::{Chosen, Dropped};
use super::record::{Held, PluginRecord, StepKind, TrialRecord};
use super::watching::Baseline;
use super::{Changing, Daemon};
use crate::delivery::active::Active;
use crate::plugin::permissions::Ask;
use crate::plugin::revision::Revision;

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
        self.look_at_inbox(&mut *self.changing.write().await).await;
    }

    /// The same, by whoever changes something already.
    pub(super) async fn look_at_inbox(&self, changing: &mut Changing) {
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
        let (revision, bytes) = self.take_from_shelf(&held.revision).await?;
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
    pub(super) async fn keep(&self, changing: &mut Changing, mut record: PluginRecord) -> anyhow::Result<()> {
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
    pub(super) fn choose(&self, changing: &mut Changing, chosen: Chosen, ready: Vec<Arc<Active>>) {
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

    pub(super) async fn take_from_shelf(&self, digest: &str) -> anyhow::Result<(Arc<Revision>, Vec<u8>)> {
        let (shelf, digest) = (self.shelf.clone(), digest.to_string());
        tokio::task::spawn_blocking(move || anyhow::Ok((shelf.get(&digest)?, shelf.bytes(&digest)?))).await?
    }
}

/// The destinations that use a plugin.
pub(super) fn of_plugin(changing: &Changing, plugin: &str) -> Vec<String> {
    let of_plugin = changing.config.destinations().filter(|(_, each)| each.plugin == plugin);
    of_plugin.map(|(_, each)| each.id.0.clone()).collect()
}

/// What a revision asks for beyond what its plugin may.
pub(super) fn asks(changing: &Changing, revision: &Revision) -> Vec<Ask> {
    let manifest = revision.manifest();
    let of_plugin = || changing.config.destinations().filter(|(_, each)| each.plugin == manifest.id);
    let allowed_by_all =
        manifest.hosts.iter().map(|host| host.to_ascii_lowercase()).filter(|host| {
            of_plugin().next().is_some() && of_plugin().all(|(_, each)| each.allowed_hosts.contains(host))
        });
    changing.plugins.record(&manifest.id).asks(manifest, allowed_by_all)
}
