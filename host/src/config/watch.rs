//! Tells when a file or a directory may have changed. Uses the system's notification; nothing polls.

use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Reports changes below some directories, merged: a report says "look again", not what changed.
pub struct Watch {
    /// Keeps the notification alive.
    _watcher: notify::RecommendedWatcher,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches directories, not what is below them. An editor that replaces a file is noticed.
    pub fn directories(directories: &[PathBuf]) -> anyhow::Result<Watch> {
        let (report, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reading_only = matches!(&event, Ok(event) if event.kind.is_access() && !closed_after_writing(event));
            if !reading_only {
                // A full channel already says "look again".
                let _ = report.try_send(());
            }
        })?;
        for directory in directories {
            watcher.watch(Path::new(directory), RecursiveMode::NonRecursive)?;
        }
        Ok(Watch { _watcher: watcher, changes })
    }

    /// Completes when something may have changed. Safe to cancel.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

fn closed_after_writing(event: &notify::Event) -> bool {
    use notify::event::{AccessKind, AccessMode, EventKind};
    event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}
