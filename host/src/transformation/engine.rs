//! Applies rules to an event, in order.
//!
//! Rules look at the event as it was last written, and note edits. Which earlier rules a rule may meet,
//! because it looks where they write, is known when the rules are joined to a [`Chain`]: only before
//! such a rule are the edits written. Most chains write once, at their end.

use std::sync::Arc;

use super::draft::Draft;
use super::expression::{Expression, Scope, Trouble};
use super::operation::{Effect, Operation, Why};
use super::path::Path;
use super::rule::Rule;
use super::select::{Kinds, Names, name_key, name_of};
use super::steps::{Exhausted, Steps};

/// Rules that were checked. Two are equal when they were written the same.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(super) list: Vec<Arc<Compiled>>,
    written: Vec<Rule>,
}

impl Rules {
    pub(super) fn new(list: Vec<Arc<Compiled>>, written: Vec<Rule>) -> Rules {
        Rules { list, written }
    }

    /// The rules as they were given.
    pub fn written(&self) -> &[Rule] {
        &self.written
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Rules) -> bool {
        self.written == other.written
    }
}

/// A rule that was checked.
#[derive(Debug)]
pub(super) struct Compiled {
    /// Among those of its level, from 0.
    pub number: usize,
    pub name: String,
    /// The name of its operation.
    pub what: &'static str,
    pub disabled: bool,
    pub kinds: Kinds,
    pub names: Option<Names>,
    pub when: Option<Expression>,
    pub operation: Operation,
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// With the pipeline: for all its destinations.
    Pipeline,
    /// With the destination.
    Destination,
}

/// The rules of a pipeline and then those of one of its destinations.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub links: Vec<Link>,
}

/// A rule of a chain.
#[derive(Debug)]
pub(super) struct Link {
    pub rule: Arc<Compiled>,
    pub level: Level,
    /// The earlier rules whose edits have to be written first: a set of positions.
    meets: Vec<u64>,
}

/// What came of a rule and an event.
#[derive(Debug)]
pub(super) enum Ran {
    /// The rule is not for it; why.
    Unselected(Unselected),
    /// It was applied.
    Applied(Effect),
}

/// Why a rule is not for an event.
#[derive(Debug)]
pub(super) enum Unselected {
    Disabled,
    Kind,
    Name,
    Condition(Option<Trouble>),
}

impl Chain {
    pub fn new(pipeline: &Rules, destination: &Rules) -> Chain {
        let with = |level| move |rule: &Arc<Compiled>| (level, rule.clone());
        let of_pipeline = pipeline.list.iter().map(with(Level::Pipeline));
        let rules: Vec<_> = of_pipeline.chain(destination.list.iter().map(with(Level::Destination))).collect();
        let writes: Vec<Vec<Path>> = rules.iter().map(|(_, rule)| rule.operation.writes()).collect();
        let links = rules.iter().enumerate().map(|(position, (level, rule))| {
            let touched = rule.touches();
            let mut meets = vec![0; position.div_ceil(64)];
            for (earlier, written) in writes[..position].iter().enumerate() {
                if written.iter().any(|written| touched.iter().any(|touched| touched.overlaps(written))) {
                    meets[earlier / 64] |= 1 << (earlier % 64);
                }
            }
            Link { rule: rule.clone(), level: *level, meets }
        });
        Chain { links: links.collect() }
    }

    /// Applies all rules. Answers the position of the one that dropped the event, if one did.
    pub fn run(&self, draft: &mut Draft<'_>, steps: &Steps) -> Result<Option<usize>, Exhausted> {
        let mut edited = [0_u64; 2 * super::compile::RULES_MAX / 64 + 1];
        let kind = draft.event().kind;
        for (position, link) in self.links.iter().enumerate() {
            // Most rules are for one kind: those that are not cost nothing.
            if !link.rule.kinds.has(kind) && !matches!(link.rule.operation, Operation::Drop(_)) {
                continue;
            }
            if link.meets.iter().zip(&edited).any(|(meets, edited)| meets & edited != 0) {
                draft.write(steps)?;
                edited.fill(0);
            }
            match link.rule.run(draft, steps)? {
                Ran::Applied(Effect::Changed) => {
                    edited[position / 64] |= 1 << (position % 64);
                    if draft.parts().1.settle {
                        draft.write(steps)?;
                        edited.fill(0);
                    }
                }
                Ran::Applied(Effect::Dropped) => return Ok(Some(position)),
                Ran::Applied(Effect::Nothing(_)) | Ran::Unselected(_) => {}
            }
        }
        draft.write(steps)?;
        Ok(None)
    }
}

