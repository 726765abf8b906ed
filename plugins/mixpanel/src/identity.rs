//! Who did it: the two ids of an event, and what the vendor makes of them. And the event's own id.

use switchyard_sdk::hash::sha256_hex;
use switchyard_sdk::prelude::*;

use crate::rules::{INSERT_ID_BYTES_MAX, PLACEHOLDERS};
use crate::settings::IdentityMode;

/// A user's id, when it says something: what stands for "nobody" is no id.
pub fn somebody(value: Value<'_>) -> Option<Id<'_>> {
    Id::of(value).filter(|id| !is_placeholder(id.bytes()))
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
        Identity { user: somebody(event.get("userId")), device: somebody(event.get("anonymousId")) }
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
            (Some(user), _) => json.verbatim(user.bytes()),
            (None, Some(device)) => {
                if mode == IdentityMode::Simplified {
                    json.verbatim(b"$device:");
                }
                json.verbatim(device.bytes());
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
