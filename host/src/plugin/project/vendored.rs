//! The folder `switchyard/` of a project: the SDK of its language and the contract, as this binary
//! carries them. It belongs to the project: a newer binary does not change it.

use std::path::Path;

use super::embedded;
use super::language::Language;
use crate::plugin::contract::CURRENT;
use crate::plugin::fault::PluginError;
use crate::plugin::log;

/// Its name.
pub const FOLDER: &str = "switchyard";

/// Where the worlds of JavaScript and Python plugins stand in it.
pub const WIT: &str = "switchyard/wit";

/// Where a Rust project's Cargo.toml says that its SDK is.
const RUST_SDK: &str = "switchyard/plugins/sdk";

/// Puts it into a project that has none, and wants it: a Rust project may have the SDK from elsewhere, as
/// the plugins of a workspace do.
pub fn ensure(project: &Path, language: Language) -> Result<(), PluginError> {
    let folder = project.join(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    if language == Language::Rust {
        let path = project.join("Cargo.toml");
        let text = std::fs::read_to_string(&path).map_err(|cause| PluginError::File { path, cause })?;
        if !text.contains(RUST_SDK) {
            return Ok(());
        }
    }
    match language {
        Language::Rust => rust(&folder),
        Language::Javascript => scripted(&folder, "plugins/sdk-javascript"),
        Language::Python => scripted(&folder, "plugins/sdk-python"),
    }
}

/// The SDK's crates beside wit/, as in the work tree, in a workspace of their own.
fn rust(folder: &Path) -> Result<(), PluginError> {
    for (path, text) in embedded::below("plugins/sdk") {
        write(&folder.join("plugins/sdk").join(path), text)?;
    }
    contract(&folder.join("wit").join(CURRENT))?;
    write(&folder.join("Cargo.toml"), &workspace()?)
}

/// The work tree's Cargo.toml without what is not the SDK's.
fn workspace() -> Result<String, PluginError> {
    let unreadable = |error: String| PluginError::Build(format!("the SDK's Cargo.toml cannot be read: {error}"));
    let text = embedded::file("Cargo.toml").unwrap_or_default();
    let mut whole: toml::Table = toml::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    let mut workspace = match whole.remove("workspace") {
        Some(toml::Value::Table(workspace)) => workspace,
        _ => toml::Table::new(),
    };
    workspace.remove("default-members");
    workspace.remove("exclude");
    workspace.insert("members".to_string(), vec!["plugins/*"].into());
    if let Some(toml::Value::Table(dependencies)) = workspace.get_mut("dependencies") {
        let own = || embedded::below("plugins/sdk").filter(|(path, _)| path.ends_with("Cargo.toml"));
        let is_used = |name: &str, text: &str| text.lines().any(|line| line.starts_with(&format!("{name}.workspace")));
        dependencies.retain(|name, _| own().any(|(_, text)| is_used(name, text)));
    }
    let reduced = toml::Table::from_iter([("workspace".to_string(), toml::Value::Table(workspace))]);
    toml::to_string(&reduced).map_err(|error| unreadable(error.to_string()))
}

/// The SDK's files beside the worlds that it is compiled for.
fn scripted(folder: &Path, sdk: &str) -> Result<(), PluginError> {
    for (path, text) in embedded::below(sdk) {
        write(&folder.join(path), text)?;
    }
    let wit = folder.join("wit");
    contract(&wit.join("deps/destination"))?;
    for (path, text) in embedded::below(log::FOLDER) {
        write(&wit.join("deps/log").join(path), text)?;
    }
    write(&wit.join("world.wit"), &worlds())
}

/// What JavaScript and Python plugins export, and the one thing that they import.
fn worlds() -> String {
    let world = |name: &str, of: &str| {
        format!(
            "world {name} {{\n    include switchyard:destination/{of}@{CURRENT};\n    import {};\n}}\n",
            log::INTERFACE
        )
    };
    let (planning, judging) = (world("planning", "destination"), world("judging", "judging-destination"));
    format!("package switchyard:scripted;\n\n{planning}\n{judging}")
}

fn contract(folder: &Path) -> Result<(), PluginError> {
    for (path, text) in embedded::below(&format!("wit/{CURRENT}")) {
        write(&folder.join(path), text)?;
    }
    Ok(())
}

/// Writes a file, and its folders before it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), PluginError> {
    let failed = |cause| PluginError::File { path: path.to_path_buf(), cause };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_project_gets_the_sdk_where_it_looks_for_it_there() {
        let check = |dependency: &str, expected: bool| {
            let project = tempfile::tempdir().unwrap();
            let text = format!("[dependencies]\nswitchyard-sdk{dependency}\n");
            write(&project.path().join("Cargo.toml"), &text).unwrap();
            ensure(project.path(), Language::Rust).unwrap();
            assert_eq!(project.path().join(RUST_SDK).join("Cargo.toml").exists(), expected, "{dependency}");
            assert_eq!(project.path().join(FOLDER).exists(), expected, "{dependency}");
        };
        check(" = { path = \"switchyard/plugins/sdk\" }", true);
        check(".workspace = true", false);
    }
}
