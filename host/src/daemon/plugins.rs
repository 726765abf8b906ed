//! The plugins: which revision of each is active and which on trial, what their records say, and the
//! plugin directory, which is their inbox.
//!
//! A file becomes a revision only when it is whole, signed as it must be, of a known contract, its
//! manifest is good and its fixtures pass. A file that does not is refused, and what runs goes on. What
//! has become active stays so, whatever becomes of its file: the record says so, and the shelf has the
//! bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::record::PluginRecord;
use super::run::SHELF_DIRECTORY;
use super::watching::Baseline;
use crate::config::{Config, PluginRules, Unsigned};
use crate::plugin::aot::hex;
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::read_manifest;
use crate::plugin::revision::Revision;
use crate::plugin::shelf::Shelf;
use crate::plugin::signature;

/// What says, beside the shelf, which revisions are active: for `check`, which cannot read the store
/// while a daemon has it.
const ACTIVE_FILE: &str = "active.json";

/// Active revisions, and the files of the inbox.
pub struct Plugins {
    host: Arc<PluginHost>,
    rules: PluginRules,
    directory: PathBuf,
    chosen: BTreeMap<String, Chosen>,
    records: BTreeMap<String, PluginRecord>,
    files: BTreeMap<PathBuf, Seen>,
    /// Found at the start, and not looked at yet.
    waiting: Vec<Dropped>,
    /// What the revisions of a trial had come to when it began.
    pub(super) baselines: BTreeMap<String, Baseline>,
}

/// The revisions that a plugin works with.
#[derive(Clone)]
pub struct Chosen {
    /// Known to be good.
    pub stable: Arc<Revision>,
    /// On trial, with the percentage of users that go to it.
    pub trial: Option<(Arc<Revision>, f64)>,
}

/// A plugin's file that came into the inbox.
pub struct Dropped {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub revision: Arc<Revision>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What a file was when it was last looked at.
struct Seen {
    modified: Option<SystemTime>,
    bytes_len: u64,
    /// Its plugin and its digest, when it is one.
    revision: Option<(String, String)>,
    refused: Option<String>,
}

impl Chosen {
    /// One revision alone.
    pub fn only(stable: Arc<Revision>) -> Chosen {
        Chosen { stable, trial: None }
    }

    /// The one that plans most.
    pub fn current(&self) -> &Arc<Revision> {
        self.trial.as_ref().filter(|(_, percent)| *percent >= 100.0).map_or(&self.stable, |(revision, _)| revision)
    }
}

impl Plugins {
    /// With nothing loaded yet.
    pub fn new(host: Arc<PluginHost>, directory: &Path, rules: &PluginRules) -> Plugins {
        Plugins {
            host,
            rules: rules.clone(),
            directory: directory.to_path_buf(),
            chosen: BTreeMap::new(),
            records: BTreeMap::new(),
            files: BTreeMap::new(),
            waiting: Vec::new(),
            baselines: BTreeMap::new(),
        }
    }

    /// Takes plugins by other rules from now on. Files that were refused are looked at again; what is
    /// active stays.
    pub fn set_rules(&mut self, rules: &PluginRules) {
        self.rules = rules.clone();
        for seen in self.files.values_mut().filter(|seen| seen.refused.is_some()) {
            seen.modified = None;
        }
    }

    /// What calls plugins.
    pub fn host(&self) -> Arc<PluginHost> {
        self.host.clone()
    }

    /// The revisions that a plugin works with.
    pub fn get(&self, id: &str) -> Option<&Chosen> {
        self.chosen.get(id)
    }

    /// The ids of all active plugins.
    pub fn ids(&self) -> Vec<&str> {
        self.chosen.keys().map(String::as_str).collect()
    }

    /// What a plugin works with from now on.
    pub fn choose(&mut self, chosen: Chosen) {
        self.chosen.insert(chosen.stable.manifest().id.clone(), chosen);
    }

    /// What is known of a plugin.
    pub(super) fn record(&self, id: &str) -> PluginRecord {
        self.records.get(id).cloned().unwrap_or_else(|| PluginRecord::new(id))
    }

    /// All records.
    pub(super) fn records(&self) -> impl Iterator<Item = &PluginRecord> {
        self.records.values()
    }

