//! The circuit breaker of one destination: pure, the time comes in.
//!
//! Closed, everything goes. Failures in a row, or a high share of failures, open it: nothing goes for
//! a while, at first as long as the first retry waits at most. Then it is half open: one probe at a time
//! goes; if it works the breaker closes, if not it opens for twice as long, up to a bound. Where it is the
//! plugin that fails the pauses are longer: a probe then costs an event and guest time, and a plugin does
//! not get well by itself, but with another event, revision or setting.

use crate::config::DeliveryLimits;

/// Attempts of the last two windows before their share of failures says anything.
const SHARE_ATTEMPTS_MIN: u32 = 20;

/// How long attempts are counted for the share, in milliseconds: the current window and the one
/// before it.
const WINDOW_MS: u64 = 15_000;

/// A pause where the plugin fails, in pauses of others: from 10 seconds to 5 minutes by default.
const PLUGIN_PAUSE_FACTOR: u64 = 10;

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allows {
    /// Everything.
    All,
    /// One request at a time, to see whether it works.
    Probe,
    /// Nothing before this time: milliseconds since 1970.
    NothingBefore(u64),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// Failures since something worked last.
    failures_in_a_row: u32,
    /// How often it opened since something worked last; 0: closed.
    opened: u32,
    /// When it is half open: milliseconds since 1970.
    half_open_ms: u64,
    /// The plugin failed since something worked last.
    plugin_failed: bool,
    window_began_ms: u64,
    current: Counts,
    before: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    worked: u32,
    failed: u32,
}

impl Breaker {
    /// What may be sent now.
    pub fn allows(&self, now_ms: u64) -> Allows {
        match self.opened {
            0 => Allows::All,
            _ if now_ms >= self.half_open_ms => Allows::Probe,
            _ => Allows::NothingBefore(self.half_open_ms),
        }
    }

    /// Whether something failed so often that it is not closed.
    pub fn is_open(&self) -> bool {
        self.opened > 0
    }

    /// Failures since something worked last.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// Counts events at which the plugin failed in a way that is the destination's trouble. Answers whether
    /// the breaker opened by it.
    pub fn count_plugin_failures(&mut self, failed: u32, limits: &DeliveryLimits, now_ms: u64) -> bool {
        self.plugin_failed |= failed > 0;
        self.count(0, failed, limits, now_ms)
    }

    /// Counts what came of attempts. Answers whether the breaker opened or closed by it.
    pub fn count(&mut self, worked: u32, failed: u32, limits: &DeliveryLimits, now_ms: u64) -> bool {
        if worked == 0 && failed == 0 {
            return false;
        }
        self.turn_window(now_ms);
        self.current.worked += worked;
        self.current.failed += failed;
        if worked > 0 {
            self.failures_in_a_row = 0;
            self.plugin_failed = false;
        } else {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(failed);
        }
        match self.opened {
            0 if self.failures_in_a_row >= limits.breaker_failures || self.share_is_high(limits) => {
                self.open(limits, now_ms);
                true
            }
            0 => false,
            // What was in flight when it opened says nothing new.
            _ if now_ms < self.half_open_ms => false,
            _ if worked > 0 => {
                *self = Breaker { window_began_ms: now_ms, ..Breaker::default() };
                true
            }
            _ => {
                self.open(limits, now_ms);
                false
            }
        }
    }

    fn open(&mut self, limits: &DeliveryLimits, now_ms: u64) {
        let factor = if self.plugin_failed { PLUGIN_PAUSE_FACTOR } else { 1 };
        let longest_ms = limits.breaker_open_ms_max.max(limits.backoff_ms_min);
        let pause_ms = limits.backoff_ms_min.saturating_mul(1 << self.opened.min(16)).min(longest_ms);
        let pause_ms = pause_ms.saturating_mul(factor);
        self.opened = self.opened.saturating_add(1);
        self.half_open_ms = now_ms.saturating_add(pause_ms);
    }

    fn share_is_high(&self, limits: &DeliveryLimits) -> bool {
        let failed = self.current.failed + self.before.failed;
        let all = failed + self.current.worked + self.before.worked;
        all >= SHARE_ATTEMPTS_MIN && f64::from(failed) >= f64::from(all) * limits.breaker_failure_share
    }

