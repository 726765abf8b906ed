//! Records of /2/httpapi and /batch: an event with its time, its user and all that is known of it.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::context::{self, Rest};
use crate::identity::{Identity, write_insert_id};
use crate::options::Options;
use crate::products::Products;
use crate::revenue::{Revenue, worth};
use crate::rules::{Of, PAGE, PRODUCT_EVENT, RESERVED_EVENTS, TEXT_CHARACTERS_MAX, Worth};
use crate::settings::Amplitude;
use crate::{groups, properties, user};

/// What the records name as their origin.
const LIBRARY: &str = "switchyard";

/// What an event is called.
#[derive(Clone, Debug)]
pub enum Title<'a> {
    /// As the sender calls it.
    Own(Value<'a>),
    Text(Cow<'a, str>),
}

/// The name of a track, a page or a screen.
///
/// # Errors
/// Says why an event of that name is not sent.
pub fn title<'a>(amplitude: &'a Amplitude, event: &Event<'a>) -> Result<Title<'a>, Refusal> {
    match event.kind() {
        Kind::Page => Ok(Title::Text(filled(&amplitude.page_event, event))),
        Kind::Screen => Ok(Title::Text(filled(&amplitude.screen_event, event))),
        _ => {
            let name = event.event_name();
            let quoted = name.quoted().map(<[u8]>::trim_ascii).filter(|quoted| !quoted.is_empty());
            let first = quoted.ok_or(Refusal::Reject("event: is missing or no text"))?[0];
            // All reserved names begin so.
            if matches!(first, b'[' | b'$')
                && name::lookup(RESERVED_EVENTS, &name.as_str().unwrap_or_default()).is_some()
            {
                return Err(Refusal::Skip("event: is a name that the vendor keeps for itself"));
            }
            Ok(Title::Own(name))
        }
    }
}

/// The pattern with its places filled; what the event does not have is left out with its space.
fn filled<'m>(pattern: &'m str, event: &Event<'_>) -> Cow<'m, str> {
    if !pattern.contains('{') {
        return Cow::Borrowed(pattern);
    }
    let category = event.get("category");
    let category = if category.is_null() { event.properties().child("category") } else { category };
    let category = category.as_filled_str();
    let name = event.page_name().as_filled_str();
    let places = [("{name}", name.as_ref().or(category.as_ref())), ("{category}", category.as_ref())];
    let (mut filled, mut rest) = (String::with_capacity(pattern.len() + 32), pattern);
    while let Some(first) = rest.chars().next() {
        match places.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, value)) => {
                filled.push_str(value.map_or("", |text| text.trim()));
                rest = &rest[place.len()..];
            }
            None => {
                filled.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    let words: Vec<&str> = filled.split_ascii_whitespace().collect();
    Cow::Owned(words.join(" "))
}

/// Writes a track, a page or a screen, and where the settings ask for it the products of an order.
pub fn write(
    amplitude: &Amplitude,
    event: &Event<'_>,
    identity: &Identity<'_>,
    title: Title<'_>,
    records: &mut Records<'_>,
) {
    let own = event.properties();
    let worth = match &title {
        Title::Own(name) => name.as_str().map_or(Worth::Own, |name| worth(&name)),
        Title::Text(_) => Worth::Own,
    };
    let products = Products::of(amplitude, worth, own);
    let revenue =
        Revenue::of(amplitude, worth, own).filter(|_| !products.is_some_and(|products| products.have_revenue));
    let record = Record { amplitude, event, identity, options: Options::of(event) };
    records.record(|json| {
        record.begin(&title, None, json);
        record.write_properties(json);
        let rest = record.write_context(json);
        groups::write(amplitude, rest.group_id, &record.options, json);
        let traits = event.context().child("traits");
        user::write_properties(amplitude, amplitude.context_traits.then_some(traits), &rest, json);
        if let Some(revenue) = revenue {
            revenue.write(json);
        }
        json.end_object();
        true
    });
    let Some(products) = products else { return };
    let title = Title::Text(Cow::Borrowed(PRODUCT_EVENT));
    for (number, product) in products.iter().enumerate() {
        records.record(|json| {
            record.begin(&title, Some(number + 1), json);
            products.write_properties(product, json);
            let rest = record.write_context(json);
            groups::write(amplitude, rest.group_id, &record.options, json);
            products.write_revenue(product, json);
            json.end_object();
            true
        });
    }
}

/// One record.
pub struct Record<'r, 'a> {
    pub amplitude: &'r Amplitude,
    pub event: &'r Event<'a>,
    pub identity: &'r Identity<'a>,
    pub options: Options<'a>,
}

impl<'a> Record<'_, 'a> {
    /// Who, what and when. `item` numbers the records that one event becomes, from 1.
    pub fn begin(&self, title: &Title<'_>, item: Option<usize>, json: &mut JsonWriter) {
        json.begin_object();
        self.identity.write(json);
        json.member_key(key!("event_type"));
        match title {
            Title::Own(name) => json.cut(*name, TEXT_CHARACTERS_MAX),
            Title::Text(name) => json.string(switchyard_sdk::text::cut(name, TEXT_CHARACTERS_MAX)),
        }
        // The vendor takes no other time; without one it is that of its arrival.
        if self.event.timestamp_us() >= 0 {
            json.member(key!("time"), self.event.timestamp_ms());
        }
        write_insert_id(self.event.message_id(), item, json);
    }

    fn write_properties(&self, json: &mut JsonWriter) {
        let event = self.event;
        if event.kind() == Kind::Track {
            return properties::write(event.properties(), &[], json);
        }
        let page = event.context().child("page");
        let of_page = PAGE.map(|key| (key, page.child(key.name())));
        let own = [(key!("name"), event.get("name")), (key!("category"), event.get("category"))];
        let more = own.into_iter().chain(of_page.into_iter().filter(|_| event.kind() == Kind::Page));
        properties::write(event.properties(), &more.collect::<Vec<_>>(), json);
    }

    /// Writes the fields that the context gives, and returns what it tells of the user.
    pub fn write_context(&self, json: &mut JsonWriter) -> Rest<'a> {
        let rest = context::write(self.amplitude, self.event, Of::Events, json);
        json.member(key!("session_id"), self.options.session_id(rest.session_id));
        if !self.amplitude.sync_user_properties || self.options.skips_user_properties_sync() {
            json.member(key!("$skip_user_properties_sync"), true);
        }
        json.member(key!("library"), LIBRARY);
        rest
    }
}
