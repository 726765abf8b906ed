//! A thousand destinations of fifty plugins: the memory of one that does nothing, the start from the
//! cache of compiled code, and the cost of a delivery against the same daemon with one destination.
//!
//! The cost is measured twice. With a pipeline for each destination both sides take as many events, at the
//! same pace. With one pipeline for all of them twenty events make as many deliveries, which begin at once;
//! so what taking an event costs is measured with no destination, and left out on both sides. All run side by
//! side and are measured in turns, once they have their connections.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::http::Request;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::{paths, shop, wasm};

use crate::processor;
use crate::sink::Sink;
use crate::table::{Aim, Row, median};

const DESTINATIONS: usize = 1_000;
const PLUGINS: usize = 50;
/// Events of each destination, planned together on both sides.
const BATCH: usize = 20;
const DELIVERIES: usize = DESTINATIONS * BATCH;
/// Rounds that count.
const ROUNDS: usize = 5;
/// The first start compiles all plugins.
const FIRST_START: Duration = Duration::from_secs(600);
const DELIVERED: Duration = Duration::from_secs(300);
/// What arrived is settled by then.
const SETTLED: Duration = Duration::from_millis(500);

/// Four rows.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    // A sink for each: two daemons may have more connections to one than it has ports for them.
    let sinks = [Sink::start()?, Sink::start()?, Sink::start()?];
    let mut none = daemon_with(one_pipeline(0, &sinks[0]))?;
    restart(&mut none)?;
    let none_kib = memory_kib(&none)?;
    let mut all = daemon_with(one_pipeline(DESTINATIONS, &sinks[0]))?;
    let start_seconds = restart(&mut all)?;
    let start_cpu_seconds = processor::used_us(all.process_id())? / 1e6;
    let all_kib = memory_kib(&all)?;
    let [all_sink, spread_sink, one_sink] = sinks;
    let spread = daemon_with(pipelines(&spread_sink))?;
    let one = daemon_with(one_pipeline(1, &one_sink))?;
    let mut all = Measuring { daemon: all, sink: all_sink, events: BATCH, pipelines: 1, rounds: 0 };
    let mut spread =
        Measuring { daemon: spread, sink: spread_sink, events: DELIVERIES, pipelines: DESTINATIONS, rounds: 0 };
    let mut one = Measuring { daemon: one, sink: one_sink, events: DELIVERIES, pipelines: 1, rounds: 0 };
    let costs = (0..=ROUNDS).map(|round| {
        Ok(Costs {
            taken: cpu_us_of(&none, || accept(&none, &format!("taken-{round}"), DELIVERIES, 1))? / DELIVERIES as f64,
            one: one.cpu_us()?,
            all: all.cpu_us()?,
            spread: spread.cpu_us()?,
        })
    });
    // The first round makes the connections.
    let costs: Vec<Costs> = costs.collect::<anyhow::Result<Vec<_>>>()?.split_off(1);
    let middle = |figure: fn(&Costs) -> f64| median(costs.iter().map(figure).collect());
    let row = |figure: &str, value: f64, unit: &'static str, aim: f64, detail: String| Row {
        figure: format!("{figure} ({DESTINATIONS} destinations of {PLUGINS} plugins)"),
        value,
        unit,
        aim: Aim::AtMost(aim),
        detail,
    };
    Ok(vec![
        row(
            "memory of an idle destination",
            (all_kib - none_kib) / DESTINATIONS as f64,
            "KiB",
            256.0,
            format!(
                "{:.0} MiB with none, {:.0} MiB with all, the plugins loaded in both",
                none_kib / 1024.0,
                all_kib / 1024.0
            ),
        ),
        row(
            "start from compiled code",
            start_seconds,
            "s",
            3.0,
            format!("from the process's start to ready, {start_cpu_seconds:.2} s of it processor time"),
        ),
        row(
            "cost of an event and its delivery / with one destination, each in its pipeline",
            middle(|costs| costs.spread / costs.one),
            "",
            1.3,
            format!(
                "{:.1} / {:.1} us of processor time, {DELIVERIES} events in batches of {BATCH}, the middle of {ROUNDS} rounds",
                middle(|costs| costs.spread),
                middle(|costs| costs.one)
            ),
        ),
        row(
            "cost of a delivery / with one destination, all in one pipeline",
            middle(|costs| costs.all_delivery() / costs.one_delivery()),
            "",
            1.3,
            format!(
                "{:.1} / {:.1} us of processor time, {DELIVERIES} deliveries in batches of {BATCH}, without the {:.1} us of taking an event",
                middle(Costs::all_delivery),
                middle(Costs::one_delivery),
                middle(|costs| costs.taken)
            ),
        ),
    ])
}

/// Processor time in microseconds, of one round.
struct Costs {
    /// Of an event that nobody gets.
    taken: f64,
    /// Of an event and its delivery to the one destination.
    one: f64,
    /// Of a delivery to one of many in one pipeline, with its share of an event.
    all: f64,
    /// Of an event and its delivery to one of many, each in its pipeline.
    spread: f64,
}

