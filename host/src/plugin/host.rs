//! The plugin host as the rest of the daemon sees it: files become revisions, settings become what a
//! plugin gets.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::aot::{AotCache, hex};
use super::build::component_bytes;
use super::engine::Sandbox;
use super::fault::{PluginError, PluginFault};
use super::fixtures;
use super::handles::{HandleKey, Handles};
use super::manifest::read_manifest;
use super::revision::Revision;

pub use super::limits::Limits;

/// Loads plugins. One for the whole process.
pub struct PluginHost {
    sandbox: Arc<Sandbox>,
    cache: Option<AotCache>,
}

impl PluginHost {
    /// Sets up the sandbox. Compiled code is kept in `cache_directory`, when it is given.
    pub fn new(limits: Limits, cache_directory: Option<&Path>) -> Result<PluginHost, PluginError> {
        let cache = cache_directory.map(AotCache::open).transpose()?;
        Ok(PluginHost { sandbox: Arc::new(Sandbox::start(limits)?), cache })
    }

    /// The bounds on guests.
    pub fn limits(&self) -> &Limits {
        self.sandbox.limits()
    }

    /// Makes a revision of a plugin's bytes: reads the manifest, compiles, links, and runs the
    /// fixtures. Takes up to some seconds: keep it off the async runtime.
    pub fn load(&self, wasm: &[u8]) -> Result<Revision, PluginError> {
        let revision = self.load_untried(wasm)?;
        fixtures::run_all(&revision)?;
        Ok(revision)
    }

    /// The same without running the fixtures: for authors, whose fixtures may be behind.
    pub fn load_untried(&self, wasm: &[u8]) -> Result<Revision, PluginError> {
        let bytes_max = self.limits().file_bytes_max;
        if wasm.len() > bytes_max {
            return Err(PluginError::TooLarge { bytes: wasm.len(), bytes_max });
        }
        let manifest = read_manifest(wasm)?;
        let digest = hex(&Sha256::digest(wasm));
        let compile = || {
            let component = component_bytes(wasm)?;
            Component::from_binary(self.sandbox.engine(), &component)
                .map_err(|error| PluginError::Code(format!("{error:#}")))
        };
        let component = match &self.cache {
            Some(cache) => cache.get_or_compile(self.sandbox.engine(), &digest, compile)?,
            None => compile()?,
        };
        Revision::link(self.sandbox.clone(), &component, manifest, digest)
    }

    /// Removes the compiled code of a revision that is no longer kept.
    pub fn forget_compiled(&self, digest: &str) {
        if let Some(cache) = &self.cache {
            cache.remove(self.sandbox.engine(), digest);
        }
    }

    /// Loads a plugin's file.
    pub fn load_file(&self, path: &Path) -> Result<Revision, PluginError> {
        self.load(&self.read_file(path)?)
    }

    /// Reads a plugin's file, unless it is too large.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>, PluginError> {
        let failed = |cause| PluginError::File { path: path.to_path_buf(), cause };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        let bytes_max = self.limits().file_bytes_max;
        if bytes > bytes_max as u64 {
            return Err(PluginError::TooLarge { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), bytes_max });
        }
        std::fs::read(path).map_err(failed)
    }

    /// Checks a destination's real settings, tries them in the plugin, and returns what it is called
    /// with: JSON with handles in place of secrets, and the secrets by handle.
    pub fn settings(
        &self,
        revision: &Revision,
        settings: &Value,
        destination: &str,
        key: &HandleKey,
    ) -> Result<(String, Handles), PluginError> {
        let (hidden, handles) = revision.schema().hide(settings, destination, key)?;
        let text = hidden.to_string();
        revision.try_settings(&text).map_err(|fault| match fault {
            // The plugin's message may hold a handle; it never holds a value.
            PluginFault::ConfigureRefused(_) => PluginError::Settings(fault.to_string()),
            fault => PluginError::Fault(fault),
        })?;
        Ok((text, handles))
    }
}
