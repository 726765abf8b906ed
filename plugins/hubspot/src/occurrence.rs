//! Custom events: what happened, to whom, and what is known of it.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::{format_iso8601, parse_iso8601_us};

use crate::calls::{CONTACTS, EVENTS, Inputs, fill};
use crate::identity::{Who, write_uuid};
use crate::properties::{Names, Of, Properties, clean_name};
use crate::rules::{
    DEVICE_TYPE, DEVICE_TYPES, EVENT_ADDRESS, EVENT_CONTEXT, EVENT_NAME_CHARACTERS_MAX, EVENT_PAGE, EVENT_USER_AGENT,
    EVENTS_MAX, FORMER_NAMES, Mapping, TOKENS,
};
use crate::settings::{EventKind, HubSpot, Listed, Unlisted};
use crate::value::Type;

const NO_NAME: Refusal = Refusal::Reject("event: is missing");
const NOT_LISTED: Refusal = Refusal::Skip("event: the setting events does not list it");
const BAD_NAME: Refusal =
    Refusal::Skip("event: makes no name of an event in HubSpot, which has at most 50 letters, digits and _");

/// The custom events of a batch, as they are written.
pub struct Occurrences<'h> {
    hubspot: &'h HubSpot,
    names: Names,
    inputs: Inputs,
    /// Bodies that are full, and their events.
    full: Vec<(JsonWriter, Vec<u32>)>,
}

impl<'h> Occurrences<'h> {
    /// None yet, with room for so many.
    pub fn with_capacity(hubspot: &'h HubSpot, events: usize) -> Occurrences<'h> {
        Occurrences { hubspot, names: Names::new(), inputs: Inputs::with_capacity(events), full: Vec::new() }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Names the field for which it is not sent.
    pub fn add(&mut self, event: &Event<'_>) -> Result<(), Refusal> {
        let before = self.inputs.json().len();
        if let Err(refusal) = write(self.hubspot, event, &mut self.names, self.inputs.json()) {
            self.inputs.json().truncate(before);
            return Err(refusal);
        }
        self.inputs.add(&[event.position()]);
        if self.inputs.len() == EVENTS_MAX {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((json, covers, _)) = self.inputs.take() {
            self.full.push((json, covers));
        }
    }

    /// Plans them. `after_contacts`: contacts of the batch are written first, since an event finds only
    /// a contact that is there.
    pub fn requests(mut self, after_contacts: bool, plan: &mut Plan) {
        self.close();
        for (json, covers) in self.full {
            let request = fill(self.hubspot, plan.post(self.hubspot.events_url.as_str()), EVENTS, json, covers);
            if after_contacts {
                request.lane(CONTACTS);
            }
        }
    }
}

/// Writes one event; what it wrote is to be taken back when it fails.
fn write(hubspot: &HubSpot, event: &Event<'_>, names: &mut Names, json: &mut JsonWriter) -> Result<(), Refusal> {
    let title = title(hubspot, event)?;
    let listed = title.listed;
    let user_id = listed.and_then(|listed| Some((listed.user_id_property.as_deref()?, event.user_id()?)));
    let who = Who::of(event, user_id.is_some())?;
    json.begin_object();
    json.member(key!("eventName"), title.name);
    who.write(json);
    write_time(event, json);
    write_uuid(event.message_id(), json);
    json.verbatim(b",\"properties\":{");
    names.clear();
    let mut properties = Properties::new(json, names, Of::Event);
    // The order is that of importance: what comes late has no room in an event of too many.
    if let Some((name, id)) = user_id {
        properties.text(name, &id);
    }
    write_properties(hubspot, event, listed, &mut properties);
    json.verbatim(b"}}");
    Ok(())
}

/// The event's time, as it stands there where it is in UTC already.
fn write_time(event: &Event<'_>, json: &mut JsonWriter) {
    let own = event.get("timestamp");
    let is_utc = |quoted: &[u8]| matches!(quoted.len(), 20 | 24) && quoted[10] == b'T' && quoted.ends_with(b"Z");
    match own.quoted().filter(|quoted| is_utc(quoted)).and_then(parse_iso8601_us) {
        Some(_) => json.member(key!("occurredAt"), own),
        None => json.member(key!("occurredAt"), format_iso8601(event.timestamp_ms()).as_str()),
    }
}

/// What an event is called, and what the settings say of it.
struct Title<'h> {
    name: Cow<'h, str>,
    listed: Option<&'h Listed>,
}

fn title<'h>(hubspot: &'h HubSpot, event: &Event<'_>) -> Result<Title<'h>, Refusal> {
    let (kind, own) = match event.kind() {
        Kind::Page => (EventKind::Page, event.page_name()),
        Kind::Screen => (EventKind::Screen, event.page_name()),
        _ => (EventKind::Track, event.event_name()),
    };
    let own = own.as_filled_str();
    if own.is_none() && kind == EventKind::Track {
        return Err(NO_NAME);
    }
    if let Some(listed) = find(&hubspot.events, kind, own.as_deref()) {
        return Ok(Title { name: Cow::Borrowed(&listed.name), listed: Some(listed) });
    }
    match (&hubspot.event_prefix, kind, own) {
        (Some(prefix), EventKind::Track, Some(own)) => {
            let clean = clean_name(&own, EVENT_NAME_CHARACTERS_MAX).ok_or(BAD_NAME)?;
            Ok(Title { name: Cow::Owned(format!("{prefix}{clean}")), listed: None })
        }
        _ => Err(NOT_LISTED),
    }
}

/// The entry of that name, else of the name that the same event has in the later specification, else
/// the one for any.
fn find<'h>(events: &'h [Listed], kind: EventKind, own: Option<&str>) -> Option<&'h Listed> {
    let named = |wanted: &str| {
        let is_it = |listed: &&Listed| listed.event.as_deref().is_some_and(|event| name::same(event, wanted));
        events.iter().filter(|listed| listed.kind == kind).find(is_it)
    };
    let former = || own.filter(|_| kind == EventKind::Track).and_then(|own| name::lookup(FORMER_NAMES, own));
    let any = || events.iter().find(|listed| listed.kind == kind && listed.event.is_none());
    own.and_then(named).or_else(|| former().and_then(|later| named(later))).or_else(any)
}

