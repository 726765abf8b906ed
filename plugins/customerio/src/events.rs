//! Items of what somebody did: event, page and screen.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::attributes::{cut_bytes, is_empty};
use crate::dates::{has_date, time_of_event, write_converted};
use crate::event_id::event_id;
use crate::identity::Who;
use crate::item::{Item, Items};
use crate::rules::{EVENT_NAME_BYTES_MAX, MESSAGE_OVERRIDES};
use crate::settings::{CustomerIo, LongNames, PageName};

/// Writes the item of a track, a page or a screen.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    who: &Who<'_>,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let (action, name, too_large) = match event.kind() {
        Kind::Page => ("page", page_name(customer_io, event)?, "name: the page has more than 32,000 bytes"),
        Kind::Screen => ("screen", screen_name(customer_io, event)?, "name: the screen has more than 32,000 bytes"),
        _ => ("event", track_name(event)?, "event: has more than 32,000 bytes"),
    };
    items.add("person", action, too_large, |item| {
        item.identifiers(who);
        item.json.member(key!("name"), fitting(customer_io, &name));
        if let Some(seconds) = time_of_event(event, now_ms) {
            item.json.member(key!("timestamp"), seconds);
        }
        item.json.member(key!("id"), &event_id(event.message_id()));
        write_properties(customer_io, event.properties(), item);
    })
}

fn track_name<'a>(event: &Event<'a>) -> Result<Cow<'a, str>, Refusal> {
    event.event_name().as_filled_str().ok_or(Refusal::Reject("event: is missing, or no text"))
}

/// The name of a page. Source: journeys-track.json, `person_page`.
fn page_name<'a>(customer_io: &CustomerIo, event: &Event<'a>) -> Result<Cow<'a, str>, Refusal> {
    let of_page = |name: &str| {
        let own = event.properties().child(name);
        if is_empty(own) { event.context().child("page").child(name) } else { own }
    };
    let (url, path, name) = (of_page("url"), of_page("path"), event.page_name());
    let order = match customer_io.page_name {
        PageName::Url => [url, path, name],
        PageName::Path => [path, url, name],
        PageName::Name => [name, url, path],
    };
    let missing = Refusal::Reject("properties.url: is missing, and so are path and name");
    order.into_iter().find_map(|value| value.as_filled_str()).ok_or(missing)
}

/// The pattern filled.
fn screen_name<'a>(customer_io: &'a CustomerIo, event: &Event<'a>) -> Result<Cow<'a, str>, Refusal> {
    let pattern = &customer_io.screen_name;
    if !pattern.contains("{name}") {
        return Ok(Cow::Borrowed(pattern));
    }
    let name = event.page_name().as_filled_str().ok_or(Refusal::Reject("name: is missing, or no text"))?;
    if pattern == "{name}" { Ok(name) } else { Ok(Cow::Owned(pattern.replace("{name}", name.trim()))) }
}

/// The name as the vendor takes it.
fn fitting<'n>(customer_io: &CustomerIo, name: &'n str) -> &'n str {
    let name = name.trim();
    match customer_io.long_names {
        LongNames::Cut => cut_bytes(name, EVENT_NAME_BYTES_MAX).trim_end(),
        LongNames::Keep => name,
    }
}

/// Writes the properties. Most events are copied in one piece; others property by property, up to what the
/// item may have.
fn write_properties(customer_io: &CustomerIo, properties: Value<'_>, item: &mut Item<'_>) {
    if !properties.is_object() || properties.children().next().is_none() {
        return;
    }
    let before = item.json.len();
    item.json.member_key(key!("attributes"));
    let is_changed =
        |child: Value<'_>| (customer_io.convert_dates && has_date(child)) || is_left_out(customer_io, child);
    let fits = item.json.len() + properties.raw().len() < item.end_max;
    if fits && !properties.children().any(is_changed) {
        return item.json.value(properties);
    }
    item.json.begin_object();
    let opened = item.json.len();
    for child in properties.children().filter(|child| !is_left_out(customer_io, *child)) {
        let before = item.json.len();
        item.json.raw_key(child.raw_key());
        if customer_io.convert_dates {
            write_converted(child, item.json);
        } else {
            item.json.value(child);
        }
        // The object and the item are still to be closed.
        if item.json.len() + 2 > item.end_max {
            item.json.truncate(before);
        }
    }
    let is_nothing_left = item.json.len() == opened;
    item.json.end_object();
    if is_nothing_left {
        item.json.truncate(before);
    }
}

/// Whether a property has no name, or would change the message and must not.
fn is_left_out(customer_io: &CustomerIo, child: Value<'_>) -> bool {
    child.raw_key().is_empty() || (!customer_io.message_overrides && MESSAGE_OVERRIDES.contains(&&*child.key()))
}
