//! Whose call comes next: guest time is shared fairly among destinations. Pure: jobs go in and come
//! out, and the time of a call is told.
//!
//! Invariants:
//! - A destination gets no second call while another one, which has none, waits and may have it.
//! - Among those that wait the one that used the least guest time lately comes first. Time that was
//!   used while nobody else wanted it is forgotten: whoever comes anew starts where the others are.
//! - A destination whose calls run into their deadline rests after each, the longer the more of them
//!   came in a row; it comes after all others, though not never; and all such destinations together
//!   never have more than half of the threads.
//! - What one destination queues is taken in the order in which it came.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::queue::DestinationId;

/// Clean calls in a row after which a destination that ran into a deadline is trusted again: more than
/// there are between two bad halves of a batch.
const CLEAN_CALLS: u32 = 16;

/// After a deadline a destination rests for as long as the call took, times the deadlines in a row, at
/// most so many: then it uses a ninth of one core.
const REST_FACTOR_MAX: u32 = 8;

/// So many others are taken before one destination that is not trusted, which waits, too.
const OTHERS_FIRST: u32 = 8;

/// Destinations without a call that are remembered. More than a daemon has; beyond it they are
/// forgotten, with what they used.
const REMEMBERED_MAX: usize = 1_024;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// In time, whatever it answered.
    InTime,
    /// It ran into its deadline, or used up its memory, which takes long, too.
    OutOfTime,
}

/// The jobs that wait, and who uses how much.
#[derive(Debug)]
pub struct Fair<J> {
    shares: BTreeMap<DestinationId, Share<J>>,
    /// The guest time that everyone who wants some has had.
    floor: Duration,
    untrusted_running: usize,
    untrusted_max: usize,
    /// Jobs taken since the last one of a destination that is not trusted.
    others_taken: u32,
}

#[derive(Debug)]
struct Share<J> {
    waiting: VecDeque<J>,
    running: usize,
    /// Guest time, counted from the floor at which it came.
    used: Duration,
    deadlines_in_a_row: u32,
    /// Clean calls until it is trusted.
    distrust: u32,
    rests_until: Option<Instant>,
}

/// A job that was taken; it is given back when the call has ended.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    destination: DestinationId,
    untrusted: bool,
}

/// What to do next.
#[derive(Debug)]
pub enum Next<J> {
    /// Run this.
    Job(Ticket, J),
    /// Nothing before this time, unless something changes.
    At(Instant),
    /// Nothing until something changes.
    Nothing,
}

impl<J> Fair<J> {
    /// For so many threads.
    pub fn new(threads: usize) -> Fair<J> {
        Fair {
            shares: BTreeMap::new(),
            floor: Duration::ZERO,
            untrusted_running: 0,
            untrusted_max: threads / 2,
            others_taken: 0,
        }
    }

    /// Queues a job of a destination.
    pub fn push(&mut self, destination: &DestinationId, job: J) {
        if self.shares.len() >= REMEMBERED_MAX {
            self.shares.retain(|_, share| share.is_active());
        }
        let floor = self.floor;
        let share = self.shares.entry(destination.clone()).or_insert_with(Share::new);
        if !share.is_active() {
            share.used = share.used.max(floor);
        }
        share.waiting.push_back(job);
    }

    /// Takes the next job.
    pub fn take(&mut self, now: Instant) -> Next<J> {
        let untrusted_may = self.untrusted_running < self.untrusted_max;
        let untrusted_first = self.others_taken >= OTHERS_FIRST;
        let may =
            |share: &Share<J>| !share.waiting.is_empty() && !share.rests(now) && (share.is_trusted() || untrusted_may);
        let order = |share: &Share<J>| (share.running > 0, share.is_trusted() == untrusted_first, share.used);
        let first = self.shares.iter().filter(|(_, share)| may(share)).min_by_key(|(_, share)| order(share));
        let Some(destination) = first.map(|(destination, _)| destination.clone()) else {
            let rested = self.shares.values().filter(|share| untrusted_may && !share.waiting.is_empty());
            return rested.filter_map(|share| share.rests_until).min().map_or(Next::Nothing, Next::At);
        };
        let share = self.shares.get_mut(&destination).expect("it was just found");
        let job = share.waiting.pop_front().expect("it waits");
        share.running += 1;
        let untrusted = !share.is_trusted();
        self.untrusted_running += usize::from(untrusted);
        self.others_taken = if untrusted { 0 } else { self.others_taken.saturating_add(1) };
        Next::Job(Ticket { destination, untrusted }, job)
    }

    /// A call has ended. Answers whether it may have held another destination's job back.
    pub fn ended(&mut self, ticket: Ticket, took: Duration, conduct: Conduct, now: Instant) -> bool {
        self.untrusted_running -= usize::from(ticket.untrusted);
        let share = self.shares.get_mut(&ticket.destination).expect("what runs is not forgotten");
        share.running -= 1;
        share.used += took;
        match conduct {
            Conduct::OutOfTime => {
                share.deadlines_in_a_row = share.deadlines_in_a_row.saturating_add(1);
                share.distrust = CLEAN_CALLS;
                share.rests_until = Some(now + took * share.deadlines_in_a_row.min(REST_FACTOR_MAX));
            }
            Conduct::InTime => {
                share.deadlines_in_a_row = 0;
                share.distrust = share.distrust.saturating_sub(1);
            }
        }
        self.raise_floor();
        ticket.untrusted
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shares.values().map(|share| share.waiting.len()).sum()
    }

    /// Forgets all that waits.
    pub fn clear(&mut self) {
        self.shares.values_mut().for_each(|share| share.waiting.clear());
    }

    /// The floor is where the least served of those is that want time; a share below it is as good as new.
    fn raise_floor(&mut self) {
        let active = self.shares.values().filter(|share| share.is_active()).map(|share| share.used);
        if let Some(least) = active.min() {
            self.floor = self.floor.max(least);
        }
        let floor = self.floor;
        self.shares.retain(|_, share| share.is_active() || !share.is_trusted() || share.used > floor);
    }
}

impl<J> Share<J> {
    fn new() -> Share<J> {
        Share {
            waiting: VecDeque::new(),
            running: 0,
            used: Duration::ZERO,
            deadlines_in_a_row: 0,
            distrust: 0,
            rests_until: None,
        }
    }

    fn is_active(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }

    fn is_trusted(&self) -> bool {
        self.distrust == 0
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests;
