//! The bound on a body, which must have less than 130 kB. A golden case at this bound would be larger
//! than all others together.

use serde_json::{Value, json};
use switchyard_ga4::{Ga4, Settings};
use switchyard_sdk::native;

const NOW_MS: u64 = 1_700_000_000_000;
const BODY_BYTES_MAX: usize = 129_999;

/// A session is the one value that has no bound of its own.
fn event(session_bytes: usize) -> Value {
    json!({
        "type": "track", "messageId": "m", "event": "Clicked", "anonymousId": "a",
        "properties": {"session_id": "s".repeat(session_bytes)},
    })
}

fn plan(events: &[Value]) -> Value {
    let settings: Settings =
        serde_json::from_value(json!({"measurement_id": "G-1", "api_secret": "s"})).expect("the settings are right");
    native::plan(&Ga4::new(settings).expect("the settings are right"), switchyard_ga4::plan, NOW_MS, events)
}

/// Per request: how many events it covers and how many bytes its body has.
fn requests(plan: &Value) -> Vec<(usize, usize)> {
    let requests = plan["requests"].as_array().into_iter().flatten();
    let covered = |request: &Value| request["covers"].as_array().map_or(0, Vec::len);
    requests.map(|request| (covered(request), request["body"].as_str().map_or(0, str::len))).collect()
}

/// The events of each request.
fn covered(plan: &Value) -> Vec<usize> {
    requests(plan).into_iter().map(|(events, _)| events).collect()
}

#[test]
fn events_share_a_body_of_less_than_130_kb() {
    let rest = BODY_BYTES_MAX - requests(&plan(&[event(60_000), event(1)]))[0].1;
    let within = plan(&[event(60_000), event(1 + rest)]);
    assert_eq!(requests(&within), [(2, BODY_BYTES_MAX)]);
    let beyond = plan(&[event(60_000), event(2 + rest), event(1)]);
    assert_eq!(covered(&beyond), [1, 2]);
}

#[test]
fn an_event_that_no_body_holds_is_rejected() {
    let rest = BODY_BYTES_MAX - requests(&plan(&[event(1)]))[0].1;
    assert_eq!(requests(&plan(&[event(1 + rest)])), [(1, BODY_BYTES_MAX)]);
    let beyond = plan(&[event(1), event(2 + rest), event(3)]);
    assert_eq!(covered(&beyond), [1, 1]);
    let reason = "event: is larger than the 130 kB of a request";
    assert_eq!(beyond["fates"], json!([{"index": 1, "fate": "reject", "reason": reason}]));
}
