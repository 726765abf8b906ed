//! Objects of `events`: what somebody did, under a name of the sender's.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::format_iso8601;

use crate::identity::{Who, options};
use crate::properties::Properties;
use crate::rules::{NAME_CHARACTERS_MAX, is_reserved_in_event};
use crate::settings::{Braze, LongTexts};

/// Bytes of a time such as `2024-03-01T09:30:00.123Z`, between its quotes.
const TIME_BYTES: usize = 24;

/// Writes a track, a page or a screen.
pub fn write(braze: &Braze, event: &Event<'_>, who: &Who<'_>, json: &mut JsonWriter) {
    begin(braze, event, who, json);
    json.member_key(key!("name"));
    match event.kind() {
        Kind::Page => json.value(page_name(&braze.page_event, event)),
        Kind::Screen => json.value(page_name(&braze.screen_event, event)),
        _ => json.cut(event.event_name(), NAME_CHARACTERS_MAX),
    }
    write_time(event, json);
    json.member_key(key!("properties"));
    let mut properties = Properties::begin(json, braze.long_texts == LongTexts::Cut);
    properties.members(event.properties(), is_reserved_in_event);
    if event.kind() != Kind::Track {
        for (key, value) in [(key!("name"), event.get("name")), (key!("category"), event.get("category"))] {
            if event.properties().child(key.name()).is_null() {
                properties.text(key, value);
            }
        }
    }
    properties.end();
    json.end_object();
}

/// Writes whom an event or a purchase is about, and the app it belongs to.
pub fn begin(braze: &Braze, event: &Event<'_>, who: &Who<'_>, json: &mut JsonWriter) {
    json.begin_object();
    who.write(braze, json);
    let own = options(event).and_then(|options| Id::of(options.first(&["appId", "app_id"])));
    match (own, &braze.app_id) {
        (Some(app), _) => json.member(key!("app_id"), app),
        (None, Some(app)) => json.member(key!("app_id"), app),
        (None, None) => {}
    }
}

/// Writes when it happened.
pub fn write_time(event: &Event<'_>, json: &mut JsonWriter) {
    json.member_key(key!("time"));
    let given = event.get("timestamp");
    // Most times are written as the vendor wants them already.
    let is_plain = given.quoted().is_some_and(|text| {
        text.len() == TIME_BYTES && text[10] == b'T' && text[19] == b'.' && text[TIME_BYTES - 1] == b'Z'
    });
    if is_plain && event.timestamp_ms() != event.received_ms() as i64 {
        return json.value(given);
    }
    json.value(format_iso8601(event.timestamp_ms()).as_str());
}

/// The pattern filled. A place that the event cannot fill is left out with the space behind it.
fn page_name<'a>(pattern: &'a str, event: &Event<'_>) -> Cow<'a, str> {
    if !pattern.contains('{') {
        return Cow::Borrowed(switchyard_sdk::text::cut(pattern, NAME_CHARACTERS_MAX));
    }
    let mut filled = pattern.to_string();
    for (place, value) in [("{category}", category(event)), ("{name}", event.page_name())] {
        let text = value.as_filled_str().unwrap_or_default();
        filled = filled.replace(place, text.trim());
    }
    let words: Vec<&str> = filled.split_whitespace().collect();
    let name = words.join(" ");
    Cow::Owned(switchyard_sdk::text::cut(&name, NAME_CHARACTERS_MAX).to_string())
}

fn category<'a>(event: &Event<'a>) -> Value<'a> {
    let own = event.get("category");
    if own.is_null() { event.properties().child("category") } else { own }
}
