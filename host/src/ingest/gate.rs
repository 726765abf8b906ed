//! What every ingest request shares: the write keys, the store, the bounds, the counters.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::IngestError;
use crate::clock::Clock;
use crate::config::{Config, IngestLimits};
use crate::delivery::live::Live;
use crate::queue::{EventStore, PipelineId};

/// Rejected items that are kept for the operator to see.
const REJECTED_MAX: usize = 200;

/// Bodies in flight are counted in pieces of so many bytes.
const PIECE_BYTES: usize = 1_024;

/// Which write key names which pipeline.
#[derive(Debug, Default, PartialEq)]
pub struct Keys {
    pipelines: HashMap<String, PipelineId>,
}

impl Keys {
    /// The keys of a configuration.
    pub fn of(config: &Config) -> Keys {
        let pairs = config
            .pipelines
            .iter()
            .flat_map(|pipeline| pipeline.write_keys.iter().map(|key| (key.clone(), pipeline.id.clone())));
        Keys { pipelines: pairs.collect() }
    }

    /// The pipeline that a key names.
    pub fn pipeline(&self, key: &str) -> Option<&PipelineId> {
        self.pipelines.get(key)
    }
}

/// What came from one source since the start.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct SourceCounters {
    /// Events answered with 200 and durable.
    pub accepted: u64,
    /// Events that were mended on the way in.
    pub repaired: u64,
    /// Items refused, by code.
    pub rejected_by: BTreeMap<String, u64>,
}

/// An item that was not accepted.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rejected {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// The pipeline.
    pub pipeline: String,
    /// The item's identity, if it had one.
    pub message_id: Option<String>,
    /// Why, for counting.
    pub code: &'static str,
    /// Why, for a person.
    pub message: String,
}

/// What every ingest request shares.
pub struct Gate {
    /// Where events become durable.
    pub store: Arc<dyn EventStore>,
    /// Bounds.
    pub limits: IngestLimits,
    /// Who watches.
    pub live: Live,
    /// Milliseconds since 1970.
    pub now: Clock,
    keys: RwLock<Arc<Keys>>,
    counters: Mutex<BTreeMap<String, SourceCounters>>,
    rejected: Mutex<VecDeque<Rejected>>,
    bodies: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Gate {
    /// A gate before a store.
    pub fn new(store: Arc<dyn EventStore>, config: &Config, live: Live, now: Clock) -> Gate {
        Gate {
            store,
            live,
            now,
            keys: RwLock::new(Arc::new(Keys::of(config))),
            counters: Mutex::default(),
            rejected: Mutex::default(),
            bodies: Arc::new(Semaphore::new(config.ingest.bodies_bytes_max / PIECE_BYTES)),
            stopping: AtomicBool::new(false),
            limits: config.ingest.clone(),
        }
    }

    /// Replaces the write keys.
    pub fn set_keys(&self, keys: Keys) {
        *self.keys.write().expect("nobody panics while holding the keys") = Arc::new(keys);
    }

    /// The write keys as they are now.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.read().expect("nobody panics while holding the keys").clone()
    }

    /// From now on requests are answered with 503.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the daemon is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Room for a body of about so many bytes; given back when the permit is dropped.
    pub(super) fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, IngestError> {
        let pieces = bytes.div_ceil(PIECE_BYTES).clamp(4, self.limits.bodies_bytes_max / PIECE_BYTES) as u32;
        self.bodies.clone().try_acquire_many_owned(pieces).map_err(|_| IngestError::Busy)
    }

    /// Counts what came of a request.
    pub(super) fn count(&self, pipeline: &PipelineId, accepted: usize, repaired: usize, rejected: Vec<Rejected>) {
        let mut counters = self.counters.lock().expect("nobody panics while holding the counters");
        let own = match counters.get_mut(&pipeline.0) {
            Some(own) => own,
            None => counters.entry(pipeline.0.clone()).or_default(),
        };
        own.accepted += accepted as u64;
        own.repaired += repaired as u64;
        for item in &rejected {
            *own.rejected_by.entry(item.code.to_string()).or_default() += 1;
        }
        drop(counters);
        if rejected.is_empty() {
            return;
        }
        let mut kept = self.rejected.lock().expect("nobody panics while holding the rejected items");
        for item in rejected {
            if kept.len() == REJECTED_MAX {
                kept.pop_front();
            }
            kept.push_back(item);
        }
    }

    /// Counters by pipeline.
    pub fn counters(&self) -> BTreeMap<String, SourceCounters> {
        self.counters.lock().expect("nobody panics while holding the counters").clone()
    }

    /// The last items that were not accepted, oldest first.
    pub fn rejected(&self) -> Vec<Rejected> {
        self.rejected.lock().expect("nobody panics while holding the rejected items").iter().cloned().collect()
    }
}