impl Costs {
    fn one_delivery(&self) -> f64 {
        self.one - self.taken
    }

    fn all_delivery(&self) -> f64 {
        self.all - self.taken / DESTINATIONS as f64
    }
}

/// A daemon that is given as many deliveries in each round.
struct Measuring {
    daemon: Daemon,
    sink: Sink,
    events: usize,
    pipelines: usize,
    rounds: u64,
}

impl Measuring {
    /// Processor time of a delivery, with its share of taking the events.
    fn cpu_us(&mut self) -> anyhow::Result<f64> {
        self.rounds += 1;
        let used_us = cpu_us_of(&self.daemon, || self.deliver())?;
        Ok(used_us / DELIVERIES as f64)
    }

    /// Sends the events of a round, and waits until all are delivered and settled.
    fn deliver(&self) -> anyhow::Result<()> {
        let (deliveries, requests) = (DELIVERIES as u64, self.sink.requests());
        accept(&self.daemon, &format!("round-{}", self.rounds), self.events, self.pipelines)?;
        self.sink.wait_for(requests + deliveries)?;
        let delivered = || {
            let status = self.daemon.admin_get("/api/v1/status").json();
            let all = status["destinations"].as_array().cloned().unwrap_or_default();
            all.iter().filter_map(|each| each["delivered"].as_u64()).sum::<u64>()
        };
        // Asking is work of the daemon, too: seldom, and not before it can be so.
        let end = Instant::now() + DELIVERED;
        loop {
            std::thread::park_timeout(SETTLED);
            if delivered() >= deliveries * self.rounds {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < end, "{} of {deliveries} deliveries are not settled", delivered());
        }
    }
}

/// So many destinations in one pipeline.
fn one_pipeline(destinations: usize, sink: &Sink) -> Setup {
    Setup::shop((0..destinations).map(|number| destination(number, sink)))
}

/// All destinations, each in a pipeline of its own.
fn pipelines(sink: &Sink) -> Setup {
    (0..DESTINATIONS).fold(Setup::default(), |setup, number| {
        setup.pipeline(&format!("p-{number}"), &write_key(number, DESTINATIONS), [destination(number, sink)])
    })
}

fn destination(number: usize, sink: &Sink) -> Destination {
    Destination::new(&format!("d-{number}"), &plugin(number % PLUGINS))
        .setting("url", format!("{}/webhook", sink.url()))
        .delivery("batch_events_max", BATCH as u64)
}

/// Of one of so many pipelines.
fn write_key(number: usize, pipelines: usize) -> String {
    if pipelines == 1 { "wk_test".to_string() } else { format!("wk_{number}") }
}

/// A daemon that has all plugins; it was started once, so that all code is compiled.
fn daemon_with(setup: Setup) -> anyhow::Result<Daemon> {
    let webhook = std::fs::read(paths::plugin("webhook"))?;
    let mut daemon = Daemon::prepare_bare(setup);
    for number in 0..PLUGINS {
        let own = wasm::with_manifest(&webhook, |manifest| {
            manifest["id"] = json!(plugin(number));
            manifest["fixtures"] = json!([]);
        });
        daemon.put_plugin(&plugin(number), &own);
    }
    daemon.spawn();
    wait_until_ready(&mut daemon, FIRST_START)?;
    Ok(daemon)
}

fn plugin(number: usize) -> String {
    format!("webhook-{number}")
}

/// A second start, which compiles nothing: how many seconds it takes.
fn restart(daemon: &mut Daemon) -> anyhow::Result<f64> {
    daemon.end();
    let started = Instant::now();
    daemon.spawn();
    wait_until_ready(daemon, FIRST_START)?;
    Ok(started.elapsed().as_secs_f64())
}

fn memory_kib(daemon: &Daemon) -> anyhow::Result<f64> {
    Ok(daemon.memory_kib() as f64)
}

fn wait_until_ready(daemon: &mut Daemon, deadline: Duration) -> anyhow::Result<()> {
    let (end, ready) = (Instant::now() + deadline, daemon.url("/readyz"));
    while !Request::get(&ready).send().is_ok_and(|response| response.status == 200) {
        anyhow::ensure!(daemon.exited().is_none(), "the daemon ended:\n{}", daemon.log());
        anyhow::ensure!(Instant::now() < end, "the daemon is not ready");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}

/// Sends events, a batch to each pipeline in turn.
fn accept(daemon: &Daemon, name: &str, events: usize, pipelines: usize) -> anyhow::Result<()> {
    for (number, batch) in (0..events).collect::<Vec<_>>().chunks(BATCH).enumerate() {
        let events: Vec<Value> = batch.iter().map(|at| shop::padded(&format!("{name}-{at}"), 400)).collect();
        daemon.accept_with(&write_key(number % pipelines, pipelines), &events);
    }
    Ok(())
}

/// Processor time that the daemon uses while something is done, in microseconds.
fn cpu_us_of(daemon: &Daemon, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let before_us = processor::used_us(daemon.process_id())?;
    work()?;
    Ok(processor::used_us(daemon.process_id())? - before_us)
}