    /// Takes a record that is durable.
    pub(super) fn recorded(&mut self, record: PluginRecord) {
        self.records.insert(record.plugin.clone(), record);
    }

    /// The revisions that are kept, of all plugins.
    pub(super) fn kept(&self) -> BTreeSet<String> {
        self.records.values().flat_map(|record| record.kept(self.rules.revisions_kept)).collect()
    }

    /// Checks the signature of a file's bytes, compiles and checks them, off the data path.
    pub async fn load(&self, bytes: Bytes, signature: Option<String>) -> anyhow::Result<Arc<Revision>> {
        match &signature {
            Some(signature) => signature::verify(&bytes, signature, &self.rules.public_keys)?,
            None if self.rules.unsigned == Unsigned::Refused => anyhow::bail!(
                "the plugin is not signed, and plugins.unsigned = \"refused\": sign it with minisign and put the signature beside it as NAME.wasm.{}",
                signature::SUFFIX
            ),
            None => {}
        }
        let host = self.host.clone();
        let revision = tokio::task::spawn_blocking(move || host.load(&bytes)).await??;
        Ok(Arc::new(revision))
    }

    /// Loads files that are new or changed since they were last looked at. Refused ones are logged
    /// and shown by `status`; what the record knows is passed over.
    pub async fn look(&mut self) -> Vec<Dropped> {
        let mut dropped = std::mem::take(&mut self.waiting);
        for path in wasm_files(&self.directory) {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let (modified, bytes_len) = (metadata.modified().ok(), metadata.len());
            let known = self.files.get(&path);
            if known.is_some_and(|known| known.modified == modified && known.bytes_len == bytes_len) {
                continue;
            }
            let is_first_look = known.is_none();
            let Ok(bytes) = tokio::fs::read(&path).await.map(Bytes::from) else { continue };
            let digest = hex(&Sha256::digest(&bytes));
            let plugin = read_manifest(&bytes).ok().map(|manifest| manifest.id);
            let revision = plugin.clone().map(|plugin| (plugin, digest.clone()));
            self.files.insert(path.clone(), Seen { modified, bytes_len, revision, refused: None });
            if plugin.is_some_and(|plugin| self.is_known(&plugin, &digest, is_first_look, &path)) {
                continue;
            }
            let signature = std::fs::read_to_string(signature_file(&path)).ok();
            match self.load(bytes.clone(), signature).await {
                Ok(revision) => dropped.push(Dropped { path, revision, bytes }),
                Err(error) => self.refuse(&path, &error),
            }
        }
        self.files.retain(|path, _| path.exists());
        dropped
    }

    /// Whether a file brings nothing new: its revision runs, was there when the daemon stopped, waits for
    /// a grant, or was rolled back.
    fn is_known(&self, plugin: &str, digest: &str, is_first_look: bool, path: &Path) -> bool {
        let Some(record) = self.records.get(plugin) else { return false };
        let is_on_trial = record.trial.as_ref().is_some_and(|trial| trial.revision == digest);
        if is_on_trial || (record.trial.is_none() && record.active.as_deref() == Some(digest)) {
            return true;
        }
        if record.rolled_back.iter().any(|each| each == digest) {
            tracing::info!(file = %path.display(), revision = &digest[..12],
                "this revision was rolled back and is left where it is: `switchyard plugin install` takes it all the same");
            return true;
        }
        let is_held = record.held.as_ref().is_some_and(|held| held.revision == digest);
        is_held || (is_first_look && record.active.is_some() && record.inbox.contains(digest))
    }

    /// Leaves what came into the inbox for the next look.
    pub fn leave(&mut self, dropped: Dropped) {
        self.waiting.push(dropped);
    }

    /// The digests of a plugin's files in the inbox.
    pub fn inbox(&self, plugin: &str) -> BTreeSet<String> {
        let revisions = self.files.values().filter_map(|seen| seen.revision.as_ref());
        revisions.filter(|(of, _)| of == plugin).map(|(_, digest)| digest.clone()).collect()
    }

