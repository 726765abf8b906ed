//! The durable store: events, what each destination has settled of them, the requests that wait for
//! another attempt, dead letters, and the history that `trace` shows.
//!
//! Invariants:
//! - `append` answers only after the events are durable; after a failed fsync the store is poisoned
//!   and nothing is accepted any more. The fsync is never tried again.
//! - Conservation, for every destination and at every commit:
//!   accepted + replayed = waiting + owed + delivered + filtered + dead + expired.
//! - A settlement is applied whole or not at all. It may become durable up to
//!   [`SETTLE_LAG_MS`] late: a crash repeats at most that.
//!
//! The store knows nothing of plugins or HTTP: a stored request is bytes to it, and callers see no
//! offsets, tables or transactions, so that another engine can implement [`EventStore`].

mod backfill;
mod backlog;
mod cache;
mod commands;
mod committer;
mod copy;
mod dead;
mod erase;
mod feed;
mod frame;
mod group;
mod history;
mod identities;
mod letters;
mod migrate;
mod options;
mod progress;
mod redb_store;
mod requests;
mod retention;
mod settle;
mod shared;
mod state;
mod stored_frame;
mod tables;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use twox_hash::XxHash64;

use crate::event::{Event, MessageId};
use crate::meter::HistogramCounts;

pub use backfill::{Backfill, BackfillPlace, BackfillStep};
pub use copy::{Contents, Existing, STORE_FILE, contents, restore};
pub use dead::LettersKept;
pub use erase::{Erased, UserId};
pub use letters::{
    DeadContent, DeadCursor, DeadFate, DeadFilter, DeadOrder, DeadPage, DeadStep, DeadStepped, ReplayFates,
    ReplayRange, add_replay,
};
pub use options::{Clock, FreeBytes, StoreOptions};
pub use redb_store::RedbStore;

/// Settlements become durable at the latest so long after they were handed over, in milliseconds.
pub const SETTLE_LAG_MS: u64 = 100;

/// A pipeline's name, as configured. Cheap to clone: each event in flight has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PipelineId(Arc<str>);

impl PipelineId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PipelineId {
    fn from(name: String) -> PipelineId {
        PipelineId(name.into())
    }
}

impl From<&str> for PipelineId {
    fn from(name: &str) -> PipelineId {
        PipelineId(name.into())
    }
}

impl From<PipelineId> for String {
    fn from(id: PipelineId) -> String {
        id.as_str().to_string()
    }
}

/// A destination's name: `<pipeline>/<destination>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct DestinationId(pub String);

impl fmt::Display for PipelineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names one delivery of a destination. Opaque to callers; never used twice by one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u64);

/// Names one stored request of a destination. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Event x destination: the durable unit of work.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// What is to be delivered.
    pub event: Event,
}

/// What came of a delivery, finally.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Every request for it was accepted.
    Delivered,
    /// Not meant for this destination; the reason names the rule.
    Filtered {
        /// Short, for counting: `kind`, `integrations`, `plugin: <reason>`.
        reason: String,
    },
    /// Given up; kept as a dead letter.
    Dead(Death),
}

/// Why a delivery was given up, for the dead letter.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Death {
    /// Short, for counting and filtering: `vendor_refused`, `attempts_exhausted`, `plugin_fault`, ...
    pub reason: String,
    /// The whole story in one line, for a person.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The plugin's revision that planned it, as hexadecimal, or empty.
    pub revision: String,
    /// Method and URL of the last request, with no secret in it.
    pub request: Option<String>,
    /// Status and beginning of the last answer, with no secret in it.
    pub answer: Option<String>,
}

/// Requests that keep the order of their events: at most one of a lane is handed out, and one that
/// is tried again keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub u64);

impl Lane {
    /// The lane of that name. Names of different `space`s never mean the same lane. Stored, so it
    /// stays the same in all versions.
    pub fn named(space: &str, name: &str) -> Lane {
        Lane(XxHash64::oneshot(XxHash64::oneshot(0, space.as_bytes()), name.as_bytes()))
    }
}

