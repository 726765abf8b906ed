//! `custom_data`: what happened, in the vendor's parameters, and what else the sender tells.

use switchyard_sdk::prelude::*;

use crate::products::Products;
use crate::rules::{Items, PAGE_TOLD, PAGE_VIEW, PARAMETERS, Rule, Type, is_personal};
use crate::settings::Meta;
use crate::{money, said};

/// Bytes of the longest name in the list of personal properties.
const PERSONAL_BYTES_MAX: usize = 16;

/// Writes the parameters of an event; nothing where it has none.
///
/// # Errors
/// What is missing that the vendor wants.
pub fn write(meta: &Meta, event: &Event<'_>, rule: &Rule, json: &mut JsonWriter) -> Result<(), &'static str> {
    let properties = event.properties();
    let products = Products::of(meta, rule, properties);
    let before = json.len();
    json.member_key(key!("custom_data"));
    json.begin_object();
    let empty = json.len();
    money::write(meta, rule, properties, &products, json)?;
    if rule.items != Items::None {
        products.write(meta, properties, json);
    }
    for (from, to) in rule.params {
        if properties.child(to.name()).is_null() {
            typed(properties.child(from), to.name(), Type::Text, json);
        }
    }
    if rule.counts_items && properties.child("num_items").is_null() {
        let count = products.count(meta);
        if count > 0 {
            json.member(key!("num_items"), count);
        }
    }
    if properties.is_object() {
        properties.children().filter(|property| !is_told(meta, rule, property)).for_each(|property| {
            write_property(meta, property, json);
        });
    }
    let is_empty = json.len() == empty;
    json.end_object();
    if is_empty {
        json.truncate(before);
    }
    Ok(())
}

/// Whether a property is written elsewhere, or not at all.
fn is_told(meta: &Meta, rule: &Rule, property: &Value<'_>) -> bool {
    let key = property.raw_key();
    let is_of_products = match key {
        b"products" | b"contents" | b"content_ids" | b"content_type" => rule.items != Items::None,
        b"product_id" | b"sku" | b"price" | b"quantity" => rule.items == Items::Product,
        b"value" | b"currency" => true,
        _ => false,
    };
    is_of_products
        || said::term(key).is_some()
        || rule.params.iter().any(|(from, _)| from.as_bytes() == key)
        || (rule.name == PAGE_VIEW.name && PAGE_TOLD.iter().any(|told| told.as_bytes() == key))
        || meta.excluded_properties.iter().any(|excluded| excluded.as_bytes() == key)
}

/// Writes a property under its own name: as the vendor wants it, or where it knows none as it is.
fn write_property(meta: &Meta, property: Value<'_>, json: &mut JsonWriter) {
    let key = property.raw_key();
    if let Some((name, parameter)) = PARAMETERS.iter().find(|(name, _)| name.as_bytes() == key) {
        return typed(property, name, *parameter, json);
    }
    if !meta.custom_properties || key.is_empty() || names_a_person(key) {
        return;
    }
    if is_plain(&property) {
        json.raw_key(key);
        json.value(property);
    } else if property.is_array() && property.children().any(|value| is_plain(&value)) {
        json.raw_key(key);
        json.begin_array();
        property.children().filter(is_plain).for_each(|value| json.value(value));
        json.end_array();
    }
}

/// Writes a parameter of that type, or nothing.
fn typed(value: Value<'_>, name: &str, parameter: Type, json: &mut JsonWriter) {
    match parameter {
        Type::Text if value.is_number() => json.member_named(name, value.as_text().unwrap_or_default()),
        Type::Text if is_plain(&value) && value.is_string() => json.member_named(name, value),
        Type::Number | Type::Count => {
            let number = money::number(value);
            let number = number.filter(|(_, number)| parameter == Type::Number || number.fract() == 0.0);
            if let Some((text, _)) = number {
                json.key(name);
                json.raw(text);
            }
        }
        Type::OneOf(names) => {
            if let Some(known) = one_of(value, names) {
                json.member_named(name, known);
            }
        }
        Type::Text => {}
    }
}

/// The name in a list that a text is, whatever its case.
pub fn one_of(value: Value<'_>, names: &[&'static str]) -> Option<&'static str> {
    let text = value.quoted()?.trim_ascii();
    names.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(text)).copied()
}

/// Whether a value says something and names nobody: no list, no object, nothing blank and no e-mail
/// address.
fn is_plain(value: &Value<'_>) -> bool {
    match value.quoted() {
        Some(quoted) => !quoted.trim_ascii().is_empty() && !is_address(quoted),
        None => value.is_scalar(),
    }
}

/// Whether a text is an e-mail address.
fn is_address(text: &[u8]) -> bool {
    match text.iter().position(|byte| *byte == b'@') {
        Some(at) => at > 0 && text[at..].contains(&b'.') && !text.trim_ascii().contains(&b' '),
        None => false,
    }
}

/// Whether a name is one of those that name a person, however its words are put together.
fn names_a_person(key: &[u8]) -> bool {
    let mut name = [0; PERSONAL_BYTES_MAX];
    let mut len = 0;
    for byte in key.iter().filter(|byte| !matches!(byte, b'_' | b'-' | b' ' | b'.')) {
        let Some(place) = name.get_mut(len) else { return false };
        *place = byte.to_ascii_lowercase();
        len += 1;
    }
    is_personal(&name[..len])
}
