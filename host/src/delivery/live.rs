//! Steps as they happen, for whoever watches. Nobody watching costs one atomic load a step.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::event::Event;

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
    /// The event itself, where it has just been accepted: shared, not copied.
    #[serde(skip)]
    pub event: Option<Event>,
}

/// Where steps are told, and watched.
#[derive(Clone)]
pub struct Live {
    sender: broadcast::Sender<Arc<Step>>,
}

impl Live {
    /// With nobody watching.
    pub fn new() -> Live {
        Live { sender: broadcast::channel(STEPS_MAX).0 }
    }

    /// Tells a step, which is made only when somebody watches.
    pub fn tell(&self, step: impl FnOnce() -> Step) {
        if self.sender.receiver_count() > 0 {
            // An error means that the last watcher has just left.
            let _ = self.sender.send(Arc::new(step()));
        }
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Watches from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Step>> {
        self.sender.subscribe()
    }
}

impl Default for Live {
    fn default() -> Live {
        Live::new()
    }
}
