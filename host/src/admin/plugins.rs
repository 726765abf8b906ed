//! Plugins: what is installed, what each says of itself, and installing one.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::access::Caller;
use super::destinations::{needs, record};
use super::failure::Failure;
use crate::config::Role;
use crate::daemon::{Configured, Daemon};
use crate::plugin::manifest::Manifest;
use crate::plugin::revision::Revision;

/// Bytes of a plugin file that may be uploaded; JavaScript and Python plugins have 20 MB.
pub const PLUGIN_BYTES_MAX: usize = 64 << 20;

/// An installed plugin.
#[derive(Clone, Debug, Serialize)]
pub struct PluginView {
    /// The plugin's id.
    pub plugin: String,
    /// Its name for people.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its own version.
    pub version: String,
    /// The active revision: the SHA-256 of its file.
    pub revision: String,
    /// The version of the contract it was built for.
    pub contract: String,
    /// Whether it reads answers.
    pub has_judge: bool,
    /// Destinations that use it.
    pub destinations: Vec<String>,
    /// All that it says of itself, but for its fixtures.
    pub manifest: Manifest,
    /// How many fixtures passed when it was loaded.
    pub fixtures: usize,
}

impl PluginView {
    fn of(revision: &Revision, configured: &Configured) -> PluginView {
        let mut manifest = revision.manifest().clone();
        let fixtures = std::mem::take(&mut manifest.fixtures).len();
        let uses = configured.config.destinations().filter(|(_, each)| each.plugin == manifest.id);
        PluginView {
            plugin: manifest.id.clone(),
            name: manifest.name.clone(),
            description: manifest.description.clone(),
            version: manifest.version.clone(),
            revision: revision.digest().to_string(),
            contract: manifest.contract.clone(),
            has_judge: revision.has_judge(),
            destinations: uses.map(|(_, each)| each.id.0.clone()).collect(),
            manifest,
            fixtures,
        }
    }
}

/// All plugins, by name.
pub fn plugins(configured: &Configured) -> Vec<PluginView> {
    let mut all: Vec<PluginView> =
        configured.revisions.values().map(|revision| PluginView::of(revision, configured)).collect();
    all.sort_by_key(|plugin| plugin.name.to_lowercase());
    all
}

/// One plugin.
///
/// # Errors
/// When none of that id is installed.
pub fn plugin(configured: &Configured, id: &str) -> Result<PluginView, Failure> {
    let revision = configured.revisions.get(id);
    let unknown = || Failure::unknown("unknown_plugin", format!("no plugin `{id}` is installed"));
    revision.map(|revision| PluginView::of(revision, configured)).ok_or_else(unknown)
}

/// Checks a plugin's file and activates it for every destination that uses it.
///
/// # Errors
/// Why it is refused. Nothing has changed then.
pub async fn install(daemon: &Daemon, caller: &Caller, bytes: Bytes) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let refused = |error: anyhow::Error| {
        Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused", format!("{error:#}"))
    };
    let installed = daemon.install_plugin(bytes).await.map_err(refused)?;
    let text = |key: &str| installed[key].as_str().unwrap_or_default().to_string();
    let detail = format!("version {}, revision {}", text("version"), text("revision"));
    record(daemon, caller, "plugin installed", &text("plugin"), &detail).await;
    Ok(installed)
}
