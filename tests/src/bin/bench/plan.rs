//! What planning costs, as `switchyard plugin bench` measures it: CPU time against the yardstick,
//! a fresh instance for each batch against one that is reused, and the SDK against a walk by hand.
//!
//! `plugin bench` has a yardstick of its own, a parse in the daemon's process with the daemon's allocator; it
//! is told beside the other.

use serde_json::{Value, json};
use switchyard_tests::{cli, paths};
use tempfile::TempDir;

use crate::table::{Aim, Row, median};
use crate::templates::Template;
use crate::yardstick;

const ROUNDS: usize = 5;
const SECONDS: &str = "1";

/// A plugin, what it is given, and the most yardsticks that an order may cost.
struct Case {
    id: &'static str,
    settings: Value,
    aim: f64,
}

fn cases() -> Vec<Case> {
    let order = json!({
        "event": "Order Completed",
        "name": "order_completed",
        "properties": [
            {"from": "order_id"},
            {"from": "total", "to": "order_value", "type": "number"},
            {"from": "products.length", "to": "product_count", "type": "number"},
        ],
    });
    let case = |id, aim, settings| Case { id, settings, aim };
    vec![
        case("ga4", 0.4, json!({"measurement_id": "G-1", "api_secret": "secret"})),
        case("mixpanel", 0.4, json!({"project_token": "token"})),
        case("webhook", 0.15, json!({"url": "https://sink.example/webhook"})),
        case("braze", 0.25, json!({"api_key": "key-1", "instance": "US-01"})),
        case("customerio", 0.25, json!({"site_id": "site-1", "api_key": "key-1"})),
        case("amplitude", 0.3, json!({"api_key": "key-1"})),
        case("klaviyo", 0.35, json!({"api_key": "pk_1"})),
        case("tiktok", 0.45, json!({"access_token": "token-1", "pixel_code": "PIXEL1"})),
        case("hubspot", 0.45, json!({"access_token": "pat-1", "hub_id": "1234567", "events": [order]})),
        // A dozen hashes.
        case("meta-capi", 1.0, json!({"dataset_id": "1234567890", "access_token": "token-1"})),
    ]
}

/// Two rows a plugin.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for Case { id, settings, aim } in cases() {
        let files = files(&settings)?;
        let order = Template::order().event(0);
        let rounds: Vec<(Value, f64)> =
            (0..ROUNDS).map(|_| (bench(&files, id), yardstick::us(order.as_bytes()))).collect();
        let median_of = |name: &str| median(rounds.iter().map(|(figures, _)| figure(figures, name)).collect());
        let ratios = rounds.iter().map(|(figures, parse_us)| figure(figures, "cpu_us_per_event") / parse_us).collect();
        rows.push(Row {
            figure: format!("plan {id}: CPU an order / yardstick"),
            value: median(ratios),
            unit: "",
            aim: Aim::AtMost(aim),
            detail: format!(
                "{:.2} us / {:.2} us, fresh instance, batch 100; {:.3} of a parse with the daemon's allocator",
                median_of("cpu_us_per_event"),
                median(rounds.iter().map(|(_, parse_us)| *parse_us).collect()),
                median_of("yardsticks_per_event"),
            ),
        });
        rows.push(Row {
            figure: format!("plan {id}: fresh instance / reused"),
            value: median_of("fresh_to_reused"),
            unit: "",
            aim: Aim::AtMost(1.8),
            detail: "CPU, batch 100".to_string(),
        });
    }
    rows.push(sdk()?);
    Ok(rows)
}

/// The same order, mapped by the SDK and by a walk of the index by hand, in turns.
fn sdk() -> anyhow::Result<Row> {
    let files = files(&json!({"url": "https://sink.example/in"}))?;
    let costs = |id: &str| figure(&bench(&files, id), "yardsticks_per_event");
    let both: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (costs("mapped"), costs("walked"))).collect();
    let (mapped, walked) =
        (median(both.iter().map(|(sdk, _)| *sdk).collect()), median(both.iter().map(|(_, hand)| *hand).collect()));
    Ok(Row {
        figure: "plan: the SDK / a walk of the index by hand".to_string(),
        value: mapped / walked,
        unit: "",
        aim: Aim::AtMost(1.2),
        detail: format!("{mapped:.3} / {walked:.3} yardsticks an order, fresh instance, batch 100"),
    })
}

/// A hundred orders of as many users, of 2.4 KB with three products and a full context, and settings.
fn files(settings: &Value) -> anyhow::Result<TempDir> {
    let orders = Template::order();
    let lines: String = (0..100).map(|number| orders.event(number) + "\n").collect();
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
