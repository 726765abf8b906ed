//! Which events go to a destination, and in what form: the operator's rules, applied before the
//! plugin sees the event. Pure; no web, no store.
//!
//! A rule is written as a [`Rule`], checked and compiled once by [`compile`], and applied to an event's
//! canonical JSON through its index: what it changes is noted as edits, and all edits of a pipeline and
//! destination are written in one pass. An event that no rule changes is shared, not copied.
//!
//! In order: the kinds that the plugin knows, the destination's own kinds and names, the event's
//! `integrations`, consent, the pipeline's rules, the destination's rules, the policy on personal data.
//!
//! Invariants:
//! - An event's messageId and type are never changed.
//! - No rule and no event makes anything here panic, or take more than [`STEPS_MAX`] steps; what would
//!   is not let through half-changed: it becomes a dead letter that names the reason.

mod arena;
mod change;
mod compile;
mod consent;
mod constant;
mod convert;
mod draft;
mod engine;
mod explain;
mod expression;
mod hash;
mod keys;
mod mask;
mod mistake;
mod operation;
mod path;
mod pii;
mod rule;
mod search;
mod select;
mod steps;
mod tcf;
mod template;

use std::borrow::Cow;

use crate::event::{Event, EventKind};

pub use arena::GROWTH_BYTES_MAX;
pub use compile::{NAME_CHARS_MAX, PATHS_MAX, RULES_MAX, TABLE_MAX, compile};
pub use consent::{Absent, ConsentRequirement, ConsentSource, PURPOSES_MAX};
pub use draft::DEPTH_MAX;
pub use engine::{Level, Rules};
pub use explain::{Step, StepEffect};
pub use expression::{NESTING_MAX, PARTS_MAX, SOURCE_BYTES_MAX};
pub use mistake::Mistake;
pub use path::{PATH_BYTES_MAX, SEGMENTS_MAX};
pub use pii::{Action, Class, LongTreatment, Part, Policy, PolicyAsWritten, Treatment};
pub use rule::{Drops, Paths, Rule, Secret};
pub use search::{classes_in, values_of_classes};
pub use steps::{Exhausted, MADE_BYTES_MAX, STEPS_MAX, Steps};

use consent::Consent;
use draft::Draft;
use engine::Chain;
use select::{Kinds, Names, integrations_allow};

/// What an event that takes too many steps, or grows too large, is refused with.
const TOO_MUCH_WORK: &str = "its transformations take more work than one event may be, or make too much of it";

/// All that the operator designated for a destination, as it is written. Its secrets have their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// The destination's name, as the event's `integrations` has it.
    pub name: String,
    /// Its plugin's id, which that may have, too.
    pub plugin: String,
    /// Only events of these kinds, when given.
    pub only_kinds: Option<Vec<EventKind>>,
    /// Only track events of these names, when given; `*` and `?` as in a rule.
    pub only_events: Option<Vec<String>>,
    /// Whether the event's `integrations` object is passed over.
    pub ignore_integrations: bool,
    /// Where events say what was consented to.
    pub consent_source: ConsentSource,
    /// What must be consented to.
    pub consent: ConsentRequirement,
    /// The pipeline's rules.
    pub pipeline_rules: Rules,
    /// The destination's.
    pub rules: Rules,
    /// The pipeline's policy on personal data.
    pub pii: PolicyAsWritten,
    /// Classes that the destination may have as they are.
    pub pii_allowed: Vec<Class>,
}

/// What is applied to the events of one destination. Two are equal when they were written the same.
#[derive(Debug)]
pub struct Transformation {
    written: Written,
    only_kinds: Kinds,
    only_names: Option<Names>,
    consent: Consent,
    chain: Chain,
    policy: Policy,
}

impl PartialEq for Transformation {
    fn eq(&self, other: &Transformation) -> bool {
        self.written == other.written
    }
}

