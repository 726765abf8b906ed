//! The URL: its host is the operator's, never the event's.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::{percent_encode, push_query};

use crate::template::Template;
use crate::webhook::Webhook;

/// Bytes of a URL. Source: the limits of a plan, plugins.md.
const URL_BYTES_MAX: usize = 8_000;

/// Reads the URL as it is set.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str) -> Result<Template, String> {
    let template = Template::new(text).map_err(|error| format!("url: {error}"))?;
    let fixed = template.beginning();
    let Some(rest) = fixed.strip_prefix("https://").or_else(|| fixed.strip_prefix("http://")) else {
        return Err("url: must begin with https:// or http://".to_string());
    };
    let host_ends = rest.find(['/', '?']);
    if host_ends.is_none() && !template.is_constant() {
        return Err("url: the host must not come from the event; put a / before the first {{".to_string());
    }
    let host = &rest[..host_ends.unwrap_or(rest.len())];
    if host.is_empty() {
        return Err("url: has no host".to_string());
    }
    if host.contains('@') {
        return Err("url: has a user or password in it; use auth instead".to_string());
    }
    if !template.is_made_of(|byte| byte.is_ascii_graphic()) {
        return Err("url: holds a sign that no URL has; write a space as %20".to_string());
    }
    if template.is_constant() && text.len() > URL_BYTES_MAX {
        return Err(format!("url: is longer than {URL_BYTES_MAX} bytes"));
    }
    Ok(template)
}

/// The URL for an event.
///
/// # Errors
/// Why there is none.
pub fn of_event<'w>(webhook: &'w Webhook, event: &Event<'_>) -> Result<Cow<'w, str>, String> {
    if webhook.url.is_constant() && webhook.query.is_empty() {
        return Ok(Cow::Borrowed(webhook.url.beginning()));
    }
    // An empty text would name another resource, such as all orders instead of one.
    let encoded = |path: &str, value| {
        let text = webhook.hashing.text(path, value).filter(|text| !text.is_empty())?;
        Some(Cow::Owned(percent_encode(&text)))
    };
    let filled = webhook.url.fill(event, encoded);
    let mut url = filled.map_err(|path| format!("{path}: is missing or empty, and the URL needs it"))?;
    if leads_elsewhere(&url) {
        return Err("url: the event gives it a `.` or `..`, which would lead elsewhere".to_string());
    }
    for (name, template) in &webhook.query {
        if let Ok(value) = template.fill(event, |path, value| webhook.hashing.text(path, value)) {
            push_query(&mut url, name, &value);
        }
    }
    if url.len() > URL_BYTES_MAX {
        return Err(format!("url: is longer than {URL_BYTES_MAX} bytes with what the event gives"));
    }
    Ok(Cow::Owned(url))
}

fn leads_elsewhere(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}
