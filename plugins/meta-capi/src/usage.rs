//! The vendor's headers that tell how much of a rate limit is used up, in percent. Source:
//! developers.facebook.com/docs/graph-api/overview/rate-limiting, headers.

use serde_json::Value;
use switchyard_sdk::prelude::Response;

/// Of an app, of a business by its id in a list, and of an ad account.
const HEADERS: [&str; 3] = ["x-app-usage", "x-business-use-case-usage", "x-ad-account-usage"];
/// Shares of a limit, in percent.
const PERCENTS: [&str; 4] = ["call_count", "total_cputime", "total_time", "acc_id_util_pct"];

/// Percent from which requests would be refused.
const FULL: f64 = 100.0;
/// Ours: percent from which it is better to slow down than to be refused.
const NEARLY_FULL: f64 = 90.0;
/// Ours: the wait when a limit is nearly used up. Limits are of a rolling hour, so that it helps soon.
const NEARLY_FULL_MS: u64 = 30_000;
/// Ours: the wait when a limit is used up and the vendor does not say for how long.
const FULL_MS: u64 = 5 * 60_000;
/// Ours: no wait is longer.
const WAIT_MS_MAX: u64 = 24 * 3_600_000;

/// How long nothing more should be sent; None where there is no need to wait. `is_limited` says that
/// the vendor refused the request for its rate.
pub fn wait_ms(response: &Response, is_limited: bool) -> Option<u64> {
    let usages: Vec<Value> = HEADERS
        .iter()
        .filter_map(|name| response.header(name))
        .filter_map(|header| serde_json::from_str(header).ok())
        .collect();
    let objects = usages.iter().flat_map(objects);
    let (mut percent, mut told_ms) = (0_f64, 0_u64);
    for usage in objects {
        percent = PERCENTS.iter().filter_map(|name| usage.get(*name)?.as_f64()).fold(percent, f64::max);
        let minutes = usage.get("estimated_time_to_regain_access").and_then(Value::as_f64).unwrap_or(0.0);
        let seconds = usage.get("reset_time_duration").and_then(Value::as_f64).filter(|_| percent >= FULL);
        told_ms = told_ms.max((minutes * 60_000.0) as u64).max((seconds.unwrap_or(0.0) * 1_000.0) as u64);
    }
    match told_ms {
        1.. => Some(told_ms.min(WAIT_MS_MAX)),
        0 if is_limited || percent >= FULL => Some(FULL_MS),
        0 if percent >= NEARLY_FULL => Some(NEARLY_FULL_MS),
        0 => None,
    }
}

/// The objects with percents: the header's own, or those in its lists.
fn objects(usage: &Value) -> Vec<&Value> {
    let lists = usage.as_object().into_iter().flat_map(|members| members.values().filter_map(Value::as_array));
    std::iter::once(usage).chain(lists.flatten()).collect()
}
