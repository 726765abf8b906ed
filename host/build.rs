//! Puts the SDKs, the contract and the templates of new projects into the binary: no registry has
//! them, so `switchyard plugin new` writes them into the project.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Folders of the work tree whose files are embedded; what is not there is passed over.
const FOLDERS: [&str; 5] = ["host/templates", "plugins/sdk", "plugins/sdk-javascript", "plugins/sdk-python", "wit"];

/// Single files: where the SDK's versions of its dependencies stand.
const FILES: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

/// Written by tools, not by us.
const PASSED_OVER: [&str; 4] = ["target", "node_modules", "__pycache__", ".mypy_cache"];

fn main() -> std::io::Result<()> {
    let host = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = host.join("..").canonicalize()?;
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut code = String::from("/// Path in the work tree and text, in the order of the paths.\n");
    code.push_str("pub(super) static FILES: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).expect("it was found below").display().to_string();
        writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string()).expect("a string takes it");
    }
    code.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("embedded.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if path.is_file() && !name.ends_with(".pyc") {
            files.push(path);
        }
    }
    Ok(())
}
