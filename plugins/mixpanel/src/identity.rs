//! Who did it: the two ids of an event, and what the vendor makes of them. And the event's own id.

use switchyard_sdk::hash::sha256_hex;
use switchyard_sdk::prelude::*;

use crate::rules::{INSERT_ID_BYTES_MAX, PLACEHOLDERS};
use crate::settings::IdentityMode;

/// An id as it stands between quotes in JSON: it is copied, never unescaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Id<'a>(&'a [u8]);

impl<'a> Id<'a> {
    /// The text or number, when it says something: what stands for "nobody" is no id.
    pub fn of(value: Value<'a>) -> Option<Id<'a>> {
        Id::any(value).filter(|id| !is_placeholder(id.0))
    }

    /// As [`Id::of`], for ids of things other than users.
    pub fn any(value: Value<'a>) -> Option<Id<'a>> {
        let quoted = match value.quoted() {
            Some(quoted) => quoted,
            None if value.is_number() => value.raw(),
            None => return None,
        };
        (!quoted.trim_ascii().is_empty()).then_some(Id(quoted))
    }

    /// The bytes between the quotes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Writes it as a string.
impl Json for Id<'_> {
    fn write(self, json: &mut JsonWriter) {
        // The quote comes with the comma where one is due.
        json.raw(b"\"");
        json.verbatim(self.0);
        json.verbatim(b"\"");
    }
}

/// The ids of an event.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub user: Option<Id<'a>>,
    pub device: Option<Id<'a>>,
}

impl<'a> Identity<'a> {
    /// The ids of an event that can be used.
    pub fn of(event: &Event<'a>) -> Identity<'a> {
        Identity { user: Id::of(event.get("userId")), device: Id::of(event.get("anonymousId")) }
    }

    /// Whether there is none.
    pub fn is_nobody(&self) -> bool {
        self.user.is_none() && self.device.is_none()
    }

    /// Writes the one id that the vendor counts by: the user, else the device, else nobody.
    pub fn write_distinct_id(&self, mode: IdentityMode, key: Key, json: &mut JsonWriter) {
        json.member_key(key);
        json.verbatim(b"\"");
        match (self.user, self.device) {
            (Some(user), _) => json.verbatim(user.0),
            (None, Some(device)) => {
                if mode == IdentityMode::Simplified {
                    json.verbatim(b"$device:");
                }
                json.verbatim(device.0);
            }
            (None, None) => {}
        }
        json.verbatim(b"\"");
    }
}

/// Whether an id is one that the vendor takes for a mistake, in any case.
fn is_placeholder(id: &[u8]) -> bool {
    let id = id.trim_ascii();
    let may_be = id.len() < 10 || id.len() == 36;
    may_be && PLACEHOLDERS.iter().any(|placeholder| placeholder.as_bytes().eq_ignore_ascii_case(id))
}

/// Writes `$insert_id`: the messageId where the vendor takes it, else what its SHA-256 begins with.
/// `item` numbers the records that one event becomes.
pub fn write_insert_id(message_id: &str, item: Option<usize>, json: &mut JsonWriter) {
    let insert_id = key!("$insert_id");
    match item {
        None if is_insert_id(message_id.as_bytes()) => json.member(insert_id, message_id),
        None => json.member(insert_id, hashed(message_id.as_bytes()).as_str()),
        Some(number) => json.member(insert_id, hashed(format!("{message_id}/{number}").as_bytes()).as_str()),
    }
}

fn hashed(bytes: &[u8]) -> String {
    sha256_hex(bytes).as_str()[..INSERT_ID_BYTES_MAX].to_string()
}

fn is_insert_id(id: &[u8]) -> bool {
    (1..=INSERT_ID_BYTES_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && !is_placeholder(id)
}
