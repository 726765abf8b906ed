//! How many requests of one destination are in flight, and how fast they go.
//!
//! The limit adapts: it grows while requests work (by one for each round of them), shrinks when the
//! vendor says that it is too much or takes far longer than it did (additive increase, multiplicative
//! decrease), and never leaves 1 ..= `concurrency`. The rates are the operator's, and fixed.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::DeliveryLimits;
use crate::rate::Rate;
use crate::send::client::{Answer, SendError};

/// The limit shrinks at most once in so long, in milliseconds: what was in flight at that moment
/// says the same thing again.
const SHRINK_EVERY_MS: u64 = 1_000;

/// What is left of the limit when the vendor says that it is too much.
const SHRINK: f64 = 0.7;

/// A latency of so many times the usual one says that the vendor is overloaded.
const SLOWER: f64 = 4.0;

/// Latencies below this many milliseconds are never called slow.
const FAST_MS: f64 = 100.0;

/// What an attempt says of the load that the vendor bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It worked, and took so many milliseconds.
    Bears(u32),
    /// Too much: 429, 503, or no answer in time.
    TooMuch,
    /// It says nothing of the load.
    Unknown,
}

impl Load {
    /// What an answer, or none, says of the load that the vendor bears.
    pub fn of(sent: &Result<Answer, SendError>) -> Load {
        match sent {
            Ok(answer) if matches!(answer.status, 429 | 503) => Load::TooMuch,
            Ok(answer) if answer.status < 500 => Load::Bears(answer.took_ms),
            Err(SendError::Timeout(_)) => Load::TooMuch,
            _ => Load::Unknown,
        }
    }
}

/// The adapting limit: pure.
#[derive(Clone, Debug)]
pub struct Adaptive {
    limit: f64,
    max: f64,
    shrunk_ms: u64,
    /// What requests usually take, in milliseconds: follows slowly.
    usual_ms: f64,
    /// What they take now: follows fast.
    recent_ms: f64,
}

impl Adaptive {
    /// Begins at the maximum.
    pub fn new(max: usize) -> Adaptive {
        let max = max.max(1) as f64;
        Adaptive { limit: max, max, shrunk_ms: 0, usual_ms: 0.0, recent_ms: 0.0 }
    }

    /// Requests that may be in flight now.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Takes what an attempt says.
    pub fn take(&mut self, load: Load, now_ms: u64) {
        match load {
            Load::Unknown => {}
            Load::TooMuch => self.shrink(now_ms),
            Load::Bears(took_ms) => {
                let took_ms = f64::from(took_ms);
                if self.usual_ms == 0.0 {
                    (self.usual_ms, self.recent_ms) = (took_ms, took_ms);
                }
                self.recent_ms += (took_ms - self.recent_ms) / 8.0;
                self.usual_ms += (took_ms - self.usual_ms) / 256.0;
                if self.recent_ms > FAST_MS && self.recent_ms > SLOWER * self.usual_ms {
                    self.shrink(now_ms);
                } else {
                    self.limit = (self.limit + 1.0 / self.limit).min(self.max);
                }
            }
        }
    }

    /// One request at a time, growing from there: for a vendor that has just come back.
    pub fn begin_slowly(&mut self) {
        self.limit = 1.0;
    }

    fn shrink(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.shrunk_ms) >= SHRINK_EVERY_MS {
            self.limit = (self.limit * SHRINK).max(1.0);
            self.shrunk_ms = now_ms;
        }
    }
}

/// The limit and the rates of one destination, as its attempts use them.
#[derive(Debug)]
pub struct Limiter {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    adaptive: Adaptive,
    /// Permits that exist, taken or not.
    permits: usize,
    events: Option<Rate>,
    requests: Option<Rate>,
}

/// Leave for one request to be in flight.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<Limiter>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Limiter {
    /// With the limits of a destination.
    pub fn new(limits: &DeliveryLimits) -> Limiter {
        let adaptive = Adaptive::new(limits.concurrency);
        let permits = adaptive.limit();
        Limiter {
            permits: Arc::new(Semaphore::new(permits)),
            state: Mutex::new(State {
                adaptive,
                permits,
                events: limits.events_per_second.map(Rate::new),
                requests: limits.requests_per_second.map(Rate::new),
            }),
        }
    }

    /// Waits until one more request may be in flight, and until the rates allow one of so many
    /// events. Safe to cancel.
    pub async fn acquire(self: &Arc<Limiter>, events: usize, now: &crate::clock::Clock) -> Permit {
        let permit = self.permits.clone().acquire_owned().await.expect("the permits are never closed");
        let permit = Permit { limiter: self.clone(), permit: Some(permit) };
        let wait_ms = self.lock().reserve(events, now());
        if wait_ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        }
        permit
    }

    /// Takes what an attempt says of the load.
    pub fn take(&self, load: Load, now_ms: u64) {
        let mut state = self.lock();
        state.adaptive.take(load, now_ms);
        self.fit(&mut state);
    }

    /// See [`Adaptive::begin_slowly`].
    pub fn begin_slowly(&self) {
        let mut state = self.lock();
        state.adaptive.begin_slowly();
        self.fit(&mut state);
    }

    /// Requests that may be in flight now.
    pub fn limit(&self) -> usize {
        self.lock().adaptive.limit()
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.lock().permits.saturating_sub(self.permits.available_permits())
    }

    /// Makes as many permits as the limit has. Those that are taken are forgotten when they come back.
    fn fit(&self, state: &mut State) {
        let limit = state.adaptive.limit();
        if limit > state.permits {
            self.permits.add_permits(limit - state.permits);
            state.permits = limit;
        } else if limit < state.permits {
            state.permits -= self.permits.forget_permits(state.permits - limit);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the limiter")
    }
}

