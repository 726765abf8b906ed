//! From the bytes of a request's body to events: what is accepted, in what form, and why the rest
//! is not.
//!
//! Invariants:
//! - Pure: the time, the sender's address and new message ids come in as arguments.
//! - An item that is broken, oversize or incomplete costs only itself. A body that is cut off is
//!   refused whole: its sender has the rest.
//! - An accepted event holds all that its sender sent, but for the write key; repairs are recorded
//!   in it, as `_switchyard.repairs`.
//! - Never panics, and takes time linear in the body, whatever the bytes.
//!
//! It never decides on credentials: it only reports the write keys that it saw.

mod batch;
mod fields;
mod item;
mod key;
mod line;
pub mod rules;
mod salvage;
mod skip;
pub mod time;
mod times;
pub mod tracking_plan;
mod write;

use bytes::Bytes;

use crate::event::scan::{Bounds, Repairs};
use crate::event::{Event, EventKind};
pub use key::peek_write_key;
pub use line::event_from_line;

/// What a body is, which its path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One event of that kind, whatever its `type` says.
    Single(EventKind),
    /// One event, with its `type`.
    Typed,
    /// `{"batch":[...]}`, each item with its `type`.
    Batch,
}

/// What the host knows of a request, and the body does not say.
pub struct Facts<'a> {
    /// When the body was read: milliseconds since 1970.
    pub received_ms: u64,
    /// The sender's address, where `context.ip` is absent. `None` leaves it absent.
    pub ip: Option<&'a str>,
    /// Makes an identity for an event that has none.
    pub make_message_id: &'a mut dyn FnMut() -> String,
}

/// What is accepted at most. Each is refused just beyond, with its own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an event in canonical form, before what the host adds. An item beyond it is
    /// refused, its batch is not. 32 KiB: what Segment documents.
    pub event_bytes_max: usize,
    /// Items of a batch. 2,500: what Segment documents; no SDK sends more than 100.
    pub batch_events_max: usize,
    /// Objects and arrays inside one another. 64: real events have fewer than 10, and the parsers
    /// of some vendors stop at 100.
    pub depth_max: usize,
    /// Bytes, index included, that a batch's own context and integrations add to all its items
    /// together. 16 MiB: 2,500 items with 2 KiB of context each; without a bound, 100 KB of body
    /// could become 200 MB of events.
    pub added_bytes_max: usize,
    /// Values of an event, containers included. 16,384: no 32 KiB of real data has more; each
    /// takes 16 bytes of index, so that this bounds the index to 256 KiB an event.
    pub values_max: usize,
    /// Characters of a messageId. 99: Segment documents "under 100".
    pub message_id_chars_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            event_bytes_max: 32 * 1024,
            batch_events_max: 2500,
            depth_max: 64,
            added_bytes_max: 16 << 20,
            values_max: 16_384,
            message_id_chars_max: 99,
        }
    }
}

impl Limits {
    fn bounds(&self) -> Bounds {
        Bounds { depth_max: self.depth_max, values_max: self.values_max, bytes_max: self.event_bytes_max }
    }
}

/// What came of a body.
#[derive(Debug, Default)]
pub struct Checked {
    /// The events, in the body's order. They share their memory.
    pub accepted: Vec<Event>,
    /// The `writeKey` that each accepted item of a batch had in itself, in the same order.
    pub item_write_keys: Vec<Option<String>>,
    /// The items that are no events, in the body's order.
    pub rejected: Vec<Rejection>,
    /// What was repaired in each accepted event, in the same order.
    pub repairs: Vec<Repairs>,
    /// The `writeKey` of the body.
    pub body_write_key: Option<String>,
}

impl Checked {
    /// How many of the accepted events were repaired.
    pub fn repaired(&self) -> usize {
        self.repairs.iter().filter(|repairs| !repairs.is_empty()).count()
    }

    /// Where each accepted event stood in the body: the rejected ones left gaps.
    pub fn accepted_places(&self) -> Vec<u32> {
        let mut rejected = self.rejected.iter().map(|item| item.index).peekable();
        let total = (self.accepted.len() + self.rejected.len()) as u32;
        (0..total).filter(|place| rejected.next_if_eq(place).is_none()).collect()
    }
}

