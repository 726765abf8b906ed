//! Makes a plugin's file: a component with its manifest. The same input gives the same bytes.

pub mod cargo;
mod derived;
mod javascript;
pub mod kept;
mod python;
mod scratch;

use std::borrow::Cow;
use std::path::Path;

use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use super::check::cut;
use super::fault::PluginError;
use super::manifest::{Manifest, SECTION};
use super::project::language::Language;
use super::project::{self, vendored};

/// The name of the custom section with the README.
pub const README: &str = "switchyard:readme";

/// Bytes of a README that go into the file. 256 KiB: some hundred pages.
const README_BYTES_MAX: usize = 256 << 10;

/// Builds the plugin in a folder: its plugin.toml and fixtures, and its code: `wasm` when it is
/// given, else what the tool of its language makes of it.
pub fn build_folder(folder: &Path, wasm: Option<&Path>) -> Result<Vec<u8>, PluginError> {
    if let Some(path) = wasm {
        return build(folder, &read(path)?, None);
    }
    // The manifest first: its mistakes are found before a compiler runs.
    project::read_before_code(folder)?;
    let language = Language::of(folder)?;
    vendored::ensure(folder, language)?;
    match language {
        Language::Rust => {
            let compiled = cargo::compile_crate(folder)?;
            build(folder, &read(&compiled.wasm)?, Some(&compiled.version))
        }
        Language::Javascript => build(folder, &javascript::component(folder)?, javascript::version(folder).as_deref()),
        Language::Python => build(folder, &python::component(folder)?, None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PluginError> {
    std::fs::read(path).map_err(|cause| PluginError::File { path: path.to_path_buf(), cause })
}

/// Joins code, a component or a core module with embedded world metadata, with the manifest made of
/// the folder's plugin.toml and fixtures. `version` is the plugin's where plugin.toml names none; the
/// schema of the settings may be in the code's module instead.
pub fn build(folder: &Path, wasm: &[u8], version: Option<&str>) -> Result<Vec<u8>, PluginError> {
    let (wasm, settings) = derived::take(wasm)?;
    let manifest = project::read_with(folder, version, settings)?;
    let mut bytes = with_manifest(&wasm, &manifest)?;
    if let Some(readme) = readme(folder) {
        CustomSection { name: README.into(), data: readme.into_bytes().into() }.append_to_component(&mut bytes);
    }
    Ok(bytes)
}

/// What the folder's README.md says, as far as there is one; cut at a bound.
fn readme(folder: &Path) -> Option<String> {
    let mut text = std::fs::read_to_string(folder.join("README.md")).ok()?;
    cut(&mut text, README_BYTES_MAX);
    Some(text)
}

/// The same with a manifest that is there already.
pub fn with_manifest(wasm: &[u8], manifest: &Manifest) -> Result<Vec<u8>, PluginError> {
    manifest.check()?;
    let mut bytes = component_bytes(wasm)?.into_owned();
    let json = serde_json::to_vec(manifest).expect("a manifest can be written to memory");
    CustomSection { name: SECTION.into(), data: json.into() }.append_to_component(&mut bytes);
    Ok(bytes)
}

/// A component: as it is, or made of a core module with embedded world metadata.
pub fn component_bytes(wasm: &[u8]) -> Result<Cow<'_, [u8]>, PluginError> {
    // Behind the magic number: the version, and the layer, which is 0 for a core module.
    match wasm.get(..8) {
        Some([b'\0', b'a', b's', b'm', _, _, 0, 0]) => {
            let mut encoder = ComponentEncoder::default();
            let encoded = encoder.validate(true).module(wasm).and_then(|encoder| encoder.encode());
            encoded.map(Cow::Owned).map_err(|error| PluginError::Code(format!("{error:#}")))
        }
        Some([b'\0', b'a', b's', b'm', ..]) => Ok(Cow::Borrowed(wasm)),
        _ => Err(PluginError::Malformed("it does not begin as one".to_string())),
    }
}
