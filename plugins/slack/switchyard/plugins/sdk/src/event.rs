//! The events of a batch, as a plugin reads them.

use std::borrow::Cow;
use std::cell::Cell;

use crate::bindings::types;
use crate::time;
use crate::value::{Source, Value};

/// What an event is, as the Segment specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something a user did.
    Track,
    /// Who a user is.
    Identify,
    /// A web page seen.
    Page,
    /// A screen of an app seen.
    Screen,
    /// What a user belongs to.
    Group,
    /// Two identities of one user.
    Alias,
    /// A kind that this SDK does not know.
    Other,
}

impl Kind {
    fn from_name(name: &str) -> Kind {
        match name {
            "track" => Kind::Track,
            "identify" => Kind::Identify,
            "page" => Kind::Page,
            "screen" => Kind::Screen,
            "group" => Kind::Group,
            "alias" => Kind::Alias,
            _ => Kind::Other,
        }
    }
}

/// The events that are planned together, and the time for which they are.
#[derive(Debug)]
pub struct Batch {
    now_ms: u64,
    events: Vec<types::Event>,
    index: Vec<Vec<u8>>,
}

impl Batch {
    /// What the host passed.
    pub fn new(now_ms: u64, events: Vec<types::Event>, index: Vec<Vec<u8>>) -> Batch {
        Batch { now_ms, events, index }
    }

    /// The only clock: milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The event at a position of the batch.
    ///
    /// # Panics
    /// When the batch has no such position.
    #[inline]
    pub fn event(&self, position: u32) -> Event<'_> {
        let event = &self.events[position as usize];
        let index = self.index.get(position as usize).map(Vec::as_slice).unwrap_or_default();
        Event::new(position, event, index)
    }

    /// All events, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        (0..self.events.len() as u32).map(|position| self.event(position))
    }

    /// Takes an event's JSON out of the batch, or copies it.
    pub(crate) fn json(&mut self, position: u32, take: bool) -> Vec<u8> {
        match self.events.get_mut(position as usize) {
            Some(event) if take => std::mem::take(&mut event.json),
            Some(event) => event.json.clone(),
            None => Vec::new(),
        }
    }
}

/// Members of an event that have their own accessor.
const MEMBERS: usize = 11;
const USER_ID: usize = 0;
const ANONYMOUS_ID: usize = 1;
const EVENT: usize = 2;
const NAME: usize = 3;
const PROPERTIES: usize = 4;
const TRAITS: usize = 5;
const CONTEXT: usize = 6;
const INTEGRATIONS: usize = 7;
const TIMESTAMP: usize = 8;
const GROUP_ID: usize = 9;
const PREVIOUS_ID: usize = 10;

#[inline]
fn member(key: &[u8]) -> Option<usize> {
    Some(match key {
        b"userId" => USER_ID,
        b"anonymousId" => ANONYMOUS_ID,
        b"event" => EVENT,
        b"name" => NAME,
        b"properties" => PROPERTIES,
        b"traits" => TRAITS,
        b"context" => CONTEXT,
        b"integrations" => INTEGRATIONS,
        b"timestamp" => TIMESTAMP,
        b"groupId" => GROUP_ID,
        b"previousId" => PREVIOUS_ID,
        _ => return None,
    })
}

/// One event of a batch.
pub struct Event<'a> {
    position: u32,
    event: &'a types::Event,
    source: Source<'a>,
    /// The numbers of the members' entries; `u32::MAX` for those that are not there.
    members: [u32; MEMBERS],
    timestamp_us: Cell<Option<i64>>,
}

