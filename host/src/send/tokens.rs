//! The access tokens of one destination: kept while they hold, fetched one at a time, hidden from all
//! that is shown.
//!
//! - A token is fetched again before it expires, and after the vendor has refused it.
//! - An endpoint that fails is left alone for a growing while; requests wait as for a vendor that fails.
//! - A token, and a refresh token that an endpoint replaced, live in memory only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Semaphore;

use super::oauth::{Granted, TokenKey, TokenRequest};
use crate::plugin::handles::Secret;
use crate::plugin::hiding::Hidden;

/// A token is fetched again so long before it expires, in milliseconds, or at half its life if that is
/// later: longer than a request waits and takes.
const AHEAD_MS: u64 = 60_000;

/// After a failure the endpoint is left alone so long, in milliseconds, doubling with each further one
const WAIT_MS_MIN: u64 = 1_000;

/// up to this.
const WAIT_MS_MAX: u64 = 300_000;

/// Former tokens that are still hidden: answers to requests in flight may repeat them.
const HIDDEN_MAX: usize = 8;

/// What is shown in place of a token.
const SHOWN: &str = "[token]";

/// The access tokens of one destination. It has no Debug.
pub struct Tokens {
    state: Mutex<State>,
    /// One fetch at a time.
    pub(super) turn: Semaphore,
}

#[derive(Default)]
struct State {
    known: HashMap<TokenKey, Known>,
    serial: u64,
    recent: VecDeque<String>,
    hidden: Arc<Hidden>,
}

/// What is known of one token.
#[derive(Default)]
struct Known {
    current: Option<Current>,
    /// Given by the endpoint in place of the configured one.
    refresh_token: Option<Secret>,
    refused_in_a_row: u32,
    failures_in_a_row: u32,
    /// Not asked for before this: milliseconds since 1970.
    not_before_ms: u64,
    failure: String,
}

#[derive(Clone)]
struct Current {
    token: Token,
    renewed_from_ms: u64,
    expires_ms: u64,
}

/// A token that a request carries.
#[derive(Clone)]
pub struct Token {
    /// Its value.
    pub value: Secret,
    /// Which it is.
    pub used: TokenUsed,
}

/// Which token a request carried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenUsed {
    key: TokenKey,
    serial: u64,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq)]
pub struct NoToken {
    /// In words, without a secret.
    pub why: String,
    /// It is not asked for again for so long, in milliseconds.
    pub wait_ms: u64,
}

/// What is to be done for a token.
pub enum Look {
    /// It holds.
    Holds(Token),
    /// It holds, and should be fetched again.
    Ages(Token),
    /// The endpoint failed not long ago.
    Waits(NoToken),
    /// There is none.
    Missing,
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens { state: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the tokens")
    }

    /// Looks for the token of a request.
    pub fn look(&self, request: &TokenRequest) -> Look {
        let mut state = self.lock();
        let known = state.known.entry(request.key()).or_default();
        let waits = known.not_before_ms > request.now_ms;
        match &known.current {
            Some(current) if request.now_ms < current.renewed_from_ms => Look::Holds(current.token.clone()),
            Some(current) if request.now_ms < current.expires_ms && waits => Look::Holds(current.token.clone()),
            Some(current) if request.now_ms < current.expires_ms => Look::Ages(current.token.clone()),
            _ if waits => {
                let wait_ms = known.not_before_ms - request.now_ms;
                Look::Waits(NoToken { why: known.failure.clone(), wait_ms })
            }
            _ => Look::Missing,
        }
    }

    /// The refresh token that the endpoint gave in place of the configured one.
    pub fn refresh_token(&self, request: &TokenRequest) -> Option<Secret> {
        self.lock().known.get(&request.key()).and_then(|known| known.refresh_token.clone())
    }

    /// Takes what the endpoint gave.
    pub fn took(&self, request: &TokenRequest, granted: Granted) -> Token {
        let mut state = self.lock();
        state.serial += 1;
        let token = Token { value: granted.access_token, used: TokenUsed { key: request.key(), serial: state.serial } };
        state.hide(token.value.reveal());
        if let Some(refresh_token) = &granted.refresh_token {
            state.hide(refresh_token.reveal());
        }
        let ahead_ms = AHEAD_MS.min(granted.life_ms / 2);
        let known = state.known.entry(request.key()).or_default();
        known.current = Some(Current {
            token: token.clone(),
            renewed_from_ms: request.now_ms.saturating_add(granted.life_ms - ahead_ms),
            expires_ms: request.now_ms.saturating_add(granted.life_ms),
        });
        known.refresh_token = granted.refresh_token.or(known.refresh_token.take());
        known.failures_in_a_row = 0;
        known.not_before_ms = 0;
        token
    }

    /// The endpoint failed: it is left alone for a while, longer if it asked for that.
    pub fn failed(&self, request: &TokenRequest, why: String, asked_ms: Option<u64>) -> NoToken {
        let mut state = self.lock();
        let known = state.known.entry(request.key()).or_default();
        let doublings = known.failures_in_a_row.min(16);
        let wait_ms = WAIT_MS_MIN.saturating_mul(1 << doublings).min(WAIT_MS_MAX).max(asked_ms.unwrap_or(0));
        known.failures_in_a_row = known.failures_in_a_row.saturating_add(1);
        known.not_before_ms = request.now_ms.saturating_add(wait_ms);
        known.failure.clone_from(&why);
        NoToken { why, wait_ms }
    }

    /// The vendor refused a token: it is fetched again at the next request. Answers whether that may
    /// help; it does not when the one before was refused, too.
    pub fn refused(&self, used: TokenUsed) -> bool {
        let mut state = self.lock();
        let Some(known) = state.known.get_mut(&used.key) else { return true };
        if known.current.as_ref().is_none_or(|current| current.token.used != used) {
            return true;
        }
        known.current = None;
        known.refused_in_a_row = known.refused_in_a_row.saturating_add(1);
        known.refused_in_a_row == 1
    }

    /// The vendor took a token.
    pub fn worked(&self, used: TokenUsed) {
        if let Some(known) = self.lock().known.get_mut(&used.key)
            && known.current.as_ref().is_some_and(|current| current.token.used == used)
        {
            known.refused_in_a_row = 0;
        }
    }

    /// What hides the tokens that were fetched of late.
    pub fn hidden(&self) -> Arc<Hidden> {
        self.lock().hidden.clone()
    }
}

impl State {
    fn hide(&mut self, value: &str) {
        if !self.recent.iter().any(|known| known == value) {
            self.recent.push_back(value.to_string());
            if self.recent.len() > HIDDEN_MAX {
                self.recent.pop_front();
            }
        }
        let mut hidden = Hidden::default();
        self.recent.iter().for_each(|value| hidden.add(value, SHOWN));
        self.hidden = Arc::new(hidden);
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
