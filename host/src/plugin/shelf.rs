//! The shelf: the bytes of the revisions that are kept, by their SHA-256, in the data directory. A
//! revision is there before anything says that it is active, so that it can be gone back to.
//!
//! Invariants: a file is written whole or not at all; one whose bytes do not have its digest is never
//! loaded.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use sha2::{Digest, Sha256};

use super::aot::hex;
use super::fault::PluginError;
use super::host::PluginHost;
use super::revision::Revision;

/// The kept revisions.
pub struct Shelf {
    host: Arc<PluginHost>,
    directory: PathBuf,
    /// Those that are loaded now.
    loaded: Mutex<HashMap<String, Weak<Revision>>>,
}

impl Shelf {
    /// Opens the directory, which is made when it is missing, for the owner alone.
    pub fn open(host: Arc<PluginHost>, directory: &Path) -> Result<Shelf, PluginError> {
        let failed = |cause| PluginError::File { path: directory.to_path_buf(), cause };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        Ok(Shelf { host, directory: directory.to_path_buf(), loaded: Mutex::default() })
    }

    /// Puts a revision there, durably.
    pub fn put(&self, revision: &Arc<Revision>, wasm: &[u8]) -> Result<(), PluginError> {
        let path = self.path(revision.digest());
        self.remember(revision);
        if path.exists() {
            return Ok(());
        }
        let failed = |cause| PluginError::File { path: path.clone(), cause };
        let partial = path.with_extension("partial");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial).map_err(failed)?;
        std::io::Write::write_all(&mut file, wasm).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&partial, &path).map_err(failed)?;
        std::fs::File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// A kept revision, loaded. It was tried when it was put there, so its fixtures are not run again.
    /// Blocks on the disk.
    pub fn get(&self, digest: &str) -> Result<Arc<Revision>, PluginError> {
        if let Some(revision) = self.loaded(digest) {
            return Ok(revision);
        }
        let wasm = self.bytes(digest)?;
        let revision = Arc::new(self.host.load_untried(&wasm)?);
        self.remember(&revision);
        Ok(revision)
    }

    /// A kept revision's file.
    pub fn bytes(&self, digest: &str) -> Result<Vec<u8>, PluginError> {
        let path = self.path(digest);
        let wasm = self.host.read_file(&path)?;
        if hex(&Sha256::digest(&wasm)) != digest {
            return Err(PluginError::Malformed(format!("{} is damaged: install that revision again", path.display())));
        }
        Ok(wasm)
    }

    /// Whether a revision is there.
    pub fn has(&self, digest: &str) -> bool {
        self.path(digest).is_file()
    }

    /// Removes all but these, with their compiled code.
    pub fn keep_only(&self, digests: &BTreeSet<String>) {
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(digest) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_string) else { continue };
            let is_ours = path.extension().is_some_and(|extension| extension == "wasm" || extension == "partial");
            if !is_ours || digests.contains(&digest) {
                continue;
            }
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "a revision that is no longer kept cannot be removed");
            }
            self.host.forget_compiled(&digest);
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }

    fn loaded(&self, digest: &str) -> Option<Arc<Revision>> {
        self.loaded.lock().expect("nobody panics while holding the shelf").get(digest)?.upgrade()
    }

    fn remember(&self, revision: &Arc<Revision>) {
        let mut loaded = self.loaded.lock().expect("nobody panics while holding the shelf");
        loaded.retain(|_, revision| revision.strong_count() > 0);
        loaded.insert(revision.digest().to_string(), Arc::downgrade(revision));
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::*;

    #[test]
    fn what_is_no_longer_kept_goes_and_what_is_damaged_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::new(PluginHost::new(Limits::default(), None).unwrap());
        let shelf = Shelf::open(host, folder.path()).unwrap();
        let names = ["aa.wasm", "bb.wasm", "cc.partial", "active.json"];
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), b"x").unwrap());
        shelf.keep_only(&BTreeSet::from(["aa".to_string()]));
        let left = |name: &&str| folder.path().join(name).exists();
        assert_eq!(names.iter().filter(|name| left(name)).copied().collect::<Vec<_>>(), ["aa.wasm", "active.json"]);
        assert!(shelf.has("aa") && !shelf.has("bb"));
        assert!(shelf.get("aa").is_err_and(|error| error.to_string().contains("damaged")));
    }
}
