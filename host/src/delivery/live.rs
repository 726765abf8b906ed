//! Steps as they happen, for whoever watches. Nobody watching costs one atomic load a step.
//!
//! There are two ways to watch: all steps, for programs, and [`picked`](super::picked) events with what
//! becomes of them, for people.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::picked::{Looking, Pickers, Wanted};
use crate::event::MessageId;

/// Steps kept for a watcher that reads slowly; beyond, the oldest are dropped and it is told how many.
const STEPS_MAX: usize = 4_096;

/// One step of some events' way.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// The pipeline (at ingestion) or the destination (after that).
    pub destination: String,
    /// The events' identities.
    pub message_ids: Vec<String>,
    /// `accepted`, `rejected`, `planned`, `sent`, `delivered`, `filtered`, `retry`, `dead`.
    pub step: &'static str,
    /// Method and URL, with no secret in it.
    pub request: String,
    /// Status of the answer, or 0.
    pub status: u16,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u32,
    /// More, in one line.
    pub detail: String,
}

/// Where steps are told, and watched.
#[derive(Clone)]
pub struct Live {
    sender: broadcast::Sender<Arc<Step>>,
    pickers: Arc<Pickers>,
}

impl Live {
    /// With nobody watching.
    pub fn new() -> Live {
        Live { sender: broadcast::channel(STEPS_MAX).0, pickers: Arc::default() }
    }

    /// Tells a step of some events. It is made only when all steps are watched, or one of these events is
    /// followed.
    pub fn tell<'a>(&self, events: impl IntoIterator<Item = &'a MessageId>, step: impl FnOnce() -> Step) {
        let is_followed = self.pickers.are_any() && self.pickers.follow_any(events);
        if !is_followed && !self.is_watched() {
            return;
        }
        let step = Arc::new(step());
        if is_followed {
            self.pickers.outcome(&step);
        }
        // An error means that the last watcher has just left.
        let _ = self.sender.send(step);
    }

    /// Whether anybody watches all steps.
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Watches all steps from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Step>> {
        self.sender.subscribe()
    }

    /// Those who look at picked events.
    pub fn pickers(&self) -> &Pickers {
        &self.pickers
    }

    /// Looks at such events from now on, until it is dropped.
    pub fn look(&self, wanted: Wanted) -> Looking {
        Pickers::look(&self.pickers, wanted)
    }
}

impl Default for Live {
    fn default() -> Live {
        Live::new()
    }
}
