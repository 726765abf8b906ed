//! How the figures went in the last day: samples of the durable counters, in memory, taken while
//! something happens. An idle daemon takes none, and the figures then stay as they were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Daemon;
use crate::queue::{DestinationId, DestinationStatus};

/// The finest samples are so far apart, in milliseconds: what a picture of 15 minutes shows.
const SAMPLE_MS: u64 = 10_000;

/// The series: how far apart the samples of each are, and how many are kept. 15 minutes, an hour and a
/// day; about 12 KB a destination.
const SERIES: [(u64, usize); 3] = [(SAMPLE_MS, 92), (40_000, 92), (900_000, 98)];

/// What is looked back at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Window {
    /// 15 minutes.
    #[default]
    #[serde(rename = "15m")]
    Quarter,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day.
    #[serde(rename = "24h")]
    Day,
}

impl Window {
    /// All, the shortest first.
    pub const ALL: [Window; 3] = [Window::Quarter, Window::Hour, Window::Day];

    /// Its name, as in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Window::Quarter => "15m",
            Window::Hour => "1h",
            Window::Day => "24h",
        }
    }

    /// The window of that name.
    pub fn from_name(name: &str) -> Option<Window> {
        Window::ALL.into_iter().find(|window| window.as_str() == name)
    }

    /// How long it is, in milliseconds.
    pub fn ms(self) -> u64 {
        match self {
            Window::Quarter => 15 * 60_000,
            Window::Hour => 60 * 60_000,
            Window::Day => 24 * 3_600_000,
        }
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Counts {
    /// Accepted and replayed.
    pub accepted: u64,
    /// Delivered.
    pub delivered: u64,
    /// Filtered.
    pub filtered: u64,
    /// Dead letters made.
    pub dead: u64,
    /// Expired.
    pub expired: u64,
}

impl Counts {
    /// Of a destination.
    pub fn of(status: &DestinationStatus) -> Counts {
        let counters = &status.counters;
        Counts {
            accepted: counters.accepted + counters.replayed,
            delivered: counters.delivered,
            filtered: counters.filtered,
            dead: counters.dead,
            expired: counters.expired,
        }
    }

    fn minus(self, before: Counts) -> Counts {
        Counts {
            accepted: self.accepted.saturating_sub(before.accepted),
            delivered: self.delivered.saturating_sub(before.delivered),
            filtered: self.filtered.saturating_sub(before.filtered),
            dead: self.dead.saturating_sub(before.dead),
            expired: self.expired.saturating_sub(before.expired),
        }
    }
}

/// The samples of one thing.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    series: [VecDeque<(u64, Counts)>; 3],
}

impl Trend {
    /// Notes the counters at a time.
    pub fn note(&mut self, now_ms: u64, counts: Counts) {
        for (samples, (apart_ms, kept_max)) in self.series.iter_mut().zip(SERIES) {
            let slot = |at_ms: u64| at_ms / apart_ms;
            // The last sample of a slot counts, so that each ends with what was true at its end.
            if samples.len() > 1 && samples.back().is_some_and(|(at_ms, _)| slot(*at_ms) == slot(now_ms)) {
                samples.pop_back();
            }
            samples.push_back((now_ms, counts));
            if samples.len() > kept_max {
                samples.pop_front();
            }
        }
    }

    /// What was counted within a window that ends at `now_ms` with these counters.
    pub fn within(&self, window: Window, now_ms: u64, now: Counts) -> Counts {
        now.minus(self.at(window, now_ms.saturating_sub(window.ms())).unwrap_or(now))
    }

    /// What was counted in each of `parts` equal parts of a window, oldest first.
    pub fn parts(&self, window: Window, now_ms: u64, now: Counts, parts: usize) -> Vec<Counts> {
        let at = |part: usize| {
            let before_ms = window.ms() * (parts - part) as u64 / parts as u64;
            if part == parts { now } else { self.at(window, now_ms.saturating_sub(before_ms)).unwrap_or(now) }
        };
        (0..parts).map(|part| at(part + 1).minus(at(part))).collect()
    }

    /// How many happen a second now: over the last half minute and up to a sample more, by the figure that
    /// `of` takes.
    pub fn rate(&self, now_ms: u64, now: Counts, of: impl Fn(&Counts) -> u64) -> f64 {
        const OVER_MS: u64 = 30_000;
        let samples = &self.series[0];
        let behind = samples.partition_point(|(sampled_ms, _)| *sampled_ms + OVER_MS <= now_ms);
        let Some((sampled_ms, before)) = samples.get(behind.saturating_sub(1)) else { return 0.0 };
        // An idle daemon takes no samples: what came since came lately.
        let over_ms = now_ms.saturating_sub(*sampled_ms).clamp(1_000, OVER_MS + SAMPLE_MS);
        of(&now).saturating_sub(of(before)) as f64 * 1_000.0 / over_ms as f64
    }

