//! Destinations: what they are set to, and changes of it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::audit::Entry;
use super::failure::Failure;
use super::overview::{DestinationRow, overview};
use super::token::random_hex;
use crate::config::edit::{Editor, NewDestination, Setting};
use crate::config::{Config, Destination, Role};
use crate::daemon::trends::Window;
use crate::daemon::{Change, Daemon, is_secret, write_whole};
use crate::delivery::active::missing_grants;
use crate::plugin::manifest::Manifest;
use crate::queue::DestinationId;

/// The folder of the data directory that holds the secrets given here, a file each.
const SECRETS: &str = "secrets";

/// A secret's file that nothing names stays so long: a change may be about to name it.
const UNNAMED_MS: u64 = 3_600_000;

/// A destination with all that can be set.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationView {
    /// As in the overview.
    #[serde(flatten)]
    pub row: DestinationRow,
    /// The settings; in place of a secret whether it is set.
    pub settings: Map<String, Value>,
    /// Which settings are secrets.
    pub secrets: Vec<String>,
    /// Hosts that it may reach.
    pub allowed_hosts: Vec<String>,
    /// Hosts that its plugin names and that it may not reach.
    pub missing_hosts: Vec<String>,
    /// Addresses that are not public and that it may reach.
    pub allowed_addresses: Vec<String>,
    /// What names the configuration's text, for `If-Match`.
    pub etag: String,
}

/// All destinations.
///
/// # Errors
/// When the store does not answer.
pub async fn destinations(daemon: &Daemon) -> Result<Vec<DestinationRow>, Failure> {
    let overview = overview(daemon, Window::Day).await?;
    Ok(overview.pipelines.into_iter().flat_map(|pipeline| pipeline.destinations).collect())
}

/// One destination.
///
/// # Errors
/// When there is none of that name.
pub async fn destination(daemon: &Daemon, pipeline: &str, name: &str) -> Result<DestinationView, Failure> {
    let id = format!("{pipeline}/{name}");
    let row = destinations(daemon).await?.into_iter().find(|row| row.id == id).ok_or_else(|| unknown(&id))?;
    let etag = daemon.configuration().await?.etag;
    let configured = daemon.configured().await;
    let own = find(&configured.config, pipeline, name)?;
    let manifest = configured.revisions.get(&own.plugin).map(|revision| revision.manifest());
    let secret = |setting: &str| manifest.is_none_or(|manifest| is_secret(&manifest.settings, setting));
    let (mut settings, mut secrets) = (Map::new(), Vec::new());
    for (key, value) in own.settings.0.as_object().into_iter().flatten() {
        let shown = if secret(key) { json!({"set": true}) } else { value.clone() };
        if secret(key) {
            secrets.push(key.clone());
        }
        settings.insert(key.clone(), shown);
    }
    Ok(DestinationView {
        row,
        settings,
        secrets,
        allowed_hosts: own.allowed_hosts.clone(),
        missing_hosts: manifest.map(|manifest| missing_grants(own, manifest)).unwrap_or_default(),
        allowed_addresses: own.allowed_addresses.iter().map(ToString::to_string).collect(),
        etag,
    })
}

fn find<'a>(config: &'a Config, pipeline: &str, name: &str) -> Result<&'a Destination, Failure> {
    let mut own = config.destinations().filter(|(own, _)| own.id.as_str() == pipeline).map(|(_, each)| each);
    own.find(|each| each.name == name).map(|each| &**each).ok_or_else(|| unknown(&format!("{pipeline}/{name}")))
}

fn unknown(id: &str) -> Failure {
    let message = format!("there is no destination `{id}`: `status` lists them, as pipeline/name");
    Failure::unknown("unknown_destination", message)
}

/// A destination to be made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddCall {
    /// Its name.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// Its settings.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Hosts that it may reach.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Addresses that are not public and that it may reach; an admin's to give.
    #[serde(default)]
    pub allowed_addresses: Vec<String>,
    /// Whether nothing is delivered until it is resumed.
    #[serde(default)]
    pub paused: bool,
}

/// A change of a destination: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeCall {
    /// Settings to set; null takes one away.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Hosts that it may reach.
    #[serde(default)]
    pub allowed_hosts: Option<Vec<String>>,
    /// Addresses that are not public and that it may reach; an admin's to give.
    #[serde(default)]
    pub allowed_addresses: Option<Vec<String>>,
}

