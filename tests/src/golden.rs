//! Golden cases: folders with settings, events and the plan that must come of them.
//!
//! A case is `tests/golden/<plugin>/<case>/` with `settings.json`, `events.jsonl`, `plan.json` (one
//! JSON object a batch, as `switchyard plugin run` prints them, in an array), and where wanted `now`
//! (milliseconds since 1970) and `batch` (events in a batch).

use std::path::PathBuf;

use serde_json::Value;

use crate::{cli, paths};

/// The time that a case has when it names none: 2023-11-14T22:13:20Z.
pub const NOW_MS: &str = "1700000000000";

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The plugin it is for.
    pub plugin: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// All cases, in the order of their names.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for plugin in folders(&paths::root().join("tests/golden")) {
        let id = plugin.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        cases.extend(folders(&plugin).into_iter().map(|folder| Case { plugin: id.clone(), folder }));
    }
    cases
}

fn folders(path: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

impl Case {
    /// The text of one of its files, when it has it.
    pub fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(file)).ok()
    }

    /// Plans the case's events and returns the batches as they were printed.
    ///
    /// # Errors
    /// When `plugin run` fails, with what it said.
    pub fn plan(&self) -> Result<Vec<Value>, String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let plugin = paths::plugin(&self.plugin).display().to_string();
        let now = self.text("now").map_or(NOW_MS.to_string(), |text| text.trim().to_string());
        let batch = self.text("batch").map(|text| text.trim().to_string());
        let (settings, events) = (file("settings.json"), file("events.jsonl"));
        let mut arguments = vec!["plugin", "run", &plugin, "--settings", &settings, "--events", &events, "--now", &now];
        if let Some(batch) = &batch {
            arguments.extend(["--batch", batch]);
        }
        let output = cli::run(&arguments);
        if output.success { Ok(output.json_lines()) } else { Err(output.all()) }
    }
}
