//! The cache of compiled code: one file a plugin and engine, so that a start costs no compilation.
//!
//! Invariants: the directory is readable and writable by the owner alone; a file is written whole or
//! not at all; a file whose checksum does not hold is compiled anew, never loaded.

use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::fault::PluginError;

/// Bytes of the checksum before the code.
const CHECKSUM_BYTES: usize = 32;

/// A cache directory.
pub struct AotCache {
    directory: PathBuf,
}

impl AotCache {
    /// Opens the directory, which is made when it is missing, for the owner alone.
    pub fn open(directory: &Path) -> Result<AotCache, PluginError> {
        let failed = |cause| PluginError::File { path: directory.to_path_buf(), cause };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(AotCache { directory: directory.to_path_buf() })
    }

    /// Compiled code from the cache, or what `compile` makes, which is then kept.
    pub fn get_or_compile(
        &self,
        engine: &Engine,
        digest: &str,
        compile: impl FnOnce() -> Result<Component, PluginError>,
    ) -> Result<Component, PluginError> {
        let path = self.directory.join(format!("{}.cwasm", key(engine, digest)));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let component = compile()?;
        if let Err(error) = self.keep(&path, &component) {
            tracing::warn!(path = %path.display(), "compiled code cannot be kept, the next start compiles again: {error}");
        }
        Ok(component)
    }

    /// Removes the compiled code of a plugin's bytes, where there is any.
    pub fn remove(&self, engine: &Engine, digest: &str) {
        let path = self.directory.join(format!("{}.cwasm", key(engine, digest)));
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "compiled code that is no longer needed cannot be removed");
        }
    }

    fn keep(&self, path: &Path, component: &Component) -> std::io::Result<()> {
        let code = component.serialize().map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let partial = self.directory.join(format!(".{}-{number}.partial", std::process::id()));
        std::fs::write(&partial, [&Sha256::digest(&code)[..], &code].concat())?;
        std::fs::rename(&partial, path)
    }
}

/// What a file of the cache is called: it holds for these bytes and this engine only.
fn key(engine: &Engine, digest: &str) -> String {
    let mut hasher = Sha256Hasher(Sha256::new_with_prefix(digest));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex(&hasher.0.finalize())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Feeds what is hashed to SHA-256: the standard library's own hash may change with the compiler.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finalize();
        hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// Loads a file of the cache; `None` where there is none or it is not whole.
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let file = std::fs::read(path).ok()?;
    let (checksum, code) = file.split_at_checked(CHECKSUM_BYTES)?;
    if Sha256::digest(code)[..] != *checksum {
        tracing::warn!(path = %path.display(), "compiled code is damaged and is made anew");
        return None;
    }
    load_code(engine, code)
}

#[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
fn load_code(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `deserialize` needs bytes that `serialize` of the same wasmtime gave. These come from a
    // file that this module alone writes, in a directory that only its owner can write to; the
    // checksum shows that they are whole, and wasmtime itself checks that the engine is compatible.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::warn!("compiled code is made anew: {error:#}")).ok()
}
