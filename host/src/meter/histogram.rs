//! How long things took, in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by bucket. Observing is two atomic additions; the histogram of the crate that
/// writes `/metrics` takes a lock for it, and holds it while it is written out.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One a bound, and one for what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// What a histogram has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramCounts {
    /// Upper bound of each bucket in seconds, the last one being infinite, and how many
    /// durations fell into it and into no smaller one.
    pub buckets: Vec<(f64, u64)>,
    /// All durations together.
    pub sum_seconds: f64,
}

impl HistogramCounts {
    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

impl Histogram {
    /// With these upper bounds, in seconds and ascending.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, buckets, sum_us: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What it has counted.
    pub fn counts(&self) -> HistogramCounts {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(self.buckets.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        HistogramCounts { buckets, sum_seconds: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[0.001, 0.01]);
        for micros in [1_000, 1_001, 10_000, 10_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!(counts.buckets, [(0.001, 1), (0.01, 2), (f64::INFINITY, 1)]);
        assert_eq!(counts.count(), 4);
        assert!((counts.sum_seconds - 0.022_002).abs() < 1e-9, "{}", counts.sum_seconds);
    }
}
