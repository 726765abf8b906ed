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
mod change;
mod commands;
mod committer;
mod copy;
mod dead;
mod erase;
mod error;
mod feed;
mod figures;
mod frame;
mod group;
mod history;
mod identities;
mod ids;
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
mod turns;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::event::{Event, MessageId};

pub use backfill::{Backfill, BackfillPlace, BackfillStep};
pub use change::{Change, Death, Delivery, DueRequest, Note, Outcome, Settlement, StoredRequest};
pub use copy::{Contents, Existing, STORE_FILE, contents, restore};
pub use dead::LettersKept;
pub use erase::{Erased, UserId};
pub use error::{AppendError, StoreError};
pub use figures::{Counters, DestinationStatus, StoreStatus};
pub use ids::{DeliveryId, DestinationId, Lane, PipelineId, RequestId};
pub use letters::{
    DeadContent, DeadCursor, DeadFate, DeadFilter, DeadOrder, DeadPage, DeadStep, DeadStepped, ReplayFates,
    ReplayRange, add_replay,
};
pub use options::{Clock, FreeBytes, StoreOptions};
pub use redb_store::RedbStore;

/// Settlements become durable at the latest so long after they were handed over, in milliseconds.
pub const SETTLE_LAG_MS: u64 = 100;

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
