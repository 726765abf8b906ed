//! From accepted (the client has its 200) to sent (the sink has the request), at half of full load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use switchyard_tests::runtime;

use crate::clients::{BATCH, CONNECTIONS, Client};
use crate::sink::Sink;
use crate::table::{Aim, Row};
use crate::templates::Template;
use crate::{daemons, end_to_end};

const DURATION: Duration = Duration::from_secs(8);

/// Two rows.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let full = end_to_end::daemon()?.per_second;
    let sink = Sink::start()?;
    sink.note();
    let daemon = daemons::with_ga4(&sink);
    let accepted = steady(&daemons::address(&daemon), full / 2.0, DURATION)?;
    sink.wait_for(accepted.len() as u64)?;
    let arrivals = sink.arrivals();
    let mut waits_ms: Vec<f64> = accepted
        .iter()
        .filter_map(|(number, at)| Some(arrivals.get(number)?.saturating_duration_since(*at).as_secs_f64() * 1e3))
        .collect();
    waits_ms.sort_by(f64::total_cmp);
    let row = |name: &str, part: f64| Row {
        figure: format!("accepted to sent, {name}, at half load"),
        value: waits_ms.get((waits_ms.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN),
        unit: "ms",
        aim: Aim::None,
        detail: format!("{} events at {:.0} events/s; full load {full:.0}", waits_ms.len(), full / 2.0),
    };
    Ok(vec![row("p50", 0.5), row("p99", 0.99)])
}

/// Posts batches at a steady rate whatever the answers take; returns when each order was accepted.
///
/// # Errors
/// When a batch is not answered with 200.
pub fn steady(address: &str, events_per_second: f64, duration: Duration) -> anyhow::Result<HashMap<u64, Instant>> {
    let accepted = Arc::new(Mutex::new(HashMap::new()));
    let noted = accepted.clone();
    let address = address.to_string();
    // Each connection sends its share, at its own offset.
    let period = Duration::from_secs_f64(CONNECTIONS as f64 * BATCH as f64 / events_per_second);
    runtime().block_on(async move {
        let orders = Arc::new(Template::order());
        let mut tasks = Vec::new();
        for connection in 0..CONNECTIONS {
            let mut client = Client::connect(&address, "wk_test").await?;
            let (orders, noted) = (orders.clone(), noted.clone());
            let start = tokio::time::Instant::now() + period.mul_f64(connection as f64 / CONNECTIONS as f64);
            tasks.push(tokio::spawn(async move {
                let mut ticks = tokio::time::interval_at(start, period);
                let end = start + duration;
                let mut turn = 0;
                while ticks.tick().await < end {
                    let first = (turn * CONNECTIONS as u64 + connection as u64) * BATCH as u64;
                    turn += 1;
                    let numbers = first..first + BATCH as u64;
                    let status = client.post("/v1/batch", None, orders.batch(numbers.clone())).await?;
                    anyhow::ensure!(status == 200, "a batch was answered with {status}");
                    let now = Instant::now();
                    let mut noted = noted.lock().expect("nobody panics while holding it");
                    noted.extend(numbers.map(|number| (number, now)));
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    let accepted = accepted.lock().expect("nobody panics while holding it").clone();
    Ok(accepted)
}
