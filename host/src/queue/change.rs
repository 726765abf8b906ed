//! Deliveries, and the changes by which they are settled.

use bytes::Bytes;

use super::{DeliveryId, Lane, RequestId};
use crate::event::Event;

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

/// A request, or the planning of one, that waits for its time. The payload is the caller's.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRequest {
    /// Its name; made by [`super::Feed::new_request_id`].
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
    /// A delivery handed out by [`super::Feed::next`] has come to its end, with no request stored for it.
    /// An owed one ends, too, whatever is left of its requests. One that has ended already is
    /// ignored.
    Finish {
        /// Which.
        delivery: DeliveryId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A delivery handed out by [`super::Feed::next`] waits for stored requests (put in the same
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
