//! What came of the events that one revision planned in one destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::Notify;

/// Counts what came of the events that a revision planned.
#[derive(Debug, Default)]
pub struct RevisionMeter {
    planned: AtomicU64,
    delivered: AtomicU64,
    traps: AtomicU64,
    faults: AtomicU64,
    rejected: AtomicU64,
    retried: AtomicU64,
    bell: Arc<Notify>,
}

/// What a [`RevisionMeter`] has counted, in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RevisionCounts {
    /// Planned.
    pub planned: u64,
    /// Taken by the vendor, each request of an event counted.
    pub delivered: u64,
    /// At which the plugin trapped, ran out of time or of memory.
    pub traps: u64,
    /// At which it failed in another way.
    pub faults: u64,
    /// Refused, by the plugin or by the vendor.
    pub rejected: u64,
    /// Whose request failed in a way that may pass.
    pub retried: u64,
}

impl RevisionCounts {
    /// What was counted since `before`.
    pub fn since(&self, before: &RevisionCounts) -> RevisionCounts {
        RevisionCounts {
            planned: self.planned.saturating_sub(before.planned),
            delivered: self.delivered.saturating_sub(before.delivered),
            traps: self.traps.saturating_sub(before.traps),
            faults: self.faults.saturating_sub(before.faults),
            rejected: self.rejected.saturating_sub(before.rejected),
            retried: self.retried.saturating_sub(before.retried),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &RevisionCounts) -> RevisionCounts {
        RevisionCounts {
            planned: self.planned + other.planned,
            delivered: self.delivered + other.delivered,
            traps: self.traps + other.traps,
            faults: self.faults + other.faults,
            rejected: self.rejected + other.rejected,
            retried: self.retried + other.retried,
        }
    }
}

impl RevisionMeter {
    /// Rings `bell` after each event that did not go well.
    pub fn new(bell: Arc<Notify>) -> RevisionMeter {
        RevisionMeter { bell, ..RevisionMeter::default() }
    }

    /// So many events were planned.
    pub fn planned(&self, events: usize) {
        self.planned.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// So many were taken.
    pub fn delivered(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// At so many the plugin trapped, ran out of time or of memory.
    pub fn trapped(&self, events: usize) {
        self.bad(&self.traps, events);
    }

    /// At so many it failed in another way.
    pub fn failed(&self, events: usize) {
        self.bad(&self.faults, events);
    }

    /// So many were refused.
    pub fn rejected(&self, events: usize) {
        self.bad(&self.rejected, events);
    }

    /// So many are tried again.
    pub fn retried(&self, events: usize) {
        self.bad(&self.retried, events);
    }

    /// What it has counted.
    pub fn counts(&self) -> RevisionCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RevisionCounts {
            planned: load(&self.planned),
            delivered: load(&self.delivered),
            traps: load(&self.traps),
            faults: load(&self.faults),
            rejected: load(&self.rejected),
            retried: load(&self.retried),
        }
    }

    fn bad(&self, counter: &AtomicU64, events: usize) {
        if events > 0 {
            counter.fetch_add(events as u64, Ordering::Relaxed);
            self.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_rings_the_bell_once() {
        let bell = Arc::new(Notify::new());
        let meter = RevisionMeter::new(bell.clone());
        let rings = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                tokio::select! { biased; () = bell.notified() => true, () = std::future::ready(()) => false }
            })
        };
        meter.planned(10);
        meter.delivered(4);
        meter.retried(0);
        assert!(!rings());
        meter.trapped(1);
        meter.failed(2);
        meter.rejected(3);
        meter.retried(4);
        assert!(rings() && !rings());
        let expected = RevisionCounts { planned: 10, delivered: 4, traps: 1, faults: 2, rejected: 3, retried: 4 };
        assert_eq!(meter.counts(), expected);
        assert_eq!(expected.since(&expected), RevisionCounts::default());
        assert_eq!(expected.plus(&RevisionCounts::default()), expected);
    }
}
