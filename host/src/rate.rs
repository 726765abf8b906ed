//! A fixed rate: pure, the time comes in. One second's worth may go at once. What goes is paid in full,
//! so that one that is larger than a second's worth goes, and those behind it wait in its place.

/// See the module. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    ms_each: f64,
    /// When all that went is paid for.
    paid_ms: f64,
}

/// What may go at once, in milliseconds of the rate.
const BURST_MS: f64 = 1_000.0;

impl Rate {
    /// So many a second; must be more than 0.
    pub fn new(per_second: f64) -> Rate {
        Rate { ms_each: 1_000.0 / per_second, paid_ms: 0.0 }
    }

    /// The milliseconds until something may go, however large; 0 when it may now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        let over_ms = self.paid_ms - now_ms as f64 - BURST_MS;
        // At the bound all of the second is used up.
        if over_ms < 0.0 { 0 } else { (over_ms.ceil() as u64).max(1) }
    }

    /// Pays for what goes now.
    pub fn pay(&mut self, count: u64, now_ms: u64) {
        self.paid_ms = self.paid_ms.max(now_ms as f64) + self.ms_each * count as f64;
    }

    /// Pays for what goes when its turn comes, and answers the milliseconds until then. One of more than
    /// a second's worth waits no longer for that.
    pub fn reserve(&mut self, count: u64, now_ms: u64) -> u64 {
        let begins_ms = self.paid_ms.max(now_ms as f64);
        self.pay(count, now_ms);
        let due_ms = begins_ms + (self.ms_each * count as f64).min(BURST_MS) - BURST_MS;
        (due_ms - now_ms as f64).max(0.0).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_it_may() {
        let mut rate = Rate::new(4.0);
        let waits: Vec<u64> = (0..7).map(|_| rate.reserve(1, 10_000)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 250, 500, 750]);
        assert_eq!(rate.reserve(1, 20_000), 0, "a long pause pays for one second, not more");
        let waits: Vec<u64> = (0..4).map(|_| rate.reserve(1, 20_000)).collect();
        assert_eq!(waits, [0, 0, 0, 250]);
    }

    #[test]
    fn a_large_one_goes_and_the_next_waits_for_it() {
        let mut rate = Rate::new(10.0);
        assert_eq!(rate.reserve(35, 1_000), 0);
        assert_eq!(rate.reserve(1, 1_000), 2_600);
        assert_eq!(Rate::new(0.5).reserve(1, 0), 0, "slower than one a second");
    }

    #[test]
    fn who_pays_afterwards_may_go_until_the_second_is_used_up() {
        let mut rate = Rate::new(10.0);
        for _ in 0..10 {
            assert_eq!(rate.wait_ms(1_000), 0);
            rate.pay(1, 1_000);
        }
        assert_eq!(rate.wait_ms(1_000), 1, "just beyond");
        assert_eq!(rate.wait_ms(1_099), 0, "room comes as time goes by");
        rate.pay(1, 1_100);
        assert_eq!(rate.wait_ms(1_100), 1);
        assert_eq!(rate.wait_ms(1_050), 50, "a clock that goes back gives nothing");
        rate.pay(0, 60_000);
        for _ in 0..10 {
            assert_eq!(rate.wait_ms(60_000), 0);
            rate.pay(1, 60_000);
        }
        assert_eq!(rate.wait_ms(60_000), 1, "a long pause saves up one second, not more");
        rate.pay(35, 60_000);
        assert_eq!(rate.wait_ms(60_000), 3_500, "a large one went, and the next waits for it");
        assert_eq!((rate.wait_ms(63_500), rate.wait_ms(63_501)), (1, 0));
    }
}
