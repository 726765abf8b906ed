//! Finds the events at which a plugin fails: halves a failing batch until each culprit is alone, so
//! that its neighbours are planned. Pure: it says what to call next and is told how it went.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::fault::PluginFault;
use super::plan::Plan;
use super::revision::Revision;
use crate::event::Event;

/// Guest time that one batch may take in all, in calls that run into their deadline. Two events that
/// hang among a hundred take 15; after this time what is left is tried once and not halved further.
const DEADLINES_MAX: u32 = 16;

/// The same for a short search.
const DEADLINES_SHORT_MAX: u32 = 2;

/// Events that failed alone before any other was planned, after which the batch is given up: it is then the
/// plugin that fails, and not an event. More than come together by chance, and so few that a plugin that
/// always fails costs few events.
const HOPELESS_EVENTS: usize = 8;

/// The same where each of them used up its time or its memory, which is dear.
const HOPELESS_EXHAUSTED: usize = 2;

/// How long culprits are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// As long as it is worth it for one batch.
    Full,
    /// Briefly: another revision plans what is left, or the plugin has failed lately and what is left is
    /// planned again later.
    Short,
}

impl Search {
    fn deadlines_max(self) -> u32 {
        match self {
            Search::Full => DEADLINES_MAX,
            Search::Short => DEADLINES_SHORT_MAX,
        }
    }
}

/// A batch of which some events may have failed. Positions are those of the batch.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// The plan for all other events.
    pub plan: Plan,
    /// The events at which the plugin failed, and how.
    pub faults: Vec<(u32, PluginFault)>,
}

/// Splits one batch.
pub struct Splitter {
    /// What is to be planned yet, the next one last.
    pending: Vec<Range<usize>>,
    time_left: Duration,
    /// Whether some event was planned.
    planned: bool,
    found: Split,
}

impl Splitter {
    /// For a batch of `events_len` events and calls of at most `call_ms_max` milliseconds.
    pub fn new(events_len: usize, call_ms_max: u64, search: Search) -> Splitter {
        let time_left = Duration::from_millis(call_ms_max).saturating_mul(search.deadlines_max());
        let whole = 0..events_len;
        let pending = if whole.is_empty() { Vec::new() } else { Vec::from([whole]) };
        Splitter { pending, time_left, planned: false, found: Split::default() }
    }

    /// The events to plan next; `None` when all is said.
    pub fn next_range(&mut self) -> Option<Range<usize>> {
        self.pending.pop()
    }

    /// Takes what came of planning `range`, and how long it took.
    pub fn planned(&mut self, range: Range<usize>, planned: Result<Plan, PluginFault>, took: Duration) {
        self.time_left = self.time_left.saturating_sub(took);
        match planned {
            Ok(plan) => {
                self.planned = true;
                self.add(range.start as u32, plan);
            }
            Err(fault) => self.failed(range, fault),
        }
    }

    /// The result, when there is no next range.
    pub fn finish(self) -> Split {
        self.found
    }

    fn add(&mut self, first: u32, mut plan: Plan) {
        for request in &mut plan.requests {
            request.covers.iter_mut().for_each(|event| *event += first);
        }
        plan.fates.iter_mut().for_each(|(event, _)| *event += first);
        self.found.plan.requests.append(&mut plan.requests);
        self.found.plan.fates.append(&mut plan.fates);
    }

    fn failed(&mut self, range: Range<usize>, fault: PluginFault) {
        let alone = range.len() == 1;
        // Settings that are not taken are taken with no event.
        let hopeless = matches!(fault, PluginFault::ConfigureRefused(_));
        if alone || hopeless {
            self.found.faults.extend(range.map(|event| (event as u32, fault.clone())));
            self.give_up_if_hopeless(&fault);
        } else if self.time_left.is_zero() {
            let not_tried = PluginFault::NotTried(fault.to_string());
            self.found.faults.extend(range.map(|event| (event as u32, not_tried.clone())));
        } else {
            // A plugin that hangs at one event may hang at all: the first event alone tells soonest.
            let first_alone = fault.is_exhaustion() && !self.planned;
            let middle = range.start + if first_alone { 1 } else { range.len() / 2 };
            self.pending.push(middle..range.end);
            self.pending.push(range.start..middle);
        }
    }

    fn give_up_if_hopeless(&mut self, fault: &PluginFault) {
        let enough = if fault.is_exhaustion() { HOPELESS_EXHAUSTED } else { HOPELESS_EVENTS };
        if !self.planned && self.found.faults.len() >= enough {
            let not_tried = PluginFault::NotTried(fault.to_string());
            let left = std::mem::take(&mut self.pending).into_iter().rev().flatten();
            self.found.faults.extend(left.map(|event| (event as u32, not_tried.clone())));
        }
    }
}

