//! Meters: what is counted while events flow, for `/metrics` and `status`.
//!
//! Invariants:
//! - Counting is one atomic addition: no lock, no allocation, nothing that waits.
//! - Meters live in memory, from the start of the daemon on. What must be exact across restarts is
//!   counted by the store.
//! - Label values come from fixed lists, so that nobody outside can make series.

mod attempts;
mod guest;
mod histogram;
mod revision;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub use attempts::{AttemptCounts, AttemptMeter, AttemptResult, RunningAttempt};
pub use guest::{Call, FaultKind, GuestCounts, GuestMeter, LiveInstance};
pub use histogram::{Histogram, HistogramCounts};
pub use revision::{RevisionCounts, RevisionMeter};

use tokio::sync::Notify;

use crate::queue::DestinationId;

/// The meters of all destinations. They outlast a change of settings or revision, and end with the
/// destination.
#[derive(Debug, Default)]
pub struct Meters {
    attempts: Mutex<BTreeMap<DestinationId, Arc<AttemptMeter>>>,
    guests: Mutex<BTreeMap<DestinationId, BTreeMap<String, Arc<GuestMeter>>>>,
    revisions: Mutex<BTreeMap<DestinationId, BTreeMap<String, Arc<RevisionMeter>>>>,
    bell: Arc<Notify>,
}

impl Meters {
    /// The meter of a destination's attempts.
    pub fn attempts(&self, destination: &DestinationId) -> Arc<AttemptMeter> {
        let mut attempts = self.attempts.lock().expect("nobody panics while holding the meters");
        attempts.entry(destination.clone()).or_default().clone()
    }

    /// The meter of the calls that a destination makes of a plugin.
    pub fn guest(&self, destination: &DestinationId, plugin: &str) -> Arc<GuestMeter> {
        let mut guests = self.guests.lock().expect("nobody panics while holding the meters");
        let own = guests.entry(destination.clone()).or_default();
        own.entry(plugin.to_string()).or_insert_with(|| Arc::new(GuestMeter::new(destination, plugin))).clone()
    }

    /// The meter of what comes of the events that a revision plans for a destination.
    pub fn revision(&self, destination: &DestinationId, digest: &str) -> Arc<RevisionMeter> {
        let mut revisions = self.revisions.lock().expect("nobody panics while holding the meters");
        let own = revisions.entry(destination.clone()).or_default();
        own.entry(digest.to_string()).or_insert_with(|| Arc::new(RevisionMeter::new(self.bell.clone()))).clone()
    }

    /// Forgets the revisions that a destination no longer works with, but for these.
    pub fn keep_revisions(&self, destination: &DestinationId, digests: &[&str]) {
        let mut revisions = self.revisions.lock().expect("nobody panics while holding the meters");
        if let Some(own) = revisions.get_mut(destination) {
            own.retain(|digest, _| digests.contains(&&digest[..]));
        }
    }

    /// Rung when an event that any revision planned did not go well.
    pub fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Forgets a destination that is gone.
    pub fn forget(&self, destination: &DestinationId) {
        self.attempts.lock().expect("nobody panics while holding the meters").remove(destination);
        self.guests.lock().expect("nobody panics while holding the meters").remove(destination);
        self.revisions.lock().expect("nobody panics while holding the meters").remove(destination);
    }

    /// What the guests' meters say now, by destination and plugin.
    pub fn guests(&self) -> Vec<GuestCounts> {
        let guests = self.guests.lock().expect("nobody panics while holding the meters");
        guests.values().flat_map(BTreeMap::values).map(|meter| meter.counts()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_outlasts_a_change_and_ends_with_its_destination() {
        let (meters, id) = (Meters::default(), DestinationId("shop/ga4".to_string()));
        meters.attempts(&id).begin(7).end(AttemptResult::Success, 3);
        meters.guest(&id, "ga4").fault(FaultKind::Trap);
        assert_eq!(meters.attempts(&id).counts().sent_bytes, 7);
        assert_eq!(meters.guests().len(), 1);
        meters.forget(&id);
        assert_eq!(meters.attempts(&id).counts().sent_bytes, 0);
        assert!(meters.guests().is_empty());
    }
}
