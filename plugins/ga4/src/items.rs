//! The items of an event, made of its products.

use switchyard_sdk::prelude::*;

use crate::fields::Properties;
use crate::params::{Params, is_personal, is_said, is_valid_name};
use crate::rules::{
    CUSTOM_ITEM_PARAMS_MAX, ITEM, ITEM_PARAMS_MAX, ITEMS_BYTES_MAX, ITEMS_MAX, Items, PRODUCT_NOT_SENT, Param, Rule,
};
use crate::settings::Ga4;

/// What the items of an event are made of.
#[derive(Clone, Copy)]
pub enum Products<'a> {
    /// A list of products.
    List(Value<'a>),
    /// The properties, which are one product.
    Single(Value<'a>),
    None,
}

/// Finds the products of an event.
pub fn find<'a>(properties: &Properties<'a>, rule: &Rule) -> Products<'a> {
    let list = if properties.products.is_null() { properties.items } else { properties.products };
    let properties = properties.all;
    if list.is_array() && list.children().next().is_some() {
        Products::List(list)
    } else if rule.items == Items::Product && has_identity(properties) {
        Products::Single(properties)
    } else {
        Products::None
    }
}

/// Whether a property of a single-product event belongs to its item.
pub fn is_in_item(product: Value<'_>, key: &[u8]) -> bool {
    field(key).is_some() || is_not_sent(key) || (key == b"sku" && !has_id(product))
}

/// The field that the sender calls so, else the one that the vendor calls so.
fn field(key: &[u8]) -> Option<&'static Param> {
    let by_sender = ITEM.iter().find(|param| param.from.as_bytes() == key);
    by_sender.or_else(|| ITEM.iter().find(|param| param.to.as_bytes() == key))
}

fn is_not_sent(key: &[u8]) -> bool {
    PRODUCT_NOT_SENT.iter().any(|name| name.as_bytes() == key)
}

/// Writes `"items":[...]`. Products without id and name are left out, and where none is left, so are
/// the items.
pub fn write(params: &mut Params<'_>, ga4: &Ga4, products: Products<'_>) {
    match products {
        Products::List(list) => write_all(params, ga4, list.children(), CUSTOM_ITEM_PARAMS_MAX),
        // What the vendor has no name for is a parameter of the event already.
        Products::Single(product) => write_all(params, ga4, std::iter::once(product), 0),
        Products::None => {}
    }
}

fn write_all<'a>(params: &mut Params<'_>, ga4: &Ga4, products: impl Iterator<Item = Value<'a>>, custom_max: usize) {
    let before = params.json().len();
    let mut count = 0;
    for product in products {
        if count == ITEMS_MAX || params.json().len() - before > ITEMS_BYTES_MAX {
            break;
        }
        if !product.is_object() || !has_identity(product) {
            continue;
        }
        if count == 0 && !params.open(b"items") {
            return;
        }
        let json = params.json();
        if count == 0 {
            json.begin_array();
        }
        item(json, ga4, product, custom_max);
        count += 1;
    }
    if count > 0 {
        params.json().end_array();
    }
}

/// One of id and name is required.
fn has_identity(product: Value<'_>) -> bool {
    is_any_said(product, ["product_id", "item_id", "sku", "name", "item_name"])
}

fn has_id(product: Value<'_>) -> bool {
    is_any_said(product, ["product_id", "item_id"])
}

/// Mostly the first member is one of them.
fn is_any_said<const N: usize>(product: Value<'_>, keys: [&str; N]) -> bool {
    product.is_object() && product.children().any(|value| keys.iter().any(|key| value.key_is(key)) && is_said(&value))
}

fn item(json: &mut JsonWriter, ga4: &Ga4, product: Value<'_>, custom_max: usize) {
    json.begin_object();
    let mut params = Params::new(json, ga4.value_characters_max, ITEM_PARAMS_MAX);
    let mut custom = 0;
    for value in product.children() {
        let key = value.raw_key();
        if is_not_sent(key) {
            continue;
        } else if let Some(param) = field(key) {
            params.mapped(param, &value);
        } else if key == b"sku" && !has_id(product) {
            // The id, where there is no other.
            params.text("item_id", &value);
        } else if custom < custom_max && value.is_scalar() && is_valid_name(key) && !is_personal(key) {
            let before = params.count();
            params.scalar(key, &value);
            custom += params.count() - before;
        }
    }
    json.end_object();
}
