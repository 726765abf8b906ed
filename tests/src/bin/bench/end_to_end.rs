//! The whole way, ingest to sink, against a bare forwarder with the same clients and sink.

use std::time::Instant;

use switchyard_tests::expect::{SOON, eventually};

use crate::clients::{BATCH, flood};
use crate::daemons;
use crate::forwarder::Forwarder;
use crate::processor;
use crate::sink::Sink;
use crate::table::{Aim, Row, median};
use crate::templates::Template;

const ROUNDS: usize = 3;
/// Batches in a round; each event has a user of its own, so ga4 plans a request an event.
const BATCHES: u64 = 2_000;
const EVENTS: u64 = BATCHES * BATCH as u64;

/// One row.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let (mut daemons, mut forwarders) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        daemons.push(daemon()?);
        forwarders.push(forwarder()?);
    }
    let ratios = daemons.iter().zip(&forwarders).map(|(daemon, bare)| daemon.per_second / bare.per_second).collect();
    let middle = |all: &[Measured], figure: fn(&Measured) -> f64| median(all.iter().map(figure).collect());
    let of = |figure| (middle(&daemons, figure), middle(&forwarders, figure));
    let (rates, costs) = (of(|each| each.per_second), of(|each| each.cpu_us));
    Ok(vec![Row {
        figure: "end to end / bare forwarder".to_string(),
        value: median(ratios),
        unit: "",
        aim: Aim::AtLeast(0.4),
        detail: format!(
            "{:.0} / {:.0} events/s, {:.1} / {:.1} us of processor time an event, ga4, a request an event",
            rates.0, rates.1, costs.0, costs.1
        ),
    }])
}

/// What a flood came to.
pub struct Measured {
    /// Events a second, from the first batch to the last arrival.
    pub per_second: f64,
    /// Processor time of the process that forwards, an event.
    cpu_us: f64,
}

/// Through the daemon.
pub fn daemon() -> anyhow::Result<Measured> {
    let sink = Sink::start()?;
    let daemon = daemons::with_ga4(&sink);
    measured(&daemons::address(&daemon), daemon.process_id(), &sink, || {
        eventually("all are settled", SOON, || daemon.counter("shop/ga4", "delivered") == EVENTS);
    })
}

fn forwarder() -> anyhow::Result<Measured> {
    let sink = Sink::start()?;
    let forwarder = Forwarder::start(&sink.url())?;
    measured(&forwarder.address, forwarder.process_id(), &sink, || ())
}

/// `wait` for all that is still to be done once the last has arrived.
fn measured(address: &str, process_id: u32, sink: &Sink, wait: impl FnOnce()) -> anyhow::Result<Measured> {
    let orders = Template::order();
    let before_us = processor::used_us(process_id)?;
    let started = Instant::now();
    flood(address, "wk_test", move |number| {
        let first = number * BATCH as u64;
        (number < BATCHES).then(|| orders.batch(first..first + BATCH as u64))
    })?;
    sink.wait_for(EVENTS)?;
    let per_second = EVENTS as f64 / started.elapsed().as_secs_f64();
    wait();
    let cpu_us = (processor::used_us(process_id)? - before_us) / EVENTS as f64;
    Ok(Measured { per_second, cpu_us })
}
