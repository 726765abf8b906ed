//! Compiles a Rust plugin's crate with cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::plugin::fault::PluginError;

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

/// How much the compiler may put in place of a call: twice what it does by itself. A plugin is many short
/// functions over few events; this makes one a tenth faster, and its file a tenth larger.
const INLINE: &str = "-Cllvm-args=-inline-threshold=500";

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
    command.args(["--config", &flags()]);
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

/// The compiler's flags. The place of the dependencies' sources, which panics name, is taken out of the
/// module: it is another one for each user.
fn flags() -> String {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let without_home = home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display()));
    let flags: Vec<toml::Value> = without_home.into_iter().chain([INLINE.to_string()]).map(toml::Value::from).collect();
    format!("target.{TARGET}.rustflags={}", toml::Value::from(flags))
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
