//! A folder for what a tool writes, gone when it is dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plugin::fault::PluginError;

/// The folder.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one among the system's temporary files.
    pub fn make() -> Result<Scratch, PluginError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("switchyard-build-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|cause| PluginError::File { path: path.clone(), cause })?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is the system's to clean up.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
