//! Recommended eCommerce events. The vendor drops an event that breaks its schema: with a member too
//! many, one too few, or one of the wrong type. What has no place goes into `metadata`, and an event
//! that lacks what is required is sent under its own name instead.
//!
//! Source: recommended_events, event schemas and event validation.

use std::borrow::Cow;

use switchyard_sdk::money::Currency;
use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::events::{begin, write_time};
use crate::identity::Who;
use crate::rules::{
    Is, MEMBERS_MAX, Members, OBJECT_BYTES, PRODUCT, PRODUCT_ALONE, PROPERTIES_BYTES_MAX, Products, RECOMMENDED,
    Recommended,
};
use crate::settings::{Braze, Ecommerce};
use crate::values::{currency_of, whole};

/// The recommended event that an event becomes, where it has all that the vendor requires.
pub fn find(braze: &Braze, event: &Event<'_>) -> Option<&'static Recommended> {
    if braze.ecommerce != Ecommerce::Recommended || event.kind() != Kind::Track {
        return None;
    }
    let rule = name::lookup(RECOMMENDED, &event.event_name().as_str()?)?;
    is_complete(braze, event.properties(), rule).then_some(rule)
}

fn is_complete(braze: &Braze, properties: Value<'_>, rule: &Recommended) -> bool {
    let products = products(properties, rule);
    let value = rule.value.filter(|_| rule.is_value_required);
    // Names become longer here, so the bound is kept from afar.
    let bytes = properties.raw().len() + OBJECT_BYTES / 8 * (1 + products.clone().count());
    currency(braze, properties).is_some()
        && Slots::of(properties, rule.members).is_complete(rule.members)
        && value.is_none_or(|is| worth(braze, properties, is).is_some())
        && products.clone().any(|value| product(value, rule).is_some())
        && bytes <= PROPERTIES_BYTES_MAX
}

/// The products of an event: of its list, or the properties themselves.
fn products<'a>(properties: Value<'a>, rule: &Recommended) -> impl Iterator<Item = Value<'a>> + Clone {
    let is_one = is_one(properties, rule);
    let list = properties.child("products");
    let of_list = list.children().filter(move |_| list.is_array() && !is_one);
    of_list.chain(std::iter::once(properties).filter(move |_| is_one))
}

/// Whether the properties are a product themselves.
fn is_one(properties: Value<'_>, rule: &Recommended) -> bool {
    let list = properties.child("products");
    match rule.products {
        Products::Itself => true,
        Products::OneOrList => !list.is_array() || list.children().next().is_none(),
        Products::List => false,
    }
}

/// A product's fields; None where it lacks one that it must have.
fn product<'a>(value: Value<'a>, rule: &Recommended) -> Option<Slots<'a>> {
    let members = product_members(rule);
    let slots = Slots::of(value, members);
    (value.is_object() && slots.is_complete(members)).then_some(slots)
}

/// Writes the event. It is complete, so that nothing required is missing.
pub fn write(braze: &Braze, event: &Event<'_>, rule: &Recommended, who: &Who<'_>, json: &mut JsonWriter) {
    let properties = event.properties();
    begin(braze, event, who, json);
    json.member(key!("name"), rule.name);
    write_time(event, json);
    json.member_key(key!("properties"));
    json.begin_object();
    let slots = Slots::of(properties, rule.members);
    slots.write(rule.members, json);
    if let Some(action) = rule.action {
        json.member(key!("action"), action);
    }
    let worth = rule.value.and_then(|is| worth(braze, properties, is));
    if let Some((_, value)) = worth {
        json.member_key(key!("total_value"));
        json.raw(value);
    }
    if let Some(currency) = currency(braze, properties) {
        json.member(key!("currency"), currency.as_str());
    }
    json.member(key!("source"), source(braze, event));
    let one = is_one(properties, rule).then(|| Slots::of(properties, product_members(rule)));
    match &one {
        Some(product) if rule.products == Products::Itself => product.write(product_members(rule), json),
        _ => write_products(properties, rule, one.as_ref(), json),
    }
    let is_told = |number: usize, name: &[u8]| {
        matches!(name, b"currency" | b"source" | b"action" | b"time" | b"event_name")
            || slots.has_told(number)
            || one.as_ref().is_some_and(|product| product.has_told(number))
            || (name == b"products" && rule.products != Products::Itself)
            || worth.is_some_and(|(from, _)| from.as_bytes() == name)
    };
    write_metadata(properties, is_told, json);
    json.end_object();
    json.end_object();
}

/// Writes the list of products: of one that is the event itself, whose other properties go with the
/// event, or of those in its list.
fn write_products(properties: Value<'_>, rule: &Recommended, one: Option<&Slots<'_>>, json: &mut JsonWriter) {
    json.member_key(key!("products"));
    json.begin_array();
    if let Some(product) = one {
        json.begin_object();
        product.write(PRODUCT, json);
        json.end_object();
    } else {
        for value in products(properties, rule) {
            let Some(slots) = product(value, rule) else { continue };
            json.begin_object();
            slots.write(PRODUCT, json);
            write_metadata(value, |number, _| slots.has_told(number), json);
            json.end_object();
        }
    }
    json.end_array();
}

fn product_members(rule: &Recommended) -> Members {
    if rule.products == Products::Itself { PRODUCT_ALONE } else { PRODUCT }
}

