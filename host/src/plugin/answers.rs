//! Answers that wait to be judged. Those of one destination that wait at the same time are judged in one
//! instance, one after the other: making an instance costs several times what judging does. So the first
//! one waits for others, where more are on their way (`workers/judging.rs`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::fault::PluginFault;
use super::plan::{Judgement, Response};
use super::revision::Revision;
use crate::meter::GuestMeter;
use crate::queue::DestinationId;

/// Answers that one instance judges, at most, so that other destinations come in between.
pub const TOGETHER_MAX: usize = 64;

/// An answer, whose plugin judges it, and who waits for that.
pub struct ToJudge {
    /// The revision that planned the request.
    pub revision: Arc<Revision>,
    /// The destination's settings.
    pub settings: Arc<str>,
    /// The destination's.
    pub meter: Arc<GuestMeter>,
    /// The time of the call: milliseconds since 1970.
    pub now_ms: u64,
    /// What is judged.
    pub response: Response,
    /// Takes the judgement.
    pub done: oneshot::Sender<Result<Judgement, PluginFault>>,
    /// Its place among the calls that wait.
    pub room: OwnedSemaphorePermit,
}

/// The answers that wait, by destination.
#[derive(Default)]
pub struct Answers {
    waiting: Mutex<HashMap<DestinationId, VecDeque<ToJudge>>>,
}

impl Answers {
    /// Adds one. Answers how many of its destination wait then: where it is the first, nobody comes for it yet.
    pub fn add(&self, asked: ToJudge) -> usize {
        let mut all = self.lock();
        let own = all.entry(asked.meter.destination().clone()).or_default();
        own.push_back(asked);
        own.len()
    }

    /// Takes those that one instance may judge. Answers as well whether others are left.
    pub fn take(&self, destination: &DestinationId) -> (Vec<ToJudge>, bool) {
        let mut all = self.lock();
        let Some(mut own) = all.remove(destination) else { return (Vec::new(), false) };
        let together = own.iter().take(TOGETHER_MAX).take_while(|asked| asked.goes_with(&own[0])).count();
        let left = own.split_off(together);
        let are_left = !left.is_empty();
        if are_left {
            all.insert(destination.clone(), left);
        }
        (own.into(), are_left)
    }

    /// How many wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.lock().values().map(VecDeque::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DestinationId, VecDeque<ToJudge>>> {
        self.waiting.lock().expect("nobody panics while holding the answers")
    }
}

impl ToJudge {
    fn goes_with(&self, other: &ToJudge) -> bool {
        Arc::ptr_eq(&self.revision, &other.revision)
            && Arc::ptr_eq(&self.meter, &other.meter)
            && self.settings == other.settings
    }
}
