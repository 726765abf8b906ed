//! `switchyard plugin test`: builds, runs the fixtures, shows how the plans differ.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ColorChoice};
use similar::ChangeTag;

use crate::plugin::build;
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::read_manifest;
use crate::plugin::project::trial::{self, Outcome};

/// What to test, and how to show it.
#[derive(Args)]
pub(in crate::cli) struct Test {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Write what is planned now into the fixtures.
    #[arg(long)]
    update: bool,
    /// Colours in the differences.
    #[arg(long, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// What a build with its fixtures came to.
pub(super) struct Tested {
    /// The plugin's file.
    pub file: PathBuf,
    /// Fixtures that did not give their plan.
    pub failures: usize,
}

pub(super) fn run(host: &PluginHost, call: &Test, out: &mut dyn Write) -> anyhow::Result<()> {
    let tested = build_and_test(host, &call.folder, call.update, call.color, out)?;
    let again = "accept what is planned now with --update";
    anyhow::ensure!(tested.failures == 0, "{} fixtures do not give their plan; {again}", tested.failures);
    Ok(())
}

/// Builds the file and writes it into the folder, named as its id.
pub(super) fn build_file(
    folder: &Path,
    output: Option<&Path>,
    wasm: Option<&Path>,
) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let bytes = build::build_folder(folder, wasm)?;
    let id = read_manifest(&bytes)?.id;
    let path = output.map_or_else(|| folder.join(format!("{id}.wasm")), Path::to_path_buf);
    std::fs::write(&path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok((path, bytes))
}

/// Builds, and says of each fixture how its plan is.
pub(super) fn build_and_test(
    host: &PluginHost,
    folder: &Path,
    update: bool,
    color: ColorChoice,
    out: &mut dyn Write,
) -> anyhow::Result<Tested> {
    let started = Instant::now();
    let (file, bytes) = build_file(folder, None, None)?;
    let size_kib = bytes.len().div_ceil(1024);
    writeln!(out, "built {} ({size_kib} KB, {:.1} s)", file.display(), started.elapsed().as_secs_f64())?;
    let revision = host.load_untried(&bytes).with_context(|| file.display().to_string())?;
    let trials = trial::run_all(&revision);
    if trials.is_empty() {
        writeln!(out, "no fixtures: put settings, now_ms and events into fixtures/NAME.json, then run with --update")?;
    }
    let painter = Painter::new(color);
    let mut failures = 0;
    for tried in trials {
        match tried.result {
            Outcome::Same => writeln!(out, "{} {}", painter.good("same   "), tried.name)?,
            Outcome::Failed(error) => {
                failures += 1;
                writeln!(out, "{} {}: {error}", painter.bad("failed "), tried.name)?;
            }
            Outcome::Differs { planned, .. } if update => {
                trial::accept(folder, &tried.name, &planned)?;
                writeln!(out, "{} {}", painter.good("updated"), tried.name)?;
            }
            Outcome::Differs { expected, planned } => {
                failures += 1;
                writeln!(out, "{} {}", painter.bad("differs"), tried.name)?;
                write!(out, "{}", trial::difference(&expected, &planned, &|tag, line| painter.line(tag, line)))?;
            }
        }
        for line in tried.heard.lines() {
            writeln!(out, "  | {line}")?;
        }
    }
    if update && failures == 0 {
        // The fixtures are in the file: it has those that were accepted.
        build_file(folder, None, None)?;
    }
    Ok(Tested { file, failures })
}

/// Colours lines where they are wanted.
struct Painter {
    coloured: bool,
}

impl Painter {
    fn new(color: ColorChoice) -> Painter {
        let coloured = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Painter { coloured }
    }

    fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn line(&self, tag: ChangeTag, line: &str) -> String {
        match tag {
            ChangeTag::Delete => self.bad(line),
            ChangeTag::Insert => self.good(line),
            ChangeTag::Equal => line.to_string(),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_string() }
    }
}
