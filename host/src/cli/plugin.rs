//! `switchyard plugin build | inspect | run | judge | bench`; the rest is in [`rollout`].

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use super::rollout;
use crate::clock;
use crate::plugin::bench::{self, BenchArguments};
use crate::plugin::build;
use crate::plugin::explain::{self, ExplainArguments};
use crate::plugin::host::{Limits, PluginHost};
use crate::plugin::inspect;
use crate::plugin::run::{self, JudgeArguments, RunArguments};

#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Build a plugin's folder (plugin.toml, Cargo.toml, fixtures/) into one file.
    Build {
        /// The folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Where to write it; <id>.wasm in the folder by default.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Take this .wasm, a component or a core module, instead of calling cargo.
        #[arg(long)]
        wasm: Option<PathBuf>,
    },
    /// Show what a plugin is, what it may do, and why.
    Inspect {
        /// The plugin's file.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
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
    Explain {
        /// The plugin's file.
        file: PathBuf,
        /// Settings as JSON, secrets with their values.
        #[arg(long)]
        settings: PathBuf,
        /// One event as JSON.
        #[arg(long)]
        event: PathBuf,
        /// The time of the call, milliseconds since 1970; now by default.
        #[arg(long)]
        now: Option<u64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Rollout(rollout::Rollout),
}

pub(super) fn run(call: Plugin) -> anyhow::Result<()> {
    let out = &mut std::io::stdout().lock();
    match call {
        Plugin::Build { folder, output, wasm } => {
            let bytes = build::build_folder(&folder, wasm.as_deref())?;
            let id = crate::plugin::manifest::read_manifest(&bytes)?.id;
            let path = output.unwrap_or_else(|| folder.join(format!("{id}.wasm")));
            std::fs::write(&path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
            writeln!(out, "{}: {} KB", path.display(), bytes.len().div_ceil(1024))?;
            Ok(())
        }
        Plugin::Inspect { file, json } => inspect::inspect(&host()?, &file, json, out),
        Plugin::Run { file, settings, events, now, batch } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            run::run(&host()?, &RunArguments { plugin: file, settings, events, now_ms, batch }, out)
        }
        Plugin::Judge { file, settings, answers, now } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            run::judge(&host()?, &JudgeArguments { plugin: file, settings, answers, now_ms }, out)
        }
        Plugin::Bench { file, settings, events, now, batch, seconds } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            bench::bench(&host()?, &BenchArguments { plugin: file, settings, events, now_ms, batch, seconds }, out)
        }
        Plugin::Explain { file, settings, event, now, json } => {
            let now_ms = now.unwrap_or_else(clock::now_ms);
            let arguments = ExplainArguments { plugin: file, settings, event, now_ms, as_json: json };
            explain::explain(&host()?, &arguments, out)
        }
        Plugin::Rollout(call) => rollout::run(call),
    }
}

fn host() -> anyhow::Result<PluginHost> {
    Ok(PluginHost::new(Limits::default(), None)?)
}