/// What the rules say of one event and destination.
#[derive(Clone, Debug)]
pub enum Routing {
    /// It goes, in this form.
    Goes(Event),
    /// It does not; the name of the rule.
    Filtered(Cow<'static, str>),
    /// It cannot be transformed within bounds; why.
    Refused(&'static str),
}

/// What is wrong with what was written: the key, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformationError {
    /// The key: `consent.requires`, `pii.email`, ...
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl Transformation {
    /// Joins what was written.
    ///
    /// # Errors
    /// The first mistake of the consent or of the policy; rules were checked before.
    pub fn new(written: Written) -> Result<Transformation, TransformationError> {
        let consent = Consent::new(&written.consent_source, &written.consent)
            .map_err(|(key, message)| TransformationError { key: format!("consent.{key}"), message })?;
        let policy = Policy::new(&written.pii, Part::Delivery(&written.pii_allowed))
            .map_err(|(class, message)| TransformationError { key: format!("pii.{class}"), message })?;
        Ok(Transformation {
            only_kinds: written.only_kinds.as_ref().map_or(Kinds::ALL, |kinds| Kinds::of(kinds.iter().copied())),
            only_names: written.only_events.as_deref().map(Names::new),
            consent,
            chain: Chain::new(&written.pipeline_rules, &written.rules),
            policy,
            written,
        })
    }

    /// All that was written.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// The policy on personal data that holds for the destination.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Applies all of it. `plugin_kinds` are the kinds that the plugin can do something with, by name.
    pub fn apply(&self, plugin_kinds: &[String], event: &Event) -> Routing {
        if !plugin_kinds.iter().any(|kind| kind == event.kind.as_str()) {
            return Routing::Filtered("plugin_kinds".into());
        }
        let steps = Steps::new(STEPS_MAX);
        match self.routed(event, &steps) {
            Ok(routing) => routing,
            Err(Exhausted) => Routing::Refused(TOO_MUCH_WORK),
        }
    }

    fn routed(&self, event: &Event, steps: &Steps) -> Result<Routing, Exhausted> {
        if let Some(rule) = self.filtered(event, steps)? {
            return Ok(Routing::Filtered(rule));
        }
        let mut draft = Draft::new(event);
        self.note_consent(&mut draft, steps)?;
        if let Some(position) = self.chain.run(&mut draft, steps)? {
            let reason = self.chain.links.get(position).map(engine::Link::reason).unwrap_or_default();
            return Ok(Routing::Filtered(reason.into()));
        }
        if !self.policy.is_empty() {
            let (view, edits) = draft.parts();
            self.policy.apply(view, edits, steps)?;
            draft.write(steps)?;
        }
        Ok(Routing::Goes(changed(event, draft)))
    }

    /// The name of what keeps an event back before any rule is applied.
    fn filtered(&self, event: &Event, steps: &Steps) -> Result<Option<Cow<'static, str>>, Exhausted> {
        if !self.only_kinds.has(event.kind) {
            return Ok(Some("only_kinds".into()));
        }
        let view = event.view();
        if let Some(names) = &self.only_names {
            // Track events need one of the names; other kinds have none and pass.
            if event.kind == EventKind::Track {
                let is_named = match select::name_of(event.kind, view) {
                    Some(name) => names.has(&name, steps)?,
                    None => false,
                };
                if !is_named {
                    return Ok(Some("only_events".into()));
                }
            }
        }
        if !self.written.ignore_integrations && !integrations_allow(view, &self.written.name, &self.written.plugin) {
            return Ok(Some("integrations".into()));
        }
        let lacks = self.consent.lacks(view, steps)?;
        Ok(lacks.map(|purpose| format!("consent: {purpose}").into()))
    }

    /// Tells plugins in Segment's way what an event says of consent in another.
    fn note_consent(&self, draft: &mut Draft<'_>, steps: &Steps) -> Result<(), Exhausted> {
        if let Some(preferences) = self.consent.preferences(draft.view(), steps)? {
            draft.set(&["context", "consent", "categoryPreferences"], &preferences, steps)?;
        }
        Ok(())
    }
}

/// The event as a draft has it.
fn changed(event: &Event, draft: Draft<'_>) -> Event {
    match draft.finish() {
        None => event.clone(),
        Some((json, index)) => Event {
            kind: event.kind,
            message_id: event.message_id.clone(),
            received_ms: event.received_ms,
            json,
            index,
        },
    }
}

impl Policy {
    /// The event as it is stored: what is treated before storage is so in it.
    ///
    /// # Errors
    /// It takes more work than one event may be.
    pub fn stored(&self, event: &Event) -> Result<Event, Exhausted> {
        if self.is_empty() {
            return Ok(event.clone());
        }
        let steps = Steps::new(STEPS_MAX);
        let mut draft = Draft::new(event);
        let (view, edits) = draft.parts();
        self.apply(view, edits, &steps)?;
        draft.write(&steps)?;
        Ok(changed(event, draft))
    }
}

#[cfg(test)]
mod tests;
