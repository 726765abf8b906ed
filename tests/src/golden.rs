//! Golden cases: folders with settings, what comes in, and what the plugin must make of it.
//!
//! A case is `tests/golden/<plugin>/<case>/` with `settings.json` and one or both of
//! - `events.jsonl` and `plan.json`: one JSON object a batch, as `switchyard plugin run` prints them;
//! - `answers.jsonl` and `judgements.json`: one JSON object an answer, as `plugin judge` prints them;
//!
//! each in an array. Where wanted also `now` (milliseconds since 1970) and `batch` (events in a batch).

use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;
use switchyard::plugin::host::{Limits, PluginHost};
use switchyard::plugin::run::{self, JudgeArguments, RunArguments};

use crate::paths;

/// The time that a case has when it names none: 2023-11-14T22:13:20Z.
pub const NOW_MS: u64 = 1_700_000_000_000;

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

    /// Plans the case's events and returns the batches as `switchyard plugin run` prints them.
    ///
    /// # Errors
    /// What it would say.
    pub fn plan(&self) -> Result<Vec<Value>, String> {
        let batch = self.text("batch").map(|text| text.trim().parse().map_err(|error| format!("batch: {error}")));
        let arguments = RunArguments {
            plugin: paths::plugin(&self.plugin),
            settings: self.folder.join("settings.json"),
            events: self.folder.join("events.jsonl"),
            now_ms: self.now_ms()?,
            batch: batch.transpose()?,
        };
        printed(|out| run::run(&HOST, &arguments, out, &mut std::io::sink())).map(without_tags)
    }

    /// Reads the case's answers and returns the judgements as `switchyard plugin judge` prints them.
    ///
    /// # Errors
    /// What it would say.
    pub fn judge(&self) -> Result<Vec<Value>, String> {
        let arguments = JudgeArguments {
            plugin: paths::plugin(&self.plugin),
            settings: self.folder.join("settings.json"),
            answers: self.folder.join("answers.jsonl"),
            now_ms: self.now_ms()?,
        };
        printed(|out| run::judge(&HOST, &arguments, out)).map(without_tags)
    }

    fn now_ms(&self) -> Result<u64, String> {
        let text = self.text("now").unwrap_or(NOW_MS.to_string());
        text.trim().parse().map_err(|error| format!("now: {error}"))
    }
}

/// The same plans or judgements without the tags of their requests: a tag is between a plugin and its
/// judge.
fn without_tags(mut printed: Vec<Value>) -> Vec<Value> {
    let lists = printed.iter_mut().filter_map(Value::as_object_mut).flat_map(|each| {
        each.iter_mut().filter(|(name, _)| matches!(name.as_str(), "requests" | "follow_ups")).map(|(_, list)| list)
    });
    for request in lists.filter_map(Value::as_array_mut).flatten().filter_map(Value::as_object_mut) {
        request.retain(|name, _| name != "tag" && name != "tag_base64");
    }
    printed
}

/// One host for all cases, which compiles each plugin once.
static HOST: LazyLock<PluginHost> = LazyLock::new(|| {
    let cache = paths::target().join("golden");
    PluginHost::new(Limits::default(), Some(&cache)).expect("the sandbox can be set up")
});

/// The JSON lines that a command prints.
fn printed(command: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> Result<Vec<Value>, String> {
    let mut out = Vec::new();
    command(&mut out).map_err(|error| format!("{error:#}"))?;
    let text = String::from_utf8_lossy(&out);
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))).collect()
}
