//! How early the next batch is planned: pure.
//!
//! Planning takes a moment, in which requests go on to end. The next batch is taken while what is in flight
//! still lasts for about that long, so that a fast vendor never waits for a plan, and a slow one gets its
//! plans late, from the settings and with the time that hold then.

/// What the last batches took, and how fast their requests ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    began_ms: u64,
    planned_ms: u64,
    ended: usize,
    enough: usize,
}

/// Groups in flight are enough that last for so many times what planning took.
const TIMES: u64 = 2;

impl Ahead {
    /// A batch is taken to be planned, at a time in milliseconds.
    pub fn begin(&mut self, now_ms: u64) {
        self.began_ms = now_ms;
    }

    /// It is planned.
    pub fn planned(&mut self, now_ms: u64) {
        let took_ms = now_ms.saturating_sub(self.began_ms);
        let cycle_ms = now_ms.saturating_sub(self.planned_ms).max(1);
        let lasting = self.ended as u64 * took_ms * TIMES / cycle_ms;
        // Not more than ended since the last plan: two batches are held at most.
        *self = Ahead { planned_ms: now_ms, enough: self.ended.min(lasting as usize), ..Ahead::default() };
    }

    /// A group of requests has ended.
    pub fn ended(&mut self) {
        self.ended += 1;
    }

    /// With so many groups in flight the next batch need not be planned yet.
    pub fn enough(&self) -> usize {
        self.enough
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;

    /// What is enough once a batch took so long to plan, a time after the one before, while so many groups ended.
    fn enough(took_ms: u64, cycle_ms: u64, ended: usize) -> usize {
        let mut ahead = Ahead::default();
        ahead.begin(9_000);
        ahead.planned(10_000);
        (0..ended).for_each(|_| ahead.ended());
        ahead.begin(10_000 + cycle_ms - took_ms);
        ahead.planned(10_000 + cycle_ms);
        ahead.enough()
    }

    #[test]
    fn a_fast_vendor_is_planned_for_early_and_a_slow_one_late() {
        assert_eq!(enough(10, 40, 500), 250, "125 end while one is planned");
        assert_eq!(enough(10, 10_000, 500), 1);
        assert_eq!(enough(10, 1_000_000, 500), 0);
        assert_eq!(enough(0, 0, 500), 0, "planned in no time");
    }

    #[test]
    fn no_more_than_a_batch_is_held_ahead() {
        assert_eq!(enough(40, 40, 500), 500, "planning was all there was");
        assert_eq!(enough(40, 40, 0), 0);
    }
}