/// A request, or the planning of one, that waits for its time. The payload is the caller's.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRequest {
    /// Its name; made by [`Feed::new_request_id`].
    pub id: RequestId,
    /// Not before this: milliseconds since 1970.
    pub due_ms: u64,
    /// The deliveries it carries. Each is owed.
    pub covers: Vec<DeliveryId>,
    /// The lanes it stands in, by the first delivery that it carries; replays stand last.
    pub lanes: Vec<Lane>,
    /// What the caller needs to try again; the store does not look inside.
    pub payload: Bytes,
}

/// A stored request that is due, with those of its deliveries that have not ended.
pub type DueRequest = (StoredRequest, Vec<Delivery>);

/// One change that a settlement makes. Changes of one settlement are applied together, in order.
#[derive(Clone, Debug)]
pub enum Change {
    /// A delivery handed out by [`Feed::next`] has come to its end, with no request stored for it.
    /// An owed one ends, too, whatever is left of its requests. One that has ended already is
    /// ignored.
    Finish {
        /// Which.
        delivery: DeliveryId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A delivery handed out by [`Feed::next`] waits for stored requests (put in the same
    /// settlement). From now on it is owed: its event is kept apart, and frames may go.
    Owe {
        /// The delivery; its event is copied.
        delivery: Delivery,
        /// How many stored requests cover it; at least 1.
        requests: u32,
        /// Set when one of its requests was already given up: it will end dead.
        dead: Option<Death>,
    },
    /// Stores a request, or replaces the one of the same id.
    Put(StoredRequest),
    /// Removes a stored request that has come to its end. One that is not there changes nothing.
    Delete(RequestId),
    /// A stored request that covers an owed delivery has come to its end. When no request is left
    /// for the delivery, it ends: dead if any part died, else delivered, or filtered if every part
    /// was filtered.
    Part {
        /// The owed delivery.
        delivery: DeliveryId,
        /// How this part ended.
        outcome: Outcome,
        /// Requests that follow from this one and cover the delivery, put in the same settlement.
        follow_ups: u32,
    },
    /// A delivery whose event was erased ends expired; one that has ended is passed over.
    Expire(DeliveryId),
    /// Something that `trace` shows.
    Note {
        /// The deliveries it is about.
        covers: Vec<DeliveryId>,
        /// What happened.
        note: Note,
    },
}

/// One step of a delivery's story.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// The step: `planned`, `sent`, `retry`, `delivered`, `filtered`, `dead`, `plugin_fault`, ...
    pub step: String,
    /// The plugin's revision, first 12 hexadecimal digits, or empty.
    pub revision: String,
    /// Method and URL, with no secret in it, or empty.
    pub request: String,
    /// Status of the answer, 0 when there was none.
    pub status: u16,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u32,
    /// More, in one line: a reason, the beginning of a bad answer, when it is tried again.
    pub detail: String,
}

/// All changes that one group of requests leads to.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// Applied in order, in one transaction.
    pub changes: Vec<Change>,
}

/// An event that ingest hands over.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Which pipeline it belongs to.
    pub pipeline: PipelineId,
    /// The event, with its index.
    pub event: Event,
}

/// What became of events that were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Appended {
    /// Those that were known already, and are kept once.
    pub duplicates: Vec<(PipelineId, MessageId)>,
}

/// Why events were not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The queue holds as much as it may.
    #[error("the queue is full: {used_bytes} of {bytes_max} bytes")]
    Full {
        /// What it holds.
        used_bytes: u64,
        /// What it may hold.
        bytes_max: u64,
    },
    /// The disk has less free space than the reserve.
    #[error("the disk has {free_bytes} bytes free, less than the reserve of {reserve_bytes}")]
    DiskReserve {
        /// Free on the disk.
        free_bytes: u64,
        /// What must stay free.
        reserve_bytes: u64,
    },
    /// A write or an fsync failed: nothing is taken until the daemon is started again.
    #[error("the store failed and accepts nothing until it is opened again: {0}")]
    Poisoned(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Why something else could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("{path} is in use by another process: stop that daemon, or give this one a data directory of its own")]
    InUse {
        /// The store's file.
        path: String,
    },
    /// The file is damaged or of another program.
    #[error(
        "{path} cannot be read: {cause}. Nothing was changed. Put a backup in its place, or move it away to start empty"
    )]
    Damaged {
        /// The store's file.
        path: String,
        /// What the engine says.
        cause: String,
    },
    /// The file was written by a newer version.
    #[error("{path} has format version {found}, and this daemon knows up to {known}: run the newer daemon")]
    TooNew {
        /// The store's file.
        path: String,
        /// The version it has.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The engine failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// No such destination is configured.
    #[error("there is no destination `{destination}`: `switchyard status` names them")]
    UnknownDestination {
        /// Its name.
        destination: DestinationId,
    },
    /// Another replay from the queue has not come to its end.
    #[error(
        "a replay of {destination} from {from_ms} to {to_ms} has not come to its end: run that one again to go on with it, or abandon it"
    )]
    ReplayUnderWay {
        /// Whose.
        destination: DestinationId,
        /// Its range: milliseconds since 1970.
        from_ms: u64,
        /// Its range: milliseconds since 1970.
        to_ms: u64,
    },
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Where a destination that the store does not know yet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the events that come after this.
    Now,
    /// With the oldest event that is still kept.
    Earliest,
}

