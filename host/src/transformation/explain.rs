//! What each rule did to one event: for previews, and for `switchyard transform`.
//!
//! The same code as in [`Transformation::apply`], but written after each rule.

use serde::Serialize;

use super::draft::Draft;
use super::engine::{Level, Ran};
use super::operation::Effect;
use super::steps::{Exhausted, STEPS_MAX, Steps};
use super::{Routing, TOO_MUCH_WORK, Transformation, changed};
use crate::event::Event;

/// What one rule did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Where it stands: `pipeline`, `destination`; None for what is no rule of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Its number among the rules of that level, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Its name: of a rule, or `plugin_kinds`, `only_kinds`, `only_events`, `integrations`, `consent`,
    /// `pii`.
    pub name: String,
    /// What it does: `set`, `remove`, ...; `filter` for what only keeps back.
    pub operation: &'static str,
    /// What it did.
    pub effect: StepEffect,
    /// In words: why it did nothing, or what it kept back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The event after it, as JSON, where it changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepEffect {
    /// It is not for this event.
    Skipped,
    /// It is, and did nothing.
    Nothing,
    /// It changed the event.
    Changed,
    /// It kept the event back.
    Filtered,
    /// It was too much work: the event becomes a dead letter.
    Refused,
}

impl Transformation {
    /// What each rule did to an event, in order, and what came of it. Rules behind one that kept the
    /// event back have no step.
    pub fn explain(&self, plugin_kinds: &[String], event: &Event) -> (Vec<Step>, Routing) {
        let mut steps = Vec::new();
        if !plugin_kinds.iter().any(|kind| kind == event.kind.as_str()) {
            steps.push(filter("plugin_kinds", format!("the plugin does nothing with {} events", event.kind)));
            return (steps, Routing::Filtered("plugin_kinds".into()));
        }
        let budget = Steps::new(STEPS_MAX);
        match self.explained(event, &budget, &mut steps) {
            Ok(routing) => (steps, routing),
            Err(Exhausted) => {
                let refused = filter("bounds", TOO_MUCH_WORK.to_string());
                steps.push(Step { effect: StepEffect::Refused, ..refused });
                (steps, Routing::Refused(TOO_MUCH_WORK))
            }
        }
    }

    fn explained(&self, event: &Event, budget: &Steps, steps: &mut Vec<Step>) -> Result<Routing, Exhausted> {
        if let Some(rule) = self.filtered(event, budget)? {
            let detail = match rule.strip_prefix("consent: ") {
                Some(purpose) => format!("there is no consent to {purpose}"),
                None => format!("kept back by {rule}"),
            };
            steps.push(filter(rule.split(':').next().unwrap_or_default(), detail));
            return Ok(Routing::Filtered(rule));
        }
        let mut draft = Draft::new(event);
        let before = draft.view().root().raw().to_vec();
        self.note_consent(&mut draft, budget)?;
        let after = draft.view().root().raw();
        if after != before {
            let after = Some(String::from_utf8_lossy(after).into_owned());
            let detail = "said in Segment's way, too".to_string();
            steps.push(Step { effect: StepEffect::Changed, operation: "consent", after, ..filter("consent", detail) });
        }
        for link in &self.chain.links {
            let ran = link.rule.run(&mut draft, budget)?;
            let before = draft.view().root().raw().to_vec();
            draft.write(budget)?;
            let after = draft.view().root().raw();
            let effect = match &ran {
                Ran::Unselected(_) => StepEffect::Skipped,
                Ran::Applied(Effect::Dropped) => StepEffect::Filtered,
                Ran::Applied(Effect::Changed) if after != before => StepEffect::Changed,
                Ran::Applied(_) => StepEffect::Nothing,
            };
            let detail = match (effect, &ran) {
                (StepEffect::Nothing, Ran::Applied(Effect::Changed)) => "the event is so already".to_string(),
                (StepEffect::Filtered, _) => format!("kept back by {}", link.rule.name),
                _ => link.rule.describe(&ran),
            };
            steps.push(Step {
                level: Some(link.level),
                rule: Some(link.rule.number),
                name: link.rule.name.clone(),
                operation: link.rule.what,
                effect,
                detail,
                after: (effect == StepEffect::Changed).then(|| String::from_utf8_lossy(after).into_owned()),
            });
            if effect == StepEffect::Filtered {
                return Ok(Routing::Filtered(link.reason().into()));
            }
        }
        self.explain_policy(&mut draft, budget, steps)?;
        Ok(Routing::Goes(changed(event, draft)))
    }

    fn explain_policy(&self, draft: &mut Draft<'_>, budget: &Steps, steps: &mut Vec<Step>) -> Result<(), Exhausted> {
        if self.policy.is_empty() {
            return Ok(());
        }
        let (view, edits) = draft.parts();
        let found = self.policy.apply(view, edits, budget)?;
        let before = view.root().raw().to_vec();
        draft.write(budget)?;
        let after = draft.view().root().raw();
        let is_changed = after != before;
        let treated = found.iter().filter_map(|class| {
            let action = match self.policy.action(*class)? {
                super::Action::Remove => "removed",
                super::Action::Mask => "masked",
                super::Action::Hash => "hashed",
                super::Action::Allow => return None,
            };
            Some(format!("{} {action}", class.as_str()))
        });
        let treated: Vec<String> = treated.collect();
        steps.push(Step {
            level: Some(Level::Pipeline),
            rule: None,
            name: "pii".to_string(),
            operation: "pii",
            effect: if is_changed { StepEffect::Changed } else { StepEffect::Nothing },
            detail: if treated.is_empty() { "no personal data was found".to_string() } else { treated.join(", ") },
            after: is_changed.then(|| String::from_utf8_lossy(after).into_owned()),
        });
        Ok(())
    }
}

fn filter(name: &str, detail: String) -> Step {
    Step {
        level: None,
        rule: None,
        name: name.to_string(),
        operation: "filter",
        effect: StepEffect::Filtered,
        detail,
        after: None,
    }
}
