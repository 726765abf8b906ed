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
//! - No step looks at all destinations: they stand in the order in which they come next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::queue::DestinationId;

/// Clean calls in a row after which a destination that ran into a deadline is trusted again: more than
/// there are between two bad halves of a batch.
const CLEAN_CALLS: u32 = 16;

/// After a deadline a destination rests for as long as the call took, times the deadlines in a row, at
/// most so many: then it uses a thirtieth of one core. Halving a batch down to one event that hangs
/// takes seven deadlines, seldom in a row.
const REST_FACTOR_MAX: u32 = 32;

/// Destinations that are remembered, or twice those that want time, if that is more. Beyond it those
/// without a call are forgotten, with what they used.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Those that wait, in the order in which they come next.
    next: BTreeSet<(Place, DestinationId)>,
    /// Those that want time, by what they used.
    active: BTreeSet<(Duration, DestinationId)>,
    /// The guest time that everyone who wants some has had.
    floor: Duration,
}

/// On which side a share is next, whether it has a call already, and what it used.
type Place = (Side, bool, Duration);

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
    /// Where it stands among those that wait.
    next_at: Option<Place>,
    /// Where it stands among those that want time.
    active_at: Option<Duration>,
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
        Fair { shares: BTreeMap::new(), next: BTreeSet::new(), active: BTreeSet::new(), floor: Duration::ZERO }
    }
}

impl<J> Fair<J> {
    /// Queues a job of a destination. Answers on which threads it will run.
    pub fn push(&mut self, destination: &DestinationId, job: J) -> Side {
        if self.shares.len() >= REMEMBERED_MAX.max(2 * self.active.len()) {
            self.shares.retain(|_, share| share.is_active());
        }
        let floor = self.floor;
        let share = self.shares.entry(destination.clone()).or_insert_with(Share::new);
        if !share.is_active() {
            share.used = share.used.max(floor);
        }
        share.waiting.push_back(job);
        let side = share.side();
        self.place(destination);
        side
    }

    /// Takes the next job for a thread of this side.
    pub fn take(&mut self, side: Side, now: Instant) -> Next<J> {
        let first = (side, false, Duration::ZERO);
        let from = (first, DestinationId(String::new()));
        let own = || self.next.range(&from..).map(|(place, id)| (place, id)).take_while(|(place, _)| place.0 == side);
        let rest = |id: &DestinationId| {
            self.shares.get(id).filter(|share| share.rests(now)).and_then(|share| share.rests_until)
        };
        let Some((_, destination)) = own().find(|(_, id)| rest(id).is_none()) else {
            return own().filter_map(|(_, id)| rest(id)).min().map_or(Next::Nothing, Next::At);
        };
        let destination = destination.clone();
        let share = self.shares.get_mut(&destination).expect("what waits is not forgotten");
        let job = share.waiting.pop_front().expect("it waits");
        share.running += 1;
        self.place(&destination);
        Next::Job(Ticket { destination }, job)
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
        self.place(&ticket.destination);
        if let Some((least, _)) = self.active.first() {
            // Where the least served of those is that want time.
            self.floor = self.floor.max(*least);
        }
        changed
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shares.values().map(|share| share.waiting.len()).sum()
    }

    /// Forgets all that waits.
    pub fn clear(&mut self) {
        self.shares.values_mut().for_each(|share| share.waiting.clear());
        let all: Vec<DestinationId> = self.shares.keys().cloned().collect();
        all.iter().for_each(|destination| self.place(destination));
    }

    /// Puts a share where it belongs now; one that is as good as new is forgotten.
    fn place(&mut self, destination: &DestinationId) {
        let Some(share) = self.shares.get_mut(destination) else { return };
        let next_at = (!share.waiting.is_empty()).then_some((share.side(), share.running > 0, share.used));
        if share.next_at != next_at {
            let before = std::mem::replace(&mut share.next_at, next_at);
            before.map(|place| self.next.remove(&(place, destination.clone())));
            next_at.map(|place| self.next.insert((place, destination.clone())));
        }
        let active_at = share.is_active().then_some(share.used);
        if share.active_at != active_at {
            let before = std::mem::replace(&mut share.active_at, active_at);
            before.map(|used| self.active.remove(&(used, destination.clone())));
            active_at.map(|used| self.active.insert((used, destination.clone())));
        }
        if !share.is_active() && share.side() == Side::Main && share.used <= self.floor {
            self.shares.remove(destination);
        }
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
            next_at: None,
            active_at: None,
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
