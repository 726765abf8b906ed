//! The overview: pipelines with their rates, lag and health, what needs attention, and whether every
//! delivery is accounted for.

use serde::Serialize;

use super::failure::Failure;
use super::health::{Health, HealthKind, health};
use crate::config::Pipeline;
use crate::daemon::trends::{Counts, Trend, Trends, Window, source_counts};
use crate::daemon::{Configured, Daemon};
use crate::delivery::health::RuntimeStatus;
use crate::ingest::SourceCounters;
use crate::queue::{DeadContent, DeadFilter, DeadOrder, DestinationId, DestinationStatus};

/// Points of a picture of a rate.
const SPARK_POINTS: usize = 30;

/// The overview.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// What is looked back at.
    pub window: Window,
    /// The number of the configuration in effect.
    pub configuration: u64,
    /// The worst first.
    pub attention: Vec<Attention>,
    /// Whether every delivery is accounted for.
    pub balance: Balance,
    /// The pipelines, as configured.
    pub pipelines: Vec<PipelineView>,
}

/// Something that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attention {
    /// How bad.
    pub kind: HealthKind,
    /// What, in a sentence.
    pub title: String,
    /// The cause and the effect.
    pub text: String,
    /// Which destination; empty: the daemon.
    pub destination: String,
    /// Since when: milliseconds since 1970; 0: nobody knows.
    pub since_ms: u64,
    /// Its dead letters.
    pub dead_letters: u64,
    /// Whether it is paused and can be resumed here.
    pub resumable: bool,
}

/// Every delivery since the store was made: accepted + replayed = all the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Balance {
    /// Deliveries of accepted events.
    pub accepted: u64,
    /// Deliveries made anew.
    pub replayed: u64,
    /// Ended delivered.
    pub delivered: u64,
    /// Ended filtered.
    pub filtered: u64,
    /// In the queue or in flight.
    pub waiting: u64,
    /// Waiting for another attempt.
    pub owed: u64,
    /// Ended dead.
    pub dead: u64,
    /// Ended at a bound.
    pub expired: u64,
    /// Whether both sides are the same.
    pub balances: bool,
}

/// A pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineView {
    /// Its name.
    pub name: String,
    /// Events accepted a second.
    pub accepted_per_second: f64,
    /// Events accepted in each part of the window, oldest first.
    pub spark: Vec<u64>,
    /// Items rejected a second.
    pub rejected_per_second: f64,
    /// The share of items that were accepted in the window; None: none came.
    pub accepted_share: Option<f64>,
    /// Why items were rejected most since the start.
    pub rejected_mostly: Option<String>,
    /// The ends of its write keys.
    pub write_keys: Vec<String>,
    /// Where its events go.
    pub destinations: Vec<DestinationRow>,
}

/// A destination in the overview.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationRow {
    /// `<pipeline>/<name>`.
    pub id: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its own name.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// The plugin's name, when it is there.
    pub title: String,
    /// The plugin's version, when it is there.
    pub version: String,
    /// How it is.
    pub health: Health,
    /// Deliveries that ended delivered a second.
    pub delivered_per_second: f64,
    /// Deliveries in each part of the window, oldest first.
    pub spark: Vec<u64>,
    /// Since when its runtime is in its state: milliseconds since 1970.
    pub since_ms: u64,
    /// Age of the oldest waiting event, in milliseconds.
    pub lag_ms: u64,
    /// In the queue, in flight, or waiting for another attempt.
    pub waiting: u64,
    /// Dead letters that are kept.
    pub dead_letters: u64,
    /// What was counted in the window.
    pub counts: Counts,
    /// Paused by the operator, over restarts, or by the configuration.
    pub paused: bool,
    /// Whether only the configuration can resume it.
    pub paused_by_configuration: bool,
}

/// Looks at everything once.
///
/// # Errors
/// When the store does not answer.
pub async fn overview(daemon: &Daemon, window: Window) -> Result<Overview, Failure> {
    let statuses = daemon.destinations().await?;
    let configured = daemon.configured().await;
    let sources = daemon.gate.counters();
    let now_ms = (daemon.now)();
    let trends = daemon.trends.lock().expect("nobody panics while holding the trends");
    let looked = Looked { statuses: &statuses, configured: &configured, trends: &trends, now_ms, window };
    let pipelines: Vec<PipelineView> = configured
        .config
        .pipelines
        .iter()
        .map(|pipeline| {
            looked.pipeline(pipeline, sources.get(pipeline.id.as_str()).unwrap_or(&SourceCounters::default()))
        })
        .collect();
    drop(trends);
    let mut attention = of_the_daemon(daemon, &configured);
    let destinations = pipelines.iter().flat_map(|pipeline| &pipeline.destinations);
    attention.extend(destinations.filter_map(|row| of_a_destination(row, now_ms)));
    attention.sort_by_key(|each| each.kind);
    let balance = balance(&statuses);
    let configuration = daemon.configuration_number().0;
    Ok(Overview { now_ms, window, configuration, attention, balance, pipelines })
}

