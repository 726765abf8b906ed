//! The real SDKs that the tests drive, and the tools that plugins are made with, installed as their
//! lock files say, into target/clients.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, command, quiet, step};
use crate::{Failure, root, target};

/// Folders of tests/sdk-clients that npm installs for.
const NODE_CLIENTS: [&str; 3] = ["node", "rudder-node", "browser"];

/// Folders that pip installs for, each apart: the packages share modules of the same names.
const PYTHON_CLIENTS: [&str; 2] = ["python", "rudder-python"];

/// Where Debian, Ubuntu and Arch put the browser. Elsewhere SWITCHYARD_CHROMIUM names it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Installs what is not there yet, or was installed from other lock files.
pub fn install() -> Result<(), Failure> {
    node_is_there()?;
    NODE_CLIENTS.into_iter().try_for_each(node)?;
    python_is_there()?;
    PYTHON_CLIENTS.into_iter().try_for_each(python)?;
    plugin_tools()?;
    schemathesis()?;
    rust()?;
    console()?;
    chromium()
}

/// The folder of a client's sources, and where it is installed.
fn folders(name: &str) -> Result<(PathBuf, PathBuf), Failure> {
    let to = target().join("clients").join(name);
    std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    Ok((root().join("tests/sdk-clients").join(name), to))
}

fn node_is_there() -> Result<(), Failure> {
    let missing = "is missing: `apt-get install nodejs npm` (Node 18 or later), then run this again";
    for program in ["node", "npm"] {
        quiet(&mut command(program, &["--version"])).ok_or_else(|| format!("{program} {missing}"))?;
    }
    Ok(())
}

fn node(name: &str) -> Result<(), Failure> {
    let (from, to) = folders(name)?;
    copy(&from, &to, &["package.json", "package-lock.json", "send.js"])?;
    copy(&root().join("tests/sdk-clients"), &to, &["calls.mjs"])?;
    npm_install(&format!("install the client {name}"), &from, &to)
}

fn npm_install(name: &str, from: &Path, to: &Path) -> Result<(), Failure> {
    unless_installed(&from.join("package-lock.json"), &to.join("installed"), || {
        step(name, command("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(to))
    })
}

/// What the tests walk through the console with.
fn console() -> Result<(), Failure> {
    let (from, to) = (root().join("tests/console"), target().join("clients/console"));
    std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    let walks = ["browser.mjs", "walk.mjs", "pages.mjs", "forms.mjs", "keys.mjs"];
    copy(&from, &to, &walks)?;
    copy(&from, &to, &["package.json", "package-lock.json"])?;
    unless_installed(&from.join("package-lock.json"), &to.join("installed"), || {
        let mut npm = command("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
        step("install what walks through the console", npm.current_dir(&to))
    })
}

fn python_is_there() -> Result<(), Failure> {
    let missing = "python3 with pip is missing: `apt-get install python3 python3-pip`, then run this again";
    quiet(&mut command("python3", &["-m", "pip", "--version"])).ok_or(missing)?;
    Ok(())
}

fn python(name: &str) -> Result<(), Failure> {
    let (from, to) = folders(name)?;
    pip_install(&format!("install the client {name}"), &from, &to)
}

fn pip_install(name: &str, from: &Path, to: &Path) -> Result<(), Failure> {
    let requirements = from.join("requirements.txt");
    unless_installed(&requirements, &to.join("installed"), || {
        let (to, from) = (to.display().to_string(), requirements.display().to_string());
        let options = ["--quiet", "--upgrade", "--disable-pip-version-check", "--root-user-action", "ignore"];
        let mut arguments = vec!["-m", "pip", "install"];
        arguments.extend(options);
        arguments.extend(["--target", &to, "-r", &from]);
        step(name, &mut command("python3", &arguments))
    })
}

/// componentize-js and componentize-py, which make components of plugins, with what checks their types.
fn plugin_tools() -> Result<(), Failure> {
    let from = root().join("tests/plugin-tools");
    let to = |language: &str| -> Result<PathBuf, Failure> {
        let to = target().join("clients/plugin-tools").join(language);
        std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
        Ok(to)
    };
    let javascript = to("javascript")?;
    copy(&from.join("javascript"), &javascript, &["package.json", "package-lock.json"])?;
    npm_install("install the tools for JavaScript plugins", &from.join("javascript"), &javascript)?;
    pip_install("install the tools for Python plugins", &from.join("python"), &to("python")?)
}

/// What tests the admin interface against its own description.
fn schemathesis() -> Result<(), Failure> {
    let to = target().join("clients/schemathesis");
    std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    pip_install("install what tests the admin interface", &root().join("tests/schemathesis"), &to)
}

/// cargo knows itself what is built already.
fn rust() -> Result<(), Failure> {
    let (from, to) = folders("rust")?;
    let manifest = from.join("Cargo.toml").display().to_string();
    let mut build = cargo(&["build", "--quiet", "--locked", "--manifest-path", &manifest]);
    step("build the client rust", build.env("CARGO_TARGET_DIR", to))
}

/// The browser that the browser's SDK runs in: installed where this may be done, else asked for.
fn chromium() -> Result<(), Failure> {
    let named = std::env::var_os("SWITCHYARD_CHROMIUM").map(PathBuf::from);
    let browser = named.clone().unwrap_or_else(|| PathBuf::from(CHROMIUM));
    if browser.is_file() {
        return Ok(());
    }
    let missing = format!(
        "{} is missing: `apt-get install chromium`, or name a Chromium in SWITCHYARD_CHROMIUM, then run this again",
        browser.display()
    );
    if named.is_some() || !may_install() {
        return Err(missing);
    }
    step("update the list of packages", &mut apt_get(&["update"]))?;
    step("install chromium", &mut apt_get(&["install", "-y", "--no-install-recommends", "chromium"]))?;
    if browser.is_file() { Ok(()) } else { Err(missing) }
}

fn may_install() -> bool {
    let is_root = quiet(&mut command("id", &["-u"])).is_some_and(|id| id.trim() == "0");
    is_root && Path::new("/etc/debian_version").exists()
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut apt_get = command("apt-get", &["-qq", "-o", "DPkg::Lock::Timeout=120"]);
    apt_get.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}

fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<(), Failure> {
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