/// Adds a destination. Answers the number of the configuration.
///
/// # Errors
/// What is wrong with it. Nothing has changed then.
pub async fn add(
    daemon: &Daemon,
    caller: &Caller,
    pipeline: &str,
    call: AddCall,
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    if !call.allowed_addresses.is_empty() {
        needs(caller, Role::Admin)?;
    }
    let settings =
        settings_of(daemon, caller, &format!("{pipeline}.{}", call.name), &call.plugin, &call.settings).await?;
    let id = format!("{pipeline}/{}", call.name);
    let what = format!("destination {id} added");
    let change = Change { who: &caller.person.name, what: &what, etag };
    let new = NewDestination {
        name: call.name.clone(),
        plugin: call.plugin.clone(),
        allowed_hosts: call.allowed_hosts.clone(),
        paused: call.paused,
    };
    let addresses = call.allowed_addresses.clone();
    let number = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            editor.add_destination(pipeline, &new)?;
            if !addresses.is_empty() {
                editor.set_key(pipeline, &new.name, "allowed_addresses", Some(Setting::Literal(json!(addresses))))?;
            }
            for (key, value) in settings {
                editor.set_in((pipeline, &new.name), "settings", &key, value)?;
            }
            Ok(editor.text())
        })
        .await?;
    let detail = format!("plugin {}, hosts {}", call.plugin, call.allowed_hosts.join(", "));
    record(daemon, caller, "destination added", &id, &detail).await;
    Ok(number)
}

/// Changes a destination. Answers the number of the configuration.
///
/// # Errors
/// What is wrong with it. Nothing has changed then.
pub async fn change(
    daemon: &Daemon,
    caller: &Caller,
    (pipeline, name): (&str, &str),
    call: ChangeCall,
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let configured = daemon.configured().await;
    let own = find(&configured.config, pipeline, name)?;
    let plugin = own.plugin.clone();
    if call.allowed_addresses.is_some() {
        needs(caller, Role::Admin)?;
    }
    if let Some(revision) = configured.revisions.get(&plugin).filter(|_| !caller.may(Role::Admin)) {
        secrets_again(own, revision.manifest(), &call.settings)?;
    }
    let settings = settings_of(daemon, caller, &format!("{pipeline}.{name}"), &plugin, &call.settings).await?;
    let id = format!("{pipeline}/{name}");
    let what = format!("destination {id} changed");
    let change = Change { who: &caller.person.name, what: &what, etag };
    let keys = call.settings.keys().cloned().collect::<Vec<_>>().join(", ");
    let hosts = call.allowed_hosts.clone();
    let number = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            for (key, list) in [("allowed_hosts", call.allowed_hosts), ("allowed_addresses", call.allowed_addresses)] {
                if let Some(list) = list {
                    let to = (!list.is_empty()).then(|| Setting::Literal(json!(list)));
                    editor.set_key(pipeline, name, key, to)?;
                }
            }
            for (key, value) in settings {
                editor.set_in((pipeline, name), "settings", &key, value)?;
            }
            Ok(editor.text())
        })
        .await?;
    let hosts = hosts.map(|hosts| format!("; hosts {}", hosts.join(", "))).unwrap_or_default();
    record(daemon, caller, "destination changed", &id, &format!("settings {keys}{hosts}")).await;
    Ok(number)
}

/// Removes a destination. Answers the number of the configuration.
///
/// # Errors
/// Nothing has changed then.
pub async fn remove(
    daemon: &Daemon,
    caller: &Caller,
    (pipeline, name): (&str, &str),
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let id = format!("{pipeline}/{name}");
    let what = format!("destination {id} removed");
    let change = Change { who: &caller.person.name, what: &what, etag };
    let number = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            editor.remove_destination(pipeline, name)?;
            Ok(editor.text())
        })
        .await?;
    record(daemon, caller, "destination removed", &id, "").await;
    Ok(number)
}

/// Pauses a destination or lets it go on.
///
/// # Errors
/// When there is none of that name, or only the configuration can resume it.
pub async fn pause(daemon: &Daemon, caller: &Caller, id: &DestinationId, paused: bool) -> Result<(), Failure> {
    needs(caller, Role::Editor)?;
    if !daemon.pause(id, paused).await? {
        return Err(unknown(&id.0));
    }
    let what = if paused { "destination paused" } else { "destination resumed" };
    record(daemon, caller, what, &id.0, "").await;
    Ok(())
}

/// Whether she may.
///
/// # Errors
/// 403.
pub fn needs(caller: &Caller, role: Role) -> Result<(), Failure> {
    if caller.may(role) { Ok(()) } else { Err(Failure::role(role, caller.person.role)) }
}

/// Writes a change into the audit log.
pub async fn record(daemon: &Daemon, caller: &Caller, what: &str, subject: &str, detail: &str) {
    daemon.audit.record(Entry::of(caller, (daemon.now)(), what, subject, detail)).await;
}

/// Who sends the secrets of a destination elsewhere must know them: else an editor could have them sent to
/// a host of her own, and read them there.
fn secrets_again(own: &Destination, manifest: &Manifest, settings: &Map<String, Value>) -> Result<(), Failure> {
    let names_host = |key: &String| manifest.hosts.iter().any(|host| *host == format!("{{settings.{key}}}"));
    let moves = settings.iter().any(|(key, value)| names_host(key) && own.settings.0.get(key) != Some(value));
    let held = own.settings.0.as_object().into_iter().flatten().map(|(key, _)| key);
    let missing: Vec<&str> = held
        .filter(|key| is_secret(&manifest.settings, key) && !settings.contains_key(*key))
        .map(String::as_str)
        .collect();
    if !moves || missing.is_empty() {
        return Ok(());
    }
    let message = format!("where the secrets are sent to changes: give them again ({})", missing.join(", "));
    Err(Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "secrets_again", message))
}

