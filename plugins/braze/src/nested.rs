//! Attributes that are objects or lists. The vendor drops all nested attributes of a request for one
//! bad value in them, so nulls and names that it cannot keep are left out.

use switchyard_sdk::prelude::*;

use crate::rules::{NAME_CHARACTERS_MAX, NESTED_OPERATORS, PROPERTIES_BYTES_MAX, TEXT_CHARACTERS_MAX};

/// Writes a member whose value is an object or a list. Whether anything of it could be kept.
pub fn write(name: &str, value: Value<'_>, cuts: bool, json: &mut JsonWriter) -> bool {
    let before = json.len();
    json.key(name);
    let start = json.len();
    write_value(value, cuts, json);
    let written = &json.as_bytes()[start..];
    let is_left = !matches!(written, b"{}" | b"[]") || value.children().next().is_none();
    let is_fit = is_left && written.len() <= PROPERTIES_BYTES_MAX;
    if !is_fit {
        json.truncate(before);
    }
    is_fit
}

fn write_value(value: Value<'_>, cuts: bool, json: &mut JsonWriter) {
    if is_clean(value) {
        return json.value(value);
    }
    if value.is_object() {
        json.begin_object();
        for child in value.children().filter(|child| !child.is_null() && is_name(*child)) {
            json.raw_key(child.raw_key());
            write_value(child, cuts, json);
        }
        json.end_object();
    } else if value.is_array() {
        json.begin_array();
        for child in value.children().filter(|child| !child.is_null()) {
            write_value(child, cuts, json);
        }
        json.end_array();
    } else if cuts {
        json.cut(value, TEXT_CHARACTERS_MAX);
    } else {
        json.value(value);
    }
}

/// Whether a value can be copied as it stands.
fn is_clean(value: Value<'_>) -> bool {
    match value.quoted() {
        Some(quoted) => quoted.len() <= TEXT_CHARACTERS_MAX,
        None if value.is_object() => {
            value.children().all(|child| !child.is_null() && is_name(child) && is_clean(child))
        }
        None => value.children().all(|child| !child.is_null() && is_clean(child)),
    }
}

/// Whether a member may be called so. Source: nested_custom_attribute_support, limitations.
fn is_name(member: Value<'_>) -> bool {
    let name = member.raw_key();
    let has_sign = name.iter().any(|byte| matches!(byte, b' ' | b'.' | b'$'));
    let is_short = name.len() <= NAME_CHARACTERS_MAX || member.key().chars().count() <= NAME_CHARACTERS_MAX;
    !name.is_empty() && is_short && (!has_sign || NESTED_OPERATORS.contains(&name))
}
