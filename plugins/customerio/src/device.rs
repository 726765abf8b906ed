//! Items that add a device to a person, or remove it.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::attributes::cut_bytes;
use crate::dates::time_of_event;
use crate::identity::{Who, id};
use crate::item::{Item, Items};
use crate::rules::{APPLE, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTE_VALUE_BYTES_MAX, ATTRIBUTES_MAX, TOKEN_BYTES_MAX};

const TOO_LARGE: &str = "context.device.token: is too long";

/// The device that an event is about.
pub struct Device<'a> {
    token: Id<'a>,
    platform: &'static str,
}

impl<'a> Device<'a> {
    /// The device of an event; the token may stand in the properties too, as the vendor's own sample has it.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn of(event: &Event<'a>) -> Result<Device<'a>, Refusal> {
        let token = token(event)?;
        let context = event.context();
        let names =
            [device_of(event).child("type"), context.child("device").child("type"), context.child("os").child("name")];
        let missing = Refusal::Reject("context.device.type: must be ios or android");
        Ok(Device { token, platform: names.into_iter().find_map(platform).ok_or(missing)? })
    }
}

fn device_of<'a>(event: &Event<'a>) -> Value<'a> {
    let own = event.properties().child("device");
    if own.is_object() { own } else { event.context().child("device") }
}

/// The token of the device of an event.
///
/// # Errors
/// When it is missing, or cannot be one.
pub fn token<'a>(event: &Event<'a>) -> Result<Id<'a>, Refusal> {
    let of_context = id(event.context().child("device").child("token"));
    let token = of_context.or_else(|| id(device_of(event).child("token")));
    let token = token.ok_or(Refusal::Reject("context.device.token: is missing"))?;
    if token.bytes().len() > TOKEN_BYTES_MAX { Err(Refusal::Reject(TOO_LARGE)) } else { Ok(token) }
}

/// The vendor's name of a system. Source: journeys-track.json, `device_object_common`.
fn platform(value: Value<'_>) -> Option<&'static str> {
    let text = value.as_filled_str()?;
    if name::same(&text, "android") {
        return Some("android");
    }
    APPLE.iter().any(|apple| name::same(&text, apple)).then_some("ios")
}

/// Writes the item that adds or updates a device.
///
/// # Errors
/// When it is too large.
pub fn write_add(
    event: &Event<'_>,
    now_ms: u64,
    person: &Who<'_>,
    device: &Device<'_>,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    items.add("person", "add_device", TOO_LARGE, |item| {
        item.identifiers(person);
        item.json.member_key(key!("device"));
        item.json.begin_object();
        item.json.member(key!("token"), device.token);
        item.json.member(key!("platform"), device.platform);
        if let Some(seconds) = time_of_event(event, now_ms) {
            item.json.member(key!("last_used"), seconds);
        }
        write_attributes(event, item);
        item.json.end_object();
    })
}

/// Writes the item that removes a device.
///
/// # Errors
/// When it is too large.
pub fn write_delete(person: &Who<'_>, token: Id<'_>, items: &mut Items<'_>) -> Result<(), Refusal> {
    items.add("person", "delete_device", TOO_LARGE, |item| {
        item.identifiers(person);
        item.json.member_key(key!("device"));
        item.json.begin_object();
        item.json.member(key!("token"), token);
        item.json.end_object();
    })
}

/// Writes what the vendor knows of devices, and the event's properties. All are texts.
fn write_attributes(event: &Event<'_>, item: &mut Item<'_>) {
    let context = event.context();
    let before = item.json.len();
    item.json.member_key(key!("attributes"));
    item.json.begin_object();
    let opened = item.json.len();
    let mut count = 0;
    let mut write = |name: &str, text: &str| {
        let before = item.json.len();
        if text.trim_ascii().is_empty() || count == ATTRIBUTES_MAX {
            return;
        }
        item.json.member_named(name, cut_bytes(text, ATTRIBUTE_VALUE_BYTES_MAX));
        // Attributes, device and item are still to be closed.
        if item.json.len() + 3 > item.end_max {
            item.json.truncate(before);
        } else {
            count += 1;
        }
    };
    let known = [
        ("device_os", Some(system(context.child("os")))),
        ("device_model", context.child("device").child("model").as_text()),
        ("app_version", context.child("app").child("version").as_text()),
        ("device_locale", context.child("locale").as_text()),
    ];
    let known = known.map(|(name, text)| (name, text.filter(|text| !text.trim_ascii().is_empty())));
    for (name, text) in &known {
        write(name, text.as_deref().unwrap_or_default());
    }
    let properties = event.properties();
    for child in properties.children().filter(|_| properties.is_object()) {
        let name = child.key();
        let is_known = known.iter().any(|(known, text)| *known == name && text.is_some());
        if !is_known && !name.is_empty() && name.len() <= ATTRIBUTE_NAME_BYTES_MAX {
            write(&name, &child.as_text().unwrap_or_default());
        }
    }
    let says_something = item.json.len() > opened;
    item.json.end_object();
    if !says_something {
        item.json.truncate(before);
    }
}

/// The system with its version.
fn system<'a>(os: Value<'a>) -> Cow<'a, str> {
    match (os.child("name").as_filled_str(), os.child("version").as_text()) {
        (Some(name), Some(version)) => Cow::Owned(format!("{name} {version}").trim().to_string()),
        (Some(name), None) => name,
        (None, _) => Cow::Borrowed(""),
    }
}
