//! What an event is about: `properties`. Sources: tiktok-conversions, common_fields.ts;
//! ads.tiktok.com/help/article/about-parameters.

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::prelude::*;

use crate::contents;
use crate::members::Properties;
use crate::rules::Worth;
use crate::settings::{TikTok, UnlistedCurrencies};
use crate::tables::{CURRENCIES, DELIVERY_CATEGORIES, OWN_PROPERTIES};
use crate::values::{is_said, number_member, object, one_of, text, whole};

/// Writes `properties`, when there is something to them.
pub fn write(tiktok: &TikTok, event: &Event<'_>, properties: &Properties<'_>, worth: Worth, json: &mut JsonWriter) {
    object(key!("properties"), json, |json| {
        contents::write(tiktok, event, properties, worth, json);
        money(tiktok, properties, worth, json);
        text(key!("order_id"), properties.order_id, json);
        text(key!("query"), properties.query, json);
        text(key!("search_string"), properties.search_string.filter(is_said).or(properties.query), json);
        text(key!("description"), properties.description, json);
        whole(key!("num_items"), properties.num_items, json);
        text(key!("shop_id"), properties.shop_id, json);
        text(key!("status"), properties.status, json);
        one_of(key!("delivery_category"), DELIVERY_CATEGORIES, properties.delivery_category, json);
        number_member(key!("predicted_ltv"), properties.predicted_ltv, json);
        more(tiktok, event.properties(), json);
    });
}

/// The properties that the setting names, as they are: scalars and lists of them.
fn more(tiktok: &TikTok, properties: Value<'_>, json: &mut JsonWriter) {
    for name in &tiktok.more_properties {
        let value = properties.child(name);
        let is_list = value.is_array() && value.children().next().is_some();
        let is_flat = value.children().all(|element| element.is_scalar());
        if value.as_bool().is_some() || is_said(&value) || (is_list && is_flat) {
            json.member_named(name, value);
        }
    }
}

/// Whether the plugin writes a property of that name itself.
pub fn is_own_property(name: &str) -> bool {
    OWN_PROPERTIES.contains(&name)
}

/// `currency`, and `value`, which says nothing without one.
fn money(tiktok: &TikTok, properties: &Properties<'_>, worth: Worth, json: &mut JsonWriter) {
    let given = properties.currency;
    let currency = match given {
        Some(given) => Currency::of_value(given),
        None => tiktok.default_currency,
    };
    let is_sent = |currency: &Currency| tiktok.unlisted_currencies == UnlistedCurrencies::Send || is_listed(*currency);
    let Some(currency) = currency.filter(is_sent) else { return };
    let amount = amount(tiktok, properties, worth);
    if given.is_some() || !matches!(amount, Amount::None) {
        json.member(key!("currency"), currency);
    }
    match amount {
        Amount::None => {}
        Amount::Given(text) => {
            json.member_key(key!("value"));
            json.raw(text);
        }
        Amount::Computed(number) => json.member(key!("value"), number),
    }
}

/// What an event is worth.
enum Amount<'a> {
    None,
    /// A JSON number of the event.
    Given(&'a [u8]),
    Computed(f64),
}

fn amount<'a>(tiktok: &TikTok, properties: &Properties<'a>, worth: Worth) -> Amount<'a> {
    let Properties { total, revenue, value, .. } = *properties;
    let places = match (worth, tiktok.order_value) {
        (Worth::Given, _) => [value, revenue, None],
        (Worth::Product, _) => [value, None, None],
        (Worth::Order, OrderValue::Total) => [total, revenue, value],
        (Worth::Order, OrderValue::Revenue) => [revenue, total, value],
        (Worth::Order, OrderValue::Value) => [value, total, revenue],
    };
    if let Some(text) = places.iter().flatten().find_map(Value::finite_number_text) {
        return Amount::Given(text);
    }
    match properties.price.and_then(|price| price.finite_number()) {
        Some(price) if worth == Worth::Product => {
            let value = price * properties.quantity.and_then(|quantity| quantity.finite_number()).unwrap_or(1.0);
            // To the millionth, which is finer than any price and coarser than a double's noise.
            Amount::Computed((value * 1e6).round() / 1e6)
        }
        _ => Amount::None,
    }
}

/// Whether the vendor knows a currency.
fn is_listed(currency: Currency) -> bool {
    CURRENCIES.as_bytes().chunks(4).any(|known| known.starts_with(currency.as_bytes()))
}