/// The overview, with the time of the first of those dead letters that it calls attention to.
///
/// # Errors
/// When the store does not answer.
pub async fn with_since(daemon: &Daemon, window: Window) -> Result<Overview, Failure> {
    let mut overview = overview(daemon, window).await?;
    let from_ms = overview.now_ms.saturating_sub(Window::Quarter.ms());
    for each in overview.attention.iter_mut().filter(|each| each.kind == HealthKind::Dead) {
        let destination = Some(DestinationId(each.destination.clone()));
        let filter = DeadFilter { destination, from_ms: Some(from_ms), limit: 1, ..DeadFilter::default() };
        let page = daemon.store.dead_page(filter, DeadOrder::OldestFirst, None, DeadContent::Head).await?;
        each.since_ms = page.letters.first().map_or(0, |letter| letter.died_ms);
    }
    Ok(overview)
}

struct Looked<'a> {
    statuses: &'a [DestinationStatus],
    configured: &'a Configured,
    trends: &'a Trends,
    now_ms: u64,
    window: Window,
}

impl Looked<'_> {
    fn pipeline(&self, pipeline: &Pipeline, source: &SourceCounters) -> PipelineView {
        let (now, trend) = (source_counts(source), self.trends.source(pipeline.id.as_str()));
        let within = trend.within(self.window, self.now_ms, now);
        let items = within.accepted + within.dead;
        let mostly = source.rejected_by.iter().max_by_key(|(_, count)| **count);
        PipelineView {
            name: pipeline.id.to_string(),
            accepted_per_second: trend.rate(self.now_ms, now, |counts| counts.accepted),
            spark: self.spark(&trend, now, |counts| counts.accepted),
            rejected_per_second: trend.rate(self.now_ms, now, |counts| counts.dead),
            accepted_share: (items > 0).then(|| within.accepted as f64 / items as f64),
            rejected_mostly: mostly.map(|(code, _)| code.replace('_', " ")),
            write_keys: pipeline.write_keys.iter().filter(|key| key.enabled).map(|key| tail(&key.key)).collect(),
            destinations: pipeline
                .destinations
                .iter()
                .filter_map(|each| self.destination(pipeline.id.as_str(), each))
                .collect(),
        }
    }

    fn destination(&self, pipeline: &str, destination: &crate::config::Destination) -> Option<DestinationRow> {
        let status = self.statuses.iter().find(|status| status.destination == destination.id)?;
        let idle = RuntimeStatus::default();
        let runtime = self.configured.runtimes.get(&destination.id).map_or(&idle, |(_, runtime)| runtime);
        let manifest = self.configured.revisions.get(&destination.plugin).map(|revision| revision.manifest());
        let (now, trend) = (Counts::of(status), self.trends.destination(&destination.id));
        let counts = trend.within(self.window, self.now_ms, now);
        Some(DestinationRow {
            id: destination.id.0.clone(),
            pipeline: pipeline.to_string(),
            name: destination.name.clone(),
            plugin: destination.plugin.clone(),
            title: manifest.map_or(destination.plugin.clone(), |manifest| manifest.name.clone()),
            version: manifest.map(|manifest| manifest.version.clone()).unwrap_or_default(),
            health: health(status, runtime, &trend.within(Window::Quarter, self.now_ms, now)),
            delivered_per_second: trend.rate(self.now_ms, now, |counts| counts.delivered),
            spark: self.spark(&trend, now, |counts| counts.delivered),
            since_ms: runtime.since_ms,
            lag_ms: status.lag_ms,
            waiting: status.waiting + status.owed,
            dead_letters: status.dead_letters.kept,
            counts,
            paused: status.paused || destination.paused,
            paused_by_configuration: destination.paused,
        })
    }

    fn spark(&self, trend: &Trend, now: Counts, of: impl Fn(&Counts) -> u64) -> Vec<u64> {
        trend.parts(self.window, self.now_ms, now, SPARK_POINTS).iter().map(of).collect()
    }
}

/// The end of a write key: enough to tell two apart, too little to send with.
pub fn tail(key: &str) -> String {
    let signs: Vec<char> = key.chars().collect();
    let shown = signs.len() / 2;
    format!("…{}", signs[signs.len() - shown.min(4)..].iter().collect::<String>())
}

