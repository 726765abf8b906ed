//! How a destination is: what attempts say of it, what the runtime makes of that, and what `status` shows.

use super::breaker::Allows;
use super::runtime::Runtime;

/// What `status` shows of a runtime.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RuntimeStatus {
    /// `working`, `paused`, `failing`, `waiting for the plugin`.
    pub state: String,
    /// Why, when it does not work.
    pub why: String,
    /// When it came into this state, or was started in it: milliseconds since 1970.
    pub since_ms: u64,
    /// `closed`, `open`, `half-open`: whether the circuit breaker lets requests through.
    pub breaker: &'static str,
    /// Groups of requests in flight.
    pub in_flight: usize,
    /// Requests that may be in flight now; it adapts to what the vendor bears.
    pub concurrency: usize,
    /// Requests for which the order of a user was given up since the start.
    pub order_given_up: u64,
    /// The revision that plans, first 12 digits.
    pub revision: String,
}

/// What an attempt says of the destination as a whole.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Attempts that the vendor answered as one that works.
    pub worked: u32,
    /// Attempts that failed in a way that may pass.
    pub failed: u32,
    /// Nothing more before this time: milliseconds since 1970.
    pub slow_until_ms: Option<u64>,
    /// Nothing more for now, and why.
    pub pause: Option<Pause>,
}

/// Why a destination stops.
#[derive(Clone, Debug, PartialEq)]
pub enum Pause {
    /// The vendor does not accept the credentials, or is not at this address. Stored requests are tried
    /// as they fall due, and the first that works ends the pause.
    UntilOneWorks(String),
    /// The plugin asked for it: until the operator resumes, or settings or plugin change.
    Plugin(String),
}

impl Health {
    /// Adds another attempt's.
    pub fn join(&mut self, other: Health) {
        self.worked += other.worked;
        self.failed += other.failed;
        self.slow_until_ms = self.slow_until_ms.max(other.slow_until_ms);
        self.pause = other.pause.or(self.pause.take());
    }
}

impl Runtime {
    pub(super) fn take_health(&mut self, health: Health) {
        let now_ms = (self.shared.now)();
        if health.worked > 0 && self.pause.take().is_some() {
            tracing::info!(destination = %self.active.borrow().destination.id, "goes on: the vendor accepts requests again");
        }
        let is_other = self.breaker.count(health.worked, health.failed, &self.limits, now_ms);
        self.tell_breaker(is_other);
        if let Some(until_ms) = health.slow_until_ms {
            self.not_before_ms = self.not_before_ms.max(until_ms);
        }
        if let Some(pause) = health.pause {
            self.begin_pause(pause);
        }
    }

    /// Tells of the circuit breaker, when it opened or closed.
    pub(super) fn tell_breaker(&mut self, is_other: bool) {
        if is_other {
            let destination = self.active.borrow().destination.id.clone();
            if self.breaker.is_open() {
                tracing::warn!(%destination, failures = self.breaker.failures_in_a_row(),
                    "the circuit breaker is open: the vendor fails, or the plugin uses up its time or memory; \
                     one at a time is tried until one works");
            } else {
                tracing::info!(%destination, "the circuit breaker is closed: a request worked again");
                self.limiter.begin_slowly();
            }
        }
    }

    fn begin_pause(&mut self, pause: Pause) {
        if self.pause.is_none() {
            let destination = self.active.borrow().destination.id.clone();
            match &pause {
                Pause::UntilOneWorks(why) => tracing::warn!(%destination, %why,
                    "paused: stored requests are tried as they fall due, and the first that works resumes it"),
                Pause::Plugin(why) => tracing::warn!(%destination, %why,
                    "paused by its plugin until it is resumed: `switchyard resume {destination}`"),
            }
        }
        self.pause = Some(pause);
    }

    pub(super) fn show_status(&self) {
        let now_ms = (self.shared.now)();
        let active = self.active.borrow();
        let (state, why) = if active.paused {
            ("paused", active.pause_reason())
        } else if let Some(trouble) = &active.trouble {
            ("waiting for the plugin", trouble.clone())
        } else if let Some(Pause::UntilOneWorks(why) | Pause::Plugin(why)) = &self.pause {
            ("paused", why.clone())
        } else if self.breaker.is_open() {
            ("failing", format!("{} attempts failed in a row", self.breaker.failures_in_a_row()))
        } else {
            ("working", String::new())
        };
        let mut status = self.status.lock().expect("nobody panics while holding the status");
        if status.state != state {
            status.since_ms = now_ms;
            status.state = state.to_string();
        }
        status.why = why;
        status.breaker = match self.breaker.allows(now_ms) {
            Allows::All => "closed",
            Allows::Probe => "half-open",
            Allows::NothingBefore(_) => "open",
        };
        status.in_flight = self.tasks.len();
        status.concurrency = self.limiter.limit();
        status.order_given_up = self.order_given_up;
        status.revision = active.planning().map_or(String::new(), |guest| guest.revision.short_digest().to_string());
    }
}
