//! The real SDKs that the tests drive, installed as their lock files say, into target/clients.

use std::path::Path;

use crate::command::{command, quiet, step};
use crate::{Failure, root, target};

/// Installs what is not there yet, or was installed from other lock files.
pub fn install() -> Result<(), Failure> {
    node()?;
    python()
}

fn node() -> Result<(), Failure> {
    let missing = "is missing: `apt-get install nodejs npm` (Node 18 or later), then run this again";
    for program in ["node", "npm"] {
        quiet(&mut command(program, &["--version"])).ok_or_else(|| format!("{program} {missing}"))?;
    }
    let (from, to) = (root().join("tests/sdk-clients/node"), target().join("clients/node"));
    copy(&from, &to, &["package.json", "package-lock.json", "send.js"])?;
    unless_installed(&from.join("package-lock.json"), &to.join("installed"), || {
        let mut npm = command("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        step("install the Node SDK", npm.current_dir(&to))
    })
}

fn python() -> Result<(), Failure> {
    quiet(&mut command("python3", &["-m", "pip", "--version"]))
        .ok_or("python3 with pip is missing: `apt-get install python3 python3-pip`, then run this again")?;
    let requirements = root().join("tests/sdk-clients/python/requirements.txt");
    let to = target().join("clients/python");
    std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    unless_installed(&requirements, &to.join("installed"), || {
        let (to, from) = (to.display().to_string(), requirements.display().to_string());
        let options = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--upgrade",
            "--disable-pip-version-check",
            "--root-user-action",
            "ignore",
        ];
        let mut arguments = options.to_vec();
        arguments.extend(["--target", &to, "-r", &from]);
        step("install the Python SDK", &mut command("python3", &arguments))
    })
}

fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for file in files {
        std::fs::copy(from.join(file), to.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// The stamp holds the lock file that was installed from.
fn unless_installed(lock: &Path, stamp: &Path, install: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let wanted = std::fs::read(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    if std::fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}
