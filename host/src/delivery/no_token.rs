//! What follows when the access token for a request cannot be fetched. Pure.
//!
//! The request was not sent, so that is no attempt of it: it waits without being counted or growing
//! old, and the destination pauses until a token is there, as it does when the vendor refuses one.

use super::attempt::Work;
use super::health::{Health, Pause};
use super::retry::Tries;
use crate::send::client::SendError;

/// The work as the next attempt finds it.
pub(super) fn work_after(error: &SendError, work: &Work, health: &mut Health) -> Work {
    let tries = match error {
        SendError::NoToken { why, .. } => {
            health.pause = Some(Pause::UntilOneWorks(why.clone()));
            Tries::default()
        }
        _ => work.tries,
    };
    Work { tries, ..work.clone() }
}

impl SendError {
    /// The wait before another attempt makes sense, in milliseconds, when it is known.
    pub(super) fn wait_ms(&self) -> Option<u64> {
        match self {
            SendError::NoToken { wait_ms, .. } => Some(*wait_ms),
            _ => None,
        }
    }
}
