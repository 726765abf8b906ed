//! What the operator asks of a source's events beyond what every event needs. Applied to events that
//! are accepted as such; pure.

use super::tracking_plan::{Found, TrackingPlan};
use super::{Checked, Rejection};
use crate::event::Event;
use crate::event::scan::Repairs;

/// The rules of one source.
#[derive(Debug, Default)]
pub struct SourceRules {
    /// Events that need a repair are refused, instead of repaired and marked.
    pub strict: bool,
    /// What its events must look like.
    pub tracking_plan: TrackingPlan,
}

/// What the rules did.
#[derive(Debug, Default)]
pub struct Applied {
    /// The violations of tracking plans, of events that were accepted or not: the entry's title and
    /// the message.
    pub violations: Vec<(String, String)>,
    /// Of each event that is still accepted, its place among those that were before.
    pub kept: Vec<usize>,
}

impl SourceRules {
    /// Whether they ask for nothing.
    pub fn is_empty(&self) -> bool {
        !self.strict && self.tracking_plan.is_empty()
    }

    fn apply(&self, event: Event, repairs: Repairs, applied: &mut Applied) -> Result<Event, Rejection> {
        if self.strict && !repairs.is_empty() {
            let names: Vec<&str> = repairs.names().collect();
            let message =
                format!("the source is strict, and the event would have to be repaired: {}", names.join(", "));
            return Err(refusal(&event, "needs_repair", message));
        }
        match self.tracking_plan.check(event) {
            Found::Conforms(event) => Ok(event),
            Found::Changed { event, title, violations } => {
                applied.violations.extend(violations.into_iter().map(|message| (title.clone(), message)));
                Ok(event)
            }
            Found::Refused { event, title, violations } => {
                let message = format!("the tracking plan of {title}: {}", violations.join("; "));
                applied.violations.extend(violations.into_iter().map(|message| (title.clone(), message)));
                Err(refusal(&event, "tracking_plan", message))
            }
        }
    }
}

fn refusal(event: &Event, code: &'static str, message: String) -> Rejection {
    Rejection { index: 0, message_id: Some(event.message_id.to_string()), code, message }
}

/// Applies to each accepted event the rules of its source, which `rules_of` names by the event's
/// place among the accepted ones. What is refused moves to the rejected items.
pub fn apply<'r>(checked: &mut Checked, rules_of: impl Fn(usize) -> Option<&'r SourceRules>) -> Applied {
    let mut applied = Applied::default();
    let count = checked.accepted.len();
    if (0..count).all(|at| rules_of(at).is_none()) {
        // The usual case: nothing moves.
        applied.kept.extend(0..count);
        return applied;
    }
    let places = checked.accepted_places();
    let (mut accepted, mut repairs, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let events = std::mem::take(&mut checked.accepted).into_iter();
    let beside = std::mem::take(&mut checked.repairs).into_iter().zip(std::mem::take(&mut checked.item_write_keys));
    for (at, (event, (own_repairs, key))) in events.zip(beside).enumerate() {
        let ruled = match rules_of(at) {
            Some(rules) => rules.apply(event, own_repairs, &mut applied),
            None => Ok(event),
        };
        match ruled {
            Ok(event) => {
                applied.kept.push(at);
                accepted.push(event);
                repairs.push(own_repairs);
                keys.push(key);
            }
            Err(rejection) => checked.rejected.push(Rejection { index: places[at], ..rejection }),
        }
    }
    checked.rejected.sort_by_key(|item| item.index);
    (checked.accepted, checked.repairs, checked.item_write_keys) = (accepted, repairs, keys);
    applied
}
