//! What the tests of delivery share.

use crate::config::DeliveryLimits;

/// Limits that hold nothing back.
pub fn limits() -> DeliveryLimits {
    DeliveryLimits {
        concurrency: 1,
        batch_events_max: 1,
        timeout_ms: 1,
        attempts_max: 5,
        age_ms_max: 10_000,
        backoff_ms_min: 100,
        backoff_ms_max: 300,
        stored_requests_max: 1,
        backlog: None,
        order: None,
        order_held_max: 10,
        events_per_second: None,
        requests_per_second: None,
        breaker_failures: 5,
        breaker_failure_share: 0.5,
        breaker_open_ms_max: 1_000,
    }
}
