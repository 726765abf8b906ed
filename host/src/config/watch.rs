//! Tells when a file or a directory may have changed. Uses the system's notification; nothing polls.

use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Reports changes in a directory, merged: a report says "look again", not what changed.
pub struct Watch {
    /// Keeps the notification alive.
    _watcher: notify::RecommendedWatcher,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches the files of a directory that `concerns` names, not what is below them. A file that is
    /// replaced is noticed, as editors and deployments do it. Others, such as a log that is written
    /// beside the configuration, wake nobody.
    pub fn directory(directory: &Path, concerns: impl Fn(&Path) -> bool + Send + 'static) -> anyhow::Result<Watch> {
        Watch::directories(&[directory.to_path_buf()], concerns)
    }

    /// As [`Watch::directory`], for several.
    pub fn directories(
        directories: &[PathBuf],
        concerns: impl Fn(&Path) -> bool + Send + 'static,
    ) -> anyhow::Result<Watch> {
        let (report, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let may_matter = match &event {
                Ok(event) if event.kind.is_access() && !closed_after_writing(event) => false,
                Ok(event) => event.need_rescan() || event.paths.iter().any(|path| concerns(path)),
                Err(_) => true,
            };
            if may_matter {
                // A full channel already says "look again".
                let _ = report.try_send(());
            }
        })?;
        for directory in directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
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