/// What is to be written for each setting. A secret goes into a file of its own, so that neither the
/// configuration nor its history holds it. What an admin writes may refer to the environment, files and
/// commands; what an editor writes means what it says, or she could read this machine's secrets.
async fn settings_of(
    daemon: &Daemon,
    caller: &Caller,
    place: &str,
    plugin: &str,
    settings: &Map<String, Value>,
) -> Result<Vec<(String, Option<Setting>)>, Failure> {
    let configured = daemon.configured().await;
    let Some(revision) = configured.revisions.get(plugin) else {
        let known = configured.revisions.keys().cloned().collect::<Vec<_>>().join(", ");
        let message = format!("the plugin `{plugin}` is not installed (there: {known})");
        return Err(Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "unknown_plugin", message));
    };
    let schema = &revision.manifest().settings;
    let mut all = Vec::new();
    for (key, value) in settings {
        let setting = match value {
            Value::Null => None,
            Value::String(secret) if is_secret(schema, key) && !is_reference(caller, secret) => {
                Some(Setting::File(keep_secret(&configured.config, &format!("{place}.{key}"), secret).await?))
            }
            value if caller.may(Role::Admin) => Some(Setting::Expression(value.clone())),
            value => Some(Setting::Literal(literal(value))),
        };
        all.push((key.clone(), setting));
    }
    forget_secrets(daemon, &configured.config);
    Ok(all)
}

/// A table with `file` or `command` would be read as a reference: from an editor it is none.
fn literal(value: &Value) -> Value {
    match value {
        Value::Object(members) if members.contains_key("file") || members.contains_key("command") => {
            Value::String(value.to_string())
        }
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), literal(value))).collect(),
        Value::Array(items) => items.iter().map(literal).collect(),
        value => value.clone(),
    }
}

fn is_reference(caller: &Caller, text: &str) -> bool {
    caller.may(Role::Admin) && text.starts_with("${env:") && text.ends_with('}')
}

/// Writes a secret into a file of its own; answers its path as the configuration names it.
async fn keep_secret(config: &Config, place: &str, secret: &str) -> Result<String, Failure> {
    let folder = config.data_directory.join(SECRETS);
    let name: String = place
        .chars()
        .map(|each| if each.is_ascii_alphanumeric() || "-_.".contains(each) { each } else { '-' })
        .collect();
    let path = folder.join(format!("{name}.{}", &random_hex()[..12]));
    let beside = config.path.parent().unwrap_or(Path::new(""));
    let written = path.strip_prefix(beside).unwrap_or(&path).display().to_string();
    let (to, secret) = (path, secret.to_string());
    let kept = tokio::task::spawn_blocking(move || {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        write_whole(&to, secret.as_bytes())
    });
    let kept = kept.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    kept.map_err(|error| {
        let message = format!("the secret cannot be kept: {error}");
        Failure::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, "secret_unwritable", message)
    })?;
    Ok(written.replace("${", "$${"))
}

/// Removes the files of secrets that no kept configuration names any more.
fn forget_secrets(daemon: &Daemon, config: &Config) {
    let entries = std::fs::read_dir(config.data_directory.join(SECRETS)).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        let is_named = daemon.history(|history| history.all().any(|saved| saved.text.contains(&name)));
        if !is_named && age.is_some_and(|age| age.as_millis() as u64 > UNNAMED_MS) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_elsewhere_only_with_those_who_know_them() {
        let manifest: Manifest = serde_json::from_value(json!({
            "id": "x", "version": "1", "contract": "0.1.0", "name": "X", "kinds": ["track"], "hosts": ["{settings.url}"],
            "settings": {"properties": {"url": {"type": "string"}, "key": {"secret": true}, "other": {"type": "string"}}},
        }))
        .unwrap();
        let own = crate::config::Config::parse(
            "[data]\ndirectory='d'\n[plugins]\ndirectory='p'\n[[pipeline]]\nname='a'\nwrite_keys=['k']\n[[pipeline.destination]]\nname='d'\nplugin='x'\n[pipeline.destination.settings]\nurl='http://a'\nkey='s'\n",
            Path::new("c.toml"),
            &|_| None,
        )
        .unwrap();
        let own = find(&own, "a", "d").unwrap();
        let check = |settings: Value, good: bool| {
            let settings = settings.as_object().unwrap();
            assert_eq!(secrets_again(own, &manifest, settings).is_ok(), good, "{settings:?}");
        };
        check(json!({"other": "b"}), true);
        check(json!({"url": "http://a"}), true);
        check(json!({"url": "http://b"}), false);
        check(json!({"url": "http://b", "key": "s2"}), true);
    }

    #[test]
    fn what_an_editor_writes_refers_to_nothing() {
        let written = literal(&json!({"a": {"file": "/etc/passwd"}, "b": [{"command": ["id"]}], "c": {"d": 1}}));
        assert_eq!(written["a"], json!("{\"file\":\"/etc/passwd\"}"));
        assert_eq!(written["b"][0], json!("{\"command\":[\"id\"]}"));
        assert_eq!(written["c"], json!({"d": 1}));
    }
}