impl Link {
    /// What an event is counted under that the rule dropped.
    pub fn reason(&self) -> String {
        let level = if self.level == Level::Pipeline { "pipeline " } else { "" };
        match self.rule.name.strip_prefix("rule ") {
            Some(number) => format!("{level}rule: {number}"),
            None => format!("{level}rule: {}", self.rule.name),
        }
    }
}

impl Compiled {
    /// Applies the rule to the event as it was last written, if it is for it.
    pub fn run(&self, draft: &mut Draft<'_>, steps: &Steps) -> Result<Ran, Exhausted> {
        steps.take(1)?;
        let unselected = self.unselected(draft, steps)?;
        if let (false, Operation::Drop(drops)) = (self.disabled, &self.operation) {
            return Ok(match (drops.keeps_back(unselected.is_none()), unselected) {
                (true, _) => Ran::Applied(Effect::Dropped),
                (false, Some(why)) => Ran::Unselected(why),
                (false, None) => Ran::Applied(Effect::Nothing(Why::Because("the event is one of those that go"))),
            });
        }
        match unselected {
            Some(why) => Ok(Ran::Unselected(why)),
            None => self.operation.apply(draft, steps).map(Ran::Applied),
        }
    }

    fn unselected(&self, draft: &Draft<'_>, steps: &Steps) -> Result<Option<Unselected>, Exhausted> {
        let kind = draft.event().kind;
        if self.disabled {
            return Ok(Some(Unselected::Disabled));
        }
        if !self.kinds.has(kind) {
            return Ok(Some(Unselected::Kind));
        }
        if let Some(names) = &self.names {
            let is_named = match name_of(kind, draft.view()) {
                Some(name) => names.has(&name, steps)?,
                None => false,
            };
            if !is_named {
                return Ok(Some(Unselected::Name));
            }
        }
        if let Some(when) = &self.when {
            match Scope::new(draft.view(), steps).condition(&when.root) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(Unselected::Condition(None))),
                Err(Trouble::Exhausted) => return Err(Exhausted),
                Err(trouble) => return Ok(Some(Unselected::Condition(Some(trouble)))),
            }
        }
        Ok(None)
    }

    /// All that it looks at or changes.
    fn touches(&self) -> Vec<Path> {
        let mut touched = self.operation.reads();
        touched.extend(self.operation.writes());
        touched.extend(self.when.iter().flat_map(|when| when.reads.iter().cloned()));
        if self.names.is_some() {
            let keys = crate::event::EventKind::ALL.into_iter().filter_map(name_key);
            touched.extend(keys.map(|key| Path::of_keys([key])));
        }
        touched
    }

    /// Why it did nothing, for a person.
    pub fn describe(&self, ran: &Ran) -> String {
        match ran {
            Ran::Unselected(Unselected::Disabled) => "the rule is disabled".to_string(),
            Ran::Unselected(Unselected::Kind) => "not for events of this kind".to_string(),
            Ran::Unselected(Unselected::Name) => "not for events of this name".to_string(),
            Ran::Unselected(Unselected::Condition(None)) => "the condition is not met".to_string(),
            Ran::Unselected(Unselected::Condition(Some(trouble))) => {
                let why = self.when.as_ref().map_or_else(|| trouble.to_string(), |when| when.describe(trouble));
                format!("the condition is not met: {why}")
            }
            Ran::Applied(Effect::Nothing(Why::Because(why))) => why.to_string(),
            Ran::Applied(Effect::Nothing(Why::Trouble(trouble))) => match &self.operation {
                Operation::Set { source: super::operation::Source::Expression(expression), .. } => {
                    expression.describe(trouble)
                }
                _ => trouble.to_string(),
            },
            Ran::Applied(Effect::Changed | Effect::Dropped) => String::new(),
        }
    }
}
