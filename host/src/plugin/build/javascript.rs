//! Makes a component of a JavaScript plugin with npm's componentize-js.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::scratch::Scratch;
use super::{kept, read};
use crate::plugin::fault::PluginError;
use crate::plugin::project::vendored;

/// The package.
const TOOL: &str = "@bytecodealliance/componentize-js";

/// The component of the project in a folder.
pub(super) fn component(folder: &Path) -> Result<Vec<u8>, PluginError> {
    let failed = |cause| PluginError::File { path: folder.to_path_buf(), cause };
    let folder = folder.canonicalize().map_err(failed)?;
    let tool = find(&folder)?;
    let version = json(&tool.join("package.json")).and_then(|package| text(&package, "version")).unwrap_or_default();
    kept::component(&folder, &format!("{TOOL} {version}"), &["js", "mjs", "json", "wit"], || make(&folder, &tool))
}

/// The version in package.json.
pub(super) fn version(folder: &Path) -> Option<String> {
    text(&json(&folder.join("package.json"))?, "version")
}

fn make(folder: &Path, tool: &Path) -> Result<Vec<u8>, PluginError> {
    let scratch = Scratch::make()?;
    let output = scratch.path().join("component.wasm");
    let status = Command::new("node")
        .arg(folder.join(vendored::FOLDER).join("build.mjs"))
        .args([tool, folder, &folder.join(vendored::WIT), &output])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| PluginError::Build(format!("node cannot be started: {error}; install Node 20 or later")))?;
    if !status.success() {
        return Err(PluginError::Build(format!("{}: componentize-js failed", folder.display())));
    }
    read(&output)
}

/// Where the package is: in node_modules of the folder or one above it, else where NODE_PATH says.
fn find(folder: &Path) -> Result<PathBuf, PluginError> {
    let above = folder.ancestors().map(|ancestor| ancestor.join("node_modules"));
    let named = std::env::var_os("NODE_PATH").unwrap_or_default();
    let named: Vec<PathBuf> = std::env::split_paths(&named).collect();
    let mut places = above.chain(named).map(|place| place.join(TOOL));
    places.find(|place| place.join("package.json").is_file()).ok_or_else(|| {
        PluginError::Build(format!(
            "{0}: {TOOL} is not installed; run: (cd {0} && npm install --save-dev {TOOL})",
            folder.display()
        ))
    })
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn text(value: &Value, member: &str) -> Option<String> {
    value.get(member)?.as_str().map(str::to_string)
}
