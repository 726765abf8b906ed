//! `switchyard plugin new | build | test | dev | inspect | run | judge | bench | explain`; the rest is in
//! [`rollout`].

mod dev;
mod explain;
mod trial;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use super::rollout;
use crate::clock;
use crate::plugin::bench::{self, BenchArguments};
use crate::plugin::build::kept;
use crate::plugin::host::{Limits, PluginHost};
use crate::plugin::inspect;
use crate::plugin::manifest::read_readme;
use crate::plugin::project::create::create;
use crate::plugin::project::language::Language;
use crate::plugin::run::{self, JudgeArguments, RunArguments};

#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Make a project that builds, passes its tests and loads.
    New {
        /// The folder to make; the last part of its path is the plugin's id.
        path: PathBuf,
        /// The language.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        lang: Language,
    },
    /// Build a plugin's folder (plugin.toml, the code, fixtures/) into one file.
    Build {
        /// The folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where to write it; <id>.wasm in the folder by default.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Take this .wasm, a component or a core module, instead of building the code.
        #[arg(long)]
        wasm: Option<PathBuf>,
    },
    /// Build a plugin's folder, run its fixtures and show how the plans differ.
    Test(trial::Test),
    /// Build and test a plugin's folder at each save.
    Dev(dev::Dev),
    /// Show what a plugin is, what it may do, and why.
    Inspect {
        /// The plugin's file.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print what its README says.
        #[arg(long, conflicts_with = "json")]
        readme: bool,
    },
    /// Plan events from a file and print the requests; sends nothing.
    Run {
        /// The plugin's file.
        file: PathBuf,
        /// Settings as JSON, secrets with their values.
        #[arg(long)]
        settings: PathBuf,
        /// Events, one JSON object a line.
        #[arg(long)]
        events: PathBuf,
        /// The time of the call, milliseconds since 1970; now by default.
        #[arg(long)]
        now: Option<u64>,
        /// Events in a batch; the plugin's own bound by default.
        #[arg(long)]
        batch: Option<usize>,
    },
    /// Read vendor's answers from a file with the plugin's judge and print the verdicts.
    Judge {
        /// The plugin's file.
        file: PathBuf,
        /// Settings as JSON, secrets with their values.
        #[arg(long)]
        settings: PathBuf,
        /// Answers, one JSON object a line: status, and where wanted headers, body or body_json,
        /// covers (positions of events; [0] by default) and tag.
        #[arg(long)]
        answers: PathBuf,
        /// The time of the call, milliseconds since 1970; now by default.
        #[arg(long)]
        now: Option<u64>,
    },
    /// Measure what planning costs.
    Bench {
        /// The plugin's file.
        file: PathBuf,
        /// Settings as JSON, secrets with their values.
        #[arg(long)]
        settings: PathBuf,
        /// Events, one JSON object a line.
        #[arg(long)]
        events: PathBuf,
        /// The time of the calls, milliseconds since 1970; now by default.
        #[arg(long)]
        now: Option<u64>,
        /// Events in a batch.
        #[arg(long, default_value_t = 100)]
        batch: usize,
        /// How long to measure, in seconds.
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
    },
    /// Tell where each field of the requests that an event becomes comes from.
    Explain(explain::Explain),
    #[command(flatten)]
    Rollout(rollout::Rollout),
}

pub(super) fn run(call: Plugin) -> anyhow::Result<()> {
    let out = &mut std::io::stdout().lock();
    match call {
        Plugin::New { path, lang } => new(&path, lang, out),
        Plugin::Build { folder, output, wasm } => {
            let (path, bytes) = trial::build_file(&folder, output.as_deref(), wasm.as_deref())?;
            writeln!(out, "{}: {} KB", path.display(), bytes.len().div_ceil(1024))?;
            Ok(())
        }
        Plugin::Test(call) => trial::run(&host()?, &call, out),
        Plugin::Dev(call) => dev::run(&host()?, &call, out),
        Plugin::Inspect { file, readme: true, .. } => {
            let wasm = host()?.read_file(&file)?;
            let readme = read_readme(&wasm).with_context(|| file.display().to_string())?;
            let readme = readme.with_context(|| format!("{} has no README", file.display()))?;
            Ok(write!(out, "{readme}")?)
        }
        Plugin::Inspect { file, json, .. } => inspect::inspect(&host()?, &file, json, out),
        Plugin::Run { file, settings, events, now, batch } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            let arguments = RunArguments { plugin: file, settings, events, now_ms, batch };
            run::run(&host()?, &arguments, out, &mut std::io::stderr().lock())
        }
        Plugin::Judge { file, settings, answers, now } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            run::judge(&host()?, &JudgeArguments { plugin: file, settings, answers, now_ms }, out)
        }
        Plugin::Bench { file, settings, events, now, batch, seconds } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            bench::bench(&host()?, &BenchArguments { plugin: file, settings, events, now_ms, batch, seconds }, out)
        }
        Plugin::Explain(call) => explain::run(&host()?, &call, out),
        Plugin::Rollout(call) => rollout::run(call),
    }
}

fn host() -> anyhow::Result<PluginHost> {
    // A plugin with an interpreter takes seconds to compile: its compiled code is kept for the next command.
    let cache = kept::directory("compiled").filter(|cache| std::fs::create_dir_all(cache).is_ok());
    if let Some(cache) = &cache {
        kept::prune(cache).with_context(|| cache.display().to_string())?;
    }
    Ok(PluginHost::new(Limits::default(), cache.as_deref())?)
}

fn new(path: &std::path::Path, language: Language, out: &mut dyn Write) -> anyhow::Result<()> {
    let folder = create(path, language)?.display().to_string();
    writeln!(out, "{folder} is there. Then:")?;
    match language {
        Language::Rust => {}
        Language::Javascript => writeln!(out, "  (cd {folder} && npm install)")?,
        Language::Python => writeln!(out, "  python3 -m pip install -r {folder}/requirements.txt")?,
    }
    writeln!(out, "  switchyard plugin test {folder}")?;
    Ok(())
}
