//! The products of an event, as `contents` and `content_ids`. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/custom-data.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::choices::ProductId;
use crate::custom::one_of;
use crate::money::number;
use crate::rules::{CONTENT_TYPES, DELIVERY_CATEGORIES, Items, Rule};
use crate::settings::Meta;

/// Where the products of an event are.
pub enum Products<'a> {
    None,
    /// A list of objects, of which those with an id are products.
    List(Value<'a>),
    /// The properties themselves.
    Single(Value<'a>),
}

impl<'a> Products<'a> {
    /// Finds those of an event.
    pub fn of(meta: &Meta, rule: &Rule, properties: Value<'a>) -> Products<'a> {
        if rule.items == Items::None {
            return Products::None;
        }
        let lists = [properties.child("products"), properties.child("contents")];
        let has_product = |list: &Value<'a>| list.children().any(|product| id(meta, product).is_some());
        match lists.into_iter().filter(Value::is_array).find(has_product) {
            Some(list) => Products::List(list),
            None if rule.items == Items::Product => Products::Single(properties),
            None => Products::None,
        }
    }

    /// Each product that has an id.
    fn iter(&self, meta: &Meta) -> impl Iterator<Item = (Value<'a>, Cow<'a, str>)> {
        let (list, single) = match self {
            Products::None => (None, None),
            Products::List(list) => (Some(list.children()), None),
            Products::Single(product) => (None, Some(*product)),
        };
        let all = list.into_iter().flatten().chain(single);
        all.filter_map(move |product| Some((product, id(meta, product)?)))
    }

    /// What they cost; None where one has no price, for then the sum says nothing.
    pub fn sum(&self) -> Option<f64> {
        let cost = |product: Value<'_>| Some(price(product)?.1 * counted(product).unwrap_or(1.0));
        let sum = match self {
            Products::None => None,
            Products::List(list) => list.children().map(cost).sum(),
            Products::Single(product) => cost(*product),
        }?;
        // To the millionth, which is finer than any price and coarser than a double's noise.
        Some((sum * 1e6).round() / 1e6)
    }

    /// How many items they are.
    pub fn count(&self, meta: &Meta) -> u64 {
        self.iter(meta).map(|(product, _)| quantity(product).unwrap_or(1)).sum()
    }

    /// Writes them, and what their ids stand for.
    pub fn write(&self, meta: &Meta, properties: Value<'_>, json: &mut JsonWriter) {
        let before = json.len();
        json.member_key(key!("contents"));
        json.begin_array();
        for (product, id) in self.iter(meta) {
            write_product(product, &id, json);
        }
        json.end_array();
        let has_products = json.as_bytes().last_chunk() != Some(b"[]");
        if !has_products {
            json.truncate(before);
        }
        let has_ids = self.write_ids(meta, properties.child("content_ids"), json);
        if has_ids || has_products {
            let own = one_of(properties.child("content_type"), CONTENT_TYPES);
            json.member(key!("content_type"), own.unwrap_or(meta.content_type.name()));
        }
    }

    /// Writes the ids that the sender gives for the vendor, else those of the products.
    fn write_ids(&self, meta: &Meta, given: Value<'_>, json: &mut JsonWriter) -> bool {
        let before = json.len();
        json.member_key(key!("content_ids"));
        json.begin_array();
        let values = given.children().filter(|_| given.is_array()).chain(given.is_scalar().then_some(given));
        values.filter_map(|value| value.as_filled_text()).for_each(|id| json.value(id));
        if json.as_bytes().last() == Some(&b'[') {
            self.iter(meta).for_each(|(_, id)| json.value(id));
        }
        let has_ids = json.as_bytes().last() != Some(&b'[');
        json.end_array();
        if !has_ids {
            json.truncate(before);
        }
        has_ids
    }
}

fn write_product(product: Value<'_>, id: &str, json: &mut JsonWriter) {
    json.begin_object();
    json.member(key!("id"), id);
    match quantity(product) {
        Some(quantity) => json.member(key!("quantity"), quantity),
        None if product.child("quantity").is_null() => json.member(key!("quantity"), 1_u64),
        None => {}
    }
    if let Some((text, _)) = price(product) {
        json.member_key(key!("item_price"));
        json.raw(text);
    }
    if let Some(category) = one_of(product.child("delivery_category"), DELIVERY_CATEGORIES) {
        json.member(key!("delivery_category"), category);
    }
    json.end_object();
}

/// The id that the catalog has, else another.
fn id<'a>(meta: &Meta, product: Value<'a>) -> Option<Cow<'a, str>> {
    let keys = match meta.product_id_from {
        ProductId::ProductId => ["product_id", "sku", "id"],
        ProductId::Sku => ["sku", "product_id", "id"],
    };
    keys.iter().find_map(|key| product.child(key).as_filled_text())
}

fn price(product: Value<'_>) -> Option<(&[u8], f64)> {
    number(product.child("price")).or_else(|| number(product.child("item_price")))
}

fn counted(product: Value<'_>) -> Option<f64> {
    number(product.child("quantity")).map(|(_, number)| number)
}

/// A whole number of pieces.
fn quantity(product: Value<'_>) -> Option<u64> {
    counted(product).filter(|number| number.fract() == 0.0 && (1.0..9e15).contains(number)).map(|number| number as u64)
}