/// How much a destination may leave unsettled before the oldest of it expires: so it never keeps the
/// space of the others. Owed deliveries count, but only waiting ones expire: owed ones have an end of
/// their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes of events and stored requests.
    pub bytes_max: u64,
    /// Age of events, in milliseconds.
    pub age_ms_max: u64,
}

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

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DeadLetter {
    /// Its number, for `show` and `replay`; the destination's delivery id.
    pub id: u64,
    /// Whose.
    pub destination: DestinationId,
    /// When it was given up: milliseconds since 1970.
    pub died_ms: u64,
    /// The event's identity.
    pub message_id: String,
    /// The event's kind.
    pub kind: String,
    /// The event's name (track), or empty.
    pub event: String,
    /// Why, and the last request and answer.
    pub death: Death,
    /// The event's JSON; empty in a list.
    #[serde(skip)]
    pub json: Bytes,
}

/// What is known of one event.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Story {
    /// The event's identity.
    pub message_id: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its kind.
    pub kind: String,
    /// When it was accepted: milliseconds since 1970.
    pub received_ms: u64,
    /// The event's JSON, while it is kept.
    #[serde(skip)]
    pub json: Bytes,
    /// Its way in each destination, in the order of time.
    pub steps: Vec<(DestinationId, Note)>,
}

