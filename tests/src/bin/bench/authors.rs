//! What an author waits for: from `plugin new` to the first event that a running daemon delivers, in each
//! language, by the commands of the README; and from a save to the new plan in `plugin dev`.
//!
//! The tools of the languages are installed before, and cargo has the crates: what a network gives is not
//! measured. Everything else is as on the first day: nothing is compiled yet.

use std::time::{Duration, Instant};

use anyhow::Context;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::dev::Watching;
use switchyard_tests::project::{Project, track};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;

use crate::table::{Aim, Row, median};

const LANGUAGES: [(&str, &str); 3] = [("rust", "Rust"), ("javascript", "JavaScript"), ("python", "Python")];

/// Saves that are measured, after one to warm up.
const SAVES: usize = 5;

const DELIVERED: Duration = Duration::from_secs(60);

/// A row a language, and one for the saves.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (language, shown) in LANGUAGES {
        rows.push(first_event(language, shown)?);
    }
    rows.push(save_to_plan()?);
    Ok(rows)
}

/// The commands in their order, each with its time.
#[derive(Default)]
struct Walk {
    steps: Vec<(&'static str, f64)>,
}

impl Walk {
    fn step<T>(&mut self, name: &'static str, step: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = step();
        self.steps.push((name, started.elapsed().as_secs_f64()));
        done
    }
}

fn first_event(language: &str, shown: &str) -> anyhow::Result<Row> {
    let vendors = StandIn::start();
    let destination = Destination::new("first", "first").setting("url", format!("{}/webhook", vendors.url()));
    let mut daemon = Daemon::prepare_bare(Setup::shop([destination]));
    daemon.restart();
    let mut walk = Walk::default();
    let mut project = walk.step("plugin new", || Project::new("first", language));
    project.build_apart();
    for word in ["build", "test"] {
        let name = if word == "build" { "plugin build" } else { "plugin test" };
        let output = walk.step(name, || project.plugin(word, &[]));
        anyhow::ensure!(output.success, "{language}: {name}: {}", output.all());
    }
    let file = project.file().display().to_string();
    let installed = walk.step("plugin install", || daemon.cli_output(&["plugin", "install", &file]));
    anyhow::ensure!(installed.success, "{language}: {}", installed.all());
    walk.step("an event", || {
        daemon.accept(&[track("first-event")]);
        vendors.wait_until("it is delivered", DELIVERED, |requests| !requests.is_empty());
    });
    let steps: Vec<String> = walk.steps.iter().map(|(name, seconds)| format!("{name} {seconds:.2} s")).collect();
    Ok(Row {
        figure: format!("first event of a new plugin in {shown}"),
        value: walk.steps.iter().map(|(_, seconds)| seconds).sum(),
        unit: "s",
        aim: Aim::None,
        detail: format!("{} commands: {}", steps.len(), steps.join(", ")),
    })
}

/// Each save changes what is planned, so that the difference to the fixtures is printed.
fn save_to_plan() -> anyhow::Result<Row> {
    let project = Project::new("saved", "rust");
    let code = project.read("src/lib.rs");
    let mut watching = Watching::start(&project, None);
    watching.round();
    let mut seconds = Vec::new();
    for number in 0..=SAVES {
        let header = format!(".json_event(&event).header(\"x-save\", \"{number}\")");
        let next = code.replace(".json_event(&event)", &header);
        anyhow::ensure!(next != code, "the new project has no `.json_event(&event)`");
        let saved = Instant::now();
        project.write("src/lib.rs", &next);
        let said = watching.round();
        let took = saved.elapsed().as_secs_f64();
        let plan = said.lines().find(|line| line.contains("x-save") && line.contains(&number.to_string()));
        plan.with_context(|| format!("no new plan is shown:\n{said}"))?;
        if number > 0 {
            seconds.push(took);
        }
    }
    let (least, most) = (seconds.iter().copied().fold(f64::MAX, f64::min), seconds.iter().copied().fold(0.0, f64::max));
    Ok(Row {
        figure: "save to new plan in `plugin dev` (Rust, warm)".to_string(),
        value: median(seconds),
        unit: "s",
        aim: Aim::AtMost(2.0),
        detail: format!("the middle of {SAVES} saves, {least:.2} to {most:.2} s: built, planned, compared"),
    })
}
