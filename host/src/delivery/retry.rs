//! When a request is tried again: pure decisions.

use crate::config::DeliveryLimits;

/// What is known of a request's tries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tries {
    /// Attempts made.
    pub attempts: u32,
    /// When the first of them failed: milliseconds since 1970; 0 before that.
    pub first_failure_ms: u64,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Another attempt, not before this time: milliseconds since 1970.
    At(u64),
    /// No more: as many attempts as allowed were made.
    AttemptsExhausted,
    /// No more: the request is too old.
    TooOld,
}

/// Decides after a failed attempt; `tries` includes it. `asked_ms` is the wait that the vendor asked
/// for, and `random` lies in 0..1.
///
/// The wait has full jitter: evenly spread between nothing and the exponential bound, so that many
/// requests that failed together do not come back together. What the vendor asked for comes first.
pub fn next(limits: &DeliveryLimits, tries: Tries, now_ms: u64, asked_ms: Option<u64>, random: f64) -> Next {
    if tries.attempts >= limits.attempts_max {
        return Next::AttemptsExhausted;
    }
    let doublings = tries.attempts.saturating_sub(1).min(32);
    let bound_ms = limits.backoff_ms_min.saturating_mul(1 << doublings).min(limits.backoff_ms_max);
    let jittered_ms = (bound_ms as f64 * random.clamp(0.0, 1.0)) as u64;
    let at = now_ms.saturating_add(asked_ms.unwrap_or(0)).saturating_add(jittered_ms);
    if at.saturating_sub(tries.first_failure_ms) > limits.age_ms_max {
        return Next::TooOld;
    }
    Next::At(at)
}

/// The wait that `Retry-After` asks for, in milliseconds: seconds or an HTTP date.
/// Source: RFC 9110, section 10.2.3.
pub fn retry_after_ms(headers: &[(String, String)], now_ms: u64) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1_000.0).ceil() as u64);
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let at_ms = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis() as u64;
    Some(at_ms.saturating_sub(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> DeliveryLimits {
        DeliveryLimits {
            concurrency: 1,
            batch_events_max: 1,
            timeout_ms: 1,
            attempts_max: 5,
            age_ms_max: 10_000,
            backoff_ms_min: 100,
            backoff_ms_max: 300,
            stored_requests_max: 1,
        }
    }

    #[test]
    fn waits_grow_to_their_bound_and_end() {
        let check = |attempts: u32, now_ms: u64, asked: Option<u64>, random: f64, expected: Next| {
            let tries = Tries { attempts, first_failure_ms: 1_000 };
            assert_eq!(next(&limits(), tries, now_ms, asked, random), expected, "{attempts} {now_ms} {asked:?}");
        };
        check(1, 1_000, None, 0.0, Next::At(1_000));
        check(1, 1_000, None, 1.0, Next::At(1_100));
        check(2, 1_000, None, 1.0, Next::At(1_200));
        check(3, 1_000, None, 1.0, Next::At(1_300));
        check(4, 1_000, None, 0.5, Next::At(1_150));
        check(4, 1_000, Some(2_000), 0.0, Next::At(3_000));
        check(5, 1_000, None, 0.0, Next::AttemptsExhausted);
        check(1, 10_900, None, 1.0, Next::At(11_000));
        check(1, 10_901, None, 1.0, Next::TooOld);
        check(1, 1_000, Some(u64::MAX), 1.0, Next::TooOld);
    }

    #[test]
    fn retry_after_as_seconds_and_as_a_date() {
        let check = |value: &str, expected: Option<u64>| {
            let headers = [("Retry-After".to_string(), value.to_string())];
            assert_eq!(retry_after_ms(&headers, 784_111_770_000), expected, "{value}");
        };
        check("7", Some(7_000));
        check(" 0 ", Some(0));
        check("1.5", Some(1_500));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7_000));
        check("Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        check("soon", None);
        check("-3", None);
        check("NaN", None);
        assert_eq!(retry_after_ms(&[], 0), None);
    }
}
