//! What a request says of an event: all of it, or what the operator mapped.

use switchyard_sdk::hash::{already_hashed, hash_cleaned};
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::url::percent_encode_into;

use crate::settings::{ContentType, FormNested, Mapping, Webhook};

/// Writes the event as JSON: mapped, whole with hashed traits, or as it stands.
pub fn event(webhook: &Webhook, event: &Event<'_>, json: &mut JsonWriter) {
    if let Some(mapping) = &webhook.mapping {
        if !mapped(webhook, mapping, event, json) {
            json.raw(b"null");
        }
    } else if webhook.hash_traits.is_empty() {
        json.raw(event.json());
    } else {
        with_hashed_traits(webhook, event, json);
    }
}

/// Writes a mapped value. Whether there was one: what the event does not have is left out.
fn mapped(webhook: &Webhook, mapping: &Mapping, event: &Event<'_>, json: &mut JsonWriter) -> bool {
    match mapping {
        Mapping::Constant(constant) => json.raw(constant.as_bytes()),
        Mapping::Text(template) => match template.only_value(event) {
            Some(value) if value.is_null() => return false,
            Some(value) => json.value(value),
            None => match template.fill(event, String::push_str) {
                Ok(text) => json.string(&text),
                Err(_) => return false,
            },
        },
        Mapping::Array(items) => {
            json.begin_array();
            for item in items {
                mapped(webhook, item, event, json);
            }
            json.end_array();
        }
        Mapping::Object(members) => {
            json.begin_object();
            for (key, member) in members {
                let before = json.len();
                json.key(key);
                if !mapped(webhook, member, event, json) {
                    if webhook.null_for_missing {
                        json.raw(b"null");
                    } else {
                        json.truncate(before);
                    }
                }
            }
            json.end_object();
        }
    }
    true
}

/// The event whole, but for the named traits of `traits` and `context.traits`, which are hashed.
fn with_hashed_traits(webhook: &Webhook, event: &Event<'_>, json: &mut JsonWriter) {
    object(event.root(), json, |member, json| match &*member.key() {
        "traits" => hashed(webhook, member, json),
        "context" if member.is_object() => object(member, json, |inner, json| {
            if inner.raw_key() == b"traits" { hashed(webhook, inner, json) } else { json.value(inner) }
        }),
        _ => json.value(member),
    });
}

fn object<'a>(value: Value<'a>, json: &mut JsonWriter, mut write: impl FnMut(Value<'a>, &mut JsonWriter)) {
    json.begin_object();
    for member in value.children() {
        json.raw_key(member.raw_key());
        write(member, json);
    }
    json.end_object();
}

fn hashed(webhook: &Webhook, traits: Value<'_>, json: &mut JsonWriter) {
    if !traits.is_object() {
        return json.value(traits);
    }
    object(traits, json, |member, json| {
        let key = member.key();
        if !webhook.hash_traits.iter().any(|name| *name == key) {
            return json.value(member);
        }
        match member.as_text().as_deref().and_then(|text| hash(webhook, &key, text)) {
            Some(hex) => json.value(hex),
            None => json.raw(b"null"),
        }
    });
}

fn hash(webhook: &Webhook, key: &str, text: &str) -> Option<switchyard_sdk::hash::Hex> {
    if let Some(hex) = already_hashed(text) {
        return Some(hex);
    }
    match key {
        "phone" => hash_cleaned(&normalise::phone_e164(text, webhook.default_country_code.as_deref())?),
        _ => hash_cleaned(&normalise::email(text)),
    }
}

/// The content type and the bytes of a body that is no JSON.
pub fn other(webhook: &Webhook, event: &Event<'_>) -> (&'static str, Vec<u8>) {
    let mut json = JsonWriter::new();
    self::event(webhook, event, &mut json);
    let body = serde_json::from_slice(json.as_bytes()).unwrap_or_default();
    if webhook.content_type == ContentType::Xml {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        element(&mut xml, "event", &body);
        return ("application/xml", xml.into_bytes());
    }
    let mut form = String::new();
    if let serde_json::Value::Object(members) = &body {
        for (key, member) in members {
            pairs(&mut form, webhook.form_nested, key, member);
        }
    }
    ("application/x-www-form-urlencoded", form.into_bytes())
}

/// The pairs of a value in a form; null gives none.
fn pairs(form: &mut String, nested: FormNested, key: &str, value: &serde_json::Value) {
    use serde_json::Value::{Array, Null, Object, String as Text};
    match value {
        Null => {}
        Object(members) if nested == FormNested::Dotted => {
            members.iter().for_each(|(inner, member)| pairs(form, nested, &format!("{key}.{inner}"), member));
        }
        Array(items) if nested == FormNested::Dotted => {
            items.iter().enumerate().for_each(|(number, item)| pairs(form, nested, &format!("{key}.{number}"), item));
        }
        Text(text) => pair(form, key, text),
        other => pair(form, key, &other.to_string()),
    }
}

fn pair(form: &mut String, key: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    percent_encode_into(form, key);
    form.push('=');
    percent_encode_into(form, value);
}

/// An element of a value: members are elements in it, and each item of an array is one of its name.
fn element(xml: &mut String, name: &str, value: &serde_json::Value) {
    use serde_json::Value::{Array, Null, Object, String as Text};
    if let Array(items) = value {
        return items.iter().for_each(|item| element(xml, name, item));
    }
    let name = element_name(name);
    xml.push_str(&format!("<{name}>"));
    match value {
        Object(members) => members.iter().for_each(|(key, member)| element(xml, key, member)),
        Text(text) => xml_text(xml, text),
        Null | Array(_) => {}
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str(&format!("</{name}>"));
}

/// A key as an element may be named: signs that may not be there become `_`.
fn element_name(key: &str) -> String {
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    let name: String = key.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    if name.starts_with(|first: char| first.is_alphabetic() || first == '_') { name } else { format!("_{name}") }
}

/// A text with its markup escaped; control characters, which XML does not have, are left out.
fn xml_text(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' | '\r' => xml.push(character),
            control if control.is_control() => {}
            plain => xml.push(plain),
        }
    }
}