/// What has no place of its own. What the sender calls metadata is not packed twice.
fn write_metadata(object: Value<'_>, is_told: impl Fn(usize, &[u8]) -> bool, json: &mut JsonWriter) {
    let before = json.len();
    json.member_key(key!("metadata"));
    json.begin_object();
    let start = json.len();
    let own = object.child("metadata");
    for child in own.children().filter(|child| own.is_object() && !child.is_null()) {
        json.raw_key(child.raw_key());
        json.value(child);
    }
    for (number, child) in object.children().enumerate() {
        let name = child.raw_key();
        let is_own = || own.is_object() && (name == b"metadata" || !own.child(&child.key()).is_null());
        if !child.is_null() && !is_told(number, name) && !is_own() {
            json.raw_key(name);
            json.value(child);
        }
    }
    if json.len() == start {
        return json.truncate(before);
    }
    json.end_object();
}

/// A member's value as it is written.
#[derive(Clone, Copy)]
enum Found<'a> {
    Id(Id<'a>),
    Number(&'a [u8]),
    Whole(u64),
    List(Value<'a>),
}

impl<'a> Found<'a> {
    /// The value, when it is what it must be.
    fn of(value: Value<'a>, is: Is) -> Option<Found<'a>> {
        match is {
            Is::Text => Id::of(value).map(Found::Id),
            Is::Money | Is::Amount => money(value, is).map(Found::Number),
            Is::List => value.is_array().then_some(Found::List(value)),
            Is::Quantity => {
                let is_whole = |quantity: &f64| (1.0..1e15).contains(quantity) && quantity.fract() == 0.0;
                let quantity =
                    whole(value).or_else(|| value.finite_number().filter(is_whole).map(|number| number as u64));
                quantity.map(Found::Whole)
            }
        }
    }
}

impl Json for Found<'_> {
    fn write(self, json: &mut JsonWriter) {
        match self {
            Found::Id(id) => json.value(id),
            Found::Number(number) => json.raw(number),
            Found::Whole(number) => json.value(number),
            Found::List(list) => json.value(list),
        }
    }
}

/// The values for some members, found in one walk over the properties.
struct Slots<'a> {
    /// Each with the place of its property among those that the member may come from.
    values: [Option<(usize, Found<'a>)>; MEMBERS_MAX],
    /// A bit for each of the first properties that has its place among the members.
    told: u64,
}

impl<'a> Slots<'a> {
    fn of(object: Value<'a>, members: Members) -> Slots<'a> {
        let mut slots = Slots { values: [None; MEMBERS_MAX], told: 0 };
        for (number, child) in object.children().enumerate() {
            let name = child.raw_key();
            if !members.names.may_have(name) {
                continue;
            }
            for (member, slot) in members.list.iter().zip(&mut slots.values) {
                let Some(rank) = member.from.iter().position(|from| from.as_bytes() == name) else { continue };
                // The SKU may stand in for others, and is told in any case.
                slots.told |= u64::from(name != b"sku") << number.min(63);
                if slot.is_none_or(|(best, _)| rank < best)
                    && let Some(found) = Found::of(child, member.is)
                {
                    *slot = Some((rank, found));
                }
            }
        }
        slots
    }

    fn is_complete(&self, members: Members) -> bool {
        members.list.iter().zip(&self.values).all(|(member, slot)| slot.is_some() || !member.is_required)
    }

    /// Whether the property of that number has its place.
    fn has_told(&self, number: usize) -> bool {
        number < 63 && self.told & (1 << number) != 0
    }

    fn write(&self, members: Members, json: &mut JsonWriter) {
        for (member, slot) in members.list.iter().zip(self.values) {
            match (slot, member.otherwise) {
                (Some((_, found)), _) => json.member(member.to, found),
                (None, Some(otherwise)) => {
                    json.member_key(member.to);
                    json.raw(otherwise.as_bytes());
                }
                (None, None) => {}
            }
        }
    }
}

/// The text of a number of 0 or more.
fn money(value: Value<'_>, is: Is) -> Option<&[u8]> {
    let text = value.finite_number_text()?;
    match text.strip_prefix(b"-") {
        Some(amount) if is == Is::Amount => Some(amount),
        Some(_) => None,
        None => Some(text),
    }
}

/// What the event is worth: the property's name and the number.
fn worth<'a>(braze: &Braze, properties: Value<'a>, is: Is) -> Option<(&'static str, &'a [u8])> {
    let mut names = ["total_value"].into_iter().chain(braze.order_value.properties());
    names.find_map(|name| Some((name, money(properties.child(name), is)?)))
}

fn currency(braze: &Braze, properties: Value<'_>) -> Option<Currency> {
    currency_of(properties.child("currency"), braze.default_currency)
}

/// Where the event comes from. Source: recommended_events, the source field.
fn source<'a>(braze: &'a Braze, event: &Event<'a>) -> Cow<'a, str> {
    if let Some(source) = &braze.source {
        return Cow::Borrowed(source);
    }
    if let Some(source) = event.properties().child("source").as_filled_str() {
        return source;
    }
    let system = event.get("context.os.name").as_str().unwrap_or_default().to_ascii_lowercase();
    let device = event.get("context.device.type").as_str().unwrap_or_default().to_ascii_lowercase();
    let is = |name: &str| system.trim() == name || device.trim() == name;
    Cow::Borrowed(if is("ios") || is("ipados") {
        "ios"
    } else if is("android") {
        "android"
    } else {
        "web"
    })
}
