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

impl Tries {
    /// With another attempt, that failed now.
    pub fn and_one_at(self, now_ms: u64) -> Tries {
        let first_failure_ms = if self.attempts == 0 { now_ms } else { self.first_failure_ms };
        Tries { attempts: self.attempts.saturating_add(1), first_failure_ms }
    }
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

/// The wait that an answer asks for, in milliseconds: `Retry-After`, else when the vendor says that
/// its limit is renewed.
pub fn asked_ms(headers: &[(String, String)], now_ms: u64) -> Option<u64> {
    retry_after_ms(headers, now_ms).or_else(|| renewed_in_ms(headers, now_ms))
}

/// When an answer says that nothing is left of the vendor's limit: the wait until it is renewed.
pub fn exhausted_ms(headers: &[(String, String)], now_ms: u64) -> Option<u64> {
    let none_left = RATE_HEADERS.iter().any(|names| header(headers, names.remaining) == Some("0"))
        || header(headers, "ratelimit").and_then(|value| parameter(value, "r")) == Some("0");
    if none_left { asked_ms(headers, now_ms) } else { None }
}

/// The wait that `Retry-After` asks for, in milliseconds: seconds or an HTTP date.
/// Source: RFC 9110, section 10.2.3.
fn retry_after_ms(headers: &[(String, String)], now_ms: u64) -> Option<u64> {
    let value = header(headers, "retry-after")?;
    if let Some(wait_ms) = seconds_ms(value) {
        return Some(wait_ms);
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let at_ms = at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis() as u64;
    Some(at_ms.saturating_sub(now_ms))
}

/// The headers in which vendors say what is left of a limit and when it is renewed.
struct RateHeaders {
    remaining: &'static str,
    reset: &'static str,
}

/// Sources: the drafts of draft-ietf-httpapi-ratelimit-headers up to 07, and what was common before.
const RATE_HEADERS: [RateHeaders; 3] = [
    RateHeaders { remaining: "ratelimit-remaining", reset: "ratelimit-reset" },
    RateHeaders { remaining: "x-ratelimit-remaining", reset: "x-ratelimit-reset" },
    RateHeaders { remaining: "x-rate-limit-remaining", reset: "x-rate-limit-reset" },
];

/// Numbers from here on are times since 1970 in seconds, those below are waits in seconds.
const EPOCH_FROM: u64 = 1_000_000_000;

fn renewed_in_ms(headers: &[(String, String)], now_ms: u64) -> Option<u64> {
    // Later drafts: `RateLimit: "default";r=0;t=30`.
    if let Some(wait) = header(headers, "ratelimit").and_then(|value| parameter(value, "t")) {
        return seconds_ms(wait);
    }
    let reset_ms = RATE_HEADERS.iter().find_map(|names| seconds_ms(header(headers, names.reset)?))?;
    match reset_ms / 1_000 {
        0..EPOCH_FROM => Some(reset_ms),
        // In milliseconds since 1970.
        seconds if seconds >= EPOCH_FROM * 100 => Some(seconds.saturating_sub(now_ms)),
        _ => Some(reset_ms.saturating_sub(now_ms)),
    }
}

/// The first header of that name.
pub fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A parameter of a structured field: `r` of `"default";r=0;t=30`.
fn parameter<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let mut parts = value.split([';', ',']).filter_map(|part| part.split_once('='));
    parts.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// Seconds, perhaps with a fraction, in milliseconds.
fn seconds_ms(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let seconds = text.parse::<f64>().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1_000.0).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::limits;

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

    #[test]
    fn when_a_limit_is_renewed() {
        let now_ms = 1_700_000_000_000;
        let check = |name: &str, value: &str, expected: Option<u64>| {
            let headers = [(name.to_string(), value.to_string())];
            assert_eq!(asked_ms(&headers, now_ms), expected, "{name}: {value}");
        };
        check("RateLimit-Reset", "30", Some(30_000));
        check("X-RateLimit-Reset", "1700000010", Some(10_000));
        check("X-RateLimit-Reset", "1699999990", Some(0));
        check("x-rate-limit-reset", "1700000002500", Some(2_500));
        check("RateLimit", "\"default\";r=0;t=12", Some(12_000));
        check("RateLimit", "limit=10, remaining=0, reset=5", None);
        check("X-RateLimit-Reset", "soon", None);
        let both = [("x-ratelimit-reset", "30"), ("retry-after", "2")];
        let both = both.map(|(name, value)| (name.to_string(), value.to_string()));
        assert_eq!(asked_ms(&both, now_ms), Some(2_000), "Retry-After comes first");
    }

    #[test]
    fn a_limit_that_is_used_up() {
        let check = |headers: &[(&str, &str)], expected: Option<u64>| {
            let owned: Vec<(String, String)> =
                headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(exhausted_ms(&owned, 0), expected, "{headers:?}");
        };
        check(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "3")], Some(3_000));
        check(&[("X-RateLimit-Remaining", "1"), ("X-RateLimit-Reset", "3")], None);
        check(&[("RateLimit", "\"burst\";r=0;t=2")], Some(2_000));
        check(&[("RateLimit", "\"burst\";r=4;t=2")], None);
        check(&[("RateLimit-Remaining", "0")], None);
        check(&[("Retry-After", "3")], None);
    }
}
