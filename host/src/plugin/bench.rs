//! `switchyard plugin bench`: what a plugin costs, as a ratio to parsing the same events.
//!
//! One thread, its own processor time, so that a busy machine changes little. Every call is checked
//! as in the daemon.

use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::fault::PluginFault;
use super::host::PluginHost;
use super::instance::Instance;
use super::run::{Guest, read_events};
use crate::event::index::View;
use crate::event::scan::index_canonical;
use crate::event::{Event, MessageId};

/// What the author gave.
#[derive(Clone, Debug)]
pub struct BenchArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Settings as JSON, secrets with their values.
    pub settings: PathBuf,
    /// One event a line; they are repeated to fill batches, each time with another messageId.
    pub events: PathBuf,
    /// The time of the calls, milliseconds since 1970.
    pub now_ms: u64,
    /// Events in a batch.
    pub batch: usize,
    /// How long to measure, in seconds.
    pub seconds: f64,
}

/// Rounds that count, after a short one to warm up.
const ROUNDS: u32 = 4;

/// Events and time.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    events: u64,
    wall: Duration,
    cpu: Duration,
}

impl Measured {
    fn cpu_per_event(&self) -> f64 {
        self.cpu.as_secs_f64() / self.events as f64
    }
}

/// The event at a place of a batch that the events are repeated to fill: an event of its own, since a
/// plugin may take two with one messageId for one.
fn repeated(events: &[Event], number: usize) -> Event {
    let (event, round) = (&events[number % events.len()], number / events.len());
    let message_id = View::new(&event.json, &event.index).get(&["messageId"]);
    let Some(quoted) = message_id.filter(|_| round > 0).and_then(|id| id.raw_str()) else { return event.clone() };
    // Slices of the same text: where the id ends is the difference of their addresses.
    let end = quoted.as_ptr() as usize + quoted.len() - event.json.as_ptr() as usize;
    let json = Bytes::from([&event.json[..end], format!("-{round}").as_bytes(), &event.json[end..]].concat());
    let index = index_canonical(&json).expect("an id that is longer leaves the JSON canonical");
    let message_id = MessageId::from(&*format!("{}-{round}", event.message_id));
    Event { message_id, json, index, ..event.clone() }
}

/// Measures, and prints one JSON object.
pub fn bench(host: &PluginHost, arguments: &BenchArguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let bar = indicatif::ProgressBar::new(u64::from(ROUNDS)).with_message("measuring");
    bar.set_style(indicatif::ProgressStyle::with_template("{msg} {wide_bar} {eta}")?);
    let figures = figures(host, arguments, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    writeln!(out, "{figures}")?;
    Ok(())
}

/// Measures: a fresh instance for each batch, one instance for all, and the yardstick, in turns, so
/// that each sees the same machine. Says when each round is done.
pub fn figures(host: &PluginHost, arguments: &BenchArguments, done: &mut dyn FnMut()) -> anyhow::Result<Value> {
    anyhow::ensure!(arguments.batch > 0 && arguments.seconds > 0.0, "batch and seconds must be more than 0");
    let guest = Guest::load_files(host, &arguments.plugin, &arguments.settings)?;
    let (events, lines) = read_events(&arguments.events, arguments.now_ms)?;
    let batch: Vec<_> = (0..arguments.batch).map(|number| repeated(&events, number)).collect();
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).cycle().take(arguments.batch).collect();
    let mut instance = Instance::start(&guest.revision, &guest.settings, None)?;
    let mut fresh = || guest.revision.plan(&guest.settings, arguments.now_ms, &batch).map(drop);
    let mut reused = || {
        if instance.is_worn() {
            instance = Instance::start(&guest.revision, &guest.settings, None)?;
        }
        instance.plan(arguments.now_ms, &batch).map(drop)
    };
    let mut yardstick = || {
        for line in &lines {
            black_box(serde_json::from_slice::<Value>(black_box(line)).ok());
        }
        Ok(())
    };
    let round = Duration::from_secs_f64(arguments.seconds / f64::from(3 * ROUNDS));
    let mut sums = [Measured::default(); 3];
    for number in 0..=ROUNDS {
        let time = if number == 0 { round / 8 } else { round };
        let measured = [
            measure(&mut fresh, arguments.batch, time)?,
            measure(&mut reused, arguments.batch, time)?,
            measure(&mut yardstick, arguments.batch, time)?,
        ];
        if number > 0 {
            for (sum, one) in sums.iter_mut().zip(measured) {
                sum.events += one.events;
                sum.wall += one.wall;
                sum.cpu += one.cpu;
            }
            done();
        }
    }
    let [fresh, reused, yardstick] = sums;
    let per_second = |measured: &Measured, time: Duration| measured.events as f64 / time.as_secs_f64();
    Ok(json!({
        "events": fresh.events,
        "batch": arguments.batch,
        "event_bytes": lines.iter().map(|line| line.len()).sum::<usize>() / lines.len(),
        "events_per_second": per_second(&fresh, fresh.wall),
        "events_per_cpu_second": per_second(&fresh, fresh.cpu),
        "yardstick_events_per_cpu_second": per_second(&yardstick, yardstick.cpu),
        "yardsticks_per_event": fresh.cpu_per_event() / yardstick.cpu_per_event(),
        "reused_events_per_cpu_second": per_second(&reused, reused.cpu),
        "reused_yardsticks_per_event": reused.cpu_per_event() / yardstick.cpu_per_event(),
        "fresh_to_reused": fresh.cpu_per_event() / reused.cpu_per_event(),
        "cpu_us_per_event": fresh.cpu_per_event() * 1e6,
        "yardstick_cpu_us_per_event": yardstick.cpu_per_event() * 1e6,
    }))
}

fn measure(
    call: &mut dyn FnMut() -> Result<(), PluginFault>,
    batch: usize,
    time: Duration,
) -> Result<Measured, PluginFault> {
    let (wall, cpu) = (Instant::now(), thread_time());
    let mut events = 0;
    loop {
        call()?;
        events += batch as u64;
        if wall.elapsed() >= time {
            return Ok(Measured { events, wall: wall.elapsed(), cpu: thread_time() - cpu });
        }
    }
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::event_from_line;

    #[test]
    fn a_repeated_event_is_another_one() {
        let line = |id: &str| format!(r#"{{"type":"track","event":"x","messageId":"{id}","timestamp":"2026-01-05"}}"#);
        let events = [line("m\\n"), line("o")].map(|line| event_from_line(line.as_bytes(), "line", 0).unwrap());
        let batch: Vec<Event> = (0..5).map(|number| repeated(&events, number)).collect();
        let ids: Vec<&str> = batch.iter().map(|event| event.message_id.as_str()).collect();
        assert_eq!(ids, ["m\n", "o", "m\n-1", "o-1", "m\n-2"]);
        for event in &batch {
            let in_json = View::new(&event.json, &event.index).get(&["messageId"]).unwrap();
            assert_eq!(in_json.as_str().as_deref(), Some(event.message_id.as_str()));
            assert_eq!(event.index, index_canonical(&event.json).unwrap());
        }
    }
}
