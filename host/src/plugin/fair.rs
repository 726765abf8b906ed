//! Whose call comes next: guest time is shared fairly among destinations. Pure: jobs go in and come
//! out, and the time of a call is told.
//!
//! Invariants:
//! - A destination gets no second call while another one, which has none, waits and may have it.
//! - Among those that wait the one that used the least guest time lately comes first. Time that was
//!   used while nobody else wanted it is forgotten: whoever comes anew starts where the others are.
//! - A destination whose calls run into their deadline is not trusted for a while: its calls run aside,
//!   on threads that nobody else needs, and it rests after each deadline, the longer the more of them
//!   came in a row.
//! - What one destination queues is taken in the order in which it came.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::queue::DestinationId;

/// Clean calls in a row after which a destination that ran into a deadline is trusted again: more than
/// there are between two bad halves of a batch.
const CLEAN_CALLS: u32 = 16;

/// After a deadline a destination rests for as long as the call took, times the deadlines in a row, at
/// most so many: then it uses a thirtieth of one core. Halving a batch down to one event that hangs
/// takes seven deadlines, seldom in a row.
const REST_FACTOR_MAX: u32 = 32;

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

/// The threads that a call may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those of the destinations that are trusted.
    Main,
    /// Those of the others.
    Aside,
}

/// The jobs that wait, and who uses how much.
#[derive(Debug)]
pub struct Fair<J> {
    shares: BTreeMap<DestinationId, Share<J>>,
    /// The guest time that everyone who wants some has had.
    floor: Duration,
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

impl<J> Default for Fair<J> {
    fn default() -> Fair<J> {
        Fair { shares: BTreeMap::new(), floor: Duration::ZERO }
    }
}

impl<J> Fair<J> {
    /// Queues a job of a destination. Answers on which threads it will run.
    pub fn push(&mut self, destination: &DestinationId, job: J) -> Side {
        if self.shares.len() >= REMEMBERED_MAX {
            self.shares.retain(|_, share| share.is_active());
        }
        let floor = self.floor;
        let share = self.shares.entry(destination.clone()).or_insert_with(Share::new);
        if !share.is_active() {
            share.used = share.used.max(floor);
        }
        share.waiting.push_back(job);
        share.side()
    }

    /// Takes the next job for a thread of this side.
    pub fn take(&mut self, side: Side, now: Instant) -> Next<J> {
        let own = |share: &Share<J>| !share.waiting.is_empty() && share.side() == side;
        let may = self.shares.iter_mut().filter(|(_, share)| own(share) && !share.rests(now));
        let Some((destination, share)) = may.min_by_key(|(_, share)| (share.running > 0, share.used)) else {
            let rested = self.shares.values().filter(|share| own(share));
            return rested.filter_map(|share| share.rests_until).min().map_or(Next::Nothing, Next::At);
        };
        let job = share.waiting.pop_front().expect("it waits");
        share.running += 1;
        Next::Job(Ticket { destination: destination.clone() }, job)
    }

    /// A call has ended. Answers whether what the destination has waiting changed sides by it.
    pub fn ended(&mut self, ticket: Ticket, took: Duration, conduct: Conduct, now: Instant) -> bool {
        let share = self.shares.get_mut(&ticket.destination).expect("what runs is not forgotten");
        let before = share.side();
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
        let changed = share.side() != before;
        self.raise_floor();
        changed
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
        self.shares.retain(|_, share| share.is_active() || share.side() == Side::Aside || share.used > floor);
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

    fn side(&self) -> Side {
        if self.distrust == 0 { Side::Main } else { Side::Aside }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests;
