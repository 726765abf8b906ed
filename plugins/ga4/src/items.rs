//! The items of an event, made of its products.

use switchyard_sdk::prelude::*;

use crate::params::{Params, is_valid_name};
use crate::rules::{CUSTOM_ITEM_PARAMS_MAX, ITEM, ITEMS_BYTES_MAX, ITEMS_MAX, PRODUCT_NOT_SENT, Param};
use crate::settings::Ga4;

/// Whether a property is one of a product's, and so belongs to the item of a single-product event.
pub fn is_product_field(key: &[u8]) -> bool {
    field(key).is_some() || key == b"sku" || is_not_sent(key)
}

fn field(key: &[u8]) -> Option<&'static Param> {
    ITEM.iter().find(|param| param.from.as_bytes() == key)
}

fn is_not_sent(key: &[u8]) -> bool {
    PRODUCT_NOT_SENT.iter().any(|name| name.as_bytes() == key)
}

/// Writes `"items":[...]` for the products of a list, or for one product. Products without id and
/// name are left out, and where none is left, so are the items.
pub fn write<'a>(params: &mut Params<'_>, ga4: &Ga4, products: impl Iterator<Item = Value<'a>>, custom: bool) {
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
        item(json, ga4, product, custom);
        count += 1;
    }
    if count > 0 {
        params.json().end_array();
    }
}

/// One of id and name is required.
fn has_identity(product: Value<'_>) -> bool {
    ["product_id", "sku", "name", "item_id", "item_name"].iter().any(|key| is_said(product.child(key)))
}

fn is_said(value: Value<'_>) -> bool {
    value.is_number() || value.quoted().is_some_and(|quoted| !quoted.is_empty())
}

fn item(json: &mut JsonWriter, ga4: &Ga4, product: Value<'_>, custom: bool) {
    json.begin_object();
    let mut params = Params::new(json, ga4.value_characters_max, usize::MAX);
    let mut sku = None;
    let mut own = 0;
    for value in product.children() {
        let key = value.raw_key();
        if let Some(param) = field(key) {
            params.mapped(param, value);
        } else if key == b"sku" {
            sku = Some(value);
        } else if !value.is_scalar() || is_not_sent(key) || !is_valid_name(key) {
            continue;
        } else if ITEM.iter().any(|param| param.to.name().as_bytes() == key) {
            params.scalar(key, value);
        } else if custom && own < CUSTOM_ITEM_PARAMS_MAX {
            let before = params.count();
            params.scalar(key, value);
            own += params.count() - before;
        }
    }
    if let Some(sku) = sku {
        // The id, where there is no other.
        if is_said(product.child("product_id")) || is_said(product.child("item_id")) {
            if custom && own < CUSTOM_ITEM_PARAMS_MAX {
                params.text("sku", sku);
            }
        } else {
            params.text("item_id", sku);
        }
    }
    json.end_object();
}
