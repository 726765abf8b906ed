//! The attempts of one destination: how they ended, how long they took, how much went over the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Histogram, HistogramCounts};

/// Upper bounds of the buckets of an attempt's time, in seconds: from a vendor next door to the
/// default time-out and three times that.
const LATENCY_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// 2xx.
    Success,
    /// A redirect or another status of no use.
    Other,
    /// 4xx but 429.
    ClientError,
    /// 429.
    TooMany,
    /// 5xx.
    ServerError,
    /// No answer: the network or the vendor failed.
    Network,
    /// No answer in time.
    Timeout,
    /// It was not let out: the host or the address is not granted.
    Refused,
}

impl AttemptResult {
    /// All of them.
    pub const ALL: [AttemptResult; 8] = [
        AttemptResult::Success,
        AttemptResult::Other,
        AttemptResult::ClientError,
        AttemptResult::TooMany,
        AttemptResult::ServerError,
        AttemptResult::Network,
        AttemptResult::Timeout,
        AttemptResult::Refused,
    ];

    /// The result that a status is.
    pub fn of_status(status: u16) -> AttemptResult {
        match status {
            200..=299 => AttemptResult::Success,
            429 => AttemptResult::TooMany,
            400..=499 => AttemptResult::ClientError,
            500..=599 => AttemptResult::ServerError,
            _ => AttemptResult::Other,
        }
    }

    /// As `/metrics` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptResult::Success => "2xx",
            AttemptResult::Other => "other",
            AttemptResult::ClientError => "4xx",
            AttemptResult::TooMany => "429",
            AttemptResult::ServerError => "5xx",
            AttemptResult::Network => "network",
            AttemptResult::Timeout => "timeout",
            AttemptResult::Refused => "refused",
        }
    }
}

/// Counts the attempts of one destination.
#[derive(Debug)]
pub struct AttemptMeter {
    results: [AtomicU64; AttemptResult::ALL.len()],
    latency: Histogram,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    running: AtomicU64,
}

/// What an [`AttemptMeter`] has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptCounts {
    /// Attempts by result, each result once.
    pub results: Vec<(AttemptResult, u64)>,
    /// The time of those that left.
    pub latency: HistogramCounts,
    /// Bytes of the bodies sent.
    pub sent_bytes: u64,
    /// Bytes of the answers' bodies that were read.
    pub received_bytes: u64,
    /// In flight now.
    pub running: u64,
}

impl Default for AttemptMeter {
    fn default() -> AttemptMeter {
        AttemptMeter {
            results: std::array::from_fn(|_| AtomicU64::new(0)),
            latency: Histogram::new(LATENCY_SECONDS),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            running: AtomicU64::new(0),
        }
    }
}

impl AttemptMeter {
    /// An attempt begins, with a body of so many bytes. It is in flight until the answer is dropped.
    pub fn begin(self: &Arc<AttemptMeter>, body_bytes: usize) -> RunningAttempt {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunningAttempt { meter: self.clone(), started: Instant::now(), body_bytes: body_bytes as u64 }
    }

    /// What it has counted.
    pub fn counts(&self) -> AttemptCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AttemptCounts {
            results: AttemptResult::ALL.into_iter().zip(self.results.iter().map(load)).collect(),
            latency: self.latency.counts(),
            sent_bytes: load(&self.sent_bytes),
            received_bytes: load(&self.received_bytes),
            running: load(&self.running),
        }
    }
}

/// An attempt in flight.
#[derive(Debug)]
pub struct RunningAttempt {
    meter: Arc<AttemptMeter>,
    started: Instant,
    body_bytes: u64,
}

impl RunningAttempt {
    /// It has ended, with an answer of so many bytes. One that is dropped instead was cancelled, and
    /// is not counted.
    pub fn end(self, result: AttemptResult, answer_bytes: usize) {
        let meter = &self.meter;
        meter.results[result as usize].fetch_add(1, Ordering::Relaxed);
        if result != AttemptResult::Refused {
            meter.latency.observe(self.started.elapsed());
            meter.sent_bytes.fetch_add(self.body_bytes, Ordering::Relaxed);
            meter.received_bytes.fetch_add(answer_bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for RunningAttempt {
    fn drop(&mut self) {
        self.meter.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_is_counted_under_its_result() {
        let meter = Arc::new(AttemptMeter::default());
        for result in AttemptResult::ALL {
            meter.begin(10).end(result, 1);
        }
        drop(meter.begin(10));
        let counts = meter.counts();
        let expected: Vec<_> = AttemptResult::ALL.into_iter().map(|result| (result, 1)).collect();
        assert_eq!(counts.results, expected);
        let left = AttemptResult::ALL.len() as u64 - 1;
        assert_eq!((counts.latency.count(), counts.sent_bytes, counts.received_bytes), (left, left * 10, left));
        assert_eq!(counts.running, 0, "one that was cancelled is not in flight");
    }

    #[test]
    fn statuses_are_sorted() {
        for (status, expected) in
            [(200, "2xx"), (299, "2xx"), (302, "other"), (400, "4xx"), (428, "4xx"), (429, "429"), (503, "5xx")]
        {
            assert_eq!(AttemptResult::of_status(status).as_str(), expected, "{status}");
        }
    }
}
