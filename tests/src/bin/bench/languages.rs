//! What the languages of plugins cost: the plugin that `plugin new` makes, which posts each event, in each
//! of them, as `plugin bench` measures it. Prints the rows of the table in host/docs/contract.md, too.

use serde_json::{Value, json};
use switchyard_tests::project::Project;
use switchyard_tests::{cli, paths};

use crate::table::{Aim, Row};

const LANGUAGES: [(&str, &str); 3] = [("rust", "Rust"), ("javascript", "JavaScript"), ("python", "Python")];

/// A batch of one shows what an instance costs, a large one what an event does.
const BATCHES: [u64; 2] = [1, 100];

/// Of one measurement.
const SECONDS: &str = "6";

/// What `plugin bench` says of a batch size, fresh instances and one that is used again.
struct Costs {
    /// Processor time of a whole batch, in microseconds.
    batch_us: f64,
    /// Yardsticks for each event.
    yardsticks: f64,
}

/// Five rows a language.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let (mut rows, mut table) = (Vec::new(), Vec::new());
    for (language, shown) in LANGUAGES {
        let project = Project::new("posts", language);
        let built = project.plugin("build", &[]);
        anyhow::ensure!(built.success, "{language}: {}", built.all());
        let bytes = project.bytes().len();
        rows.push(row(format!("{shown}: the plugin's file"), bytes as f64 / 1e6, "MB", "as `plugin build` makes it"));
        let [one, many] = BATCHES;
        let ([fresh_one, reused_one], [fresh, reused]) = (measure(&project, one)?, measure(&project, many)?);
        for (how, one, many) in [("a fresh instance", &fresh_one, &fresh), ("reused", &reused_one, &reused)] {
            let figure = |what: &str| format!("{shown}, {how}: {what}");
            rows.push(row(figure("a batch of 1"), one.batch_us / 1e3, "ms", "processor time"));
            let of_many = format!("each event of a batch of {}", BATCHES[1]);
            rows.push(row(figure(&of_many), many.yardsticks, "", "against one serde_json parse"));
            let file = if how == "reused" { String::new() } else { format!("{:.1} MB", bytes as f64 / 1e6) };
            let (one_ms, many) = (one.batch_us / 1e3, many.yardsticks);
            table.push(format!("| {shown}, {how} | {file} | {one_ms:.2} ms | {many:.1} yardsticks |"));
        }
    }
    println!("\n{}", table.join("\n"));
    Ok(rows)
}

fn row(figure: String, value: f64, unit: &'static str, detail: &str) -> Row {
    Row { figure, value, unit, aim: Aim::None, detail: detail.to_string() }
}

/// A fresh instance for each batch, and one for all.
fn measure(project: &Project, batch: u64) -> anyhow::Result<[Costs; 2]> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let event: Value = serde_json::from_str(&paths::fixture("order-completed.json"))?;
    std::fs::write(path("settings.json"), json!({"url": "https://receiver.example/in"}).to_string())?;
    std::fs::write(path("events.jsonl"), format!("{event}\n"))?;
    let (file, batch_text) = (project.file().display().to_string(), batch.to_string());
    let (settings, events) = (path("settings.json"), path("events.jsonl"));
    let words = ["plugin", "bench", &file, "--settings", &settings, "--events", &events];
    let how = ["--batch", &batch_text, "--seconds", SECONDS];
    let figures = cli::run(&[&words[..], &how].concat()).json();
    let of = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let costs = |us_per_event: f64, yardsticks: f64| Costs { batch_us: us_per_event * batch as f64, yardsticks };
    Ok([
        costs(of("cpu_us_per_event"), of("yardsticks_per_event")),
        costs(1e6 / of("reused_events_per_cpu_second"), of("reused_yardsticks_per_event")),
    ])
}
