//! The whole way, ingest to sink, against a bare forwarder with the same clients and sink.

use std::time::Instant;

use switchyard_tests::expect::{SOON, eventually};

use crate::clients::{BATCH, flood};
use crate::daemons;
use crate::forwarder::Forwarder;
use crate::sink::Sink;
use crate::table::{Aim, Row, median};
use crate::templates::Template;

const ROUNDS: usize = 3;
/// Batches in a round; each event has a user of its own, so ga4 plans a request an event.
const BATCHES: u64 = 2_000;

/// One row.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rates = (Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (daemon, bare) = (daemon_per_second()?, forwarder_per_second()?);
        ratios.push(daemon / bare);
        rates.0.push(daemon);
        rates.1.push(bare);
    }
    Ok(vec![Row {
        figure: "end to end / bare forwarder".to_string(),
        value: median(ratios),
        unit: "",
        aim: Aim::AtLeast(0.4),
        detail: format!("{:.0} / {:.0} events/s, ga4, a request an event", median(rates.0), median(rates.1)),
    }])
}

/// Events a second through the daemon, from the first batch to the last arrival.
pub fn daemon_per_second() -> anyhow::Result<f64> {
    let sink = Sink::start()?;
    let daemon = daemons::with_ga4(&sink);
    let rate = per_second(&daemons::address(&daemon), &sink)?;
    let events = BATCHES * BATCH as u64;
    eventually("all are settled", SOON, || daemon.counter("shop/ga4", "delivered") == events);
    Ok(rate)
}

fn forwarder_per_second() -> anyhow::Result<f64> {
    let sink = Sink::start()?;
    let forwarder = Forwarder::start(&sink.url())?;
    per_second(&forwarder.address, &sink)
}

fn per_second(address: &str, sink: &Sink) -> anyhow::Result<f64> {
    let orders = Template::order();
    let started = Instant::now();
    flood(address, "wk_test", move |number| {
        let first = number * BATCH as u64;
        (number < BATCHES).then(|| orders.batch(first..first + BATCH as u64))
    })?;
    let events = BATCHES * BATCH as u64;
    sink.wait_for(events)?;
    Ok(events as f64 / started.elapsed().as_secs_f64())
}
