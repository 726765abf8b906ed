//! What tests expect: conditions that come true in time, and events that arrive as they were sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stand_in::Recorded;

/// Long enough for anything that a healthy daemon does, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Settlements are durable 100 ms after they were made; the rest is for a loaded machine.
pub const SETTLE_WINDOW_MS: u64 = 1_500;

/// What a daemon had sent before it was killed may be recorded a little after that.
const RECORDED_LATE_MS: u64 = 250;

/// Between two looks at a condition that cannot notify.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until a condition of another process holds.
///
/// # Panics
/// When it does not hold in time.
pub fn eventually(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !holds() {
        assert!(Instant::now() < end, "waited {} s for: {what}", deadline.as_secs());
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// An event's messageId, or nothing.
pub fn message_id(event: &Value) -> &str {
    event["messageId"].as_str().unwrap_or_default()
}

/// The messageIds of events.
pub fn message_ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| message_id(event).to_string()).collect()
}

/// How often each event arrived in requests that were accepted, by messageId.
pub fn arrivals(requests: &[Recorded]) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for event in requests.iter().filter(|request| request.accepted()).flat_map(Recorded::objects) {
        *arrivals.entry(message_id(&event).to_string()).or_insert(0) += 1;
    }
    arrivals
}

/// Whether each of these arrived at least once.
pub fn all_arrived(requests: &[Recorded], ids: &[String]) -> bool {
    let arrivals = arrivals(requests);
    ids.iter().all(|id| arrivals.contains_key(id))
}

/// Wants the event whole: every value that was sent arrived, at its place. The daemon may add fields
/// (times, what a batch says for all), and it may correct `timestamp` by the sender's clock.
///
/// # Panics
/// When a value is missing or another; names its path.
pub fn assert_arrived_whole(sent: &Value, arrived: &Value) {
    if let Some(difference) = difference(sent, arrived, "") {
        panic!("event {}: {difference}\nsent    {sent}\narrived {arrived}", message_id(sent));
    }
}

/// The first place where `arrived` lacks what was sent.
pub fn difference(sent: &Value, arrived: &Value, path: &str) -> Option<String> {
    match (sent, arrived) {
        (Value::Object(sent), Value::Object(arrived)) => sent.iter().find_map(|(key, value)| {
            let path = format!("{path}/{key}");
            match arrived.get(key) {
                _ if path == "/timestamp" || path == "/sentAt" => None,
                Some(found) => difference(value, found, &path),
                None => Some(format!("{path} is missing")),
            }
        }),
        (Value::Array(sent), Value::Array(arrived)) if sent.len() == arrived.len() => {
            let pairs = sent.iter().zip(arrived).enumerate();
            pairs
                .map(|(at, (sent, arrived))| difference(sent, arrived, &format!("{path}/{at}")))
                .find_map(|found| found)
        }
        _ if sent == arrived => None,
        _ => Some(format!("{path} is {arrived}, not {sent}")),
    }
}

/// Wants conservation: what a destination accepted is what it ended plus what it still has.
///
/// # Panics
/// When the counters do not balance.
pub fn assert_balanced(counters: &Value) {
    let count = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {counters}"));
    let came = count("accepted") + count("replayed");
    let ended = count("delivered") + count("filtered") + count("dead") + count("expired");
    assert_eq!(came, ended + count("waiting") + count("owed"), "the counters do not balance: {counters}");
}

/// Between two accepted arrivals of an event lies a kill, at most the settle window after the first.
///
/// # Panics
/// When an event came again all the same.
pub fn assert_settled_stays_settled(requests: &[Recorded], kills_ms: &[u64]) {
    let mut last_ms: BTreeMap<String, u64> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.accepted()) {
        for event in request.objects() {
            let id = message_id(&event).to_string();
            if let Some(before_ms) = last_ms.insert(id.clone(), request.at_ms) {
                let window = before_ms.saturating_sub(RECORDED_LATE_MS)..=before_ms + SETTLE_WINDOW_MS;
                let excused = kills_ms.iter().any(|kill| window.contains(kill));
                assert!(
                    excused,
                    "{id} was accepted at {before_ms} and again at {}; kills: {kills_ms:?}",
                    request.at_ms
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::difference;
    use serde_json::json;

    #[test]
    fn a_difference_is_named_by_its_path() {
        let sent = json!({"a": {"b": [1, {"c": "x"}]}, "timestamp": "t"});
        assert_eq!(difference(&sent, &json!({"a": {"b": [1, {"c": "x"}]}, "d": 1}), ""), None);
        let other = json!({"a": {"b": [1, {"c": "y"}]}});
        assert_eq!(difference(&sent, &other, ""), Some(r#"/a/b/1/c is "y", not "x""#.to_string()));
        assert_eq!(difference(&sent, &json!({"a": {}}), ""), Some("/a/b is missing".to_string()));
    }
}
