//! Golden cases: folders with settings, what comes in, and what the plugin must make of it.
//!
//! A case is `tests/golden/<plugin>/<case>/` with `settings.json` and one or both of
//! - `events.jsonl` and `plan.json`: one JSON object a batch, as `switchyard plugin run` prints them;
//! - `answers.jsonl` and `judgements.json`: one JSON object an answer, as `plugin judge` prints them;
//!
//! each in an array. Where wanted also `now` (milliseconds since 1970) and `batch` (events in a batch).

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

    /// Whether it has such a file.
    pub fn has(&self, file: &str) -> bool {
        self.folder.join(file).is_file()
    }

    /// Plans the case's events and returns the batches as they were printed.
    ///
    /// # Errors
    /// When `plugin run` fails, with what it said.
    pub fn plan(&self) -> Result<Vec<Value>, String> {
        let batch = self.text("batch").map(|text| text.trim().to_string());
        let more: Vec<&str> = batch.iter().flat_map(|batch| ["--batch", batch]).collect();
        self.call("run", ["--events", "events.jsonl"], &more)
    }

    /// Reads the case's answers and returns the judgements as they were printed.
    ///
    /// # Errors
    /// When `plugin judge` fails, with what it said.
    pub fn judge(&self) -> Result<Vec<Value>, String> {
        self.call("judge", ["--answers", "answers.jsonl"], &[])
    }

    fn call(&self, command: &str, [option, input]: [&str; 2], more: &[&str]) -> Result<Vec<Value>, String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let plugin = paths::plugin(&self.plugin).display().to_string();
        let now = self.text("now").map_or(NOW_MS.to_string(), |text| text.trim().to_string());
        let (settings, input) = (file("settings.json"), file(input));
        let mut arguments = vec!["plugin", command, &plugin, "--settings", &settings, option, &input, "--now", &now];
        arguments.extend(more);
        let output = cli::run(&arguments);
        if output.success { Ok(output.json_lines()) } else { Err(output.all()) }
    }
}
