//! Products under the vendor's names. Each is written once, into the event that it belongs to; where it
//! becomes an event of its own as well, what was written is copied.

use std::ops::Range;

use switchyard_sdk::prelude::*;
use switchyard_sdk::text::same;

use crate::money::Amount;
use crate::properties::{Properties, can_stand, write_fitting};
use crate::rules::{ELEMENTS_MAX, TEXT_BYTES_MAX};
use crate::shop::{ITEM, Is, ItemNames, ORDER_ID, Part, ROW_TOTAL, Row};

/// A product is the third of the containers in one another: behind the properties and their list.
const DEPTH: usize = 3;

/// A product as it was written.
pub struct Item<'a> {
    /// Its number in the list.
    pub number: usize,
    /// Where its members stand, but for its categories and its brand. Places count from the beginning
    /// of the event's record.
    pub members: Range<usize>,
    /// Whether the sender gave it an OrderId of its own.
    pub has_order_id: bool,
    /// Where the number stands that says what it costs as often as it was bought; empty where none does.
    pub total: Range<usize>,
    name: Option<Value<'a>>,
    categories: Option<Value<'a>>,
    brand: Option<Value<'a>>,
}

impl<'a> Item<'a> {
    fn part(&self, part: Part) -> Option<Value<'a>> {
        match part {
            Part::Name => self.name,
            Part::Categories => self.categories,
            Part::Brand => self.brand,
            _ => None,
        }
    }

    /// Writes its categories and its brand behind its other members.
    pub fn write_named(&self, names: ItemNames, properties: &mut Properties<'_>) {
        if let Some(categories) = self.categories {
            properties.list(names.categories, categories);
        }
        if let Some(brand) = self.brand {
            properties.named(names.brand, brand);
        }
    }
}

/// Writes a list of products, and appends those that say something to `items`. `start` is where the
/// event's record begins.
pub fn write<'a>(
    list: Value<'a>,
    names: ItemNames,
    start: usize,
    items: &mut Vec<Item<'a>>,
    properties: &mut Properties<'_>,
) {
    properties.json.begin_array();
    let fitting = list.children().enumerate().filter(|(_, product)| can_stand(*product, DEPTH));
    for (number, product) in fitting.take(ELEMENTS_MAX) {
        if product.is_object() && product.children().next().is_some() {
            properties.json.begin_object();
            let item = write_item(number, product, start, &mut properties.inner(2));
            item.write_named(names, &mut properties.inner(2));
            properties.json.end_object();
            items.push(item);
        } else {
            write_fitting(product, DEPTH, properties.json);
        }
    }
    properties.json.end_array();
}

/// Writes a product's members, each name once.
fn write_item<'a>(number: usize, product: Value<'a>, start: usize, properties: &mut Properties<'_>) -> Item<'a> {
    let first = properties.json.len() - start;
    let mut item = Item {
        number,
        members: first..first,
        has_order_id: false,
        total: 0..0,
        name: None,
        categories: None,
        brand: None,
    };
    let (mut price, mut quantity) = (None, None);
    let mut written = 0_u32;
    for child in product.children() {
        let Some(row) = ITEM.row(child.raw_key()) else {
            item.has_order_id |= same(child.raw_key(), ORDER_ID.name().as_bytes());
            properties.own(product, child);
            continue;
        };
        let Row { to, is: Is::Part(part), .. } = &ITEM.rows[row] else { continue };
        if written & (1 << row) != 0 || child.is_null() {
            // Of two properties that mean the same the second keeps its own name, if that is not the
            // vendor's, which begins with a capital.
            if child.raw_key().first().is_some_and(u8::is_ascii_lowercase) {
                properties.own(product, child);
            }
            continue;
        }
        written |= 1 << row;
        match part {
            Part::Categories => {
                item.categories = Some(child);
                continue;
            }
            Part::Brand => {
                item.brand = Some(child);
                continue;
            }
            Part::Name => item.name = Some(child),
            Part::Price => price = Some(child),
            Part::Quantity => quantity = Some(child),
            Part::Plain | Part::Total => {}
        }
        properties.named(*to, child);
        if *part == Part::Total && Amount::of(child).is_some() {
            let end = properties.json.len() - start;
            item.total = end - child.raw().len()..end;
        }
    }
    if item.total.is_empty()
        && let Some(total) = price.and_then(|price| Amount::of_price(price, quantity))
    {
        properties.json.member_key(ROW_TOTAL);
        let before = properties.json.len() - start;
        properties.json.value(total);
        item.total = before..properties.json.len() - start;
    }
    item.members.end = properties.json.len() - start;
    item
}

/// Writes a list of what the products have of a part, each once.
pub fn write_list(key: Key, part: Part, items: &[Item<'_>], properties: &mut Properties<'_>) {
    let mut seen = Vec::with_capacity(items.len());
    for value in items.iter().filter_map(|item| item.part(part)) {
        if value.is_array() {
            value.children().for_each(|text| see(text, &mut seen));
        } else {
            see(value, &mut seen);
        }
    }
    if seen.is_empty() || !properties.take_room() {
        return;
    }
    properties.json.member_key(key);
    properties.json.begin_array();
    seen.iter().for_each(|text| properties.json.raw(text));
    properties.json.end_array();
}

/// Adds a text that says something, is not too long and not there yet.
fn see<'a>(text: Value<'a>, seen: &mut Vec<&'a [u8]>) {
    let raw = text.raw();
    let is_said = text.is_string() && raw[1..].iter().any(|byte| !matches!(byte, b' ' | b'"'));
    let has_room = is_said && raw.len() <= TEXT_BYTES_MAX && seen.len() < ELEMENTS_MAX;
    if has_room && !seen.iter().any(|seen| same(seen, raw)) {
        seen.push(raw);
    }
}