    fn turn_window(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.window_began_ms);
        if passed_ms >= WINDOW_MS {
            self.before = if passed_ms < 2 * WINDOW_MS { self.current } else { Counts::default() };
            self.current = Counts::default();
            self.window_began_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::limits;

    fn five_in_a_row() -> DeliveryLimits {
        DeliveryLimits {
            breaker_failures: 5,
            breaker_failure_share: 0.5,
            breaker_open_ms_max: 3_000,
            backoff_ms_min: 1_000,
            ..limits()
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.count(0, 1, &five_in_a_row(), 100));
        }
        assert_eq!(breaker.allows(100), Allows::All);
        assert!(breaker.count(0, 1, &five_in_a_row(), 100));
        assert_eq!(breaker.allows(1_099), Allows::NothingBefore(1_100));
        assert_eq!(breaker.allows(1_100), Allows::Probe);
        assert!(breaker.count(1, 0, &five_in_a_row(), 1_200));
        assert_eq!(breaker.allows(1_200), Allows::All);
        assert_eq!(breaker.failures_in_a_row(), 0);
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_its_bound() {
        let mut breaker = Breaker::default();
        breaker.count(0, 5, &five_in_a_row(), 0);
        let mut now_ms = 0;
        for pause_ms in [1_000, 2_000, 3_000, 3_000] {
            assert_eq!(breaker.allows(now_ms), Allows::NothingBefore(now_ms + pause_ms));
            assert!(!breaker.count(0, 1, &five_in_a_row(), now_ms + 1), "it was in flight before");
            now_ms += pause_ms;
            assert_eq!(breaker.allows(now_ms), Allows::Probe);
            breaker.count(0, 1, &five_in_a_row(), now_ms);
        }
    }

    #[test]
    fn where_the_plugin_fails_the_pauses_are_longer() {
        let mut breaker = Breaker::default();
        assert!(breaker.count_plugin_failures(5, &five_in_a_row(), 0));
        let mut now_ms = 0;
        for pause_ms in [10_000, 20_000, 30_000, 30_000] {
            assert_eq!(breaker.allows(now_ms), Allows::NothingBefore(now_ms + pause_ms));
            now_ms += pause_ms;
            assert_eq!(breaker.allows(now_ms), Allows::Probe);
            assert!(!breaker.count_plugin_failures(1, &five_in_a_row(), now_ms));
        }
        now_ms += 30_000;
        assert!(breaker.count(1, 0, &five_in_a_row(), now_ms));
        breaker.count(0, 5, &five_in_a_row(), now_ms);
        assert_eq!(breaker.allows(now_ms), Allows::NothingBefore(now_ms + 1_000), "it begins anew");
    }

    #[test]
    fn something_that_works_in_between_begins_the_row_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.count(1, 0, &five_in_a_row(), 0);
            breaker.count(0, 4, &DeliveryLimits { breaker_failure_share: 1.0, ..five_in_a_row() }, 0);
        }
        assert_eq!(breaker.allows(0), Allows::All);
    }

    #[test]
    fn a_high_share_of_failures_opens_it() {
        let check = |failed_of_ten: u32, expected: bool| {
            let mut breaker = Breaker::default();
            for now_ms in 0..30 {
                breaker.count(10 - failed_of_ten, 0, &five_in_a_row(), now_ms);
                breaker.count(0, failed_of_ten, &DeliveryLimits { breaker_failures: 100, ..five_in_a_row() }, now_ms);
            }
            assert_eq!(breaker.is_open(), expected, "{failed_of_ten} of ten");
        };
        check(4, false);
        check(5, true);
    }

    #[test]
    fn what_failed_long_ago_is_forgotten() {
        let patient = DeliveryLimits { breaker_failures: 1_000, ..five_in_a_row() };
        let mut breaker = Breaker::default();
        breaker.count(0, 19, &patient, 0);
        breaker.count(0, 1, &patient, 30_000);
        assert!(!breaker.is_open(), "20 failures, but not within the windows");
        breaker.count(0, 19, &patient, 30_001);
        assert!(breaker.is_open());
    }

    #[test]
    fn nothing_counted_changes_nothing() {
        let mut breaker = Breaker::default();
        breaker.count(0, 5, &five_in_a_row(), 0);
        assert!(!breaker.count(0, 0, &five_in_a_row(), 5_000));
        assert_eq!(breaker.allows(5_000), Allows::Probe);
    }
}
