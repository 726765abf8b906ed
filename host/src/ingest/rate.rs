//! What a write key may send a second: token buckets that hold one second's worth. Pure: the time
//! comes in.

/// One bucket. A request is taken whenever the bucket is not in debt, and then pays in full: so a
/// batch that is larger than a second's worth passes, and the next one waits for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    per_second: f64,
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn new(per_second: u64, now_ms: u64) -> Bucket {
        let per_second = per_second as f64;
        Bucket { per_second, tokens: per_second, at_ms: now_ms }
    }

    /// Whether a request may come in now.
    ///
    /// # Errors
    /// The whole seconds, at least 1, until it may.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        self.fill(now_ms);
        if self.tokens > 0.0 {
            return Ok(());
        }
        let seconds = (-self.tokens / self.per_second).ceil();
        Err((seconds as u64).max(1))
    }

    /// Pays for what came in.
    pub fn pay(&mut self, tokens: u64, now_ms: u64) {
        self.fill(now_ms);
        self.tokens -= tokens as f64;
    }

    fn fill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        self.tokens = (self.tokens + self.per_second * passed_ms as f64 / 1_000.0).min(self.per_second);
        self.at_ms = now_ms.max(self.at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn a_second_holds_what_it_may() {
        let mut bucket = Bucket::new(10, 0);
        for _ in 0..10 {
            assert_eq!(bucket.admit(0), Ok(()));
            bucket.pay(1, 0);
        }
        assert_eq!(bucket.admit(0), Err(1), "just beyond");
        assert_eq!(bucket.admit(99), Ok(()), "it fills as time goes by");
        bucket.pay(1, 100);
        assert_eq!(bucket.admit(100), Err(1));
        assert_eq!(bucket.admit(50), Err(1), "a clock that goes back gives nothing");
        bucket.pay(0, 60_000);
        for _ in 0..10 {
            assert_eq!(bucket.admit(60_000), Ok(()));
            bucket.pay(1, 60_000);
        }
        assert_eq!(bucket.admit(60_000), Err(1), "a long pause saves up one second, not more");
    }

    #[test]
    fn a_large_request_passes_and_the_next_one_waits_for_it() {
        let mut bucket = Bucket::new(10, 0);
        assert_eq!(bucket.admit(0), Ok(()));
        bucket.pay(45, 0);
        assert_eq!(bucket.admit(0), Err(4), "3.5 s, in whole seconds");
        assert_eq!(bucket.admit(3_400), Err(1));
        assert_eq!(bucket.admit(3_501), Ok(()));
    }
}