fn balance(statuses: &[DestinationStatus]) -> Balance {
    let sum = |of: &dyn Fn(&DestinationStatus) -> u64| statuses.iter().map(of).sum::<u64>();
    let mut balance = Balance {
        accepted: sum(&|status| status.counters.accepted),
        replayed: sum(&|status| status.counters.replayed),
        delivered: sum(&|status| status.counters.delivered),
        filtered: sum(&|status| status.counters.filtered),
        waiting: sum(&|status| status.waiting),
        owed: sum(&|status| status.owed),
        dead: sum(&|status| status.counters.dead),
        expired: sum(&|status| status.counters.expired),
        balances: false,
    };
    let ended = balance.delivered + balance.filtered + balance.dead + balance.expired;
    balance.balances = balance.accepted + balance.replayed == balance.waiting + balance.owed + ended;
    balance
}

fn of_the_daemon(daemon: &Daemon, configured: &Configured) -> Vec<Attention> {
    let one = |title: &str, text: String| Attention {
        kind: HealthKind::NoPlugin,
        title: title.to_string(),
        text,
        destination: String::new(),
        since_ms: 0,
        dead_letters: 0,
        resumable: false,
    };
    let mut all = Vec::new();
    let store = daemon.store.status();
    if let Some(cause) = store.poisoned {
        let text = format!(
            "{cause}. Senders keep their events and send them again. Look at the disk, then restart the daemon."
        );
        all.push(one("The store failed: no event is taken", text));
    }
    if let Some(free) = store.disk_free_bytes.filter(|free| *free < store.disk_reserve_bytes) {
        let text = format!(
            "{} MB are free, and {} MB must stay free. Senders are told to wait.",
            free >> 20,
            store.disk_reserve_bytes >> 20
        );
        all.push(one("The disk is full: no event is taken", text));
    }
    if let Some(why) = &configured.configuration_refused {
        all.push(one("The changed configuration file is refused", format!("{why}. The one before stays in effect.")));
    }
    for (path, why) in &configured.refused {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        all.push(one(&format!("The plugin file {file} is refused"), format!("{why}. What runs goes on.")));
    }
    all
}

fn of_a_destination(row: &DestinationRow, now_ms: u64) -> Option<Attention> {
    let (title, text) = match row.health.kind {
        HealthKind::Healthy | HealthKind::Retrying => return None,
        HealthKind::NoPlugin => {
            (format!("{} waits for its plugin", row.id), "Its events wait; none is lost.".to_string())
        }
        HealthKind::Dead => (
            format!("{} has {} of late", row.id, dead_letters(row.counts.dead)),
            format!("{} kept; each can be replayed.", dead_letters(row.dead_letters)),
        ),
        HealthKind::Failing => (format!("{} does not take what is sent", row.id), waiting(row)),
        HealthKind::Paused => (format!("{} is paused", row.id), waiting(row)),
        HealthKind::Behind => (format!("{} is {} behind", row.id, span(row.lag_ms)), waiting(row)),
    };
    let text =
        if row.health.why.is_empty() { text } else { format!("{}. {text}", row.health.why.trim_end_matches('.')) };
    let resumable = row.health.kind == HealthKind::Paused && !row.paused_by_configuration;
    let since_ms = match row.health.kind {
        HealthKind::Behind => now_ms.saturating_sub(row.lag_ms),
        // The first of them: `with_since` looks.
        HealthKind::Dead => 0,
        _ => row.since_ms,
    };
    let (destination, dead_letters) = (row.id.clone(), row.dead_letters);
    Some(Attention { kind: row.health.kind, title, text, destination, since_ms, dead_letters, resumable })
}

fn dead_letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_string() } else { format!("{count} dead letters") }
}

fn waiting(row: &DestinationRow) -> String {
    match row.waiting {
        0 => "Nothing waits.".to_string(),
        1 => "1 delivery waits; it is not lost.".to_string(),
        count => format!("{count} deliveries wait; none is lost."),
    }
}

/// A span of time for people: `0.4 s`, `6 min 12 s`, `4 h 59 min`, `3 d 2 h`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{:.1} s", ms as f64 / 1_000.0),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_tails_for_people() {
        for (ms, text) in [
            (0, "0.0 s"),
            (59_900, "59.9 s"),
            (372_000, "6 min 12 s"),
            (17_940_000, "4 h 59 min"),
            (266_400_000, "3 d 2 h"),
        ] {
            assert_eq!(span(ms), text);
        }
        for (key, text) in [("wk_0123456789ab7f3a", "…7f3a"), ("abcd", "…cd"), ("a", "…"), ("", "…")] {
            assert_eq!(tail(key), text);
        }
    }
}
