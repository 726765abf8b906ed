//! What a request says of an event: all of it, or what the operator mapped.

use serde_json::value::RawValue;
use switchyard_sdk::prelude::*;

use crate::node::{Node, read};
use crate::settings::ContentType;
use crate::webhook::{Mapping, Webhook};
use crate::{form, xml};

/// Writes the event as JSON: mapped, whole with hashed traits, or as it stands.
///
/// # Errors
/// Why there is nothing to send; then nothing is written.
pub fn write_event(webhook: &Webhook, event: &Event<'_>, json: &mut JsonWriter) -> Result<(), String> {
    match &webhook.mapping {
        None if webhook.hashing.names.is_empty() => json.raw(event.json()),
        None => {
            webhook.hashing.write("", event.root(), json);
        }
        Some(mapping) => {
            if !mapped(webhook, mapping, event, json) {
                return Err("body: the event has nothing of what is mapped".to_string());
            }
        }
    }
    Ok(())
}

/// The body of a request with one event.
///
/// # Errors
/// Why there is nothing to send.
pub fn bytes(webhook: &Webhook, event: &Event<'_>) -> Result<Vec<u8>, String> {
    let mut json = JsonWriter::new();
    write_event(webhook, event, &mut json)?;
    if webhook.content_type == ContentType::Json {
        return Ok(json.into_bytes());
    }
    let raw: &RawValue = serde_json::from_slice(json.as_bytes()).map_err(|error| format!("body: {error}"))?;
    let Node::Object(members) = read(raw) else {
        return Err("body: is no object, and a form or XML needs one".to_string());
    };
    Ok(match webhook.content_type {
        ContentType::Xml => xml::write(&webhook.xml_root, &members).into_bytes(),
        _ => form::write(&members, webhook.form_nested).into_bytes(),
    })
}

/// Writes a mapped value. Whether there was one: what the event does not have is left out, or null
/// where it is set so.
fn mapped(webhook: &Webhook, mapping: &Mapping, event: &Event<'_>, json: &mut JsonWriter) -> bool {
    let found = match mapping {
        Mapping::Constant(constant) => {
            json.raw(constant.as_bytes());
            true
        }
        Mapping::Text(template) => match template.only_value(event) {
            Some((path, value)) => !value.is_null() && webhook.hashing.write(path, value, json),
            None => match template.fill(event, |path, value| webhook.hashing.text(path, value)) {
                Ok(text) => {
                    json.string(&text);
                    true
                }
                Err(_) => false,
            },
        },
        Mapping::Array(items) => {
            json.begin_array();
            for item in items {
                mapped(webhook, item, event, json);
            }
            json.end_array();
            true
        }
        Mapping::Object(members) => {
            json.begin_object();
            for (key, member) in members {
                let before = json.len();
                json.key(key);
                if !mapped(webhook, member, event, json) {
                    json.truncate(before);
                }
            }
            json.end_object();
            true
        }
    };
    if !found && webhook.null_for_missing {
        json.raw(b"null");
    }
    found || webhook.null_for_missing
}
