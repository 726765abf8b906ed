//! Makes a component of a Python plugin with PyPI's componentize-py.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::scratch::Scratch;
use super::{kept, read};
use crate::plugin::fault::PluginError;
use crate::plugin::project::vendored;

/// The program.
const TOOL: &str = "componentize-py";

/// The component of the project in a folder.
pub(super) fn component(folder: &Path) -> Result<Vec<u8>, PluginError> {
    let failed = |cause| PluginError::File { path: folder.to_path_buf(), cause };
    let folder = folder.canonicalize().map_err(failed)?;
    let tool = find(&folder);
    let version = version(&tool, &folder)?;
    kept::component(&folder, &version, &["py", "wit"], || make(&folder, &tool))
}

fn make(folder: &Path, tool: &Path) -> Result<Vec<u8>, PluginError> {
    let scratch = Scratch::make()?;
    let output = scratch.path().join("component.wasm");
    let form = if has_judge(folder)? { "judging" } else { "planning" };
    let made = Command::new(tool)
        .arg("--quiet")
        .args(["--world", form, "--wit-path"])
        .arg(folder.join(vendored::WIT))
        .args(["componentize", "--stub-wasi", &format!("entry_{form}"), "--python-path"])
        .arg(folder)
        .arg("--python-path")
        .arg(folder.join(vendored::FOLDER).join("entries"))
        .arg("--output")
        .arg(&output)
        .current_dir(folder)
        // What a plugin imports stands in its folder: what else is installed here is not looked at.
        .env("VIRTUAL_ENV", scratch.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| PluginError::Build(format!("{}: {error}", tool.display())))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        return Err(PluginError::Build(format!("{}: componentize-py failed: {}", folder.display(), said.trim())));
    }
    read(&output)
}

/// In the folder's own environment, else on the PATH.
fn find(folder: &Path) -> PathBuf {
    let own = folder.join(".venv/bin").join(TOOL);
    if own.is_file() { own } else { PathBuf::from(TOOL) }
}

/// What the program says of itself, which shows that it is there.
fn version(tool: &Path, folder: &Path) -> Result<String, PluginError> {
    let asked = Command::new(tool).arg("--version").stdin(Stdio::null()).output();
    match asked {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
        _ => Err(PluginError::Build(format!(
            "{}: {TOOL} is not installed; run: python3 -m pip install {TOOL}",
            folder.display()
        ))),
    }
}

/// Whether plugin.py has a function `judge` of its own.
fn has_judge(folder: &Path) -> Result<bool, PluginError> {
    let source = read(&folder.join("plugin.py"))?;
    Ok(String::from_utf8_lossy(&source).lines().any(|line| line.starts_with("def judge(")))
}