    /// The counters at a time: those of the last sample before it, else the first that is known.
    fn at(&self, window: Window, at_ms: u64) -> Option<Counts> {
        let samples = &self.series[window as usize];
        let behind = samples.partition_point(|(sampled_ms, _)| *sampled_ms <= at_ms);
        samples.get(behind.saturating_sub(1)).map(|(_, counts)| *counts)
    }
}

/// The samples of all destinations and sources.
#[derive(Debug, Default)]
pub struct Trends {
    destinations: BTreeMap<DestinationId, Trend>,
    /// Accepted, and rejected as `dead`.
    sources: BTreeMap<String, Trend>,
}

impl Trends {
    /// Of a destination.
    pub fn destination(&self, id: &DestinationId) -> Trend {
        self.destinations.get(id).cloned().unwrap_or_default()
    }

    /// Of a source.
    pub fn source(&self, pipeline: &str) -> Trend {
        self.sources.get(pipeline).cloned().unwrap_or_default()
    }
}

/// Takes samples until the daemon stops.
pub(super) async fn run(daemon: Arc<Daemon>, mut stopped: watch::Receiver<bool>) {
    let sampling = async {
        loop {
            sample(&daemon).await;
            daemon.trend_pulse.notified().await;
            tokio::time::sleep(Duration::from_millis(SAMPLE_MS)).await;
        }
    };
    tokio::select! {
        () = sampling => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn sample(daemon: &Daemon) {
    let Ok(statuses) = daemon.store.destinations().await else { return };
    let now_ms = (daemon.now)();
    let sources = daemon.gate.counters();
    let mut trends = daemon.trends.lock().expect("nobody panics while holding the trends");
    trends.destinations.retain(|id, _| statuses.iter().any(|status| status.destination == *id));
    trends.sources.retain(|pipeline, _| sources.contains_key(pipeline));
    for status in &statuses {
        trends.destinations.entry(status.destination.clone()).or_default().note(now_ms, Counts::of(status));
    }
    for (pipeline, source) in &sources {
        trends.sources.entry(pipeline.clone()).or_default().note(now_ms, source_counts(source));
    }
}

/// What is sampled of a source.
pub fn source_counts(source: &crate::ingest::SourceCounters) -> Counts {
    let (accepted, dead) = (source.accepted, source.rejected_by.values().sum());
    Counts { accepted, dead, ..Counts::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(delivered: u64) -> Counts {
        Counts { delivered, ..Counts::default() }
    }

    #[test]
    fn rates_and_parts_of_a_steady_stream() {
        let mut trend = Trend::default();
        for at in 0..=90_u64 {
            trend.note(at * SAMPLE_MS, delivered(at * 100));
        }
        let (now_ms, now) = (90 * SAMPLE_MS, delivered(9_000));
        let rate = trend.rate(now_ms, now, |counts| counts.delivered);
        assert!((rate - 10.0).abs() < 0.01, "{rate}");
        assert_eq!(trend.within(Window::Quarter, now_ms, now).delivered, 9_000);
        let parts = trend.parts(Window::Quarter, now_ms, now, 30);
        assert!(parts.iter().all(|part| part.delivered == 300), "{parts:?}");
    }

    #[test]
    fn silence_is_no_stream_and_a_burst_behind_it_stands_at_its_time() {
        let mut trend = Trend::default();
        trend.note(0, delivered(0));
        trend.note(600_000, delivered(50));
        let parts = trend.parts(Window::Quarter, 900_000, delivered(50), 3);
        assert_eq!(parts.iter().map(|part| part.delivered).collect::<Vec<_>>(), [0, 50, 0]);
        assert_eq!(trend.rate(900_000, delivered(50), |counts| counts.delivered), 0.0);
    }

    #[test]
    fn what_was_before_the_start_is_not_counted_as_of_late() {
        let trend = Trend::default();
        assert_eq!(trend.within(Window::Day, 1_000, delivered(7)), Counts::default());
        let mut trend = Trend::default();
        trend.note(1_000, delivered(7));
        assert_eq!(trend.within(Window::Day, 2_000, delivered(9)).delivered, 2);
    }

    #[test]
    fn samples_are_bounded() {
        let mut trend = Trend::default();
        for at in 0..10_000_u64 {
            trend.note(at * SAMPLE_MS, delivered(at));
        }
        assert_eq!(trend.series.each_ref().map(VecDeque::len), SERIES.map(|(_, kept_max)| kept_max));
        let day = trend.within(Window::Day, 9_999 * SAMPLE_MS, delivered(9_999)).delivered;
        assert!((8_640..=8_640 + 90).contains(&day), "{day}: a day of samples, to the slot");
    }
}
