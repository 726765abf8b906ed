//! Ingest of batches of several sizes, plain and compressed, against a bare server that reads and
//! parses the same bodies: with the data on the disk, and in memory, where an fsync costs nothing. In both
//! a queue grows, and pays for each page that the system has never touched; another is kept at a size, as
//! that of a daemon that has run for long. Validation, deduplication and the queue are on, as they are by default.

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
/// The speed of a machine that others use, too, changes within a second: the middle of so many.
const ROUNDS: u64 = 7;
/// What a queue that is kept at a size keeps of delivered events: as much as comes before the first round.
const RETENTION_BYTES: u64 = 64 << 20;
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

/// A daemon whose data lies somewhere.
struct Place {
    name: &'static str,
    aim: f64,
    daemon: Daemon,
    /// Of each round, against the parser.
    ratios: Vec<f64>,
    last: Speed,
}

impl Place {
    fn new(name: &'static str, aim: f64, daemon: Daemon) -> Place {
        Place { name, aim, daemon, ratios: Vec::new(), last: Speed::default() }
    }

    /// Once it has taken as much as it keeps.
    fn filled(self) -> anyhow::Result<Place> {
        self.speed(&Arc::new(bodies(ROUNDS * EVENTS, EVENTS, 100, false)), EVENTS, false)?;
        Ok(self)
    }

    fn speed(&self, bodies: &Arc<Vec<Bytes>>, events: u64, compressed: bool) -> anyhow::Result<Speed> {
        speed(&daemons::address(&self.daemon), self.daemon.process_id(), bodies, events, compressed)
    }
}

fn places() -> anyhow::Result<Vec<Place>> {
    let grows = || Setup::shop([]);
    let at_its_size = || grows().section(&format!("[queue]\nretention_bytes = {RETENTION_BYTES}"));
    let mut places = vec![
        Place::new("with fsync", 0.4, Daemon::start(grows())),
        Place::new("with fsync, the queue at its size", 0.4, Daemon::start(at_its_size())).filled()?,
    ];
    let memory = Path::new(MEMORY);
    if memory.is_dir() {
        places.push(Place::new("without", 0.6, Daemon::start_in(grows(), memory)));
        let filled =
            Place::new("without, the queue at its size", 0.6, Daemon::start_in(at_its_size(), memory)).filled()?;
        places.push(filled);
    }
    Ok(places)
}

fn compare(batch: u64, compressed: bool) -> anyhow::Result<Vec<Row>> {
    let mut places = places()?;
    let parser = Parser::start()?;
    let mut bare = Speed::default();
    // Single events make so many requests that fewer do.
    let events = if batch == 1 { EVENTS / 3 } else { EVENTS };
    for round in 0..ROUNDS {
        // Each event is a new one: what is sent again would only be looked up.
        let bodies = Arc::new(bodies(round * events, events, batch, compressed));
        bare = speed(&parser.address, parser.process_id(), &bodies, events, compressed)?;
        for place in &mut places {
            place.last = place.speed(&bodies, events, compressed)?;
            place.ratios.push(place.last.per_second / bare.per_second);
        }
    }
    let encoding = if compressed { "gzip" } else { "plain" };
    let row = |place: Place| Row {
        figure: format!("ingest, batches of {batch}, {encoding}, {} / bare read and parse", place.name),
        value: median(place.ratios),
        unit: "",
        aim: Aim::AtLeast(place.aim),
        detail: format!(
            "{:.0} / {:.0} events/s, {:.1} / {:.1} us of processor time an event in the last round, 64 connections",
            place.last.per_second, bare.per_second, place.last.cpu_us, bare.cpu_us
        ),
    };
    Ok(places.into_iter().map(row).collect())
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
