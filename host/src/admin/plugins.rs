//! Plugins: what is installed, what each says of itself, and new revisions: install, compare, grant, promote,
//! roll back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::access::Caller;
use super::destinations::{needs, record};
use super::failure::Failure;
use super::routes::pairs_of;
use crate::config::Role;
use crate::daemon::{COMPARED_EVENTS_MAX, Configured, Daemon, Install};
use crate::plugin::manifest::Manifest;
use crate::plugin::revision::Revision;

/// Bytes of a plugin file that may be uploaded; JavaScript and Python plugins have 20 MB.
pub const PLUGIN_BYTES_MAX: usize = 64 << 20;

/// Carries a file's signature, in base64.
pub const SIGNATURE_HEADER: &str = "x-switchyard-signature";

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

/// How a file is to be installed, as a call's query and headers say.
///
/// # Errors
/// What is not written well.
pub fn install_of(query: &str, headers: &HeaderMap) -> Result<Install, Failure> {
    let given = |name: &str| pairs_of(query).find(|(own, _)| own == name).map(|(_, value)| value);
    let canary_percent = match given("canary").map(|text| text.parse::<f64>()) {
        None => None,
        Some(Ok(percent)) if percent > 0.0 && percent < 100.0 => Some(percent),
        Some(_) => return Err(Failure::bad("bad_canary", "`canary` must lie between 0 and 100 percent".to_string())),
    };
    let grants = given("grant").is_some_and(|text| text != "false");
    Ok(Install { signature: signature_of(headers)?, grants, canary_percent })
}

/// The signature that a call brings, if it brings one.
///
/// # Errors
/// When it is no base64.
pub fn signature_of(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(encoded) = headers.get(SIGNATURE_HEADER) else { return Ok(None) };
    let text = STANDARD.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || Failure::bad("bad_signature", format!("{SIGNATURE_HEADER} holds the signature's file in base64"));
    text.map(Some).ok_or_else(wrong)
}

/// Checks a plugin's file and activates it for every destination that uses it, or for some users. It goes
/// on when the caller leaves.
///
/// # Errors
/// Why it is refused. Nothing has changed then.
pub async fn install(daemon: &Arc<Daemon>, caller: &Caller, bytes: Bytes, how: Install) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let (own, on_trial) = (daemon.clone(), how.canary_percent);
    let installing = tokio::spawn(async move { own.install_plugin(bytes, how).await });
    let installed = installing.await.unwrap_or_else(|error| Err(error.into())).map_err(refused)?;
    let text = |key: &str| installed[key].as_str().unwrap_or_default().to_string();
    let detail = format!("version {}, revision {}", text("version"), text("revision"));
    let detail = on_trial.map_or(detail.clone(), |percent| format!("{detail}, for {percent} percent of the users"));
    record(daemon, caller, "plugin installed", &text("plugin"), &detail).await;
    Ok(installed)
}

/// Plans the last events with a plugin's file and with what is active, and answers what differs. Nothing is
/// sent or changed.
///
/// # Errors
/// Why the file is refused, or that so many events are not compared.
pub async fn shadow(
    daemon: &Daemon,
    caller: &Caller,
    bytes: Bytes,
    (query, headers): (&str, &HeaderMap),
) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let given = pairs_of(query).find(|(own, _)| own == "last").map(|(_, value)| value);
    let last = given.map_or(Ok(100), |text| text.parse::<usize>());
    let Some(last) = last.ok().filter(|last| (1..=COMPARED_EVENTS_MAX).contains(last)) else {
        return Err(Failure::bad("bad_last", format!("`last` must lie between 1 and {COMPARED_EVENTS_MAX} events")));
    };
    daemon.shadow(bytes, signature_of(headers)?, last).await.map_err(refused)
}

/// What happened to a plugin, newest last.
///
/// # Errors
/// When there is no such plugin.
pub async fn history(daemon: &Daemon, id: &str) -> Result<Value, Failure> {
    let unknown = |error: anyhow::Error| Failure::unknown("unknown_plugin", format!("{error:#}"));
    daemon.plugin_history(id).await.map_err(unknown)
}

/// Lets in the revision that waits for a grant.
///
/// # Errors
/// When none does, or it cannot take over.
pub async fn grant(daemon: &Daemon, caller: &Caller, id: &str) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let done = daemon.grant(id).await.map_err(refused)?;
    record(daemon, caller, "plugin granted", id, done["revision"].as_str().unwrap_or_default()).await;
    Ok(done)
}

/// Ends a trial: all users go to the new revision.
///
/// # Errors
/// When none is on trial.
pub async fn promote(daemon: &Daemon, caller: &Caller, id: &str) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let done = daemon.promote(id).await.map_err(refused)?;
    record(daemon, caller, "plugin promoted", id, done["revision"].as_str().unwrap_or_default()).await;
    Ok(done)
}

/// Goes back to the revision before, or to the one whose digest begins with `to`.
///
/// # Errors
/// When there is none, or it cannot take over.
pub async fn roll_back(daemon: &Daemon, caller: &Caller, id: &str, to: Option<&str>) -> Result<Value, Failure> {
    needs(caller, Role::Admin)?;
    let done = daemon.roll_back_plugin(id, to).await.map_err(refused)?;
    record(daemon, caller, "plugin rolled back", id, done["revision"].as_str().unwrap_or_default()).await;
    Ok(done)
}

fn refused(error: anyhow::Error) -> Failure {
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused", format!("{error:#}"))
}
