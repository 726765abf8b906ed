//! What the store counts, and says of itself.

use super::{DestinationId, LettersKept};
use crate::meter::HistogramCounts;

/// Durable counters of one destination, exact across restarts.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// Events of its pipeline since it was opened first.
    pub accepted: u64,
    /// Deliveries made anew, from dead letters or from the queue.
    pub replayed: u64,
    /// Ended delivered.
    pub delivered: u64,
    /// Ended filtered.
    pub filtered: u64,
    /// Ended dead.
    pub dead: u64,
    /// Dropped at a bound of age or size, or erased before they ended.
    pub expired: u64,
    /// Filtered by reason (at most 64 reasons, the rest under `other`).
    pub filtered_by: std::collections::BTreeMap<String, u64>,
    /// Dead by reason (at most 64 reasons, the rest under `other`).
    pub dead_by: std::collections::BTreeMap<String, u64>,
}

/// A destination's place in the queue.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DestinationStatus {
    /// Which.
    pub destination: DestinationId,
    /// The durable counters.
    #[serde(flatten)]
    pub counters: Counters,
    /// Accepted, not yet ended and not owed: in the queue or in flight.
    pub waiting: u64,
    /// Waiting for a stored request.
    pub owed: u64,
    /// Requests that wait for their time.
    pub stored_requests: u64,
    /// Age of the oldest waiting event, in milliseconds; 0 when none waits.
    pub lag_ms: u64,
    /// Whether the operator paused it.
    pub paused: bool,
    /// Its dead letters.
    pub dead_letters: LettersKept,
}

/// The store as a whole.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct StoreStatus {
    /// Events accepted since the store was made.
    pub accepted: u64,
    /// Events still kept.
    pub kept_events: u64,
    /// Bytes of frames still kept.
    pub kept_bytes: u64,
    /// Bytes that no destination has settled yet, frames and owed.
    pub pending_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Dead letters of all destinations, also of those that are no longer configured.
    pub dead_letters: LettersKept,
    /// Identities by which an event that is sent again is known.
    pub known_ids: u64,
    /// How far back all of them are known, in milliseconds: less than configured when there are too
    /// many.
    pub known_window_ms: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Time spent in commits since the start, in microseconds.
    pub commit_us: u64,
    /// The time of each commit's last step, which ends with the fsync, since the start.
    #[serde(skip)]
    pub sync_times: HistogramCounts,
    /// Free on the disk, when that is known.
    pub disk_free_bytes: Option<u64>,
    /// What must stay free for events to be taken.
    pub disk_reserve_bytes: u64,
    /// Set when the store is poisoned, with the cause.
    pub poisoned: Option<String>,
}
