//! The stored requests of one destination, by time: what a feed asks and the committer feeds, once
//! the requests are durable. Holds no payloads.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::RequestId;

/// The requests of one open feed.
#[derive(Debug, Default)]
pub struct Requests {
    by_time: Mutex<ByTime>,
    added: Notify,
}

#[derive(Debug, Default)]
struct ByTime {
    order: BTreeSet<(u64, RequestId)>,
    due_ms: HashMap<RequestId, u64>,
}

/// What a commit changed of a stored request.
#[derive(Clone, Copy, Debug)]
pub enum RequestChange {
    /// It is stored, and due then.
    Put(RequestId, u64),
    /// It is gone.
    Delete(RequestId),
}

impl Requests {
    /// Applies a change that is durable now.
    pub fn apply(&self, change: RequestChange) {
        let mut by_time = self.lock();
        let (RequestChange::Put(id, _) | RequestChange::Delete(id)) = change;
        if let Some(due_ms) = by_time.due_ms.remove(&id) {
            by_time.order.remove(&(due_ms, id));
        }
        if let RequestChange::Put(id, due_ms) = change {
            by_time.due_ms.insert(id, due_ms);
            by_time.order.insert((due_ms, id));
            drop(by_time);
            self.added.notify_one();
        }
    }

    /// Takes those out that are due, earliest first, at most `max`.
    pub fn take_due(&self, now_ms: u64, max: usize) -> Vec<RequestId> {
        let mut by_time = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(&(due_ms, id)) = by_time.order.first()
            && due_ms <= now_ms
        {
            by_time.order.pop_first();
            by_time.due_ms.remove(&id);
            taken.push(id);
        }
        taken
    }

    /// How many wait and were not taken.
    pub fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// When the earliest is due.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.lock().order.first().map(|(due_ms, _)| *due_ms)
    }

    /// Completes when one was added since this completed last. Safe to cancel.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ByTime> {
        self.by_time.lock().expect("no holder of this lock panics")
    }
}
