//! The daemon, the plugins and the tests' guests.

use std::path::PathBuf;

use crate::command::{cargo, command, quiet, step};
use crate::{Failure, root, target};

/// What plugins are written with.
const SDK: &str = "switchyard-sdk";

/// Where plugins are compiled to.
pub const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// A folder that `switchyard plugin build` makes a plugin of.
pub struct Guest {
    /// `plugins`, or `guests` for those of the tests: where in target it goes.
    pub kind: &'static str,
    /// The plugin's id, the folder's name.
    pub id: String,
    /// The folder.
    pub folder: PathBuf,
    /// The package's name.
    pub package: String,
}

/// The release daemon, then every plugin and guest with it.
pub fn all() -> Result<(), Failure> {
    guest_target()?;
    host()?;
    guests()?.iter().try_for_each(build_guest)
}

/// The release daemon and what stands in tests/.
pub fn host() -> Result<(), Failure> {
    // The workspace's default members, as every check of the host takes them: another selection would
    // unify features otherwise and compile the dependencies again.
    step("build the daemon", &mut cargo(&["build", "--release"]))
}

fn build_guest(guest: &Guest) -> Result<(), Failure> {
    let directory = target().join(guest.kind);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let file = directory.join(format!("{}.wasm", guest.id));
    let daemon = target().join("release/switchyard").display().to_string();
    let (folder, file) = (guest.folder.display().to_string(), file.display().to_string());
    let mut build = command(&daemon, &["plugin", "build", &folder, "-o", &file]);
    step(&format!("build the plugin {}", guest.id), &mut build)
}

/// The folders of plugins/ and tests/guests/ that have a plugin.toml, in the order of their names.
pub fn guests() -> Result<Vec<Guest>, Failure> {
    let mut guests = Vec::new();
    for (kind, parent) in [("plugins", "plugins"), ("guests", "tests/guests")] {
        let parent = root().join(parent);
        let entries = std::fs::read_dir(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.retain(|folder| folder.join("plugin.toml").is_file());
        folders.sort();
        for folder in folders {
            guests.push(Guest { kind, id: name_of(&folder), package: package_name(&folder)?, folder });
        }
    }
    Ok(guests)
}

fn name_of(folder: &std::path::Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first `name = "..."` of the folder's Cargo.toml.
fn package_name(folder: &std::path::Path) -> Result<String, Failure> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_string).ok_or_else(|| format!("{}: no package name", path.display()))
}

/// `-p` and the package, for the SDK and each plugin: what is also checked natively.
pub fn native_guests() -> Result<Vec<String>, Failure> {
    let plugins = guests()?.into_iter().filter(|guest| guest.kind == "plugins").map(|guest| guest.package);
    Ok(std::iter::once(SDK.to_string()).chain(plugins).flat_map(|package| ["-p".to_string(), package]).collect())
}

/// Installs the target that plugins are compiled to, when it is missing.
fn guest_target() -> Result<(), Failure> {
    let installed = quiet(&mut command("rustup", &["target", "list", "--installed"]))
        .ok_or("rustup is missing: install it from https://rustup.rs, then run this again")?;
    if installed.lines().any(|line| line.trim() == GUEST_TARGET) {
        return Ok(());
    }
    step(&format!("install the target {GUEST_TARGET}"), &mut command("rustup", &["target", "add", GUEST_TARGET]))
}

/// Runs a binary that `build` made.
pub fn run_binary(name: &str, arguments: &[&str]) -> Result<(), Failure> {
    let binary = target().join("release").join(name).display().to_string();
    println!();
    let status = command(&binary, arguments).status().map_err(|error| format!("{binary}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}
