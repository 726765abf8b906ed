//! The configurations that were in effect: who saved each, when, and why. Kept in the data directory,
//! one file each, readable by its owner alone, with marks in the place of secrets.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Configurations that are kept; beyond, the oldest go.
const KEPT_MAX: usize = 200;

/// Bytes of all that are kept; beyond, the oldest go. A configuration has a few kilobytes.
const BYTES_MAX: u64 = 32 << 20;

/// The folder in the data directory.
const FOLDER: &str = "configurations";

/// One configuration that was in effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Its number, from 1 on.
    pub number: u64,
    /// Since when: milliseconds since 1970.
    pub at_ms: u64,
    /// The name of a token, or `the file`.
    pub who: String,
    /// What changed, in a few words.
    pub what: String,
    /// The whole text, with marks in the place of secrets (`config/marks.rs`).
    pub text: String,
    /// Whether it has marks. Those that were kept before there were any do not.
    #[serde(default)]
    pub marked: bool,
}

/// The configurations that were in effect, newest last.
#[derive(Debug)]
pub struct ConfigHistory {
    folder: PathBuf,
    saved: Vec<Saved>,
}

impl ConfigHistory {
    /// Reads what a data directory keeps. A file that cannot be read is passed over, and said.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(data_directory: &Path) -> std::io::Result<ConfigHistory> {
        let folder = data_directory.join(FOLDER);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut saved: Vec<Saved> = Vec::new();
        for entry in std::fs::read_dir(&folder)?.flatten().filter(|entry| has_ending(&entry.path(), "json")) {
            let bytes = std::fs::read(entry.path())?;
            match serde_json::from_slice(&bytes) {
                Ok(own) => saved.push(own),
                Err(error) => tracing::warn!(file = %entry.path().display(), %error, "a kept configuration is damaged"),
            }
        }
        saved.sort_by_key(|own| own.number);
        Ok(ConfigHistory { folder, saved })
    }

    /// Puts marks in the place of secrets where a text was kept with them.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn mark_all(&mut self, marked: impl Fn(&str) -> String) -> std::io::Result<()> {
        for at in 0..self.saved.len() {
            if !self.saved[at].marked {
                let old = &self.saved[at];
                let new = Saved { text: marked(&old.text), marked: true, ..old.clone() };
                write_whole(&self.file(new.number), &serde_json::to_vec(&new)?)?;
                self.saved[at] = new;
            }
        }
        Ok(())
    }

    /// Notes that a text, marked already, is in effect from now on, unless it is already. Answers its number.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub fn note(&mut self, text: &str, at_ms: u64, who: &str, what: &str) -> std::io::Result<u64> {
        if let Some(last) = self.saved.last().filter(|last| last.text == text) {
            return Ok(last.number);
        }
        let number = self.saved.last().map_or(1, |last| last.number + 1);
        let (who, what, text) = (who.to_string(), what.to_string(), text.to_string());
        let saved = Saved { number, at_ms, who, what, text, marked: true };
        write_whole(&self.file(number), &serde_json::to_vec(&saved)?)?;
        self.saved.push(saved);
        self.trim();
        Ok(number)
    }

    /// All of them, newest first.
    pub fn all(&self) -> impl Iterator<Item = &Saved> {
        self.saved.iter().rev()
    }

    /// The one of that number.
    pub fn get(&self, number: u64) -> Option<&Saved> {
        self.saved.iter().find(|saved| saved.number == number)
    }

    /// The one before.
    pub fn before(&self, number: u64) -> Option<&Saved> {
        self.saved.iter().rev().find(|saved| saved.number < number)
    }

    /// The one in effect.
    pub fn current(&self) -> Option<&Saved> {
        self.saved.last()
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}.json"))
    }

    fn trim(&mut self) {
        let bytes = |saved: &[Saved]| saved.iter().map(|own| own.text.len() as u64).sum::<u64>();
        while self.saved.len() > KEPT_MAX || (self.saved.len() > 1 && bytes(&self.saved) > BYTES_MAX) {
            let oldest = self.saved.remove(0);
            let _ = std::fs::remove_file(self.file(oldest.number));
        }
    }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|own| own == ending)
}

/// Replaces a file in one step, durably: whoever reads it sees the old or the new one whole. Keeps the
/// permissions of the old one; a new one is its owner's alone.
///
/// # Errors
/// When the folder takes no file, or the disk is full; then nothing has changed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    // A link is kept, and what it leads to replaced.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.saving"));
    let _ = std::fs::remove_file(&beside);
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => std::fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_in_effect_is_kept_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = ConfigHistory::open(directory.path()).unwrap();
        assert_eq!(history.note("a", 1, "the file", "start").unwrap(), 1);
        assert_eq!(history.note("a", 2, "the file", "start").unwrap(), 1, "nothing changed");
        assert_eq!(history.note("b", 3, "mira", "saved").unwrap(), 2);
        assert_eq!(history.note("a", 4, "mira", "rolled back").unwrap(), 3);
        let history = ConfigHistory::open(directory.path()).unwrap();
        assert_eq!(history.all().map(|saved| saved.text.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(history.before(3).unwrap().who, "mira");
        let mode = std::fs::metadata(history.file(3)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_kept_without_marks_gets_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = ConfigHistory::open(directory.path()).unwrap();
        history.note("a", 1, "x", "").unwrap();
        let old = r#"{"number": 2, "at_ms": 2, "who": "x", "what": "", "text": "secret"}"#;
        std::fs::write(history.file(2), old).unwrap();
        let mut history = ConfigHistory::open(directory.path()).unwrap();
        history.mark_all(|text| format!("marked {}", text.len())).unwrap();
        let history = ConfigHistory::open(directory.path()).unwrap();
        let texts: Vec<&str> = history.all().map(|saved| saved.text.as_str()).collect();
        assert_eq!(texts, ["marked 6", "a"]);
    }

    #[test]
    fn the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = ConfigHistory::open(directory.path()).unwrap();
        for number in 1..=KEPT_MAX as u64 {
            history.note(&number.to_string(), number, "x", "").unwrap();
        }
        assert_eq!(history.all().count(), KEPT_MAX, "just within");
        assert!(history.file(1).exists());
        history.note("one more", 0, "x", "").unwrap();
        assert_eq!(history.all().count(), KEPT_MAX, "just beyond");
        assert!(history.get(1).is_none() && !history.file(1).exists());
        let half = "y".repeat(BYTES_MAX as usize / 2 + 1);
        history.note(&half, 0, "x", "").unwrap();
        assert_eq!(history.all().count(), KEPT_MAX);
        history.note(&format!("{half}z"), 0, "x", "").unwrap();
        assert_eq!(history.all().count(), 1, "two of them are too many bytes");
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_permissions_and_its_link() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(write_whole(&directory.path().join("none/file"), b"x").is_err());
    }
}
