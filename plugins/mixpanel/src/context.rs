//! The context as properties: device, app, page, campaign and the like under the vendor's names.

use switchyard_sdk::prelude::*;

use crate::browser::browser;
use crate::identity::somebody;
use crate::properties::Properties;
use crate::rules::{CONTEXT, CONTEXT_PLAIN, Mapping};
use crate::settings::{IdentityMode, Mixpanel};

/// Writes what the context says. What the sender's properties say already stays as it is.
pub fn write(mixpanel: &Mixpanel, event: &Event<'_>, properties: &mut Properties<'_, '_>) {
    let mut has_url = false;
    let mut has_referrer = false;
    for part in event.context().children() {
        let key = part.raw_key();
        if let Some((name, mappings)) = CONTEXT.iter().find(|(name, _)| name.as_bytes() == key) {
            mapped(mappings, part, properties, |to| {
                has_url |= to == "$current_url";
                has_referrer |= to == "$referrer";
            });
            if *name == "device" {
                device(mixpanel, event, part, properties);
            }
        } else if let Some(mapping) = find(CONTEXT_PLAIN, key) {
            properties.mapped(mapping, part);
        } else if key == b"userAgent" && mixpanel.parse_user_agent {
            user_agent(part, properties);
        }
    }
    if event.kind() == Kind::Page {
        page(event.properties(), has_url, has_referrer, properties);
    }
}

fn find<'m>(mappings: &'m [Mapping], key: &[u8]) -> Option<&'m Mapping> {
    mappings.iter().find(|mapping| mapping.from.as_bytes() == key)
}

fn mapped(
    mappings: &'static [Mapping],
    part: Value<'_>,
    properties: &mut Properties<'_, '_>,
    mut written: impl FnMut(&'static str),
) {
    if !part.is_object() {
        return;
    }
    for child in part.children() {
        if let Some(mapping) = find(mappings, child.raw_key())
            && properties.mapped(mapping, child)
        {
            written(mapping.to.name());
        }
    }
}

/// The advertising id has another name on Apple's devices. In the simplified mode `$device_id` is
/// part of the identity, and only the anonymousId is one.
fn device(mixpanel: &Mixpanel, event: &Event<'_>, device: Value<'_>, properties: &mut Properties<'_, '_>) {
    let advertising = device.child("advertisingId");
    if !advertising.is_null() {
        let apple = is_apple(event.get("context.os.name")) || is_apple(device.child("type"));
        properties.text(if apple { key!("$ios_ifa") } else { key!("advertising_id") }, advertising);
    }
    if mixpanel.identity_mode == IdentityMode::Original
        && somebody(event.get("anonymousId")).is_none()
        && somebody(device.child("id")).is_some()
    {
        properties.text(key!("$device_id"), device.child("id"));
    }
}

fn is_apple(system: Value<'_>) -> bool {
    const APPLE: [&str; 5] = ["ios", "ipados", "tvos", "watchos", "visionos"];
    let name = system.quoted().unwrap_or_default().trim_ascii();
    APPLE.iter().any(|apple| apple.as_bytes().eq_ignore_ascii_case(name))
}

fn user_agent(user_agent: Value<'_>, properties: &mut Properties<'_, '_>) {
    let Some((name, version)) = user_agent.quoted().and_then(browser) else { return };
    let mut quoted = JsonWriter::with_capacity(32);
    quoted.string(name);
    properties.raw(key!("$browser"), quoted.as_bytes());
    properties.raw(key!("$browser_version"), version);
}

/// A page says its address in its properties where the context does not.
fn page(own: Value<'_>, has_url: bool, has_referrer: bool, properties: &mut Properties<'_, '_>) {
    if !has_url {
        properties.text(key!("$current_url"), own.child("url"));
    }
    if !has_referrer {
        properties.text(key!("$referrer"), own.child("referrer"));
    }
}
