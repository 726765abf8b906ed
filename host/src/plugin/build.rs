//! Makes a plugin's file: a component with its manifest. The same input gives the same bytes.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

use super::fault::PluginError;
use super::manifest::{Manifest, SECTION};
use super::project;

/// What a Rust plugin is compiled for: the target that imports nothing.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The settings of the compiler, given on the command line so that an author needs no profile of
/// their own: one unit and link-time optimisation, because the size is load time.
const PROFILE: [&str; 8] = [
    "profile.plugin.inherits=\"release\"",
    "profile.plugin.opt-level=3",
    "profile.plugin.lto=\"fat\"",
    "profile.plugin.codegen-units=1",
    "profile.plugin.panic=\"abort\"",
    "profile.plugin.debug=false",
    "profile.plugin.strip=true",
    "profile.plugin.incremental=false",
];

/// Builds the plugin in a folder: its plugin.toml and fixtures, and its code: `wasm` when it is
/// given, else what cargo makes of the folder's crate.
pub fn build_folder(folder: &Path, wasm: Option<&Path>) -> Result<Vec<u8>, PluginError> {
    match wasm {
        Some(path) => {
            let code = std::fs::read(path).map_err(|cause| PluginError::File { path: path.to_path_buf(), cause })?;
            build(folder, &code, None)
        }
        None => {
            // The manifest first: its mistakes are found before the compiler runs.
            project::read(folder, Some("0.0.0"))?;
            let compiled = compile_crate(folder)?;
            let code = std::fs::read(&compiled.wasm)
                .map_err(|cause| PluginError::File { path: compiled.wasm.clone(), cause })?;
            build(folder, &code, Some(&compiled.version))
        }
    }
}

/// Joins code, a component or a core module with embedded world metadata, with the manifest made of
/// the folder's plugin.toml and fixtures. `version` is the plugin's where plugin.toml names none.
pub fn build(folder: &Path, wasm: &[u8], version: Option<&str>) -> Result<Vec<u8>, PluginError> {
    let manifest = project::read(folder, version)?;
    with_manifest(wasm, &manifest)
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

/// What cargo made.
pub struct Compiled {
    /// The core module.
    pub wasm: PathBuf,
    /// The crate's version.
    pub version: String,
}

/// Compiles the crate in a folder for [`TARGET`]. Progress and warnings go to this process's stderr.
pub fn compile_crate(folder: &Path) -> Result<Compiled, PluginError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--lib", "--target", TARGET, "--profile", "plugin"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    command.args(["--config", &format!("target.{TARGET}.rustflags={:?}", path_flags())]);
    let output = command.output().map_err(|error| {
        PluginError::Build(format!("cargo cannot be started: {error}; install Rust from https://rustup.rs"))
    })?;
    if !output.status.success() {
        let place = folder.display();
        return Err(PluginError::Build(match target_is_missing(folder) {
            true => format!("{place}: the target {TARGET} is not installed; run: rustup target add {TARGET}"),
            false => format!("{place}: cargo build failed"),
        }));
    }
    let folder_manifest = folder.join("Cargo.toml").canonicalize().ok();
    let text = String::from_utf8_lossy(&output.stdout);
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    artifacts.filter_map(|message| artifact(&message, folder_manifest.as_deref())).next_back().ok_or_else(|| {
        PluginError::Build(format!(
            "{}: cargo made no .wasm: Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`",
            folder.display()
        ))
    })
}

/// Flags for the compiler that keep the places of this machine's crates out of the texts of panics: the
/// same source gives the same bytes on every machine.
fn path_flags() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registries = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let folders = registries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut flags: Vec<String> =
        folders.map(|folder| format!("--remap-path-prefix={}=crates", folder.display())).collect();
    flags.sort();
    flags
}

/// The module that a message of cargo names, when it is this crate's.
fn artifact(message: &Value, folder_manifest: Option<&Path>) -> Option<Compiled> {
    let manifest = PathBuf::from(message.get("manifest_path")?.as_str()?);
    if manifest.canonicalize().ok().as_deref() != folder_manifest {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    let wasm = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))?;
    // `path+file:///folder#name@1.2.3`, or `...#1.2.3` when the folder has the crate's name.
    let package = message.get("package_id")?.as_str()?;
    let version = package.rsplit(['#', '@']).next()?.to_string();
    Some(Compiled { wasm: PathBuf::from(wasm), version })
}

/// Whether the compiler's installation lacks the standard library for [`TARGET`].
fn target_is_missing(folder: &Path) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let directory = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    directory.is_ok_and(|directory| !directory.is_empty() && !Path::new(&directory).is_dir())
}
