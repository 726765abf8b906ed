//! Replays and discarding, step by step: each step is one commit of the store, and a replay waits
//! between two so that it keeps to its rate. Who asked gets the state after each step; when he goes,
//! it stops there, and goes on when it is asked for again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Daemon;
use crate::delivery::payload::Payload;
use crate::queue::{
    BackfillPlace, BackfillStep, DeadCursor, DeadFate, DeadFilter, DeadStep, DestinationId, ReplayRange, StoreError,
    add_replay,
};

/// Events of one step at most, so that no commit takes long.
const STEP_EVENTS_MAX: u32 = 500;

/// Steps a second, where the rate allows less than a step's events.
const STEPS_PER_SECOND: u32 = 10;

/// Stored requests that a replay adds to, at most. Half of what a destination may have when that is
/// less: new events wait for stored requests beyond that.
const STORED_REQUESTS_MAX: u64 = 500;

/// How long a replay waits for a destination that has too many stored requests.
const HELD: Duration = Duration::from_secs(1);

/// Destinations that a replay from the queue is making deliveries for.
pub(super) type Backfilling = Arc<Mutex<HashSet<DestinationId>>>;

/// What is done step by step.
#[derive(Debug)]
pub enum Replaying {
    /// Dead letters are replayed.
    Letters(DeadFilter),
    /// Dead letters are discarded.
    Discard(DeadFilter),
    /// Events of the queue are replayed.
    Queue {
        /// For this destination.
        destination: DestinationId,
        /// Accepted at this time or later: milliseconds since 1970.
        from_ms: u64,
        /// Accepted before this time: milliseconds since 1970.
        to_ms: u64,
    },
}

/// A replay under way. Dropping it stops it.
pub struct Steps {
    daemon: Arc<Daemon>,
    replaying: Replaying,
    pace: Pace,
    stored_requests_max: u64,
    /// Not before this.
    next_at: Instant,
    ended: bool,
    count: u64,
    after: Option<DeadCursor>,
    held: Option<DestinationId>,
    number: Option<u64>,
    /// What dead letters became.
    replays: Vec<ReplayRange>,
    _alone: Option<Alone>,
}

/// Events of a step, and the time that each takes at the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    events_max: usize,
    each: Duration,
}

impl Pace {
    /// So many events a second; at least one.
    fn of(rate: u32) -> Pace {
        let rate = rate.max(1);
        let events_max = (rate / STEPS_PER_SECOND).clamp(1, STEP_EVENTS_MAX);
        Pace { events_max: events_max as usize, each: Duration::from_secs(1) / rate }
    }

    /// As many as the store takes.
    fn unbounded() -> Pace {
        Pace { events_max: STEP_EVENTS_MAX as usize, each: Duration::ZERO }
    }

    /// When the next step is due after one of so many events: a step that came late is caught up with
    /// only within a step.
    fn after(self, due_at: Instant, now: Instant, events: u64) -> Instant {
        let took = self.each.saturating_mul(u32::try_from(events).unwrap_or(u32::MAX));
        let step = self.each.saturating_mul(u32::try_from(self.events_max).unwrap_or(u32::MAX));
        due_at.max(now.checked_sub(step).unwrap_or(now)) + took
    }
}

/// The one replay from the queue of a destination.
struct Alone {
    all: Backfilling,
    destination: DestinationId,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.destination);
    }
}

impl Steps {
    /// Begins; takes no step yet. `rate` is in events a second. None when a replay from the queue of
    /// that destination is under way in this daemon.
    pub async fn begin(daemon: &Arc<Daemon>, mut replaying: Replaying, rate: u32) -> Option<Steps> {
        let pace = if matches!(replaying, Replaying::Discard(_)) { Pace::unbounded() } else { Pace::of(rate) };
        let alone = match &mut replaying {
            Replaying::Queue { destination, .. } => {
                let all = daemon.backfilling.clone();
                if !all.lock().unwrap_or_else(PoisonError::into_inner).insert(destination.clone()) {
                    return None;
                }
                Some(Alone { all, destination: destination.clone() })
            }
            Replaying::Letters(filter) | Replaying::Discard(filter) => {
                // A letter that dies again meanwhile is not replayed again.
                let end_ms = (daemon.now)() + 1;
                filter.to_ms = Some(filter.to_ms.map_or(end_ms, |to_ms| to_ms.min(end_ms)));
                None
            }
        };
        let config = &daemon.changing.read().await.config;
        let allowed = config.destinations().map(|(_, each)| each.delivery.stored_requests_max / 2).min();
        Some(Steps {
            daemon: daemon.clone(),
            replaying,
            pace,
            stored_requests_max: allowed.unwrap_or(STORED_REQUESTS_MAX).clamp(1, STORED_REQUESTS_MAX),
            next_at: Instant::now(),
            ended: false,
            count: 0,
            after: None,
            held: None,
            number: None,
            replays: Vec::new(),
            _alone: alone,
        })
    }

