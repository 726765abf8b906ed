//! What planning costs, as `switchyard plugin bench` measures it: CPU time against the yardstick,
//! and a fresh instance for each batch against one that is reused.

use serde_json::{Value, json};
use switchyard_tests::{cli, paths};
use tempfile::TempDir;

use crate::table::{Aim, Row, median};
use crate::templates::Template;

const ROUNDS: usize = 5;
const SECONDS: &str = "1";
/// The plugins, with the most yardsticks that an event may cost.
const PLUGINS: [(&str, f64); 3] = [("ga4", 0.4), ("mixpanel", 0.4), ("webhook", 0.15)];

/// Two rows a plugin.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (id, aim) in PLUGINS {
        let files = files(id)?;
        let figures: Vec<Value> = (0..ROUNDS).map(|_| bench(&files, id)).collect();
        let median_of = |name: &str| median(figures.iter().map(|each| figure(each, name)).collect());
        let (events, yardsticks) = (median_of("events_per_cpu_second"), median_of("yardstick_events_per_cpu_second"));
        rows.push(Row {
            figure: format!("plan {id}: CPU an order / yardstick"),
            value: median_of("yardsticks_per_event"),
            unit: "",
            aim: Aim::AtMost(aim),
            detail: format!("{:.2} us / {:.2} us, fresh instance, batch 100", 1e6 / events, 1e6 / yardsticks),
        });
        rows.push(Row {
            figure: format!("plan {id}: fresh instance / reused"),
            value: median_of("fresh_to_reused"),
            unit: "",
            aim: Aim::AtMost(1.8),
            detail: "CPU, batch 100".to_string(),
        });
    }
    Ok(rows)
}

/// A hundred orders of as many users, and settings.
fn files(id: &str) -> anyhow::Result<TempDir> {
    let orders = Template::order();
    let lines: String = (0..100).map(|number| orders.event(number) + "\n").collect();
    let settings = match id {
        "ga4" => json!({"measurement_id": "G-1", "api_secret": "secret"}),
        "mixpanel" => json!({"project_token": "token"}),
        _ => json!({"url": "https://sink.example/webhook"}),
    };
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("events.jsonl"), lines)?;
    std::fs::write(directory.path().join("settings.json"), settings.to_string())?;
    Ok(directory)
}

fn bench(files: &TempDir, id: &str) -> Value {
    let path = |name: &str| files.path().join(name).display().to_string();
    let plugin = paths::plugin(id).display().to_string();
    let (settings, events) = (path("settings.json"), path("events.jsonl"));
    let mut arguments = vec!["plugin", "bench", &plugin, "--settings", &settings, "--events", &events];
    arguments.extend(["--batch", "100", "--seconds", SECONDS]);
    cli::run(&arguments).json()
}

fn figure(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or(f64::NAN)
}
