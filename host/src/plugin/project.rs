//! A plugin's folder: plugin.toml and fixtures/, which become the manifest.
//!
//! ```toml
//! id = "example"
//! name = "Example"
//! description = "Sends events to Example."
//! kinds = ["track", "identify"]     # left out: all
//! order = "user"                    # none (the default), user, strict
//!
//! [hosts]                           # where it sends, and why
//! "api.example.com" = "Events are sent here."
//! "{settings.endpoint}" = "Replaces the address above."
//!
//! [batch]
//! events_max = 50
//!
//! [instances]                       # left out: each call has a fresh instance
//! calls_max = 1000
//!
//! [settings.api_key]                # left out where the code describes them; JSON Schema, with `required` and `secret` at the setting
//! type = "string"
//! title = "API key"
//! required = true
//! secret = true
//!
//! [secrets.api_key]                 # left out: only in a request's auth
//! use = ["body"]
//! reason = "Example reads the key from the body."
//! ```
//!
//! A fixture is fixtures/NAME.json with `settings`, `now_ms`, `events` and `plan`.

pub mod create;
pub mod embedded;
pub mod language;
pub mod trial;
pub mod vendored;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::contract;
use super::fault::PluginError;
use super::manifest::{Batch, Fixture, Instances, Manifest, Order, SecretUse};
use crate::event::EventKind;

/// The file that describes a plugin.
pub const FILE: &str = "plugin.toml";

/// Keywords of JSON Schema that the settings page and the messages understand, `required` and
/// `secret` at the setting itself.
const KEYWORDS: [&str; 27] = [
    "type",
    "title",
    "description",
    "default",
    "enum",
    "const",
    "examples",
    "required",
    "secret",
    "deprecated",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "additionalProperties",
    "maxProperties",
    "propertyNames",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    name: String,
    version: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    docs: String,
    kinds: Option<Vec<String>>,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    hosts: toml::Table,
    #[serde(default)]
    batch: Batch,
    #[serde(default)]
    instances: Instances,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    secrets: BTreeMap<String, SecretUse>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

/// Reads a folder's plugin.toml and fixtures. `version` holds where plugin.toml names none.
pub fn read(folder: &Path, version: Option<&str>) -> Result<Manifest, PluginError> {
    read_with(folder, version, None)
}

/// The same with the settings that the code describes, in the form of plugin.toml.
pub fn read_with(folder: &Path, version: Option<&str>, settings: Option<toml::Table>) -> Result<Manifest, PluginError> {
    let manifest = read_unchecked(folder, version, settings)?;
    manifest.check().map_err(|error| PluginError::Manifest(format!("{}: {error}", folder.join(FILE).display())))?;
    Ok(manifest)
}

/// Looks for mistakes before there is code. Where plugin.toml has no settings the code may describe them:
/// then what names a setting is looked at later.
pub fn read_before_code(folder: &Path) -> Result<(), PluginError> {
    let version = Some("0.0.0");
    let manifest = read_unchecked(folder, version, None)?;
    if manifest.settings["properties"].as_object().is_some_and(Map::is_empty) {
        return Ok(());
    }
    read(folder, version).map(drop)
}

fn read_unchecked(
    folder: &Path,
    version: Option<&str>,
    settings: Option<toml::Table>,
) -> Result<Manifest, PluginError> {
    let path = folder.join(FILE);
    let text = read_text(&path)?;
    let file: File = toml::from_str(&text).map_err(|error| {
        let line = line_at(&text, error.span().map_or(0, |span| span.start));
        PluginError::Manifest(format!("{}:{line}: {}", path.display(), error.message()))
    })?;
    check_settings(&path, &text)?;
    if settings.is_some() && !file.settings.is_empty() {
        return Err(PluginError::Manifest(format!(
            "{}: the settings are described twice, by [settings] here and by derive(Settings) in the code: remove one",
            path.display()
        )));
    }
    let version = file.version.or(version.map(str::to_string));
    let version = version.ok_or_else(|| PluginError::Manifest(format!("{}: version is missing", path.display())))?;
    let mut permissions = file.permissions;
    let mut hosts = Vec::new();
    for (host, reason) in file.hosts {
        let toml::Value::String(reason) = reason else {
            let line = line_of(&text, &host);
            return Err(PluginError::Manifest(format!(
                "{}:{line}: hosts: `{host}` needs its reason as a text",
                path.display()
            )));
        };
        permissions.insert(host.clone(), reason);
        hosts.push(host);
    }
    Ok(Manifest {
        id: file.id,
        version,
        contract: contract::CURRENT.to_string(),
        name: file.name,
        description: file.description,
        kinds: file.kinds.unwrap_or_else(|| EventKind::ALL.iter().map(|kind| kind.as_str().to_string()).collect()),
        settings: object_schema(&settings.unwrap_or(file.settings))?,
        hosts,
        batch: file.batch,
        instances: file.instances,
        order: file.order,
        secrets: file.secrets,
        permissions,
        fixtures: fixtures(&folder.join("fixtures"))?,
        license: file.license,
        docs: file.docs,
    })
}

fn read_text(path: &Path) -> Result<String, PluginError> {
    std::fs::read_to_string(path).map_err(|cause| PluginError::File { path: path.to_path_buf(), cause })
}

/// The line, from 1, of a byte offset.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn line_of(text: &str, key: &str) -> usize {
    line_at(text, text.find(&format!("\"{key}\"")).unwrap_or(0))
}

