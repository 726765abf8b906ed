//! The event: one immutable fact, in the one form that everything right of ingest sees.
//!
//! An event's JSON is canonical (no white space between values, unique keys, valid UTF-8, no lone
//! surrogates, no NaN) and its index says where each value stands in it, in the layout of
//! wit/1.0.0/index.md. [`scan`] makes both in one pass; nobody parses after that.

pub mod index;
pub mod scan;

use std::fmt;

use bytes::Bytes;

/// What an event is, as the Segment specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// Something a user did.
    Track = 1,
    /// Who a user is.
    Identify = 2,
    /// A web page seen.
    Page = 3,
    /// A screen of an app seen.
    Screen = 4,
    /// What a user belongs to.
    Group = 5,
    /// Two identities of one user.
    Alias = 6,
}

impl EventKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [EventKind; 6] =
        [EventKind::Track, EventKind::Identify, EventKind::Page, EventKind::Screen, EventKind::Group, EventKind::Alias];

    /// The kind's name in the `type` of an event.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Track => "track",
            EventKind::Identify => "identify",
            EventKind::Page => "page",
            EventKind::Screen => "screen",
            EventKind::Group => "group",
            EventKind::Alias => "alias",
        }
    }

    /// The kind of that name, if there is one.
    pub fn from_name(name: &str) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of that code, as it is stored.
    pub fn from_code(code: u8) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| *kind as u8 == code)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An event's identity: what vendors deduplicate by is derived from it. Valid UTF-8, unescaped,
/// at most [`MessageId::BYTES_MAX`] bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Bytes);

impl MessageId {
    /// Segment documents "under 100 characters"; a character has at most 4 bytes.
    pub const BYTES_MAX: usize = 400;

    /// Takes bytes that a scan found to be valid UTF-8. Invalid UTF-8 becomes U+FFFD.
    pub fn from_utf8(bytes: Bytes) -> MessageId {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => MessageId(bytes),
            Err(_) => MessageId(Bytes::from(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).expect("checked when it was made")
    }
}

impl From<&str> for MessageId {
    fn from(text: &str) -> MessageId {
        MessageId(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

/// One event, with its index. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it is.
    pub kind: EventKind,
    /// Its identity.
    pub message_id: MessageId,
    /// When the host accepted it: milliseconds since 1970.
    pub received_ms: u64,
    /// The whole event, canonical.
    pub json: Bytes,
    /// Where each value stands in `json`; layout 1.
    pub index: Bytes,
}

impl Event {
    /// Looks at it through its index.
    pub fn view(&self) -> index::View<'_> {
        index::View::new(&self.json, &self.index)
    }

    /// What a person calls it: its kind, and its name when it has one.
    pub fn title(&self) -> String {
        let view = self.view();
        let name = if self.kind == EventKind::Track { "event" } else { "name" };
        match view.get(&[name]).and_then(|value| value.as_str()) {
            Some(name) => format!("{} {name}", self.kind),
            None => self.kind.to_string(),
        }
    }
}
