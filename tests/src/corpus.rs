//! The compiled plugins of every released version of the contract, and what they made when they were
//! released: they must load and make the same bytes for ever.
//!
//! An entry is `tests/corpus/<version>/<id>.wasm.gz` with `<id>.made`: a line for each plan of the
//! plugin's own fixtures, and for the judgement of each of `STATUSES` as the answer to its requests.
//! A guest without fixtures has them in `<id>.fixtures.json`. `cargo xtask corpus` adds what is missing
//! for the current version; what is there is never written again.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use switchyard::plugin::contract;
use switchyard::plugin::host::{Limits, PluginHost};
use switchyard::plugin::manifest::{Fixture, read_manifest};
use switchyard::plugin::run::{self, JudgeArguments, RunArguments};
use tempfile::TempDir;

use crate::paths;

/// What vendors answer.
const STATUSES: [u16; 11] = [200, 207, 301, 400, 401, 403, 404, 413, 422, 429, 503];

/// A plugin of the corpus.
pub struct Entry {
    /// The version's folder.
    folder: PathBuf,
    /// The plugin's id.
    id: String,
}

/// All entries of all versions, in order.
///
/// # Errors
/// When the folders cannot be read.
pub fn entries() -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for folder in listed(&folder())? {
        for file in listed(&folder)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(id) = name.strip_suffix(".wasm.gz") {
                entries.push(Entry { folder: folder.clone(), id: id.to_string() });
            }
        }
    }
    Ok(entries)
}

/// Adds what is missing for the current version: the built plugins, and what they make. Answers what
/// was added.
///
/// # Errors
/// When a plugin does not load or a file cannot be written.
pub fn add() -> anyhow::Result<Vec<String>> {
    let folder = folder().join(contract::CURRENT);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut added = Vec::new();
    for built in ["plugins", "guests"].map(|kind| paths::target().join(kind)) {
        for file in listed(&built)?.iter().filter(|file| file.extension().is_some_and(|ending| ending == "wasm")) {
            let id = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let entry = Entry { folder: folder.clone(), id };
            if !entry.file(".wasm.gz").is_file() {
                entry.write(&std::fs::read(file)?)?;
                added.push(entry.id);
            }
        }
    }
    Ok(added)
}

fn folder() -> PathBuf {
    paths::root().join("tests/corpus")
}

/// What a folder holds, in order.
fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

impl Entry {
    /// Its version and id, for messages.
    pub fn name(&self) -> String {
        format!("{}/{}", self.version(), self.id)
    }

    /// The version of the contract that it was built for.
    pub fn version(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The plugin.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn wasm(&self) -> anyhow::Result<Vec<u8>> {
        let file = self.file(".wasm.gz");
        let mut wasm = Vec::new();
        let packed = std::fs::File::open(&file).with_context(|| file.display().to_string())?;
        GzDecoder::new(packed).read_to_end(&mut wasm).with_context(|| file.display().to_string())?;
        Ok(wasm)
    }

    /// What it made when it was released.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn was_made(&self) -> anyhow::Result<String> {
        let file = self.file(".made");
        std::fs::read_to_string(&file).with_context(|| file.display().to_string())
    }

    /// What it makes now.
    ///
    /// # Errors
    /// When it does not load, or fails at what it took before.
    pub fn makes(&self) -> anyhow::Result<String> {
        self.made_by(&self.wasm()?)
    }

    fn write(&self, wasm: &[u8]) -> anyhow::Result<()> {
        std::fs::write(self.file(".made"), self.made_by(wasm)?)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(wasm)?;
        Ok(std::fs::write(self.file(".wasm.gz"), packed.finish()?)?)
    }

    fn made_by(&self, wasm: &[u8]) -> anyhow::Result<String> {
        let manifest = read_manifest(wasm)?;
        let own = self.file(".fixtures.json");
        let fixtures: Vec<Fixture> = match own.is_file() {
            true => serde_json::from_slice(&std::fs::read(&own)?).with_context(|| own.display().to_string())?,
            false => manifest.fixtures,
        };
        anyhow::ensure!(!fixtures.is_empty(), "{}: no fixtures", self.name());
        let desk = Desk::new(wasm)?;
        let made: Vec<String> = fixtures.iter().map(|fixture| desk.made(fixture)).collect::<anyhow::Result<_>>()?;
        Ok(made.concat())
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}{ending}", self.id))
    }
}

/// Where a plugin is run, with its files.
struct Desk {
    host: PluginHost,
    directory: TempDir,
    has_judge: bool,
}

impl Desk {
    fn new(wasm: &[u8]) -> anyhow::Result<Desk> {
        let directory = tempfile::tempdir()?;
        // The compiled code is kept there, so that it is compiled once for all calls.
        let host = PluginHost::new(Limits::default(), Some(directory.path()))?;
        let has_judge = host.load(wasm)?.has_judge();
        std::fs::write(directory.path().join("plugin.wasm"), wasm)?;
        Ok(Desk { host, directory, has_judge })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The plan of a fixture's events, and the judgements of the answers to it: a line each.
    fn made(&self, fixture: &Fixture) -> anyhow::Result<String> {
        std::fs::write(self.file("settings"), fixture.settings.to_string())?;
        let events: String = fixture.events.iter().map(|event| format!("{event}\n")).collect();
        std::fs::write(self.file("events"), events)?;
        let mut plan = Vec::new();
        let arguments = RunArguments {
            plugin: self.file("plugin.wasm"),
            settings: self.file("settings"),
            events: self.file("events"),
            now_ms: fixture.now_ms,
            batch: Some(fixture.events.len()),
        };
        run::run(&self.host, &arguments, &mut plan, &mut std::io::sink())?;
        let mut made = String::from_utf8(plan)?;
        let requests = serde_json::from_str::<Value>(&made)?["requests"].take();
        let answers: String = requests.as_array().into_iter().flatten().flat_map(answers).collect();
        if self.has_judge && !answers.is_empty() {
            std::fs::write(self.file("answers"), answers)?;
            let mut judgements = Vec::new();
            let arguments = JudgeArguments {
                plugin: self.file("plugin.wasm"),
                settings: self.file("settings"),
                answers: self.file("answers"),
                now_ms: fixture.now_ms,
            };
            run::judge(&self.host, &arguments, &mut judgements)?;
            made.push_str(&String::from_utf8(judgements)?);
        }
        Ok(made)
    }
}

/// The answers to a request, as `plugin judge` reads them.
fn answers(request: &Value) -> Vec<String> {
    let answer = |status: &u16| {
        let headers = json!({"retry-after": "7", "location": "https://elsewhere.example/"});
        let body = json!({"warning": "so be it", "slow_quota_ms": 5, "slow_ms": 9});
        let mut answer = json!({"status": status, "headers": headers, "body_json": body, "covers": request["covers"]});
        for name in ["tag", "tag_base64"] {
            if let Some(tag) = request.get(name) {
                answer[name] = tag.clone();
            }
        }
        format!("{answer}\n")
    };
    STATUSES.iter().map(answer).collect()
}
