//! The order of a batch: what somebody did before they were known goes before the join, and what they
//! do afterwards behind it.
//!
//! A step has joins and then objects. Nothing of two people in different steps depends on the other, so
//! a batch has as many steps as its longest chain: one where nobody is joined.

use std::collections::BTreeMap;

use crate::draft::Draft;
use crate::identity::Who;
use crate::join::Join;

/// What is sent together: first the joins, then the objects, by their places in the drafts.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    pub joins: Vec<usize>,
    pub objects: Vec<usize>,
}

/// How far somebody has come: the first step in which their next join may be, and their next object.
#[derive(Clone, Copy, Default)]
struct Progress {
    join: usize,
    object: usize,
}

/// Puts drafts, given by their places, into steps.
pub fn steps(drafts: &[Draft<'_>], places: &[usize]) -> Vec<Step> {
    if places.iter().all(|place| drafts[*place].join.is_none()) {
        return vec![Step { joins: Vec::new(), objects: places.to_vec() }];
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut people: BTreeMap<Who<'_>, Progress> = BTreeMap::new();
    let mut joined: BTreeMap<[Who<'_>; 2], usize> = BTreeMap::new();
    for place in places {
        let draft = &drafts[*place];
        let both = draft.join.as_deref().map(Join::both);
        let known = both.as_ref().and_then(|both| joined.get(both).copied());
        if let Some(step) = known {
            // Said again, as by an identify on each page. An event with nothing else must be in a request.
            if draft.counts.sum() == 0 {
                steps[step].joins.push(*place);
            }
        } else if let Some(both) = both {
            let progress = both.each_ref().map(|who| people.get(who).copied().unwrap_or_default());
            let step = progress[0].join.max(progress[1].join);
            at(&mut steps, step).joins.push(*place);
            joined.insert(both.clone(), step);
            // Within a step the vendor promises no order of joins.
            both.into_iter().for_each(|who| {
                people.insert(who, Progress { join: step + 1, object: step });
            });
        }
        if draft.counts.sum() > 0 {
            let progress = people.entry(draft.who.clone()).or_default();
            let step = progress.object;
            progress.join = progress.join.max(step + 1);
            at(&mut steps, step).objects.push(*place);
        }
    }
    steps
}

fn at(steps: &mut Vec<Step>, number: usize) -> &mut Step {
    if steps.len() <= number {
        steps.resize_with(number + 1, Step::default);
    }
    &mut steps[number]
}
