//! The manifest: what a plugin says of itself, readable without running it. It is JSON in a custom
//! section of the plugin's outermost .wasm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmparser::{Parser, Payload};

use super::contract;
use super::fault::PluginError;
use crate::event::EventKind;

/// The name of the custom section.
pub const SECTION: &str = "switchyard:manifest";

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name in configurations: lower-case letters, digits and `-`.
    pub id: String,
    /// Its own version.
    pub version: String,
    /// The version of the contract it was built for.
    pub contract: String,
    /// Its name for people.
    pub name: String,
    /// What it does, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The kinds of events it can do something with, by name.
    pub kinds: Vec<String>,
    /// JSON Schema of its settings. `secret: true` marks those that it gets as handles.
    pub settings: Value,
    /// Where it sends: host names, or `{settings.<name>}` for the host of the URL in that setting.
    pub hosts: Vec<String>,
    /// How many events it plans together.
    #[serde(default)]
    pub batch: Batch,
    /// Whether an instance is used for more than one call.
    #[serde(default, skip_serializing_if = "Instances::are_fresh")]
    pub instances: Instances,
    /// What order its vendor needs.
    #[serde(default)]
    pub order: Order,
    /// What becomes of each secret setting.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretUse>,
    /// Why it needs each of its hosts, and whatever else it asks for.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// Events with the plan they must give: run each time the plugin is loaded.
    #[serde(default)]
    pub fixtures: Vec<Fixture>,
    /// Its licence, as an SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Where it is documented.
    #[serde(default)]
    pub docs: String,
}

/// How many events are planned together. The host may give fewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Events.
    pub events_max: u32,
    /// Bytes of their JSON, all together. An event that is larger comes alone.
    pub bytes_max: u64,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { events_max: 100, bytes_max: 1 << 20 }
    }
}

/// How long an instance is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// Calls, after which it is dropped; it is dropped at any fault as well. 1: each call has a fresh
    /// one, and a plan depends on nothing but its batch.
    pub calls_max: u32,
}

/// The most calls of one instance: what a guest leaks of its memory at each is bounded by it.
pub const INSTANCE_CALLS_MAX: u32 = 10_000;

impl Default for Instances {
    fn default() -> Instances {
        Instances { calls_max: 1 }
    }
}

impl Instances {
    /// Whether each call has an instance of its own.
    pub fn are_fresh(&self) -> bool {
        self.calls_max == 1
    }
}

/// What order a vendor needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// None.
    #[default]
    None,
    /// The events of one user in their order.
    User,
    /// All events in their order.
    Strict,
}

/// Where the host puts a secret in. Elsewhere the handle stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The places.
    #[serde(rename = "use")]
    pub places: Vec<Place>,
    /// Why, where it is not `auth` alone.
    #[serde(default)]
    pub reason: String,
}

impl Default for SecretUse {
    fn default() -> SecretUse {
        SecretUse { places: vec![Place::Auth], reason: String::new() }
    }
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Any way of authentication that the contract has.
    Auth,
    /// A query parameter as authentication, and no other way.
    Query,
    /// The body.
    Body,
    /// The URL: all of it, or from its start, or in its path or query.
    Url,
}

/// Events with the plan they must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Settings, secrets with made-up values.
    pub settings: Value,
    /// The time of the call: milliseconds since 1970. The events are received then.
    pub now_ms: u64,
    /// Events as the host stores them, with `type` and `messageId`.
    pub events: Vec<Value>,
    /// The plan in the form of `switchyard plugin run`; members that are left out are not compared.
    #[serde(default)]
    pub plan: Value,
}

impl Manifest {
    /// Where a secret setting may go; by default to `auth`.
    pub fn secret_use(&self, setting: &str) -> SecretUse {
        self.secrets.get(setting).cloned().unwrap_or_default()
    }

    /// Checks what the types do not say. The message names the key.
    pub fn check(&self) -> Result<(), PluginError> {
        let wrong = |message: String| Err(PluginError::Manifest(message));
        contract::check_version(&self.contract)?;
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(letter) {
            return wrong(format!(
                "id: `{}` must be 1 to 64 lower-case letters, digits and `-`",
                self.id.escape_debug()
            ));
        }
        for kind in &self.kinds {
            if EventKind::from_name(kind).is_none() {
                let known = EventKind::ALL.map(EventKind::as_str).join(", ");
                return wrong(format!("kinds: `{kind}` is none of {known}"));
            }
        }
        if self.kinds.is_empty() {
            return wrong("kinds: name at least one kind of event".to_string());
        }
        if self.batch.events_max == 0 || self.batch.bytes_max == 0 {
            return wrong("batch: a batch has at least one event and one byte".to_string());
        }
        if !(1..=INSTANCE_CALLS_MAX).contains(&self.instances.calls_max) {
            return wrong(format!("instances: calls_max must be 1 to {INSTANCE_CALLS_MAX}"));
        }
        let properties = self.settings.get("properties").and_then(Value::as_object);
        let is_setting = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        for host in &self.hosts {
            let setting = host.strip_prefix("{settings.").and_then(|rest| rest.strip_suffix('}'));
            let good = match setting {
                Some(setting) => is_setting(setting),
                None => !host.is_empty() && host.bytes().all(|byte| letter(byte) || byte == b'.' || byte == b':'),
            };
            if !good {
                return wrong(format!(
                    "hosts: `{host}` must be a host name, in lower case and without scheme and path, or {{settings.<a setting>}}"
                ));
            }
        }
        for (setting, used) in &self.secrets {
            if !is_setting(setting) {
                return wrong(format!("secrets: there is no setting `{setting}`"));
            }
            if used.places.is_empty() {
                return wrong(format!("secrets.{setting}: use names no place"));
            }
        }
        Ok(())
    }
}

/// Reads a plugin's manifest without running or compiling anything.
pub fn read_manifest(wasm: &[u8]) -> Result<Manifest, PluginError> {
    let json = find_section(wasm, SECTION)?.ok_or(PluginError::NoManifest)?;
    // Of another version, other members may be there: say that rather than name one of them.
    let version: Value = serde_json::from_slice(json).map_err(unreadable)?;
    if let Some(found) = version.get("contract").and_then(Value::as_str) {
        contract::check_version(found)?;
    }
    let manifest: Manifest = serde_json::from_value(version).map_err(unreadable)?;
    manifest.check()?;
    Ok(manifest)
}

fn unreadable(error: serde_json::Error) -> PluginError {
    PluginError::Manifest(format!("the manifest cannot be read: {error}"))
}

/// What the plugin's README says, when its file has one.
pub fn read_readme(wasm: &[u8]) -> Result<Option<&str>, PluginError> {
    let section = find_section(wasm, super::build::README)?;
    Ok(section.and_then(|bytes| std::str::from_utf8(bytes).ok()))
}

/// A section's bytes among the custom sections of the outermost module or component. Walks the
/// whole file, so that one that is cut off is found here.
fn find_section<'a>(wasm: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, PluginError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(PluginError::Malformed("it does not begin as one".to_string()));
    }
    let mut found = None;
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| PluginError::Malformed(error.to_string()))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section)
                if depth == 0 && section.name() == name && found.replace(section.data()).is_some() =>
            {
                return Err(PluginError::Manifest(format!("the file has two sections `{name}`")));
            }
            _ => {}
        }
    }
    Ok(found)
}