    /// The state after the next step; None after the last. The last one says `done`. Safe to cancel:
    /// the step is then taken or not.
    pub async fn next(&mut self) -> Option<Result<Value, StoreError>> {
        if self.ended {
            return None;
        }
        tokio::time::sleep_until(self.next_at).await;
        let state = match &self.replaying {
            Replaying::Letters(filter) => {
                let fate = DeadFate::Replay(Payload::replay().encode());
                self.step_letters(filter.clone(), fate, "replayed").await
            }
            Replaying::Discard(filter) => self.step_letters(filter.clone(), DeadFate::Discard, "discarded").await,
            Replaying::Queue { destination, from_ms, to_ms } => {
                self.step_queue(destination.clone(), *from_ms, *to_ms).await
            }
        };
        self.ended |= state.is_err();
        Some(state)
    }

    /// The deliveries that dead letters became.
    pub fn replays(&self) -> &[ReplayRange] {
        &self.replays
    }

    async fn step_letters(&mut self, filter: DeadFilter, fate: DeadFate, done: &str) -> Result<Value, StoreError> {
        let left = match filter.limit {
            0 => usize::MAX,
            limit => limit.saturating_sub(usize::try_from(self.count).unwrap_or(usize::MAX)),
        };
        let step = DeadStep {
            filter: DeadFilter { limit: self.pace.events_max.min(left).max(1), ..filter },
            after: self.after,
            fate,
            stored_requests_max: self.stored_requests_max,
        };
        let stepped = self.daemon.store.dead_step(step).await?;
        self.count += stepped.count;
        for range in &stepped.replays {
            add_replay(&mut self.replays, &range.destination, range.first, range.last);
        }
        self.after = stepped.next;
        self.held = stepped.held.or(self.held.take());
        let held = self.held.clone();
        let all_seen = stepped.next.is_none();
        self.ended = stepped.count as usize >= left || (all_seen && held.is_none());
        self.wait(stepped.count, all_seen && held.is_some());
        if all_seen {
            // Those that were passed over are looked at again.
            self.held = None;
        }
        Ok(json!({"success": true, "done": self.ended, done: self.count, "held": held}))
    }

    async fn step_queue(&mut self, destination: DestinationId, from_ms: u64, to_ms: u64) -> Result<Value, StoreError> {
        let step = BackfillStep {
            destination: destination.clone(),
            place: self.number.map_or(BackfillPlace::Range { from_ms, to_ms }, BackfillPlace::Of),
            events_max: self.pace.events_max,
            stored_requests_max: self.stored_requests_max,
            payload: Payload::replay().encode(),
        };
        let backfill = self.daemon.store.backfill(step).await?;
        let before = if self.number.is_some() { self.count } else { 0 };
        self.number = Some(backfill.number);
        self.wait(backfill.replayed.saturating_sub(before).min(self.pace.events_max as u64), backfill.held);
        self.count = backfill.replayed;
        self.ended = backfill.done;
        Ok(json!({
            "success": true, "done": backfill.done, "replayed": backfill.replayed, "passed": backfill.passed,
            "reaches_back_ms": backfill.reaches_back_ms, "held": backfill.held.then_some(destination),
        }))
    }

    fn wait(&mut self, events: u64, is_held: bool) {
        let now = Instant::now();
        self.next_at = if is_held { now + HELD } else { self.pace.after(self.next_at, now, events) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_by_small_steps_and_the_waits_between() {
        for (rate, events_max, each_us) in
            [(0, 1, 1_000_000), (1, 1, 1_000_000), (100, 10, 10_000), (5_000, 500, 200), (100_000, 500, 10)]
        {
            let pace = Pace::of(rate);
            assert_eq!((pace.events_max, pace.each), (events_max, Duration::from_micros(each_us)), "{rate}");
        }
    }

    #[test]
    fn a_late_step_is_caught_up_with_only_within_a_step() {
        let pace = Pace::of(100);
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.after(start, ms(30), 10), ms(100), "in time");
        assert_eq!(pace.after(start, ms(30), 3), ms(30), "a smaller step takes less");
        assert_eq!(pace.after(start, ms(5_000), 10), ms(5_000), "5 s late");
        assert_eq!(Pace::unbounded().after(start, ms(30), 500), ms(30));
    }
}