/// An item that is no event, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its position in the batch; 0 for a single event.
    pub index: u32,
    /// Its identity, where it could be read.
    pub message_id: Option<String>,
    /// The reason, for counting.
    pub code: &'static str,
    /// The reason, for a person: names the field or the place.
    pub message: String,
}

/// Why a body was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No bytes, or only white space.
    #[error("the body is empty")]
    Empty,
    /// Not JSON.
    #[error("the body is not JSON: expected {expected} at byte {at}")]
    Malformed {
        /// Offset in the body.
        at: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// It ends too early.
    #[error("the body is cut off: it ends inside a value, at byte {at}")]
    Truncated {
        /// Its bytes.
        at: usize,
    },
    /// JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A batch without `batch`.
    #[error("the body has no `batch`")]
    MissingBatch,
    /// `batch` is something else.
    #[error("`batch` is not an array")]
    BatchNotAnArray,
    /// More items than [`Limits::batch_events_max`].
    #[error("the batch has more than {max} events")]
    TooManyEvents {
        /// The limit.
        max: usize,
    },
    /// A member beside `batch` exceeds the limits of an event.
    #[error("a member beside `batch` is too large or nested too deep, at byte {at}")]
    Envelope {
        /// Offset in the body.
        at: usize,
    },
    /// More than [`Limits::added_bytes_max`].
    #[error("the context and integrations beside `batch` are too large for so many events")]
    AddsTooMuch,
}

impl BodyError {
    /// The reason, for counting.
    pub fn code(&self) -> &'static str {
        match self {
            BodyError::Empty => "empty_body",
            BodyError::Malformed { .. } => "malformed_json",
            BodyError::Truncated { .. } => "truncated_json",
            BodyError::NotAnObject => "not_an_object",
            BodyError::MissingBatch => "missing_batch",
            BodyError::BatchNotAnArray => "batch_not_an_array",
            BodyError::TooManyEvents { .. } => "too_many_events",
            BodyError::Envelope { .. } | BodyError::AddsTooMuch => "envelope_too_large",
        }
    }
}

/// Turns a body into events. The body is decompressed and within the host's bound on bodies.
///
/// While it runs, it takes about 5 times the body's size in memory, half of which the accepted
/// events keep; at worst (a body of nothing but one-digit numbers) 18 times. The events of a body
/// share their memory: who keeps one of them for long should copy it.
///
/// # Errors
/// Where the body as a whole cannot be read; nothing of it is accepted then.
pub fn check_body(body: &[u8], form: Form, facts: &mut Facts<'_>, limits: &Limits) -> Result<Checked, BodyError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let read = match form {
        Form::Single(_) | Form::Typed => batch::read_single(body, limits)?,
        Form::Batch => batch::read_batch(body, limits)?,
    };
    if read.added_bytes() > limits.added_bytes_max {
        return Err(BodyError::AddsTooMuch);
    }
    Ok(accept(&read, form, facts, limits))
}

/// Checks what was read, item by item.
fn accept(read: &batch::Read<'_>, form: Form, facts: &mut Facts<'_>, limits: &Limits) -> Checked {
    let mut checked = Checked { body_write_key: read.write_key.clone(), ..Checked::default() };
    let mut checker = item::Checker::new(read, form, facts, limits);
    // What the host adds to an event: three times, an address, a few names.
    let added = read.items.len() * 256;
    let mut json = Vec::with_capacity(read.json.len() + added);
    let mut index = Vec::with_capacity(read.index.len() + added);
    let mut drafts = Vec::with_capacity(read.items.len());
    for (number, item) in read.items.iter().enumerate() {
        let result = match item {
            Ok(piece) => checker.check(piece, &mut json, &mut index),
            Err(refused) => Err(refused.clone().into()),
        };
        match result {
            Ok(draft) => drafts.push(draft),
            Err(rejection) => {
                checked.rejected.push(Rejection { index: number as u32, ..rejection });
            }
        }
    }
    let (json, index) = (Bytes::from(json), Bytes::from(index));
    for draft in drafts {
        checked.repairs.push(draft.repairs);
        let (event, write_key) = draft.into_event(&json, &index, facts.received_ms);
        checked.accepted.push(event);
        checked.item_write_keys.push(write_key);
    }
    checked
}

#[cfg(test)]
mod tests;