/// Refuses keywords that JSON Schema does not have, or that nothing here understands.
fn check_settings(path: &Path, text: &str) -> Result<(), PluginError> {
    let parsed = DeTable::parse(text).map_err(|error| PluginError::Manifest(format!("{}: {error}", path.display())))?;
    match parsed.get_ref().get("settings").map(toml::Spanned::get_ref) {
        Some(DeValue::Table(settings)) => check_properties(path, text, settings),
        _ => Ok(()),
    }
}

fn check_properties(path: &Path, text: &str, properties: &DeTable<'_>) -> Result<(), PluginError> {
    for (name, schema) in properties {
        let DeValue::Table(schema) = schema.get_ref() else {
            let line = line_at(text, name.span().start);
            return Err(PluginError::Manifest(format!(
                "{}:{line}: the setting `{}` must be a table, such as {{ type = \"string\" }}",
                path.display(),
                name.get_ref()
            )));
        };
        check_schema(path, text, schema)?;
    }
    Ok(())
}

fn check_schema(path: &Path, text: &str, schema: &DeTable<'_>) -> Result<(), PluginError> {
    for (keyword, value) in schema {
        if !KEYWORDS.contains(&&**keyword.get_ref()) {
            let line = line_at(text, keyword.span().start);
            return Err(PluginError::Manifest(format!(
                "{}:{line}: `{}` is no keyword of a setting; there are {}",
                path.display(),
                keyword.get_ref(),
                KEYWORDS.join(", ")
            )));
        }
        match (&**keyword.get_ref(), value.get_ref()) {
            ("properties", DeValue::Table(properties)) => check_properties(path, text, properties)?,
            ("items" | "additionalProperties", DeValue::Table(inner)) => check_schema(path, text, inner)?,
            _ => {}
        }
    }
    Ok(())
}

/// The schema of an object with these properties: `required` moves from each property to the object.
fn object_schema(properties: &toml::Table) -> Result<Value, PluginError> {
    let mut all = Map::new();
    let mut required = Vec::new();
    for (name, schema) in properties {
        let toml::Value::Table(schema) = schema else { continue };
        let (schema, is_required) = property_schema(schema)?;
        if is_required {
            required.push(name.clone());
        }
        all.insert(name.clone(), schema);
    }
    Ok(json!({"type": "object", "properties": all, "required": required, "additionalProperties": false}))
}

fn property_schema(table: &toml::Table) -> Result<(Value, bool), PluginError> {
    let mut schema = Map::new();
    let mut is_required = false;
    for (keyword, value) in table {
        match (keyword.as_str(), value) {
            ("required", toml::Value::Boolean(required)) => is_required = *required,
            ("required", _) => {
                return Err(PluginError::Manifest(
                    "required: write `required = true` at the setting itself".to_string(),
                ));
            }
            ("properties", toml::Value::Table(properties)) => {
                let Value::Object(inner) = object_schema(properties)? else { continue };
                for (keyword, value) in inner {
                    // What the table itself says of further properties holds.
                    if keyword != "additionalProperties" || !table.contains_key("additionalProperties") {
                        schema.insert(keyword, value);
                    }
                }
            }
            ("items" | "additionalProperties", toml::Value::Table(inner)) => {
                schema.insert(keyword.clone(), property_schema(inner)?.0);
            }
            _ => {
                let value = serde_json::to_value(value)
                    .map_err(|error| PluginError::Manifest(format!("{keyword}: {error}")))?;
                schema.insert(keyword.clone(), value);
            }
        }
    }
    Ok((Value::Object(schema), is_required))
}

/// The fixtures of a folder, in the order of their names; none when there is no folder.
fn fixtures(folder: &Path) -> Result<Vec<Fixture>, PluginError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let mut fixture: Fixture = serde_json::from_str(&read_text(path)?)
                .map_err(|error| PluginError::Manifest(format!("{}:{}: {error}", path.display(), error.line())))?;
            fixture.name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Ok(fixture)
        })
        .collect()
}
