//! What the tools for JavaScript and Python made, by what they made it of.
//!
//! Both run the interpreter once and keep its memory, with the seeds of its hash tables and the
//! addresses of its objects, so that they make other bytes of the same source each time. A plugin's
//! revision is its bytes: the first answer for a source is kept, and is the answer from then on.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::plugin::aot::hex;
use crate::plugin::fault::PluginError;

/// Files that are kept in a directory. A component has 12 to 20 MB, its compiled code 40.
const KEPT_MAX: usize = 16;

/// Folders of a project that are no source.
const PASSED_OVER: [&str; 5] = ["node_modules", "__pycache__", "target", "fixtures", "switchyard-build"];

/// The component for a source: the one that is kept, or what `make` makes of it.
pub(super) fn component(
    folder: &Path,
    tool: &str,
    extensions: &[&str],
    make: impl FnOnce() -> Result<Vec<u8>, PluginError>,
) -> Result<Vec<u8>, PluginError> {
    let Some(cache) = directory("components") else { return make() };
    let path = cache.join(format!("{}.wasm", digest(folder, tool, extensions)?));
    if let Ok(kept) = std::fs::read(&path) {
        return Ok(kept);
    }
    let made = make()?;
    if let Err(error) = keep(&cache, &path, &made) {
        tracing::warn!(path = %path.display(), "the component cannot be kept, another build gives other bytes: {error}");
    }
    Ok(made)
}

/// `$XDG_CACHE_HOME/switchyard/<name>`, by default in ~/.cache; none without a home.
pub fn directory(name: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("switchyard").join(name))
}

fn keep(cache: &Path, path: &Path, component: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(cache)?;
    let partial = cache.join(format!(".{}.partial", std::process::id()));
    std::fs::write(&partial, component)?;
    std::fs::rename(&partial, path)?;
    prune(cache)
}

/// Removes the oldest files of such a directory, down to the bound. Another process may do the same.
pub fn prune(cache: &Path) -> std::io::Result<()> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(cache)? {
        let entry = entry?;
        if let Some(file) = unless_gone(entry.metadata())? {
            kept.push((file.modified()?, entry.path()));
        }
    }
    kept.sort();
    let surplus = kept.len().saturating_sub(KEPT_MAX);
    kept.iter().take(surplus).try_for_each(|(_, path)| unless_gone(std::fs::remove_file(path)).map(drop))
}

fn unless_gone<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Names a source: the tool with its version, and the names and bytes of the files with these
/// extensions.
fn digest(folder: &Path, tool: &str, extensions: &[&str]) -> Result<String, PluginError> {
    let mut files = Vec::new();
    sources(folder, extensions, &mut files).map_err(|cause| PluginError::File { path: folder.to_path_buf(), cause })?;
    files.sort();
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(tool.as_bytes());
    for file in files {
        let bytes = std::fs::read(&file).map_err(|cause| PluginError::File { path: file.clone(), cause })?;
        part(file.strip_prefix(folder).unwrap_or(&file).as_os_str().as_encoded_bytes());
        part(&bytes);
    }
    Ok(hex(&hash.finalize()))
}

fn sources(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') || PASSED_OVER.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            sources(&path, extensions, files)?;
        } else if extensions.contains(&extension.as_str()) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_beyond_the_bound() {
        let cache = tempfile::tempdir().expect("a folder");
        let count = || std::fs::read_dir(cache.path()).expect("it is there").count();
        for number in 0..KEPT_MAX {
            std::fs::write(cache.path().join(number.to_string()), "x").expect("a file");
        }
        prune(cache.path()).expect("it can be pruned");
        assert_eq!(count(), KEPT_MAX);
        std::fs::write(cache.path().join("one more"), "x").expect("a file");
        prune(cache.path()).expect("it can be pruned");
        assert_eq!(count(), KEPT_MAX);
    }

    #[test]
    fn several_may_clear_up_at_once() {
        let cache = tempfile::tempdir().expect("a folder");
        for number in 0..400 {
            std::fs::write(cache.path().join(number.to_string()), "x").expect("a file");
        }
        std::thread::scope(|scope| {
            let clearing: Vec<_> = (0..4).map(|_| scope.spawn(|| prune(cache.path()))).collect();
            clearing.into_iter().for_each(|one| one.join().expect("no panic").expect("it can be pruned"));
        });
    }

    #[test]
    fn a_source_is_named_by_what_is_in_it() {
        let folder = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().expect("a folder");
            for (name, text) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
                std::fs::write(path, text).expect("a file");
            }
            digest(folder.path(), "tool 1", &["py"]).expect("the folder can be read")
        };
        let one = folder(&[("plugin.py", "1"), ("a/b.py", "2")]);
        assert_eq!(one, folder(&[("a/b.py", "2"), ("plugin.py", "1"), ("README.md", "x"), (".venv/c.py", "3")]));
        for other in [
            &[("plugin.py", "2"), ("a/b.py", "2")][..],
            &[("plugin.py", "1"), ("a/c.py", "2")],
            &[("plugin.py", "1")],
            &[("plugin.py", "1a/b.py2")],
        ] {
            assert_ne!(one, folder(other), "{other:?}");
        }
    }
}
