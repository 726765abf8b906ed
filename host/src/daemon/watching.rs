//! Watches revisions on trial: takes those back that are worse than the one before, and ends the trial
//! of those that have proved good. Nothing polls: what goes wrong rings a bell, and a trial's end is
//! waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::alerting::until;
use super::plugins::Chosen;
use super::record::StepKind;
use super::rollback::Back;
use super::{Changing, Daemon};
use crate::delivery::active::Active;
use crate::delivery::thresholds::Breach;
use crate::meter::RevisionCounts;
use crate::plugin::revision::Revision;
use crate::queue::DestinationId;

/// A look follows the bell by so long, so that a storm of faults is looked at a few times a second.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// What a revision that was taken back has in flight is looked at so often, until nothing is.
const IN_FLIGHT_LOOK: Duration = Duration::from_secs(1);

/// And so often at most: longer than the longest attempt.
const IN_FLIGHT_LOOKS_MAX: u32 = 300;

/// What a revision had in flight when it was taken back: gone once nobody works with it any more.
pub(super) struct InFlight(Vec<Weak<Active>>);

impl InFlight {
    /// Waits until all of it has ended, and its settlement is durable.
    pub async fn ended(&self) {
        for _ in 0..IN_FLIGHT_LOOKS_MAX {
            let is_gone = self.0.iter().all(|active| active.strong_count() == 0);
            tokio::time::sleep(IN_FLIGHT_LOOK).await;
            if is_gone {
                return;
            }
        }
    }
}

/// What the revisions of a trial had come to when it began, by destination: the one before, the new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline(BTreeMap<DestinationId, (RevisionCounts, RevisionCounts)>);

impl Baseline {
    /// Of destinations that begin a trial.
    pub fn of(ready: &[Arc<Active>]) -> Baseline {
        let counts =
            |active: &Arc<Active>| active.guest.as_ref().map(|guest| guest.counts.counts()).unwrap_or_default();
        let both = |active: &Arc<Active>| {
            let trial = active.trial.as_ref()?;
            Some((active.destination.id.clone(), (counts(active), counts(&trial.new))))
        };
        Baseline(ready.iter().filter_map(both).collect())
    }
}

/// One destination's part of a trial.
struct Compared {
    destination: DestinationId,
    /// The revision before: since the trial began when both run side by side, else in all.
    old: RevisionCounts,
    new: RevisionCounts,
}