    /// Notes that a file's plugin does not take over.
    pub fn refuse(&mut self, path: &Path, error: &anyhow::Error) {
        tracing::error!(file = %path.display(), error = format!("{error:#}"), "the plugin is refused; what runs goes on");
        if let Some(seen) = self.files.get_mut(path) {
            seen.refused = Some(format!("{error:#}"));
        }
    }

    /// Puts an installed plugin's file into the directory, whole or not at all.
    pub fn keep_file(&mut self, revision: &Revision, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.directory.join(format!("{}.wasm", revision.manifest().id));
        let partial = self.directory.join(format!(".{}.partial", revision.manifest().id));
        std::fs::write(&partial, bytes).with_context(|| format!("{} cannot be written", partial.display()))?;
        std::fs::rename(&partial, &path).with_context(|| format!("{} cannot be replaced", path.display()))?;
        let metadata = std::fs::metadata(&path)?;
        let seen = Seen {
            modified: metadata.modified().ok(),
            bytes_len: metadata.len(),
            revision: Some((revision.manifest().id.clone(), revision.digest().to_string())),
            refused: None,
        };
        self.files.insert(path, seen);
        Ok(())
    }

    /// Writes down which revisions are active, for `check`.
    pub fn note_active(&self, shelf: &Path) {
        let active: BTreeMap<&str, &str> =
            self.chosen.iter().map(|(id, chosen)| (&id[..], chosen.current().digest())).collect();
        let text = serde_json::to_vec(&active).expect("texts can be written to memory");
        let partial = shelf.join(".active.partial");
        let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, shelf.join(ACTIVE_FILE)));
        if let Err(error) = written {
            tracing::warn!(%error, "what is active cannot be noted for `switchyard check`");
        }
    }

    /// Files whose plugin does not take over, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files.iter().filter_map(|(path, seen)| Some((path.as_path(), seen.refused.as_deref()?)))
    }

    /// What `status` shows.
    pub fn status(&self) -> serde_json::Value {
        let active = self.chosen.iter().map(|(id, chosen)| {
            let current = chosen.current();
            let manifest = current.manifest();
            let record = self.records.get(id);
            let trial = chosen.trial.as_ref().map(|(revision, percent)| {
                serde_json::json!({
                    "revision": revision.digest(), "version": revision.manifest().version, "percent": percent,
                    "since_ms": record.and_then(|record| record.trial.as_ref()).map(|trial| trial.since_ms),
                    "before": chosen.stable.digest(),
                })
            });
            serde_json::json!({
                "plugin": manifest.id, "version": manifest.version, "name": manifest.name,
                "revision": current.digest(), "contract": manifest.contract,
                "trial": trial, "held": record.and_then(|record| record.held.as_ref()),
                "rollbacks": record.map_or(0, |record| record.rollbacks),
            })
        });
        let refused = self.refused().map(|(path, why)| serde_json::json!({"file": path, "refused": why}));
        active.chain(refused).collect()
    }
}

/// The plugins of a configuration as a daemon has them, or would have them: for `check`.
pub(super) async fn as_active(host: &Arc<PluginHost>, config: &Config) -> anyhow::Result<Plugins> {
    let mut plugins = Plugins::new(host.clone(), &config.plugin_directory, &config.plugins);
    for dropped in plugins.look().await {
        plugins.choose(Chosen::only(dropped.revision));
    }
    noted(host, config)?.into_iter().for_each(|revision| plugins.choose(Chosen::only(revision)));
    Ok(plugins)
}

/// The revisions that are noted as active in a configuration's data directory.
pub(super) fn noted(host: &Arc<PluginHost>, config: &Config) -> anyhow::Result<Vec<Arc<Revision>>> {
    let directory = config.data_directory.join(SHELF_DIRECTORY);
    let Ok(text) = std::fs::read(directory.join(ACTIVE_FILE)) else { return Ok(Vec::new()) };
    let shelf = Shelf::open(host.clone(), &directory)?;
    let active: BTreeMap<String, String> = serde_json::from_slice(&text).unwrap_or_default();
    Ok(active.values().filter_map(|digest| shelf.get(digest).ok()).collect())
}

/// Where the signature of a file lies.
fn signature_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(signature::SUFFIX);
    PathBuf::from(name)
}

/// The .wasm files of a directory, by name.
fn wasm_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    files.sort();
    files
}
