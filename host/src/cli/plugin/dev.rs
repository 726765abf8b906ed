//! `switchyard plugin dev`: at each save builds, runs the fixtures, and loads the file into a daemon.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ColorChoice};

use super::super::AdminArguments;
use super::trial;
use crate::cli::rollout::install_file;
use crate::config::watch::Watch;
use crate::plugin::host::PluginHost;

/// After a change it is waited for others that belong to it: an editor writes a file in some steps,
/// and a change of branches writes many.
const SETTLE_MS: u64 = 30;

/// Names of folders that are not watched: what tools write.
const NOT_WATCHED: [&str; 4] = ["target", "node_modules", "__pycache__", "switchyard"];

/// What to watch.
#[derive(Args)]
pub(in crate::cli) struct Dev {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Load the plugin into the running daemon when its fixtures give their plans.
    #[arg(long)]
    daemon: bool,
    #[command(flatten)]
    admin: AdminArguments,
    /// Colours in the differences.
    #[arg(long, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

pub(super) fn run(host: &PluginHost, call: &Dev, out: &mut dyn Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut saved = Instant::now();
    loop {
        // Watched before it is built, so that a save meanwhile is seen.
        let mut watch = watch(&call.folder)?;
        if let Err(error) = once(host, call, out) {
            writeln!(out, "error: {error:#}")?;
        }
        writeln!(out, "-- {:.1} s after the save; waiting for the next", saved.elapsed().as_secs_f64())?;
        out.flush()?;
        saved = runtime.block_on(async {
            watch.changed().await;
            let saved = Instant::now();
            while tokio::time::timeout(Duration::from_millis(SETTLE_MS), watch.changed()).await.is_ok() {}
            saved
        });
    }
}

fn once(host: &PluginHost, call: &Dev, out: &mut dyn Write) -> anyhow::Result<()> {
    let tested = trial::build_and_test(host, &call.folder, false, call.color, out)?;
    if call.daemon && tested.failures == 0 {
        install_file(&tested.file, &call.admin)?;
    }
    Ok(())
}

/// The folder and those below it, without what tools write.
fn watch(folder: &Path) -> anyhow::Result<Watch> {
    let mut folders = Vec::new();
    collect(folder, &mut folders).with_context(|| format!("{} cannot be watched", folder.display()))?;
    Watch::directories(&folders, is_source)
}

fn collect(folder: &Path, folders: &mut Vec<PathBuf>) -> std::io::Result<()> {
    folders.push(folder.to_path_buf());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && is_source(&path) {
            collect(&path, folders)?;
        }
    }
    Ok(())
}

/// Whether a change of this file or folder may change the plugin.
fn is_source(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let written = name.starts_with('.') || name.ends_with('~') || name.ends_with(".wasm") || name == "Cargo.lock";
    !written && !NOT_WATCHED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_write_is_not_watched() {
        for source in ["src/lib.rs", "plugin.toml", "fixtures/one.json", "plugin.py"] {
            assert!(is_source(Path::new(source)), "{source}");
        }
        for written in ["target", "x.wasm", ".plugin.py.swp", "plugin.py~", "Cargo.lock", "node_modules"] {
            assert!(!is_source(Path::new(written)), "{written}");
        }
    }
}