/// Plans a batch on this thread, and halves it where the plugin fails.
pub fn plan_splitting(revision: &Revision, settings: &str, now_ms: u64, events: &[Event]) -> Split {
    let mut splitter = Splitter::new(events.len(), revision.limits().call_ms_max, Search::Full);
    while let Some(range) = splitter.next_range() {
        let started = Instant::now();
        let planned = revision.plan(settings, now_ms, &events[range.clone()]);
        splitter.planned(range, planned, started.elapsed());
    }
    splitter.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::plan::Fate;

    const CALL_MS: u64 = 1_000;

    /// Splits a batch in which these events make a call trap at once, or hang when it takes `fault_ms`.
    fn split(events_len: usize, culprits: &[usize], fault_ms: u64) -> (Split, u32) {
        let mut splitter = Splitter::new(events_len, CALL_MS, Search::Full);
        let mut calls = 0;
        while let Some(range) = splitter.next_range() {
            calls += 1;
            let bad = culprits.iter().any(|culprit| range.contains(culprit));
            let fates = (0..range.len() as u32).map(|event| (event, Fate::DeferUntilMs(1))).collect();
            let planned = if bad && fault_ms > 0 {
                Err(PluginFault::Deadline { ms_max: CALL_MS })
            } else if bad {
                Err(PluginFault::Trap("a trap".to_string()))
            } else {
                Ok(Plan { requests: Vec::new(), fates })
            };
            let took = Duration::from_millis(if bad { fault_ms } else { 0 });
            splitter.planned(range, planned, took);
        }
        (splitter.finish(), calls)
    }

    #[test]
    fn a_short_search_is_short() {
        let mut splitter = Splitter::new(100, CALL_MS, Search::Short);
        let mut calls = 0;
        while let Some(range) = splitter.next_range() {
            calls += 1;
            let took = Duration::from_millis(CALL_MS);
            splitter.planned(range, Err(PluginFault::Deadline { ms_max: CALL_MS }), took);
        }
        assert_eq!((splitter.finish().faults.len(), calls), (100, DEADLINES_SHORT_MAX + 1));
    }

    #[test]
    fn each_culprit_is_found_and_its_neighbours_are_planned() {
        let check = |events_len: usize, culprits: &[usize]| {
            let (split, calls) = split(events_len, culprits, 0);
            let found: Vec<usize> = split.faults.iter().map(|(event, _)| *event as usize).collect();
            assert_eq!(found, culprits, "{events_len}");
            let planned: Vec<usize> = split.plan.fates.iter().map(|(event, _)| *event as usize).collect();
            let others: Vec<usize> = (0..events_len).filter(|event| !culprits.contains(event)).collect();
            assert_eq!(planned, others, "{events_len}");
            assert!(calls <= (2 * events_len).max(1) as u32, "{calls} calls for {events_len}");
        };
        check(0, &[]);
        check(1, &[]);
        check(1, &[0]);
        check(100, &[]);
        check(100, &[0]);
        check(100, &[99]);
        check(100, &[17, 18, 71]);
        check(7, &[0, 1, 2, 3, 4, 5, 6]);
        check(100, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_batch_of_which_no_event_can_be_planned_is_given_up_soon() {
        let tried = |events_len: usize, fault_ms: u64| {
            let all: Vec<usize> = (0..events_len).collect();
            let (split, calls) = split(events_len, &all, fault_ms);
            let found: Vec<usize> = split.faults.iter().map(|(event, _)| *event as usize).collect();
            assert_eq!(found, all, "each is spoken of, in order");
            let tried = split.faults.iter().filter(|(_, fault)| !matches!(fault, PluginFault::NotTried(_))).count();
            (tried, calls)
        };
        assert_eq!(tried(HOPELESS_EVENTS, 0), (HOPELESS_EVENTS, 15));
        assert_eq!(tried(500, CALL_MS), (HOPELESS_EXHAUSTED, 4), "whole, first, rest, second");
        let (alone, calls) = tried(500, 0);
        assert_eq!(alone, HOPELESS_EVENTS);
        assert!(calls <= 30, "{calls} calls");
    }

    #[test]
    fn one_event_that_hangs_is_found_in_time_and_a_hundred_are_given_up() {
        let (one, _) = split(100, &[42], CALL_MS);
        assert_eq!(one.faults, [(42, PluginFault::Deadline { ms_max: CALL_MS })]);
        let all: Vec<usize> = (0..100).collect();
        let (many, calls) = split(100, &all, CALL_MS);
        assert_eq!(many.faults.len(), 100);
        assert!(many.faults.iter().any(|(_, fault)| matches!(fault, PluginFault::NotTried(_))));
        assert!(calls < 2 * DEADLINES_MAX, "{calls} calls of a second each");
    }

    #[test]
    fn settings_that_are_refused_are_not_halved() {
        let mut splitter = Splitter::new(8, CALL_MS, Search::Full);
        let range = splitter.next_range().unwrap();
        splitter.planned(range, Err(PluginFault::ConfigureRefused("no".to_string())), Duration::ZERO);
        assert!(splitter.next_range().is_none());
        assert_eq!(splitter.finish().faults.len(), 8);
    }
}
