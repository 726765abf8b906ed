//! What the store keeps of a plugin: which revision is active, which is on trial or waits for a grant,
//! what it may do, and its history. One record a plugin, written before what it says takes effect.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::kept_settings::{KeptSettings, Replacement, digest};
use crate::plugin::manifest::Manifest;
use crate::plugin::permissions::{Ask, Permissions};
use crate::plugin::revision::Revision;

/// Steps of the history that are kept of a plugin.
const STEPS_MAX: usize = 200;

/// Revisions that were rolled back and are remembered, so that the inbox does not bring them back.
const ROLLED_BACK_MAX: usize = 200;

/// What a record's name begins with.
const NAME_PREFIX: &str = "plugin/";

/// What the store keeps of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PluginRecord {
    /// Its id.
    pub plugin: String,
    /// The digest of the revision that is known to be good.
    pub active: Option<String>,
    /// A new one beside it.
    pub trial: Option<TrialRecord>,
    /// One that asks for more than it may, and waits.
    pub held: Option<Held>,
    /// What its revisions may do.
    pub granted: Permissions,
    /// The digests of its files in the inbox when it was last looked at.
    pub inbox: BTreeSet<String>,
    /// Revisions that the inbox does not bring back.
    pub rolled_back: Vec<String>,
    /// The settings of its destinations that are in force.
    pub settings: KeptSettings,
    /// Settings that a rollback put in the place of the file's, by destination.
    pub replaced: BTreeMap<String, Replacement>,
    /// The digests of settings that were rolled back.
    pub settings_left: Vec<String>,
    /// How often it was rolled back.
    pub rollbacks: u64,
    /// What happened, oldest first.
    pub history: Vec<Step>,
}

/// A revision on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrialRecord {
    /// Its digest.
    pub revision: String,
    /// So many percent of the users go to it.
    pub percent: f64,
    /// Since when: milliseconds since 1970.
    pub since_ms: u64,
}

/// A revision that waits for a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Its digest.
    pub revision: String,
    /// Its version.
    pub version: String,
    /// Since when: milliseconds since 1970.
    pub since_ms: u64,
    /// What it asks for.
    pub asks: Vec<Ask>,
}

/// One step of a plugin's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub step: StepKind,
    /// The digest of the revision that it is about.
    pub revision: String,
    /// That revision's version.
    pub version: String,
    /// More, in one line.
    pub detail: String,
    /// The settings that were in force from then on, of the last steps that changed what is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<KeptSettings>,
}

/// What can happen to a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StepKind {
    /// It took over.
    Activated,
    /// Some users go to it.
    Canary,
    /// All users go to it, and it is no longer on trial.
    Promoted,
    /// The configuration file has other settings for its destinations.
    Configured,
    /// It waits for a grant.
    Held,
    /// The operator took it back, or went back to this one.
    RolledBack,
    /// It was taken back because it was worse than the one before.
    RolledBackByItself,
}

impl StepKind {
    /// Whether the revision was one to go back to.
    fn took_over(self) -> bool {
        matches!(self, StepKind::Activated | StepKind::Promoted | StepKind::Configured)
    }
}

impl PluginRecord {
    /// Of a plugin that nothing is known of.
    pub fn new(plugin: &str) -> PluginRecord {
        PluginRecord { plugin: plugin.to_string(), ..PluginRecord::default() }
    }

    /// Its first revision takes over, with all that it asks for.
    pub fn begin(&mut self, now_ms: u64, revision: &Revision, detail: String) {
        let manifest = revision.manifest();
        self.active = Some(revision.digest().to_string());
        self.granted.grant(manifest);
        self.add(now_ms, StepKind::Activated, (revision.digest(), &manifest.version), detail);
    }

    /// Its name in the store.
    pub fn name(&self) -> String {
        format!("{NAME_PREFIX}{}", self.plugin)
    }

