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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub use attempts::{AttemptCounts, AttemptMeter, AttemptResult, RunningAttempt};
pub use guest::{Call, FaultKind, GuestCounts, GuestMeter, LiveInstance};
pub use histogram::{Histogram, HistogramCounts};

use crate::queue::DestinationId;

/// The meters of all destinations. They outlast a change of settings or revision, and end with the
/// destination.
#[derive(Debug, Default)]
pub struct Meters {
    attempts: Mutex<BTreeMap<DestinationId, Arc<AttemptMeter>>>,
    guests: Mutex<BTreeMap<DestinationId, BTreeMap<String, Arc<GuestMeter>>>>,
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

    /// Forgets a destination that is gone.
    pub fn forget(&self, destination: &DestinationId) {
        self.attempts.lock().expect("nobody panics while holding the meters").remove(destination);
        self.guests.lock().expect("nobody panics while holding the meters").remove(destination);
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
