//! Records of /import: an event with its time, its user and all that is known of it.

use std::borrow::Cow;

use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::context;
use crate::groups;
use crate::identity::{Identity, write_insert_id};
use crate::properties::{Found, Properties};
use crate::rules::{ELEMENTS_MAX, MERGES, ORDERS, TIME_AHEAD_MS_MAX, TIME_MS_MIN};
use crate::settings::Mixpanel;

/// The event's time where the vendor takes it, in milliseconds since 1970.
///
/// # Errors
/// Says which side of the window it is on.
pub fn time_ms(event: &Event<'_>, now_ms: u64) -> Result<i64, &'static str> {
    let time_ms = event.timestamp_ms();
    if time_ms < TIME_MS_MIN {
        return Err("timestamp: is before 1971-01-01");
    }
    if time_ms > now_ms as i64 + TIME_AHEAD_MS_MAX {
        return Err("timestamp: is more than an hour ahead");
    }
    Ok(time_ms)
}

/// Writes a track, a page or a screen.
///
/// # Errors
/// Names the field for which the event cannot be sent.
pub fn write(
    mixpanel: &Mixpanel,
    event: &Event<'_>,
    now_ms: u64,
    records: &mut Records<'_>,
) -> Result<(), &'static str> {
    let time_ms = time_ms(event, now_ms)?;
    let title = title(mixpanel, event)?;
    let extra = match event.kind() {
        Kind::Page | Kind::Screen => [(key!("name"), event.get("name")), (key!("category"), event.get("category"))],
        _ => no_extra(event),
    };
    let record = Record { mixpanel, event, time_ms, item: None, properties: event.properties(), extra };
    records.record(|json| record.write(title, json));
    Ok(())
}

/// Writes an event that only the settings ask for, beside an identify or a group.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_extra(
    mixpanel: &Mixpanel,
    event: &Event<'_>,
    name: &str,
    now_ms: u64,
    records: &mut Records<'_>,
) -> Result<(), &'static str> {
    let time_ms = time_ms(event, now_ms)?;
    let record = Record { mixpanel, event, time_ms, item: None, properties: nothing(event), extra: no_extra(event) };
    records.record(|json| record.write(Title::Text(Cow::Borrowed(name)), json));
    Ok(())
}

/// Writes the products of an order, each as an event of its own.
///
/// # Errors
/// Names the field for which they cannot be sent.
pub fn write_products(
    mixpanel: &Mixpanel,
    event: &Event<'_>,
    name: &str,
    now_ms: u64,
    records: &mut Records<'_>,
) -> Result<(), &'static str> {
    let time_ms = time_ms(event, now_ms)?;
    let order = event.properties();
    let products = order.child("products").children().enumerate();
    for (number, product) in products.filter(|(_, product)| product.is_object()).take(ELEMENTS_MAX) {
        let extra = [(key!("order_id"), order.child("order_id")), (key!("currency"), order.child("currency"))];
        let record = Record { mixpanel, event, time_ms, item: Some(number), properties: product, extra };
        records.record(|json| record.write(Title::Text(Cow::Borrowed(name)), json));
    }
    Ok(())
}

/// Whether an event is an order with products.
pub fn is_order(event: &Event<'_>) -> bool {
    event.kind() == Kind::Track
        && event.properties().child("products").is_array()
        && event.event_name().as_str().is_some_and(|title| name::lookup(ORDERS, &title).is_some())
}

/// What an event is called.
enum Title<'a> {
    /// As the sender calls it.
    Own(Value<'a>),
    Text(Cow<'a, str>),
}

/// What a track, a page or a screen is called.
fn title<'a>(mixpanel: &'a Mixpanel, event: &Event<'a>) -> Result<Title<'a>, &'static str> {
    let title = match event.kind() {
        Kind::Page => Title::Text(mixpanel.page_event.filled_in(event)),
        Kind::Screen => Title::Text(mixpanel.screen_event.filled_in(event)),
        _ => Title::Own(event.event_name()),
    };
    let text = match &title {
        Title::Own(name) => name.as_filled_str().ok_or("event: is missing")?,
        Title::Text(text) => Cow::Borrowed(text.as_ref()),
    };
    if MERGES.contains(&text.trim_ascii()) {
        return Err("event: has a name by which the vendor joins identities; send an identify or an alias");
    }
    Ok(title)
}

type Extra<'a> = [(Key, Value<'a>); 2];

fn no_extra<'a>(event: &Event<'a>) -> Extra<'a> {
    [(key!("name"), nothing(event)), (key!("category"), nothing(event))]
}

/// A value that is not there: a text has no members.
fn nothing<'a>(event: &Event<'a>) -> Value<'a> {
    event.get("type").child("")
}

/// One record.
struct Record<'r, 'a> {
    mixpanel: &'r Mixpanel,
    event: &'r Event<'a>,
    time_ms: i64,
    /// Which of several records of the event it is.
    item: Option<usize>,
    properties: Value<'a>,
    /// Members beside the properties, where these do not have them.
    extra: Extra<'a>,
}

impl Record<'_, '_> {
    fn write(&self, title: Title<'_>, json: &mut JsonWriter) -> bool {
        let (mixpanel, event) = (self.mixpanel, self.event);
        json.begin_object();
        match title {
            Title::Own(name) => json.member(key!("event"), name),
            Title::Text(name) => json.member(key!("event"), name),
        }
        json.verbatim(b",\"properties\":{");
        // The order is that of importance: what comes late has no room in an event of too many.
        let identity = Identity::of(event);
        json.member(key!("time"), self.time_ms);
        identity.write_distinct_id(mixpanel.identity_mode, key!("distinct_id"), json);
        write_insert_id(event.message_id(), self.item, json);
        let mut count = 4;
        for (key, id) in [(key!("$device_id"), identity.device), (key!("$user_id"), identity.user)] {
            if let Some(id) = id {
                json.member(key, id);
                count += 1;
            }
        }
        json.member_key(key!("ip"));
        write_ip(mixpanel, event, json);
        let found = Found::in_properties(self.properties, &mixpanel.group_key);
        let mut properties = Properties::new(json, &found, count);
        if let Some(group) = group(event) {
            properties.named(&mixpanel.group_key, group);
        }
        if !mixpanel.group_keys.is_empty() && event.kind() == Kind::Group {
            for (key, group) in groups::further(mixpanel, event) {
                properties.named(key, group);
            }
        }
        properties.copy_own();
        for (key, value) in self.extra {
            properties.text(key, value);
        }
        context::write(mixpanel, event, &mut properties);
        json.verbatim(b"}}");
        true
    }
}

/// Writes the user's address. Without one the vendor would place the user where this server stands;
/// 0 is no place.
pub fn write_ip(mixpanel: &Mixpanel, event: &Event<'_>, json: &mut JsonWriter) {
    let of_context = event.context().child("ip");
    let ip = if of_context.is_null() { event.properties().child("ip") } else { of_context };
    match ip.quoted() {
        Some(quoted) if mixpanel.send_ip && !quoted.trim_ascii().is_empty() => json.value(ip),
        _ => json.raw(b"\"0\""),
    }
}

/// The group that an event is of.
fn group<'a>(event: &Event<'a>) -> Option<Id<'a>> {
    Id::of(event.get("groupId")).or_else(|| Id::of(event.context().child("groupId")))
}
