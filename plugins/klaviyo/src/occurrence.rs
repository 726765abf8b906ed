//! One of the vendor's events: its metric, its time, its value and its properties. Source:
//! reference/create_event.

use switchyard_sdk::money::Currency;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::same;

use crate::draft::Draft;
use crate::items::Item;
use crate::money::Amount;
use crate::properties::Properties;
use crate::renamed;
use crate::settings::Klaviyo;
use crate::shop::{Act, ORDER_ID, PRODUCT};

/// What an event and the events of its products have in common.
pub struct Common<'a> {
    order_id: Option<Id<'a>>,
    value: Option<Amount<'a>>,
    currency: Option<Currency>,
}

impl<'a> Common<'a> {
    /// Finds it in an event's properties.
    pub fn of(klaviyo: &Klaviyo, draft: &Draft<'_>, properties: Value<'a>) -> Common<'a> {
        let names = klaviyo.order_value.properties();
        let mut common = Common { order_id: None, value: None, currency: None };
        let mut rank_of_value = names.len();
        for child in properties.children().filter(|_| properties.is_object()) {
            let name = child.raw_key();
            match name.first() {
                Some(b'o') if same(name, b"order_id") => common.order_id = Id::of(child),
                Some(b'c') if same(name, b"currency") => common.currency = Currency::of_value(child),
                Some(b't' | b'r' | b'v') => {
                    let rank = names.iter().position(|known| same(known.as_bytes(), name));
                    if let Some(rank) = rank.filter(|rank| *rank < rank_of_value)
                        && let Some(amount) = Amount::of(child)
                    {
                        (common.value, rank_of_value) = (Some(amount), rank);
                    }
                }
                _ => {}
            }
        }
        if common.value.is_none() && draft.title.shop.is_some_and(|shop| shop.is == Act::Add) {
            common.value = Amount::of_price(properties.child("price"), Some(properties.child("quantity")));
        }
        common
    }
}

/// Writes an event, and appends its products to `items`. `start` is where the event's record begins.
pub fn write<'a>(
    klaviyo: &Klaviyo,
    event: &Event<'a>,
    draft: &Draft<'a>,
    common: &Common<'_>,
    start: usize,
    items: &mut Vec<Item<'a>>,
    json: &mut JsonWriter,
) {
    let own = event.properties();
    json.raw(METRIC);
    json.string(&draft.title.metric);
    json.verbatim(PROPERTIES);
    let mut properties = Properties::new(json, klaviyo.properties_max, 1);
    match draft.title.shop {
        Some(shop) => renamed::write(own, shop, start, items, &mut properties),
        None => properties.copy_all(own),
    }
    if draft.title.is_page {
        for (key, name) in [(key!("name"), "name"), (key!("category"), "category")] {
            let value = event.get(name);
            if own.child(name).is_null() && value.is_scalar() {
                properties.named(key, value);
            }
        }
    }
    json.end_object();
    write_rest(klaviyo, draft, common.value, common.currency, None, json);
}

/// Writes the event of one product of an order. `record` is what was written for the order.
pub fn write_product(
    klaviyo: &Klaviyo,
    draft: &Draft<'_>,
    common: &Common<'_>,
    item: &Item<'_>,
    record: &[u8],
    json: &mut JsonWriter,
) {
    json.raw(ORDERED_PRODUCT);
    if let Some(id) = common.order_id.filter(|_| !item.has_order_id) {
        json.member(ORDER_ID, id);
    }
    let members = &record[item.members.clone()];
    if !members.is_empty() {
        json.raw(members);
    }
    // What was written keeps the bounds already, and an event has room for more than a product.
    item.write_named(PRODUCT, &mut Properties::new(json, klaviyo.properties_max, 1));
    json.end_object();
    let total = &record[item.total.clone()];
    let value = (!total.is_empty()).then_some(Amount::Given(total));
    write_rest(klaviyo, draft, value, common.currency, Some(item.number), json);
}

/// What stands around an event's name.
const METRIC: &[u8] = b"\"metric\":{\"data\":{\"type\":\"metric\",\"attributes\":{\"name\":";
const PROPERTIES: &[u8] = b"}}},\"properties\":{";

/// The same of each product of an order, with its name.
const ORDERED_PRODUCT: &[u8] =
    b"\"metric\":{\"data\":{\"type\":\"metric\",\"attributes\":{\"name\":\"Ordered Product\"}}},\"properties\":{";

/// Writes what follows the properties. `item` numbers the events that an order becomes beside itself.
fn write_rest(
    klaviyo: &Klaviyo,
    draft: &Draft<'_>,
    value: Option<Amount<'_>>,
    currency: Option<Currency>,
    item: Option<usize>,
    json: &mut JsonWriter,
) {
    json.verbatim(b",\"time\":\"");
    json.verbatim(draft.time.as_bytes());
    json.verbatim(b"\"");
    if let Some(amount) = value {
        json.member(key!("value"), amount);
        if let Some(code) = currency {
            json.member(key!("value_currency"), code);
        }
    }
    json.verbatim(b",\"unique_id\":\"");
    json.verbatim(draft.unique_id.bytes());
    if let Some(number) = item {
        json.verbatim(b"-");
        match number {
            // Most orders have few products, and making a text costs more than this.
            0..=9 => json.verbatim(&[b'0' + number as u8]),
            _ => json.verbatim(number.to_string().as_bytes()),
        }
    }
    json.verbatim(b"\"");
    if klaviyo.backfill {
        json.member(key!("backfill"), true);
    }
}
