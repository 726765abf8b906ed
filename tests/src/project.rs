//! Projects of plugin authors: made by `switchyard plugin new` in folders of their own, built with the
//! tools that `cargo xtask clients` installs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{self, Output};
use crate::paths;

/// A project in a folder that goes with it.
pub struct Project {
    name: String,
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Project {
    /// A new project.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(name: &str, language: &str) -> Project {
        let directory = tempfile::tempdir().expect("a directory");
        let project = Project { name: name.to_string(), environment: environment(directory.path()), directory };
        let folder = project.folder().display().to_string();
        let made = project.run(&["plugin", "new", &folder, "--lang", language]);
        assert!(made.success, "{}", made.all());
        project
    }

    /// A copy of a folder of examples/, as its author has it.
    ///
    /// # Panics
    /// When it is not there.
    pub fn example(folder: &str, name: &str) -> Project {
        let directory = tempfile::tempdir().expect("a directory");
        let project = Project { name: name.to_string(), environment: environment(directory.path()), directory };
        copy(&paths::root().join("examples").join(folder), &project.folder());
        project
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// Its plugin's file.
    pub fn file(&self) -> PathBuf {
        self.folder().join(format!("{}.wasm", self.name))
    }

    /// The bytes of its plugin.
    ///
    /// # Panics
    /// When it was not built.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).expect("it was built")
    }

    /// A text file of it.
    ///
    /// # Panics
    /// When it is not there.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Writes one of its files.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder().join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// Replaces a text in one of its files.
    ///
    /// # Panics
    /// When the text is not there.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        self.write(file, &text.replace(from, to));
    }

    /// Adds lines to one of its files.
    pub fn append(&self, file: &str, text: &str) {
        self.write(file, &format!("{}\n{text}", self.read(file)));
    }

    /// From now on cargo compiles all of it anew, in its own folder.
    pub fn build_apart(&mut self) {
        let target = self.folder().join("target").display().to_string();
        self.environment.push(("CARGO_TARGET_DIR".to_string(), target));
    }

    /// `switchyard plugin WORD FOLDER MORE`.
    pub fn plugin(&self, word: &str, more: &[&str]) -> Output {
        let folder = self.folder().display().to_string();
        let mut all = vec!["plugin", word, &folder];
        all.extend(more);
        self.run(&all)
    }

    /// Plans events with its built plugin, in a process of its own: what was printed for the plan and
    /// for the author.
    pub fn plan(&self, settings: &Value, events: &[Value]) -> Output {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(path("settings.json"), settings.to_string()).expect("a file");
        std::fs::write(path("events.jsonl"), lines).expect("a file");
        let (plugin, settings, events) =
            (self.file().display().to_string(), path("settings.json"), path("events.jsonl"));
        self.run(&["plugin", "run", &plugin, "--settings", &settings, "--events", &events, "--now", "1700000000000"])
    }

    /// What it imports.
    pub fn imports(&self) -> Value {
        let file = self.file().display().to_string();
        self.run(&["plugin", "inspect", &file, "--json"]).json()["imports"].clone()
    }

    /// The environment that its tools need.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        cli::run_with(arguments, &environment)
    }
}

/// A track event.
pub fn track(id: &str) -> Value {
    json!({"type": "track", "event": "Signed Up", "userId": "u-1", "messageId": id, "timestamp": "2023-11-14T22:13:20.000Z"})
}

/// Crates from where cargo has them, the tools from target/clients, and a cache of its own.
fn environment(directory: &Path) -> Vec<(String, String)> {
    let tools = paths::target().join("clients/plugin-tools");
    let path = std::env::var("PATH").unwrap_or_default();
    let text = |path: PathBuf| path.display().to_string();
    [
        ("CARGO_NET_OFFLINE", "true".to_string()),
        // The crates that the SDK needs are compiled once for all; a project of a test has its own name.
        ("CARGO_TARGET_DIR", text(paths::target().join("clients/projects"))),
        ("NODE_PATH", text(tools.join("javascript/node_modules"))),
        ("PYTHONPATH", text(tools.join("python"))),
        ("PATH", format!("{}:{path}", text(tools.join("python/bin")))),
        ("XDG_CACHE_HOME", text(directory.join("cache"))),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into()
}

/// Copies a folder's sources: not what tools put beside them.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && !name.ends_with(".wasm") {
            std::fs::copy(&path, to.join(&name)).expect("a copy");
        } else if path.is_dir() && !["switchyard", "node_modules", "__pycache__"].contains(&name.as_str()) {
            copy(&path, &to.join(&name));
        }
    }
}