impl<'a> Event<'a> {
    #[inline]
    fn new(position: u32, event: &'a types::Event, index: &'a [u8]) -> Event<'a> {
        let source = Source::new(&event.json, index);
        let mut members = [u32::MAX; MEMBERS];
        for value in source.value(0).children() {
            if let Some(at) = member(value.raw_key()) {
                members[at] = value.number();
            }
        }
        Event { position, event, source, members, timestamp_us: Cell::new(None) }
    }

    #[inline]
    fn known(&self, member: usize) -> Value<'a> {
        self.source.value(self.members[member])
    }

    /// Its position in the batch.
    #[inline]
    pub fn position(&self) -> u32 {
        self.position
    }

    /// What it is.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_name(&self.event.kind)
    }

    /// Its identity: what the vendor deduplicates by comes from this alone.
    #[inline]
    pub fn message_id(&self) -> &'a str {
        &self.event.message_id
    }

    /// When the host accepted it: milliseconds since 1970.
    #[inline]
    pub fn received_ms(&self) -> u64 {
        self.event.received_ms
    }

    /// Whether a purpose was granted. None: unknown.
    pub fn consent(&self, purpose: &str) -> Option<bool> {
        let purposes = self.event.consent.as_ref()?;
        purposes.iter().find(|(name, _)| name == purpose).map(|(_, granted)| *granted)
    }

    /// The whole event as JSON.
    #[inline]
    pub fn json(&self) -> &'a [u8] {
        &self.event.json
    }

    /// The whole event as a value.
    #[inline]
    pub fn root(&self) -> Value<'a> {
        self.source.value(0)
    }

    /// The value at a path of keys, `properties.order_id`; null when it is not there.
    pub fn get(&self, path: &str) -> Value<'a> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let value = match member(first.as_bytes()) {
            Some(at) => self.known(at),
            None => self.root().child(first),
        };
        if rest.is_empty() { value } else { value.get(rest) }
    }

    /// `event`: the name of a track event.
    #[inline]
    pub fn event_name(&self) -> Value<'a> {
        self.known(EVENT)
    }

    /// The name of a page or screen: `name`, else `properties.name`.
    pub fn page_name(&self) -> Value<'a> {
        let name = self.known(NAME);
        if name.is_null() { self.properties().child("name") } else { name }
    }

    /// The category of a page or screen: `category`, else `properties.category`.
    pub fn page_category(&self) -> Value<'a> {
        let category = self.root().child("category");
        if category.is_null() { self.properties().child("category") } else { category }
    }

    /// `properties`
    #[inline]
    pub fn properties(&self) -> Value<'a> {
        self.known(PROPERTIES)
    }

    /// `traits` as they stand in the event: of the user in an identify, of the group in a group.
    #[inline]
    pub fn own_traits(&self) -> Value<'a> {
        self.known(TRAITS)
    }

    /// The user's traits: `traits` of an identify, else `context.traits`. Some senders put those of an
    /// identify only into the context.
    pub fn user_traits(&self) -> Value<'a> {
        if self.kind() == Kind::Identify && self.own_traits().children().next().is_some() {
            return self.own_traits();
        }
        self.context().child("traits")
    }

    /// `context`
    #[inline]
    pub fn context(&self) -> Value<'a> {
        self.known(CONTEXT)
    }

    /// `integrations`
    #[inline]
    pub fn integrations(&self) -> Value<'a> {
        self.known(INTEGRATIONS)
    }

    /// `userId`, when it is a text that is not blank, or a number.
    pub fn user_id(&self) -> Option<Cow<'a, str>> {
        self.known(USER_ID).as_filled_text()
    }

    /// `anonymousId`, when it is a text that is not blank, or a number.
    pub fn anonymous_id(&self) -> Option<Cow<'a, str>> {
        self.known(ANONYMOUS_ID).as_filled_text()
    }

    /// `groupId`, when it is a text that is not blank, or a number.
    pub fn group_id(&self) -> Option<Cow<'a, str>> {
        self.known(GROUP_ID).as_filled_text()
    }

    /// `previousId`, when it is a text that is not blank, or a number.
    pub fn previous_id(&self) -> Option<Cow<'a, str>> {
        self.known(PREVIOUS_ID).as_filled_text()
    }

    /// When it happened: microseconds since 1970, from `timestamp`; where that is no time, when the
    /// host accepted it.
    pub fn timestamp_us(&self) -> i64 {
        if let Some(known) = self.timestamp_us.get() {
            return known;
        }
        let quoted = self.known(TIMESTAMP).quoted();
        let time = quoted.and_then(time::parse_iso8601_us).unwrap_or(self.event.received_ms as i64 * 1_000);
        self.timestamp_us.set(Some(time));
        time
    }

    /// When it happened: milliseconds since 1970.
    pub fn timestamp_ms(&self) -> i64 {
        self.timestamp_us().div_euclid(1_000)
    }

    /// When it happened: seconds since 1970.
    pub fn timestamp_s(&self) -> i64 {
        self.timestamp_us().div_euclid(1_000_000)
    }
}