impl State {
    fn reserve(&mut self, events: usize, now_ms: u64) -> u64 {
        let events_ms = self.events.as_mut().map_or(0, |pace| pace.reserve(events as u64, now_ms));
        let requests_ms = self.requests.as_mut().map_or(0, |pace| pace.reserve(1, now_ms));
        events_ms.max(requests_ms)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.lock();
        if state.permits > state.adaptive.limit()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.permits -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::limits;

    #[test]
    fn the_limit_grows_by_one_a_round_and_shrinks_at_once() {
        let mut adaptive = Adaptive::new(10);
        assert_eq!(adaptive.limit(), 10);
        adaptive.take(Load::TooMuch, 5_000);
        assert_eq!(adaptive.limit(), 7);
        adaptive.take(Load::TooMuch, 5_999);
        assert_eq!(adaptive.limit(), 7, "it was in flight");
        adaptive.take(Load::TooMuch, 6_000);
        assert_eq!(adaptive.limit(), 4);
        for _ in 0..6 {
            adaptive.take(Load::Bears(10), 6_000);
        }
        assert_eq!(adaptive.limit(), 6);
        for second in 0..20 {
            adaptive.take(Load::TooMuch, 10_000 + second * 1_000);
        }
        assert_eq!(adaptive.limit(), 1, "never less than one");
        for _ in 0..1_000 {
            adaptive.take(Load::Bears(10), 50_000);
        }
        assert_eq!(adaptive.limit(), 10, "never more than the maximum");
    }

    #[test]
    fn a_vendor_that_becomes_slow_gets_less() {
        let check = |usual_ms: u32, then_ms: u32, expected: bool| {
            let mut adaptive = Adaptive::new(10);
            for _ in 0..100 {
                adaptive.take(Load::Bears(usual_ms), 5_000);
            }
            for second in 0..20 {
                adaptive.take(Load::Bears(then_ms), 10_000 + second * 1_000);
            }
            assert_eq!(adaptive.limit() < 10, expected, "{usual_ms} ms, then {then_ms} ms");
        };
        check(50, 60, false);
        check(50, 1_000, true);
        check(1_000, 1_000, false);
        check(1, 90, false);
    }

    #[tokio::test]
    async fn permits_follow_the_limit() {
        let limiter = Arc::new(Limiter::new(&DeliveryLimits { concurrency: 4, ..limits() }));
        let now: crate::clock::Clock = Arc::new(|| 10_000);
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(limiter.acquire(1, &now).await);
        }
        limiter.take(Load::TooMuch, 10_000);
        assert_eq!((limiter.limit(), limiter.permits.available_permits(), limiter.in_flight()), (2, 0, 4));
        taken.pop();
        taken.pop();
        assert_eq!(limiter.permits.available_permits(), 0, "two were taken away");
        taken.pop();
        assert_eq!(limiter.permits.available_permits(), 1);
        limiter.take(Load::Bears(1), 10_000);
        limiter.take(Load::Bears(1), 10_000);
        limiter.take(Load::Bears(1), 10_000);
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (3, 2));
        limiter.begin_slowly();
        assert_eq!((limiter.limit(), limiter.permits.available_permits()), (1, 0));
    }

    #[test]
    fn both_rates_hold_a_request_back() {
        let rates = |events: f64, requests: f64| {
            let limits =
                DeliveryLimits { events_per_second: Some(events), requests_per_second: Some(requests), ..limits() };
            let limiter = Limiter::new(&limits);
            (0..3).map(|_| limiter.lock().reserve(10, 10_000)).collect::<Vec<u64>>()
        };
        assert_eq!(rates(20.0, 100.0), [0, 0, 500], "20 events a second");
        assert_eq!(rates(1_000.0, 2.0), [0, 0, 500], "2 requests a second");
        let limiter = Limiter::new(&limits());
        assert_eq!((0..100).map(|_| limiter.lock().reserve(10, 10_000)).max(), Some(0), "no rate");
    }
}
