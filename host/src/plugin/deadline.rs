//! When the time of a call is over. It is counted in processor time: a thread that gets little of it, on
//! a busy machine or at a low priority, does not turn a guest that works into one that hangs. A call that
//! takes long goes on at a low priority ([`super::workers`]).

use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use super::engine::{TICK_MS, ticks};
use super::workers;
use crate::clock::thread_time;

/// A call ends after so many times its time even if it had less of a processor: a minute, by default. A
/// guest that needs a fiftieth of its time gets that much of any processor.
const WALL_FACTOR_MAX: u32 = 60;

/// Processor time after which a call is a long one. A batch of 100 takes a Rust guest about one millisecond,
/// and a guest in Python some ten.
const LONG: Duration = Duration::from_millis(100);

/// The time of the call that runs, of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    call_max: Duration,
    began: Instant,
    /// What the thread had used when the call began.
    used_before: Duration,
}

impl Deadline {
    /// Of calls of at most so many milliseconds; the first begins now.
    pub fn new(call_ms_max: u64) -> Deadline {
        let call_max = Duration::from_millis(call_ms_max);
        Deadline { call_max, began: Instant::now(), used_before: thread_time() }
    }

    /// The next call begins, on this thread.
    pub fn restart(&mut self) {
        self.began = Instant::now();
        self.used_before = thread_time();
    }

    /// The ticks after which a call that begins is looked at first.
    pub fn first_ticks(&self) -> u64 {
        ticks(self.call_max.min(LONG))
    }

    /// What follows when its ticks are over, on the thread of the call.
    pub fn when_reached(&self) -> UpdateDeadline {
        let used = thread_time().saturating_sub(self.used_before);
        let Some(left) = left(self.call_max, used, self.began.elapsed()) else { return UpdateDeadline::Interrupt };
        if used < LONG {
            return UpdateDeadline::Continue(ticks(left.min(LONG - used)));
        }
        workers::leave_main();
        UpdateDeadline::Continue(ticks(left))
    }
}

/// What a call has left of its time; None: nothing. Less than a tick is nothing, too.
fn left(call_max: Duration, used: Duration, passed: Duration) -> Option<Duration> {
    let left = call_max.saturating_sub(used);
    let is_over = left < Duration::from_millis(TICK_MS) || passed >= call_max.saturating_mul(WALL_FACTOR_MAX);
    (!is_over).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processor_time_counts_until_the_wait_is_beyond_all_measure() {
        let check = |used_ms: u64, passed_ms: u64, expected_ms: Option<u64>| {
            let [used, passed] = [used_ms, passed_ms].map(Duration::from_millis);
            let expected = expected_ms.map(Duration::from_millis);
            assert_eq!(left(Duration::from_secs(1), used, passed), expected, "{used_ms} of {passed_ms}");
        };
        check(1_000, 1_010, None);
        check(991, 1_010, None);
        check(990, 1_010, Some(10));
        check(400, 1_010, Some(600));
        check(0, 59_999, Some(1_000));
        check(0, 60_000, None);
        check(5_000, 5_000, None);
    }
}
