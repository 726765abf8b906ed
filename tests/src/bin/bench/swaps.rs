//! A hundred hot swaps of a plugin under load: what is lost, what is answered with an error, and the
//! longest time in which nothing reached the sink, against the same load without swaps.

use std::time::{Duration, Instant};

use switchyard_tests::daemon::Daemon;
use switchyard_tests::{paths, wasm};

use crate::sink::Sink;
use crate::table::{Aim, Row};
use crate::{daemons, end_to_end, latency};

const SWAPS: u64 = 100;
/// Each swap compiles the plugin, which takes part of a second of a processor that the load wants too.
const SWAPPING: Duration = Duration::from_secs(60);
const CALM: Duration = Duration::from_secs(10);

/// Four rows.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let rate = end_to_end::daemon()?.per_second / 4.0;
    let calm = run(rate, 0, CALM)?;
    let swapped = run(rate, SWAPS, SWAPPING)?;
    let detail = format!("{} events at {rate:.0} events/s, {} swaps", swapped.accepted, swapped.swaps);
    let row = |figure: &str, value: f64, unit: &'static str, aim: Aim| Row {
        figure: figure.to_string(),
        value,
        unit,
        aim,
        detail: detail.clone(),
    };
    let mut rows = vec![
        row("hot swaps: made", swapped.swaps as f64, "", Aim::AtLeast(SWAPS as f64)),
        row("hot swaps: lost", swapped.lost as f64, "events", Aim::AtMost(0.0)),
        row("hot swaps: answered with an error", swapped.errors as f64, "", Aim::AtMost(0.0)),
        row("hot swaps: longest pause", swapped.pause_ms, "ms", Aim::None),
    ];
    rows.push(Row {
        detail: "the same load without swaps".to_string(),
        ..row("longest pause / calm", swapped.pause_ms / calm.pause_ms, "", Aim::None)
    });
    Ok(rows)
}

struct Outcome {
    accepted: usize,
    lost: usize,
    errors: usize,
    swaps: u64,
    pause_ms: f64,
}

fn run(rate: f64, swaps: u64, time: Duration) -> anyhow::Result<Outcome> {
    let sink = Sink::start()?;
    sink.note();
    let daemon = daemons::with_ga4(&sink);
    let address = daemons::address(&daemon);
    let load = std::thread::spawn(move || latency::steady(&address, rate, time));
    let made = swap(&daemon, swaps, time)?;
    let (accepted, errors) = match load.join().expect("the load does not panic") {
        Ok(accepted) => (accepted, 0),
        Err(error) => {
            eprintln!("{error:#}");
            (Default::default(), 1)
        }
    };
    let complete = sink.wait_for(accepted.len() as u64);
    let arrivals = sink.arrivals();
    let lost = accepted.keys().filter(|number| !arrivals.contains_key(number)).count();
    if let Err(error) = complete {
        eprintln!("{error:#}");
    }
    let mut times: Vec<Instant> = arrivals.into_values().collect();
    times.sort();
    let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
    let pause_ms = pauses.max().map_or(f64::NAN, |pause| pause.as_secs_f64() * 1e3);
    Ok(Outcome { accepted: accepted.len(), lost, errors, swaps: made, pause_ms })
}

/// Puts so many revisions into the plugin directory, each when the one before is active; how many
/// became active in the time.
fn swap(daemon: &Daemon, swaps: u64, time: Duration) -> anyhow::Result<u64> {
    let plugin = std::fs::read(paths::plugin("ga4"))?;
    let end = Instant::now() + time;
    let revision = |daemon: &Daemon| daemon.admin_get("/api/v1/status").json()["plugins"][0]["revision"].to_string();
    let mut active = revision(daemon);
    let mut made = 0;
    while made < swaps && Instant::now() < end {
        let response = daemon.admin_post("/api/v1/plugins", wasm::revision(&plugin, made));
        anyhow::ensure!(
            response.status == 200,
            "an install was answered with {}: {}",
            response.status,
            response.text()
        );
        let now = revision(daemon);
        made += u64::from(now != active);
        active = now;
    }
    Ok(made)
}
