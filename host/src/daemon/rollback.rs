//! The way back: to an earlier revision, with the settings that it went with; and what happened so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};

use super::kept_settings::{KeptSettings, Replacement, digest, of_file, replacement};
use super::plugins::Chosen;
use super::record::StepKind;
use super::rollout::of_plugin;
use super::watching::InFlight;
use super::{Changing, Daemon, Replaying, Steps};
use crate::plugin::revision::Revision;
use crate::queue::DeadFilter;

/// Dead letters of a revision that was taken back are replayed at this rate, in events a second.
const REPLAY_RATE: u32 = 1_000;

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

impl Daemon {
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
            Some(step) => (self.take_from_shelf(&step.revision).await?.0, step.settings.clone()),
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
        let left_behind: Vec<&Arc<Revision>> =
            left_behind.filter(|left| !goes_forward && left.digest() != target.digest()).collect();
        left_behind.iter().for_each(|left| record.keep_out(left.digest()));
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
        left_behind.iter().for_each(|left| left.set_taken_back(true));
        target.set_taken_back(false);
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
