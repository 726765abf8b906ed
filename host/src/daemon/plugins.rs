//! The plugin directory: which files are there, which revisions are active, which were refused.
//!
//! A file becomes a revision only when it is whole, of a known contract, its manifest is good and its
//! fixtures pass. A file that does not is refused, and the active revision goes on. Removing a file
//! takes nothing away from what runs; it counts at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use bytes::Bytes;

use crate::plugin::host::PluginHost;
use crate::plugin::revision::Revision;

/// Active revisions and the files they came from.
pub struct Plugins {
    host: Arc<PluginHost>,
    directory: PathBuf,
    active: BTreeMap<String, Arc<Revision>>,
    files: BTreeMap<PathBuf, Seen>,
}

/// What a file was when it was last looked at.
struct Seen {
    modified: Option<SystemTime>,
    bytes_len: u64,
    refused: Option<String>,
}

impl Plugins {
    /// With nothing loaded yet.
    pub fn new(host: Arc<PluginHost>, directory: &Path) -> Plugins {
        Plugins { host, directory: directory.to_path_buf(), active: BTreeMap::new(), files: BTreeMap::new() }
    }

    /// What calls plugins.
    pub fn host(&self) -> Arc<PluginHost> {
        self.host.clone()
    }

    /// The active revision of a plugin.
    pub fn get(&self, id: &str) -> Option<&Arc<Revision>> {
        self.active.get(id)
    }

    /// The ids of all active plugins.
    pub fn ids(&self) -> Vec<&str> {
        self.active.keys().map(String::as_str).collect()
    }

    /// Makes a revision the active one of its plugin.
    pub fn activate(&mut self, revision: Arc<Revision>) {
        self.active.insert(revision.manifest().id.clone(), revision);
    }

    /// Compiles and checks a file's bytes, off the data path.
    pub async fn load(&self, bytes: Bytes) -> anyhow::Result<Arc<Revision>> {
        let host = self.host.clone();
        let revision = tokio::task::spawn_blocking(move || host.load(&bytes)).await??;
        Ok(Arc::new(revision))
    }

    /// Loads files that are new or changed since they were last looked at. Refused ones are logged
    /// and shown by `status`.
    pub async fn look(&mut self) -> Vec<(PathBuf, Arc<Revision>)> {
        let mut loaded = Vec::new();
        for path in wasm_files(&self.directory) {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let seen = Seen { modified: metadata.modified().ok(), bytes_len: metadata.len(), refused: None };
            let known = self.files.get(&path);
            if known.is_some_and(|known| known.modified == seen.modified && known.bytes_len == seen.bytes_len) {
                continue;
            }
            let Ok(bytes) = tokio::fs::read(&path).await else { continue };
            self.files.insert(path.clone(), seen);
            match self.load(Bytes::from(bytes)).await {
                Ok(revision) => {
                    let same =
                        self.get(&revision.manifest().id).is_some_and(|active| active.digest() == revision.digest());
                    if !same {
                        loaded.push((path, revision));
                    }
                }
                Err(error) => self.refuse(&path, &error),
            }
        }
        self.files.retain(|path, _| path.exists());
        loaded
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
        let seen = Seen { modified: metadata.modified().ok(), bytes_len: metadata.len(), refused: None };
        self.files.insert(path, seen);
        Ok(())
    }

    /// Files whose plugin does not take over, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files.iter().filter_map(|(path, seen)| Some((path.as_path(), seen.refused.as_deref()?)))
    }

    /// What `status` shows.
    pub fn status(&self) -> serde_json::Value {
        let active = self.active.values().map(|revision| {
            let manifest = revision.manifest();
            serde_json::json!({
                "plugin": manifest.id, "version": manifest.version, "name": manifest.name,
                "revision": revision.digest(), "contract": manifest.contract,
            })
        });
        let refused = self.refused().map(|(path, why)| serde_json::json!({"file": path, "refused": why}));
        active.chain(refused).collect()
    }
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
