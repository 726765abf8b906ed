//! Secrets that change where they are kept: the configuration is read again, and takes effect as any
//! change of it does. Nothing is done while nothing changes, but for commands that are to be run again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Daemon;
use super::run::{QUIET, place_of};
use crate::config::watch::Watch;

/// Reads the configuration again when a file that it takes secrets from changes, and when a command is
/// due; never returns.
pub(super) async fn watch_secrets(daemon: &Daemon, config_path: &Path) {
    let mut watched = Vec::new();
    let mut watching = None;
    loop {
        let sources = daemon.changing.read().await.config.secret_sources.clone();
        if sources.files != watched {
            watching = watch(&sources.files);
            watched = sources.files;
            // A change between the reading and the watch told nobody.
            daemon.reload_config(config_path).await;
            continue;
        }
        // A reload is never given up half-way: only the waiting is.
        tokio::select! {
            () = daemon.config_changed.notified() => continue,
            () = due(sources.refresh_ms) => {}
            () = changed(&mut watching) => {}
        }
        daemon.reload_config(config_path).await;
    }
}

async fn due(refresh_ms: Option<u64>) {
    match refresh_ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

async fn changed(watching: &mut Option<Watch>) {
    match watching {
        Some(watch) => {
            watch.changed().await;
            while tokio::time::timeout(QUIET, watch.changed()).await.is_ok() {}
        }
        None => std::future::pending().await,
    }
}

fn watch(files: &[PathBuf]) -> Option<Watch> {
    if files.is_empty() {
        return None;
    }
    let places: Vec<_> = files.iter().map(|file| place_of(file)).collect();
    let directories: BTreeSet<PathBuf> = places.iter().map(|(directory, _)| directory.clone()).collect();
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    match Watch::directories(&directories, move |path| places.iter().any(|(_, is_file)| is_file(path))) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::error!(%error, "the files of secrets cannot be watched: save the configuration after a change");
            None
        }
    }
}
