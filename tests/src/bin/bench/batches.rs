//! Ingest of batches of several sizes, plain and compressed, against a bare server that reads and
//! parses the same bodies: once with the data on the disk, and once in memory, where an fsync costs
//! nothing. Validation, deduplication and the queue are on, as they are by default.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use switchyard_tests::daemon::Daemon;
use switchyard_tests::http::gzip;
use switchyard_tests::setup::Setup;

use crate::clients::flood_with;
use crate::daemons;
use crate::parser::Parser;
use crate::processor;
use crate::table::{Aim, Row, median};
use crate::templates::Template;

const EVENT_BYTES: usize = 1024;
/// Events in each measurement: about a second's work.
const EVENTS: u64 = 60_000;
const ROUNDS: u64 = 3;
/// Where files are memory.
const MEMORY: &str = "/dev/shm";

/// A row for each size, encoding and place of the data.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in [1, 20, 100] {
        for compressed in [false, true] {
            rows.extend(compare(batch, compressed)?);
        }
    }
    Ok(rows)
}

fn compare(batch: u64, compressed: bool) -> anyhow::Result<Vec<Row>> {
    let on_disk = Daemon::start(Setup::shop([]));
    let in_memory = Path::new(MEMORY).is_dir().then(|| Daemon::start_in(Setup::shop([]), Path::new(MEMORY)));
    let parser = Parser::start()?;
    // Single events make so many requests that fewer do.
    let events = if batch == 1 { EVENTS / 3 } else { EVENTS };
    let (mut disk, mut memory, mut last) = (Vec::new(), Vec::new(), [Speed::default(); 3]);
    for round in 0..ROUNDS {
        // Each event is a new one: what is sent again would only be looked up.
        let bodies = Arc::new(bodies(round * events, events, batch, compressed));
        let speed = |address: &str, process_id| speed(address, process_id, &bodies, events, compressed);
        let of = |daemon: &Daemon| speed(&daemons::address(daemon), daemon.process_id());
        last[0] = speed(&parser.address, parser.process_id())?;
        last[1] = of(&on_disk)?;
        disk.push(last[1].per_second / last[0].per_second);
        if let Some(daemon) = &in_memory {
            last[2] = of(daemon)?;
            memory.push(last[2].per_second / last[0].per_second);
        }
    }
    let encoding = if compressed { "gzip" } else { "plain" };
    let row = |place: &str, ratios: Vec<f64>, aim: f64, own: Speed| Row {
        figure: format!("ingest, batches of {batch}, {encoding}, {place} / bare read and parse"),
        value: median(ratios),
        unit: "",
        aim: Aim::AtLeast(aim),
        detail: format!(
            "{:.0} / {:.0} events/s, {:.1} / {:.1} us of processor time an event, 64 connections",
            own.per_second, last[0].per_second, own.cpu_us, last[0].cpu_us
        ),
    };
    let mut rows = vec![row("with fsync", disk, 0.4, last[1])];
    if in_memory.is_some() {
        rows.push(row("without", memory, 0.6, last[2]));
    }
    Ok(rows)
}

fn bodies(first: u64, events: u64, batch: u64, compressed: bool) -> Vec<Bytes> {
    let template = Template::padded(EVENT_BYTES);
    let body = |number: u64| {
        let first = first + number * batch;
        let plain = template.batch(first..first + batch);
        if compressed { gzip(&plain).into() } else { plain }
    };
    (0..events / batch).map(body).collect()
}

/// How fast events are taken.
#[derive(Clone, Copy, Default)]
struct Speed {
    per_second: f64,
    /// Processor time of the server, an event.
    cpu_us: f64,
}

fn speed(
    address: &str,
    process_id: u32,
    bodies: &Arc<Vec<Bytes>>,
    events: u64,
    compressed: bool,
) -> anyhow::Result<Speed> {
    let bodies = bodies.clone();
    let encoding = compressed.then_some("gzip");
    let before_us = processor::used_us(process_id)?;
    let (took, _) = flood_with(address, "wk_test", encoding, move |number| bodies.get(number as usize).cloned())?;
    let cpu_us = (processor::used_us(process_id)? - before_us) / events as f64;
    Ok(Speed { per_second: events as f64 / took.as_secs_f64(), cpu_us })
}
