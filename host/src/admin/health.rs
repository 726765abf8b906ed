//! How a destination is, in one word and a few more. Pure.

use serde::Serialize;

use crate::daemon::trends::Counts;
use crate::delivery::health::RuntimeStatus;
use crate::queue::DestinationStatus;

/// A destination is behind when its oldest waiting event is older.
const BEHIND_MS: u64 = 60_000;

/// A share of dead letters from which on it is said: one in a thousand.
const DEAD_SHARE: f64 = 0.001;

/// In one word. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// Its plugin is not there, or takes no settings.
    NoPlugin,
    /// Deliveries became dead letters of late.
    Dead,
    /// The vendor fails; nothing or little goes.
    Failing,
    /// Nothing is sent.
    Paused,
    /// What waits is old.
    Behind,
    /// Some requests are tried again.
    Retrying,
    /// All is well.
    Healthy,
}

/// How a destination is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// In one word.
    pub kind: HealthKind,
    /// In a few.
    pub text: String,
    /// Why, when there is a why.
    pub why: String,
}

/// How a destination is. `window` is what was counted of late.
pub fn health(status: &DestinationStatus, runtime: &RuntimeStatus, window: &Counts) -> Health {
    let ended = window.delivered + window.dead;
    let dead_share = if ended == 0 { 0.0 } else { window.dead as f64 / ended as f64 };
    let (kind, text) = match runtime.state.as_str() {
        "waiting for the plugin" => (HealthKind::NoPlugin, "No plugin".to_string()),
        "paused" => (HealthKind::Paused, "Paused".to_string()),
        _ if dead_share >= DEAD_SHARE => (HealthKind::Dead, format!("{} dead", percent(dead_share))),
        "failing" => (HealthKind::Failing, "Failing".to_string()),
        _ if status.lag_ms > BEHIND_MS => (HealthKind::Behind, "Behind".to_string()),
        _ if status.owed > 0 => (HealthKind::Retrying, "Retrying".to_string()),
        _ if ended == 0 => (HealthKind::Healthy, "Healthy".to_string()),
        _ => (HealthKind::Healthy, format!("Healthy, {}", percent(1.0 - dead_share))),
    };
    Health { kind, text, why: runtime.why.clone() }
}

/// A share for people: `99.99 %`, and never 100 for less than all.
pub fn percent(share: f64) -> String {
    let hundredths = share * 10_000.0;
    let rounded = if share < 1.0 { hundredths.round().min(9_999.0) } else { 10_000.0 };
    let text = format!("{:.2}", rounded / 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Counters, DestinationId};

    fn status(lag_ms: u64, owed: u64) -> DestinationStatus {
        DestinationStatus {
            destination: DestinationId("shop/ga4".to_string()),
            counters: Counters::default(),
            waiting: 0,
            owed,
            stored_requests: 0,
            lag_ms,
            paused: false,
            dead_letters: Default::default(),
        }
    }

    #[test]
    fn the_word_says_the_worst() {
        let check =
            |state: &str, lag_ms: u64, owed: u64, (delivered, dead): (u64, u64), kind: HealthKind, text: &str| {
                let runtime = RuntimeStatus { state: state.to_string(), ..RuntimeStatus::default() };
                let window = Counts { delivered, dead, ..Counts::default() };
                let health = health(&status(lag_ms, owed), &runtime, &window);
                assert_eq!((health.kind, health.text.as_str()), (kind, text));
            };
        check("working", 0, 0, (0, 0), HealthKind::Healthy, "Healthy");
        check("working", 0, 0, (9, 0), HealthKind::Healthy, "Healthy, 100 %");
        check("working", 0, 0, (9_999, 1), HealthKind::Healthy, "Healthy, 99.99 %");
        check("working", 0, 0, (999, 1), HealthKind::Dead, "0.1 % dead");
        check("working", BEHIND_MS, 3, (9, 0), HealthKind::Retrying, "Retrying");
        check("working", BEHIND_MS + 1, 3, (9, 0), HealthKind::Behind, "Behind");
        check("failing", 0, 0, (9, 0), HealthKind::Failing, "Failing");
        check("paused", 0, 0, (9, 9), HealthKind::Paused, "Paused");
        check("waiting for the plugin", 0, 0, (9, 9), HealthKind::NoPlugin, "No plugin");
    }

    #[test]
    fn all_but_one_is_not_all() {
        for (share, text) in [(1.0, "100 %"), (0.999_999, "99.99 %"), (0.5, "50 %"), (0.0, "0 %"), (0.041, "4.1 %")] {
            assert_eq!(percent(share), text);
        }
    }
}