fn write_properties(hubspot: &HubSpot, event: &Event<'_>, listed: Option<&Listed>, properties: &mut Properties<'_>) {
    let own = event.properties();
    let fields = listed.map_or(&[][..], |listed| &listed.fields);
    for field in fields {
        properties.field(field, own);
    }
    // An event that is not listed has no list of properties either.
    if listed.is_none() || hubspot.unlisted_properties == Unlisted::Send {
        let is_told =
            |name: &str| name == "email" || TOKENS.contains(&name) || fields.iter().any(|field| field.head() == name);
        properties.all(own, is_told);
    }
    if hubspot.default_event_properties {
        if event.kind() == Kind::Page {
            write_mapped(EVENT_PAGE, own, properties);
        }
        write_context(event, properties);
    }
}

fn write_context(event: &Event<'_>, properties: &mut Properties<'_>) {
    for part in event.context().children() {
        let key = part.raw_key();
        if let Some((_, mappings)) = EVENT_CONTEXT.iter().find(|(name, _)| name.as_bytes() == key) {
            write_mapped(mappings, part, properties);
            if key == b"device" {
                write_device_type(part.child("type"), properties);
            }
        } else if key == EVENT_USER_AGENT.0.as_bytes() {
            properties.value(EVENT_USER_AGENT.1, part, Type::Text);
        }
    }
    write_mapped(EVENT_ADDRESS, event.user_traits().child("address"), properties);
}

/// Every mapping here has one key, and each key one mapping, so the members are gone through once.
fn write_mapped(mappings: &[Mapping], from: Value<'_>, properties: &mut Properties<'_>) {
    if !from.is_object() {
        return;
    }
    for member in from.children() {
        let key = member.raw_key();
        if let Some(mapping) = mappings.iter().find(|mapping| mapping.from[0].as_bytes() == key) {
            properties.value(mapping.to, member, mapping.is);
        }
    }
}

fn write_device_type(device: Value<'_>, properties: &mut Properties<'_>) {
    let device = device.as_filled_str();
    if let Some(word) = device.and_then(|device| name::lookup(DEVICE_TYPES, &device)) {
        properties.text(DEVICE_TYPE, word);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::settings::HubSpot;

    #[test]
    fn a_request_has_as_many_events_as_the_vendor_takes() {
        let settings = json!({"access_token": "sw_token", "hub_id": "1", "events": [{"event": "A", "name": "a"}]});
        let hubspot = HubSpot::new(serde_json::from_value(settings).unwrap()).unwrap();
        let check = |events: usize, wanted: &[usize]| {
            let event = json!({"type": "track", "messageId": "m", "event": "A", "userId": "u@b.de"});
            let shown = switchyard_sdk::native::plan(&hubspot, crate::plan, 0, &vec![event; events]);
            let covers = shown["requests"].as_array().unwrap().iter().map(|request| &request["covers"]);
            let lengths: Vec<usize> = covers.map(|covers| covers.as_array().map_or(0, Vec::len)).collect();
            assert_eq!(lengths, wanted);
            let inputs = |request: &Value| request["body_json"]["inputs"].as_array().map_or(0, Vec::len);
            let inputs: Vec<usize> = shown["requests"].as_array().unwrap().iter().map(inputs).collect();
            assert_eq!(inputs, wanted);
        };
        check(500, &[500]);
        check(501, &[500, 1]);
    }
}
