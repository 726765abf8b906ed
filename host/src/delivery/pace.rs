//! A fixed rate: pure, the time comes in. One second's worth may go at once; beyond, each reservation
//! says how long to wait for its turn.

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    ms_each: f64,
    /// When all that was reserved is paid for: milliseconds since 1970.
    paid_ms: f64,
}

/// What may go at once, in milliseconds of the rate.
const BURST_MS: f64 = 1_000.0;

impl Pace {
    /// So many a second; must be more than 0.
    pub fn new(per_second: f64) -> Pace {
        Pace { ms_each: 1_000.0 / per_second, paid_ms: 0.0 }
    }

    /// Reserves a turn for `count` and answers the milliseconds until it comes. One of more than a
    /// second's worth waits no longer for that, and those behind it wait in its place.
    pub fn reserve(&mut self, count: u64, now_ms: u64) -> u64 {
        let now_ms = now_ms as f64;
        let begins_ms = self.paid_ms.max(now_ms);
        let cost_ms = self.ms_each * count as f64;
        self.paid_ms = begins_ms + cost_ms;
        let due_ms = begins_ms + cost_ms.min(BURST_MS) - BURST_MS;
        (due_ms - now_ms).max(0.0).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_it_may() {
        let mut pace = Pace::new(4.0);
        let waits: Vec<u64> = (0..7).map(|_| pace.reserve(1, 10_000)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(pace.reserve(1, 20_000), 0, "a long pause pays for one second, not more");
        let waits: Vec<u64> = (0..4).map(|_| pace.reserve(1, 20_000)).collect();
        assert_eq!(waits, [0, 0, 0, 250]);
    }

    #[test]
    fn a_large_one_goes_and_the_next_waits_for_it() {
        let mut pace = Pace::new(10.0);
        assert_eq!(pace.reserve(35, 1_000), 0);
        assert_eq!(pace.reserve(1, 1_000), 2_600);
        assert_eq!(Pace::new(0.5).reserve(1, 0), 0, "slower than one a second");
    }
}
