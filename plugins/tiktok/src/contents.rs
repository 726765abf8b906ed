//! The products of an event: `contents`, or only their ids. Source: tiktok-conversions, common_fields.ts.

use switchyard_sdk::prelude::*;

use crate::members::{Product, Properties};
use crate::rules::Worth;
use crate::settings::{ContentIdFrom, ContentType, TikTok};
use crate::tables::CONTENT_TYPES;
use crate::values::{is_said, number_member, text, text_value, whole};

/// Writes `contents`, else `content_ids`, and what kind of products they are. Products without an id
/// and a name are left out.
pub fn write(tiktok: &TikTok, event: &Event<'_>, properties: &Properties<'_>, worth: Worth, json: &mut JsonWriter) {
    if contents(tiktok, event, properties, worth, json) || ids(properties, json) {
        let given = properties.content_type.and_then(|given| given.as_str());
        let known = given.and_then(|given| CONTENT_TYPES.iter().find(|known| **known == given).copied());
        let of_setting = match tiktok.content_type {
            ContentType::Product => "product",
            ContentType::ProductGroup => "product_group",
        };
        json.member(key!("content_type"), known.unwrap_or(of_setting));
    }
}

/// `products` of the Segment specification, or `contents` of the vendor's own; the properties where
/// they are the product.
fn contents(
    tiktok: &TikTok,
    event: &Event<'_>,
    properties: &Properties<'_>,
    worth: Worth,
    json: &mut JsonWriter,
) -> bool {
    let is_list = |list: &Value<'_>| list.is_array() && list.children().next().is_some();
    if let Some(list) = properties.products.filter(is_list).or(properties.contents.filter(is_list)) {
        return all(tiktok, list.children(), json);
    }
    match properties.contents.filter(Value::is_object) {
        Some(one) => all(tiktok, std::iter::once(one), json),
        None => worth == Worth::Product && all(tiktok, std::iter::once(event.properties()), json),
    }
}

fn all<'a>(tiktok: &TikTok, products: impl Iterator<Item = Value<'a>>, json: &mut JsonWriter) -> bool {
    let before = json.len();
    json.member_key(key!("contents"));
    json.begin_array();
    let empty = json.len();
    products.for_each(|product| content(tiktok, &Product::of(product), json));
    if json.len() == empty {
        json.truncate(before);
        return false;
    }
    json.end_array();
    true
}

fn content(tiktok: &TikTok, product: &Product<'_>, json: &mut JsonWriter) {
    let ids = match tiktok.content_id_from {
        ContentIdFrom::ProductId => [product.product_id, product.sku, product.content_id],
        ContentIdFrom::Sku => [product.sku, product.product_id, product.content_id],
    };
    let id = ids.into_iter().flatten().find(is_said);
    let name = product.name.filter(is_said);
    if id.is_none() && name.is_none() {
        return;
    }
    json.begin_object();
    text(key!("content_id"), id, json);
    text(key!("content_name"), name, json);
    text(key!("content_category"), product.category, json);
    text(key!("brand"), product.brand, json);
    number_member(key!("price"), product.price, json);
    whole(key!("quantity"), product.quantity, json);
    json.end_object();
}

/// `content_ids` as the sender has them: one or several.
fn ids(properties: &Properties<'_>, json: &mut JsonWriter) -> bool {
    let Some(ids) = properties.content_ids else { return false };
    let one = Some(ids).filter(is_said);
    let mut all = one.into_iter().chain(ids.children().filter(|_| ids.is_array()).filter(is_said)).peekable();
    if all.peek().is_none() {
        return false;
    }
    json.member_key(key!("content_ids"));
    json.begin_array();
    all.for_each(|id| text_value(id, json));
    json.end_array();
    true
}
