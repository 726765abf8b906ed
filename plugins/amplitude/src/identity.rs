//! Who did it: the two ids of an event, where the vendor takes them. And the event's own id.

use switchyard_sdk::hash::sha256_hex;
use switchyard_sdk::prelude::*;

use crate::rules::{INVALID_IDS, TEXT_CHARACTERS_MAX};
use crate::settings::{Amplitude, DeviceIdFrom};

/// Bytes that the number of one of several records adds to an event's id.
const ITEM_BYTES_MAX: usize = 8;

/// The text or number, when it says something and is short enough.
pub fn id(value: Value<'_>) -> Option<Id<'_>> {
    Id::of(value).filter(|id| !id.has_more_characters_than(TEXT_CHARACTERS_MAX))
}

/// A user's id that the vendor takes: long enough by the setting, and none that it refuses.
pub fn user_id<'a>(amplitude: &Amplitude, value: Value<'a>) -> Option<Id<'a>> {
    let id = id(value)?;
    let is_long = amplitude.id_characters_min == 1 || characters(value) >= amplitude.id_characters_min;
    (is_long && !is_invalid(id.bytes())).then_some(id)
}

/// As [`user_id`], for a device: one of zeros is dropped by the vendor.
fn device_id<'a>(amplitude: &Amplitude, value: Value<'a>) -> Option<Id<'a>> {
    user_id(amplitude, value).filter(|id| !is_zeros(id.bytes()))
}

fn characters(value: Value<'_>) -> usize {
    value.as_text().map_or(0, |text| text.chars().count())
}

/// Whether an id is one that the vendor refuses, in any case.
fn is_invalid(id: &[u8]) -> bool {
    let id = id.trim_ascii();
    (id.len() < 10 || id.len() == 36) && INVALID_IDS.iter().any(|invalid| invalid.as_bytes().eq_ignore_ascii_case(id))
}

/// Whether an id is what a device says that does not want to be known. Source: http-v2, all-zero
/// device ids.
pub fn is_zeros(id: &[u8]) -> bool {
    id.iter().all(|byte| matches!(byte, b'0' | b'-'))
}

/// The ids of an event.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub user: Option<Id<'a>>,
    pub device: Option<Id<'a>>,
}

impl<'a> Identity<'a> {
    /// The ids of an event that can be used.
    pub fn of(amplitude: &Amplitude, event: &Event<'a>) -> Identity<'a> {
        let anonymous = event.get("anonymousId");
        let device = event.context().child("device").child("id");
        let [first, second] = match amplitude.device_id_from {
            DeviceIdFrom::Device => [device, anonymous],
            DeviceIdFrom::AnonymousId => [anonymous, device],
        };
        Identity {
            user: user_id(amplitude, event.get("userId")),
            device: device_id(amplitude, first).or_else(|| device_id(amplitude, second)),
        }
    }

    /// The ids of an event that has any.
    ///
    /// # Errors
    /// Names the fields that would have one.
    pub fn required(amplitude: &Amplitude, event: &Event<'a>) -> Result<Identity<'a>, &'static str> {
        let identity = Identity::of(amplitude, event);
        if identity.user.is_none() && identity.device.is_none() {
            return Err("userId: is missing, too short or one that the vendor refuses, and so are anonymousId and \
                        context.device.id");
        }
        Ok(identity)
    }

    /// The ids that there are.
    pub fn ids(&self) -> impl Iterator<Item = &'a [u8]> {
        [self.user, self.device].into_iter().flatten().map(Id::bytes)
    }

    /// Writes them as the first members of a record.
    #[inline]
    pub fn write(&self, json: &mut JsonWriter) {
        if let Some(user) = self.user {
            json.member(key!("user_id"), user);
        }
        if let Some(device) = self.device {
            json.member(key!("device_id"), device);
        }
    }
}

/// Writes what the vendor deduplicates by: the messageId, or its SHA-256 where it is too long.
/// `item` numbers the records that one event becomes, from 1.
pub fn write_insert_id(message_id: &str, item: Option<usize>, json: &mut JsonWriter) {
    let hashed;
    let id = if message_id.len() + ITEM_BYTES_MAX > TEXT_CHARACTERS_MAX {
        hashed = sha256_hex(message_id.as_bytes());
        hashed.as_str()
    } else {
        message_id
    };
    match item {
        None => json.member(key!("insert_id"), id),
        Some(number) => json.member(key!("insert_id"), format!("{id}-{number}").as_str()),
    }
}