    /// Its stored form.
    pub fn encode(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("texts and numbers can be written to memory"))
    }

    /// Reads a record of the store; None: it is of something else.
    pub fn decode(name: &str, stored: &[u8]) -> Option<Result<PluginRecord, serde_json::Error>> {
        name.starts_with(NAME_PREFIX).then(|| serde_json::from_slice(stored))
    }

    /// Adds a step to the history.
    pub fn add(&mut self, at_ms: u64, step: StepKind, revision: (&str, &str), detail: String) {
        if matches!(step, StepKind::RolledBack | StepKind::RolledBackByItself) {
            self.rollbacks += 1;
        }
        let (revision, version) = (revision.0.to_string(), revision.1.to_string());
        self.history.push(Step { at_ms, step, revision, version, detail, settings: None });
        let beyond = self.history.len().saturating_sub(STEPS_MAX);
        self.history.drain(..beyond);
    }

    /// The inbox shall not bring this revision back.
    pub fn keep_out(&mut self, digest: &str) {
        self.let_in(digest);
        self.rolled_back.push(digest.to_string());
        let beyond = self.rolled_back.len().saturating_sub(ROLLED_BACK_MAX);
        self.rolled_back.drain(..beyond);
    }

    /// The operator wants this revision after all.
    pub fn let_in(&mut self, digest: &str) {
        self.rolled_back.retain(|each| each != digest);
    }

    /// What a revision asks for beyond what is granted, also by `allowed_hosts` that all destinations of
    /// the plugin have. The first revision of a plugin asks for nothing: the configuration names it.
    pub fn asks(&self, manifest: &Manifest, allowed_hosts: impl IntoIterator<Item = String>) -> Vec<Ask> {
        if self.active.is_none() {
            return Vec::new();
        }
        let mut granted = self.granted.clone();
        granted.hosts.extend(allowed_hosts);
        granted.asks(manifest)
    }

    /// These settings are in force from the last step on; of the steps before so many keep theirs.
    pub fn now_with(&mut self, settings: KeptSettings, revisions_kept: usize) {
        self.settings = settings.clone();
        if let Some(last) = self.history.last_mut() {
            last.settings = Some(settings);
        }
        let with_settings = self.history.iter_mut().rev().filter(|step| step.settings.is_some());
        with_settings.skip(revisions_kept.max(2)).for_each(|step| step.settings = None);
    }

    /// What was active before: the last step that brought other code, or other settings, and was not
    /// rolled back.
    pub fn before_active(&self) -> Option<&Step> {
        let is_out = |step: &&Step| {
            let settings_left =
                step.settings.as_ref().is_some_and(|settings| self.settings_left.contains(&digest(settings)));
            self.rolled_back.contains(&step.revision) || settings_left
        };
        let is_other = |step: &&Step| {
            let other_settings = step.settings.as_ref().is_some_and(|settings| *settings != self.settings);
            self.active.as_deref() != Some(&step.revision) || other_settings
        };
        let taken = self.history.iter().rev().filter(|step| step.step.took_over());
        taken.filter(|step| !is_out(step)).find(is_other)
    }

    /// The last step of the revision whose digest begins so.
    pub fn find(&self, prefix: &str) -> Option<&Step> {
        self.history.iter().rev().find(|step| step.step.took_over() && step.revision.starts_with(prefix))
    }

    /// These settings are not gone back to.
    pub fn leave_settings(&mut self, settings: &KeptSettings) {
        let own = digest(settings);
        self.settings_left.retain(|each| *each != own);
        self.settings_left.push(own);
        let beyond = self.settings_left.len().saturating_sub(ROLLED_BACK_MAX);
        self.settings_left.drain(..beyond);
    }

    /// The revisions that are kept: those in use, and so many of the last that took over.
    pub fn kept(&self, revisions_kept: usize) -> BTreeSet<String> {
        let mut last: Vec<&str> = Vec::new();
        for step in self.history.iter().rev().filter(|step| step.step != StepKind::Held) {
            if !last.contains(&&step.revision[..]) && last.len() < revisions_kept {
                last.push(&step.revision);
            }
        }
        let in_use = [&self.active, &self.trial.as_ref().map(|trial| trial.revision.clone())];
        let held = self.held.as_ref().map(|held| held.revision.clone());
        last.into_iter().map(str::to_string).chain(in_use.into_iter().flatten().cloned()).chain(held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(steps: &[(StepKind, &str)]) -> PluginRecord {
        let mut record = PluginRecord::new("ga4");
        for (at_ms, (step, revision)) in (0..).zip(steps) {
            record.add(at_ms, *step, (revision, "1"), String::new());
            if step.took_over() {
                record.active = Some(revision.to_string());
            }
        }
        record
    }

    #[test]
    fn a_rollback_goes_to_the_revision_before_and_never_to_one_that_was_rolled_back() {
        use StepKind::{Activated, RolledBack};
        let mut record = record(&[(Activated, "a"), (Activated, "b"), (Activated, "c")]);
        let before = |record: &PluginRecord| record.before_active().map(|step| step.revision.clone());
        assert_eq!(before(&record).as_deref(), Some("b"));
        record.keep_out("c");
        record.add(9, RolledBack, ("c", "1"), String::new());
        record.active = Some("b".to_string());
        assert_eq!(before(&record).as_deref(), Some("a"));
        record.keep_out("b");
        record.active = Some("a".to_string());
        assert_eq!(before(&record), None);
        assert_eq!((record.find("c").is_some(), record.find("d").is_some(), record.rollbacks), (true, false, 1));
    }

    #[test]
    fn a_rollback_goes_to_the_settings_before_and_never_to_those_that_were_rolled_back() {
        use StepKind::{Activated, Configured};
        let settings = |text: &str| KeptSettings::from([("shop/ga4".to_string(), serde_json::json!({"key": text}))]);
        let mut record = record(&[(Activated, "a")]);
        record.now_with(settings("one"), 5);
        record.add(1, Activated, ("b", "1"), String::new());
        record.active = Some("b".to_string());
        record.now_with(settings("one"), 5);
        record.add(2, Configured, ("b", "1"), String::new());
        record.now_with(settings("two"), 5);
        let before =
            |record: &PluginRecord| record.before_active().map(|step| (step.revision.clone(), step.settings.clone()));
        assert_eq!(before(&record), Some(("b".to_string(), Some(settings("one")))));
        record.leave_settings(&settings("two"));
        record.add(3, StepKind::RolledBack, ("b", "1"), String::new());
        record.now_with(settings("one"), 5);
        assert_eq!(before(&record), Some(("a".to_string(), Some(settings("one")))));
        let with_settings =
            |record: &PluginRecord| record.history.iter().filter(|step| step.settings.is_some()).count();
        assert_eq!(with_settings(&record), 4);
        record.now_with(settings("three"), 3);
        assert_eq!(with_settings(&record), 3, "older steps keep none");
    }

    #[test]
    fn the_last_revisions_are_kept_and_those_in_use() {
        use StepKind::{Activated, Canary, Held};
        let mut record = record(&[(Activated, "a"), (Activated, "b"), (Activated, "c"), (Canary, "d"), (Held, "e")]);
        record.active = Some("a".to_string());
        let kept = |count| record.kept(count).into_iter().collect::<Vec<_>>().concat();
        assert_eq!((kept(0), kept(1), kept(2), kept(9)), ("a".into(), "ad".into(), "acd".into(), "abcd".into()));
    }

    #[test]
    fn the_history_is_bounded_and_survives_the_store() {
        for (steps, kept) in [(STEPS_MAX, STEPS_MAX), (STEPS_MAX + 1, STEPS_MAX)] {
            let record = record(&vec![(StepKind::Activated, "a"); steps]);
            assert_eq!(record.history.len(), kept);
            let read = PluginRecord::decode(&record.name(), &record.encode()).map(Result::ok);
            assert_eq!(read, Some(Some(record)));
        }
        assert!(PluginRecord::decode("other/x", b"{}").is_none());
    }

    #[test]
    fn what_was_rolled_back_is_remembered_within_a_bound() {
        for (count, first) in [(ROLLED_BACK_MAX, "0"), (ROLLED_BACK_MAX + 1, "1")] {
            let mut record = PluginRecord::new("ga4");
            (0..count).for_each(|number| record.keep_out(&number.to_string()));
            assert_eq!(record.rolled_back[0], first);
            assert_eq!(record.rolled_back.len(), ROLLED_BACK_MAX);
            record.let_in(first);
            assert_eq!(record.rolled_back.len(), ROLLED_BACK_MAX - 1);
        }
    }
}
