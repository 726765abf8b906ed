//! When a new revision is worse than the one before: pure.

use std::fmt;

use crate::meter::RevisionCounts;

/// By how much of its events a new revision may be worse than the one before, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Both are compared after so many events of the new one.
    pub events_min: u64,
    /// Events at which it traps, or runs out of time or memory.
    pub traps: f64,
    /// Events at which it fails in another way.
    pub faults: f64,
    /// Events that it or the vendor refuses.
    pub rejects: f64,
    /// Events whose request has to be tried again.
    pub retries: f64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { events_min: 20, traps: 0.01, faults: 0.01, rejects: 0.05, retries: 0.25 }
    }
}

/// A threshold that a new revision is beyond.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// Its name in the configuration.
    pub threshold: &'static str,
    /// The share of the new revision's events, from 0 to 1.
    pub new: f64,
    /// The share of the old one's.
    pub old: f64,
    /// By how much it may be more.
    pub allowed: f64,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { threshold, new, old, allowed } = self;
        let percent = |share: &f64| share * 100.0;
        write!(
            formatter,
            "{threshold}: {:.1} % of its events, {:.1} % before, and {:.1} % more are allowed",
            percent(new),
            percent(old),
            percent(allowed)
        )
    }
}

impl Thresholds {
    /// The first threshold that `new` is beyond. `old` is what the revision before has come to: at the
    /// same time where both run side by side, else earlier. What is tried again for the vendor's sake
    /// is compared only side by side, since it may be the vendor who changed; what is refused, only when
    /// the old one has planned enough to know what is usual. Of traps and faults only
    /// those count that the revision before did not have at the same event, so that they need no
    /// comparison.
    pub fn breach(&self, old: &RevisionCounts, new: &RevisionCounts, side_by_side: bool) -> Option<Breach> {
        if new.planned < self.events_min.max(1) {
            return None;
        }
        let knows_old = old.planned >= self.events_min.max(1);
        let share = |count: u64, all: u64| if all == 0 { 0.0 } else { count as f64 / all as f64 };
        let compared = [
            ("traps", new.traps, old.traps, self.traps, true),
            ("faults", new.faults, old.faults, self.faults, true),
            ("rejects", new.rejected, old.rejected, self.rejects, knows_old),
            ("retries", new.retried, old.retried, self.retries, side_by_side && knows_old),
        ];
        compared.into_iter().filter(|(.., counts)| *counts).find_map(|(threshold, bad, bad_before, allowed, _)| {
            let (new, old) = (share(bad, new.planned), share(bad_before, old.planned));
            (new > old + allowed).then_some(Breach { threshold, new, old, allowed })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(planned: u64, [traps, faults, rejected, retried]: [u64; 4]) -> RevisionCounts {
        RevisionCounts { planned, delivered: 0, traps, faults, rejected, retried }
    }

    #[test]
    fn each_threshold_holds_just_within_and_not_just_beyond() {
        let thresholds = Thresholds { events_min: 100, traps: 0.01, faults: 0.02, rejects: 0.05, retries: 0.25 };
        let check = |old: RevisionCounts, new: RevisionCounts, side_by_side: bool, expected: Option<&str>| {
            let breach = thresholds.breach(&old, &new, side_by_side);
            assert_eq!(breach.map(|breach| breach.threshold), expected, "{old:?} {new:?}");
        };
        let fine = counts(1_000, [0, 0, 0, 0]);
        check(fine, counts(99, [99, 0, 0, 0]), true, None);
        check(fine, counts(100, [2, 0, 0, 0]), true, Some("traps"));
        check(fine, counts(1_000, [10, 0, 0, 0]), true, None);
        check(fine, counts(1_000, [11, 0, 0, 0]), true, Some("traps"));
        check(fine, counts(1_000, [0, 20, 0, 0]), true, None);
        check(fine, counts(1_000, [0, 21, 0, 0]), true, Some("faults"));
        check(fine, counts(1_000, [0, 0, 50, 0]), true, None);
        check(fine, counts(1_000, [0, 0, 51, 0]), true, Some("rejects"));
        check(counts(1_000, [0, 0, 100, 0]), counts(1_000, [0, 0, 150, 0]), true, None);
        check(counts(1_000, [0, 0, 100, 0]), counts(1_000, [0, 0, 151, 0]), true, Some("rejects"));
        check(fine, counts(1_000, [0, 0, 0, 250]), true, None);
        check(fine, counts(1_000, [0, 0, 0, 251]), true, Some("retries"));
        check(fine, counts(1_000, [0, 0, 0, 251]), false, None);
        check(counts(99, [0; 4]), counts(1_000, [0, 0, 1_000, 1_000]), true, None);
        check(counts(0, [0; 4]), counts(1_000, [11, 0, 0, 0]), false, Some("traps"));
    }

    #[test]
    fn a_breach_is_told_with_its_figures() {
        let breach = Thresholds::default().breach(&counts(50, [0, 0, 1, 0]), &counts(50, [0, 0, 10, 0]), true);
        let text = breach.map(|breach| breach.to_string());
        let expected = "rejects: 20.0 % of its events, 2.0 % before, and 5.0 % more are allowed";
        assert_eq!(text.as_deref(), Some(expected));
    }
}