/// The durable store.
pub trait EventStore: Send + Sync + 'static {
    /// Takes events, all or none, but for those whose identity is known already; answers only once
    /// they, and those that they repeat, are durable. Safe to cancel: the events may then be durable
    /// or not.
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Opens a destination's feed. A destination has at most one open feed at a time.
    fn open(
        &self,
        destination: &DestinationId,
        pipeline: &PipelineId,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>>;

    /// Forgets a destination that is no longer configured: its cursor, owed deliveries and stored
    /// requests. What it had not settled is counted as expired in the log line that the caller
    /// writes; the number of such deliveries is returned. Dead letters stay.
    fn remove(&self, destination: &DestinationId) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Pauses or resumes a destination, durably. Answers whether it is known.
    fn pause(&self, destination: &DestinationId, paused: bool) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// All destinations that the store knows.
    fn destinations(&self) -> BoxFuture<'_, Result<Vec<DestinationStatus>, StoreError>>;

    /// The store as a whole.
    fn status(&self) -> StoreStatus;

    /// A page of the dead letters that match, behind a place.
    fn dead_page(
        &self,
        filter: DeadFilter,
        order: DeadOrder,
        after: Option<DeadCursor>,
        content: DeadContent,
    ) -> BoxFuture<'_, Result<DeadPage, StoreError>>;

    /// Replays or discards some dead letters, oldest first, in one transaction of bounded size. Safe
    /// to repeat and to cancel: a letter that has met its fate is gone. Open feeds learn of replays.
    fn dead_step(&self, step: DeadStep) -> BoxFuture<'_, Result<DeadStepped, StoreError>>;

    /// How far deliveries of replays are that were made at `since_ms` or later.
    fn replay_fates(&self, ranges: Vec<ReplayRange>, since_ms: u64) -> BoxFuture<'_, Result<ReplayFates, StoreError>>;

    /// Makes new deliveries of the next events of a replay from the queue, in one transaction of
    /// bounded size that also keeps the place: after a crash it goes on where it was.
    fn backfill(&self, step: BackfillStep) -> BoxFuture<'_, Result<Backfill, StoreError>>;

    /// Erases everything that is kept of the events of one user that were accepted until now, and
    /// writes the store's file anew without it. What had not ended is counted as expired. Not safe to
    /// cancel; safe to repeat.
    fn erase(&self, user: UserId) -> BoxFuture<'_, Result<Erased, StoreError>>;

    /// Makes a consistent copy of the store, while everything goes on: a file without a name, beside
    /// the store until it is closed.
    fn backup(&self) -> BoxFuture<'_, Result<std::fs::File, StoreError>>;

    /// What is known of the events of that identity, newest first, at most 16.
    fn trace(&self, message_id: &str) -> BoxFuture<'_, Result<Vec<Story>, StoreError>>;

    /// The last `count` events kept of a pipeline, oldest first: for previews and shadow plans.
    fn recent(&self, pipeline: &PipelineId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>>;

    /// Keeps a small record under a name, in place of the one before; answers once it is durable.
    fn put_record(&self, name: &str, record: Bytes) -> BoxFuture<'_, Result<(), StoreError>>;

    /// All records, by name.
    fn records(&self) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>>;

    /// What is known of the last `count` events kept of a pipeline, newest first.
    fn recent_stories(&self, pipeline: &PipelineId, count: usize) -> BoxFuture<'_, Result<Vec<Story>, StoreError>>;

    /// Commits what was handed over, then closes. Calls after this answer `Closed`.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// One destination's view of the queue. Owned by that destination's delivery runtime.
pub trait Feed: Send {
    /// The next deliveries in the order of acceptance, at most `events_max` and, beyond the first,
    /// `bytes_max` of JSON. Waits until there is one; where only erased events came there may be none in
    /// the answer. Safe to cancel: a delivery not returned is
    /// returned by the next call. Each delivery is handed out once per opening; what was handed out
    /// and not settled is handed out again when the feed is opened after a crash or a close.
    fn next(&mut self, events_max: usize, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, StoreError>>;

    /// Whether [`Feed::next`] would answer at once.
    fn has_next(&self) -> bool;

    /// Stored requests that are due at `now_ms` and the first in all of their lanes, earliest first, at
    /// most `max`, with the deliveries they cover. Each is handed out once per opening, and again after it was put again.
    fn due(&mut self, now_ms: u64, max: usize) -> BoxFuture<'_, Result<Vec<DueRequest>, StoreError>>;

    /// When the earliest stored request is due that was not handed out and is the first in its lanes.
    fn next_due_ms(&self) -> Option<u64>;

    /// How many stored requests wait for their time, or in a lane, and were not handed out.
    fn stored_requests(&self) -> u64;

    /// The stored requests that stand in lanes: for whoever opens the feed; it lags behind settlements
    /// that are not durable yet.
    fn standing(&self) -> Vec<(RequestId, Vec<Lane>)>;

    /// The stored requests that an erasing removed, or that were not stored because all their events were
    /// erased or expired meanwhile, since the last call; those in flight, too. [`Feed::changed`] completes when there are some.
    fn erased(&mut self) -> Vec<RequestId>;

    /// Whether the operator had paused the destination when the feed was opened.
    fn was_paused(&self) -> bool;

    /// Bounds what the destination may leave unsettled from the next commit on; None: no bound.
    fn bound_backlog(&self, backlog: Option<Backlog>);

    /// Completes when [`Feed::has_next`] is true, or a stored request was added or became free. Who
    /// `knows_next` has decided to leave what comes next where it is: then only stored requests
    /// count. Safe to cancel.
    fn changed(&mut self, knows_next: bool) -> BoxFuture<'_, ()>;

    /// A name for a new stored request.
    fn new_request_id(&mut self) -> RequestId;

    /// Where settlements are handed over; cheap to clone, usable from other tasks.
    fn settler(&self) -> Box<dyn Settler>;
}

/// Takes settlements of one destination.
pub trait Settler: Send + Sync {
    /// Hands a settlement over. Waits only for room; durable within [`SETTLE_LAG_MS`].
    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The same, and completes once it is durable: for follow-ups, which are durable before they
    /// are sent.
    fn settle_durably(&self, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Another handle to the same destination.
    fn clone_box(&self) -> Box<dyn Settler>;
}