/// Watches until the daemon stops.
pub(super) async fn run(daemon: Arc<Daemon>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = watch_trials(&daemon) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn watch_trials(daemon: &Arc<Daemon>) {
    let bell = daemon.changing.read().await.destinations.meters().bell();
    loop {
        let next_end_ms = daemon.judge_trials().await;
        tokio::select! {
            () = bell.notified() => tokio::time::sleep(LOOK_AFTER).await,
            () = daemon.trials_changed.notified() => {}
            () = until(next_end_ms, (daemon.now)()) => {}
        }
    }
}

impl Daemon {
    /// Ends the trials that have shown enough, badly or well. Answers when the next one ends.
    async fn judge_trials(self: &Arc<Daemon>) -> Option<u64> {
        let on_trial = {
            let changing = self.changing.read().await;
            changing
                .plugins
                .records()
                .filter(|record| record.trial.is_some())
                .map(|record| record.plugin.clone())
                .collect::<Vec<_>>()
        };
        let mut next_end_ms: Option<u64> = None;
        for plugin in on_trial {
            let mut changing = self.changing.write().await;
            match self.judge_trial(&mut changing, &plugin).await {
                Ok(end_ms) => next_end_ms = next_end_ms.into_iter().chain(end_ms).min(),
                Err(error) => tracing::error!(plugin, error = format!("{error:#}"), "the trial cannot be ended"),
            }
        }
        next_end_ms
    }

    /// When the trial ends, if it goes on and has an end.
    async fn judge_trial(self: &Arc<Daemon>, changing: &mut Changing, plugin: &str) -> anyhow::Result<Option<u64>> {
        let Some(chosen) = changing.plugins.get(plugin).cloned() else { return Ok(None) };
        let Some((revision, percent)) = chosen.trial.clone() else { return Ok(None) };
        let since_ms = changing.plugins.record(plugin).trial.map_or(0, |trial| trial.since_ms);
        if let Some((breach, of)) = self.breach(changing, &chosen) {
            let why = format!("{breach} ({of})");
            tracing::warn!(plugin, revision = revision.short_digest(), %why, "the revision on trial is worse than the one before");
            let in_flight = self.in_flight(changing, plugin);
            let step = StepKind::RolledBackByItself;
            let back = Back { target: &chosen.stable, from: &chosen, settings: None, step, why: &why };
            self.go_back(changing, back).await?;
            self.replay_letters_of(revision.digest(), since_ms, in_flight);
            return Ok(None);
        }
        if percent < 100.0 {
            return Ok(None);
        }
        let end_ms = since_ms + changing.config.plugins.watch.watch_ms;
        if (self.now)() < end_ms {
            return Ok(Some(end_ms));
        }
        self.end_well(changing, &revision, "its time on trial is over").await?;
        Ok(None)
    }

    /// What the revision on trial of a plugin has in flight.
    fn in_flight(&self, changing: &Changing, plugin: &str) -> InFlight {
        let of_plugin = changing.config.destinations().filter(|(_, each)| each.plugin == plugin);
        let on_trial = of_plugin.filter_map(|(_, each)| changing.destinations.active(&each.id)?.trial.clone());
        InFlight(on_trial.map(|trial| Arc::downgrade(&trial.new)).collect())
    }

    /// The first threshold that the revision on trial is beyond, and in which destination, or in all.
    fn breach(&self, changing: &Changing, chosen: &Chosen) -> Option<(Breach, String)> {
        let side_by_side = chosen.trial.as_ref().is_some_and(|(_, percent)| *percent < 100.0);
        let thresholds = changing.config.plugins.watch.thresholds;
        let compared = self.comparisons(changing, chosen);
        let sum = |pick: fn(&Compared) -> &RevisionCounts| {
            compared.iter().map(pick).fold(RevisionCounts::default(), |sum, each| sum.plus(each))
        };
        let all = thresholds.breach(&sum(|each| &each.old), &sum(|each| &each.new), side_by_side);
        let mut each = compared.iter().filter_map(|each| {
            let breach = thresholds.breach(&each.old, &each.new, side_by_side)?;
            Some((breach, each.destination.0.clone()))
        });
        each.next().or_else(|| Some((all?, "all destinations".to_string())))
    }

    fn comparisons(&self, changing: &Changing, chosen: &Chosen) -> Vec<Compared> {
        let Some((revision, percent)) = &chosen.trial else { return Vec::new() };
        let plugin = &revision.manifest().id;
        let baseline = changing.plugins.baselines.get(plugin);
        let meters = changing.destinations.meters();
        let of_plugin = changing.config.destinations().filter(|(_, each)| each.plugin == *plugin);
        let compared = of_plugin.map(|(_, destination)| {
            let id = &destination.id;
            let (old_before, new_before) =
                baseline.and_then(|baseline| baseline.0.get(id)).copied().unwrap_or_default();
            let old = meters.revision(id, chosen.stable.digest()).counts();
            Compared {
                destination: id.clone(),
                old: if *percent < 100.0 { old.since(&old_before) } else { old },
                new: meters.revision(id, revision.digest()).counts().since(&new_before),
            }
        });
        compared.collect()
    }

    /// Whether a revision on trial has planned enough, and not badly, to be one to go back to.
    pub(super) fn has_shown_enough(&self, changing: &Changing, revision: &Revision) -> bool {
        let Some(chosen) = changing.plugins.get(&revision.manifest().id) else { return false };
        let planned: u64 = self.comparisons(changing, chosen).iter().map(|each| each.new.planned).sum();
        planned >= changing.config.plugins.watch.thresholds.events_min.max(1) && self.breach(changing, chosen).is_none()
    }

    /// The figures of a trial, for people.
    pub(super) fn compared(&self, changing: &Changing, chosen: &Chosen) -> Value {
        let shown = |each: &Compared| json!({"destination": each.destination.0, "before": each.old, "new": each.new});
        self.comparisons(changing, chosen).iter().map(shown).collect()
    }
}
