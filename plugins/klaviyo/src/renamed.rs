//! An event's properties under the vendor's names: the products first, then one walk that renames what
//! the table names and copies the rest.

use switchyard_sdk::prelude::*;
use switchyard_sdk::text::same;

use crate::items::{self, Item};
use crate::properties::Properties;
use crate::shop::{Is, PRODUCTS, Row, Shop};

/// Writes the properties of one of the vendor's events, and appends its products to `items`. `start` is
/// where the event's record begins.
pub fn write<'a>(
    own: Value<'a>,
    shop: &Shop,
    start: usize,
    items: &mut Vec<Item<'a>>,
    properties: &mut Properties<'_>,
) {
    let list = own.first(PRODUCTS);
    let is_list = list.is_array() && properties.take_room();
    let mut written = 0_u32;
    if let Some(row) = shop.names.rows.iter().position(|row| matches!(row.is, Is::Items) && is_list) {
        properties.json.member_key(shop.names.rows[row].to);
        items::write(list, shop.item, start, items, properties);
        written |= 1 << row;
    }
    for child in own.children().filter(|_| own.is_object()) {
        let row = shop.names.row(child.raw_key());
        match row.map(|row| (row, &shop.names.rows[row])) {
            Some((_, Row { is: Is::Items, .. })) if is_list && child.raw().as_ptr() == list.raw().as_ptr() => {}
            Some((number, row)) if written & (1 << number) == 0 && write_row(child, row, properties) => {
                written |= 1 << number;
            }
            // Of two properties that mean the same the second keeps its own name.
            Some((number, row)) if written & (1 << number) != 0 && same(row.to.name().as_bytes(), child.raw_key()) => {}
            _ => properties.own(own, child),
        }
    }
    for (number, row) in shop.names.rows.iter().enumerate() {
        if let Is::ListOf(part) = row.is
            && written & (1 << number) == 0
        {
            items::write_list(row.to, part, items, properties);
        }
    }
}

/// Writes a member by its row. Whether it could.
fn write_row(child: Value<'_>, row: &Row, properties: &mut Properties<'_>) -> bool {
    match row.is {
        _ if child.is_null() => false,
        Is::Same => properties.named(row.to, child),
        Is::List | Is::ListOf(_) => properties.list(row.to, child),
        Is::Items | Is::Part(_) => false,
    }
}
