//! The audit log: who changed what, when, from where. One JSON object a line, durable before the
//! change is answered, in the data directory. It holds no event and no secret.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::access::Caller;
use crate::config::Role;

/// The file in the data directory; the one before it has `.1` behind its name.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// Bytes of a file, about 40,000 changes; then it becomes the one before, and that one goes.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Bytes of a line's texts, so that no caller can fill the file at once.
const TEXT_BYTES_MAX: usize = 1_024;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// The name of the token, or of what changed it.
    pub who: String,
    /// What that token may do; None when it was no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The address that it came from; empty: this machine's files.
    pub from: String,
    /// What was done, in a few words: `destination paused`.
    pub what: String,
    /// To what: `shop/ga4`.
    pub subject: String,
    /// More, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Entry {
    /// Of a caller.
    pub fn of(caller: &Caller, at_ms: u64, what: &str, subject: &str, detail: &str) -> Entry {
        let (who, role) = (caller.person.name.clone(), Some(caller.person.role));
        let bounded = |text: &str| text.chars().take(TEXT_BYTES_MAX / 4).collect::<String>();
        let (subject, detail) = (bounded(subject), bounded(detail));
        Entry { at_ms, who, role, from: caller.from.to_string(), what: what.to_string(), subject, detail }
    }
}

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl AuditLog {
    /// Opens the log of a data directory.
    ///
    /// # Errors
    /// When it can be neither opened nor made.
    pub fn open(data_directory: &Path) -> std::io::Result<AuditLog> {
        let path = data_directory.join(AUDIT_FILE);
        let file = open(&path)?;
        Ok(AuditLog { path, file: Arc::new(Mutex::new(file)) })
    }

    /// Writes an entry; returns once it is durable. A log that cannot be written is said loudly: the
    /// change has happened.
    pub async fn record(&self, entry: Entry) {
        let own = self.clone();
        let shown = entry.clone();
        let written = tokio::task::spawn_blocking(move || own.write(&entry)).await;
        tracing::info!(target: "audit", who = %shown.who, from = %shown.from, subject = %shown.subject, "{}", shown.what);
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(target: "audit", %error, "THE AUDIT LOG CANNOT BE WRITTEN"),
            Err(error) => tracing::error!(target: "audit", %error, "THE AUDIT LOG CANNOT BE WRITTEN"),
        }
    }

    fn write(&self, entry: &Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.file.lock().expect("nobody panics while holding the log");
        if file.metadata()?.len() + line.len() as u64 > FILE_BYTES_MAX {
            std::fs::rename(&self.path, before(&self.path))?;
            *file = open(&self.path)?;
        }
        file.write_all(&line)?;
        file.sync_data()
    }

    /// The last entries, newest first, at most `max`. A line that was cut off by a crash is passed over.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub async fn last(&self, max: usize) -> std::io::Result<Vec<Entry>> {
        let own = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut entries = entries(&own.path, max)?;
            if entries.len() < max {
                entries.extend(self::entries(&before(&own.path), max - entries.len())?);
            }
            Ok(entries)
        })
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }
}

fn before(path: &Path) -> PathBuf {
    path.with_extension("jsonl.1")
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// The last entries of a file, newest first. Reads no more of it than they may take.
fn entries(path: &Path, max: usize) -> std::io::Result<Vec<Entry>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let bytes = file.metadata()?.len();
    let wanted = (max as u64).saturating_mul(3 * TEXT_BYTES_MAX as u64).min(bytes);
    file.seek(SeekFrom::Start(bytes - wanted))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n').rev();
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).take(max).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_ms: u64, detail: &str) -> Entry {
        let person = super::super::access::Person { name: "mira".to_string(), role: Role::Editor };
        let caller = Caller { person, from: [192, 0, 2, 1].into() };
        Entry::of(&caller, at_ms, "destination paused", "shop/ga4", detail)
    }

    #[test]
    fn entries_outlast_the_process_and_a_line_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::open(directory.path()).unwrap();
        (1..=3).for_each(|at_ms| log.write(&entry(at_ms, "")).unwrap());
        std::fs::OpenOptions::new().append(true).open(&log.path).unwrap().write_all(b"{\"at_ms\":").unwrap();
        let log = AuditLog::open(directory.path()).unwrap();
        let found = entries(&log.path, 2).unwrap();
        assert_eq!(found.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(found[0], entry(3, ""));
    }

    #[tokio::test]
    async fn the_files_are_bounded_and_the_one_before_is_read_too() {
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::open(directory.path()).unwrap();
        std::fs::OpenOptions::new().write(true).open(&log.path).unwrap().set_len(FILE_BYTES_MAX - 401).unwrap();
        std::fs::OpenOptions::new().append(true).open(&log.path).unwrap().write_all(b"\n").unwrap();
        log.write(&entry(1, "")).unwrap();
        assert!(!before(&log.path).exists(), "just within");
        (2..=5).for_each(|at_ms| log.write(&entry(at_ms, &"x".repeat(5_000))).unwrap());
        assert!(before(&log.path).exists(), "just beyond");
        let last = log.last(10).await.unwrap();
        assert_eq!(last.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
        assert!(last[0].detail.len() <= TEXT_BYTES_MAX);
    }
}
