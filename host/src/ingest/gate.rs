//! What every ingest request shares: the write keys, the store, the bounds, the counters.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::IngestError;
use crate::clock::Clock;
use crate::config::{Config, IngestLimits, Pipeline, Validation, ViolationAction};
use crate::delivery::live::Live;
use crate::event::MessageId;
use crate::queue::{EventStore, PipelineId};
use crate::rate::Rate;
use crate::transformation::{Part, Policy};
use crate::validate::rules::SourceRules;
use crate::validate::tracking_plan::{Action, Entry, TrackingPlan};

/// Rejected items that are kept for the operator to see.
const REJECTED_MAX: usize = 200;

/// Violations of one entry of a tracking plan that are counted apart: they may hold values.
const VIOLATION_TEXTS_MAX: usize = 100;

/// What the others are counted under.
const OTHER: &str = "other";

/// Bodies in flight are counted in pieces of so many bytes.
const PIECE_BYTES: usize = 1_024;

/// What a write key names.
#[derive(Debug)]
pub struct Source {
    /// Where its events go.
    pub pipeline: PipelineId,
    /// Whether the key is taken.
    pub enabled: bool,
    /// What is asked of its events.
    pub rules: Arc<SourceRules>,
    /// What becomes of personal data in them before they are stored.
    pub storage_policy: Arc<Policy>,
    /// Events and bytes that it may send a second.
    limits: Mutex<RateLimits>,
}

#[derive(Debug)]
struct RateLimits {
    events: Option<Rate>,
    bytes: Option<Rate>,
}

impl Source {
    /// Whether a request may come in now.
    ///
    /// # Errors
    /// `RateLimited` with the whole seconds until it may.
    pub(super) fn admit(&self, now_ms: u64) -> Result<(), IngestError> {
        let limits = self.limits.lock().expect("nobody panics while holding the limits");
        let waits_ms = [&limits.events, &limits.bytes].into_iter().flatten().map(|rate| rate.wait_ms(now_ms));
        match waits_ms.max().unwrap_or(0) {
            0 => Ok(()),
            wait_ms => Err(IngestError::RateLimited { seconds: wait_ms.div_ceil(1_000) }),
        }
    }

    /// Pays for what came in.
    pub(super) fn pay(&self, events: u64, bytes: u64, now_ms: u64) {
        let mut limits = self.limits.lock().expect("nobody panics while holding the limits");
        if let Some(rate) = &mut limits.events {
            rate.pay(events, now_ms);
        }
        if let Some(rate) = &mut limits.bytes {
            rate.pay(bytes, now_ms);
        }
    }
}

/// Which write key names which source.
#[derive(Debug, Default)]
pub struct Keys {
    sources: HashMap<String, Arc<Source>>,
}

impl Keys {
    /// The keys of a configuration.
    pub fn of(config: &Config) -> Keys {
        let mut sources = HashMap::new();
        for pipeline in &config.pipelines {
            let rules = Arc::new(rules_of(pipeline));
            // The configuration was checked: its policy is good.
            let storage_policy = Arc::new(Policy::new(&pipeline.pii, Part::BeforeStorage).unwrap_or_default());
            for key in &pipeline.write_keys {
                let rate = |per_second: Option<u64>| per_second.map(|count| Rate::new(count as f64));
                let limits = RateLimits { events: rate(key.events_per_second), bytes: rate(key.bytes_per_second) };
                let source = Source {
                    pipeline: pipeline.id.clone(),
                    enabled: key.enabled,
                    rules: rules.clone(),
                    storage_policy: storage_policy.clone(),
                    limits: Mutex::new(limits),
                };
                sources.insert(key.key.clone(), Arc::new(source));
            }
        }
        Keys { sources }
    }

    /// The source that a key names.
    ///
    /// # Errors
    /// `UnknownWriteKey`, or `DisabledWriteKey`.
    pub(super) fn source(&self, key: &str) -> Result<Arc<Source>, IngestError> {
        // Of `id:secret`, as Jitsu has it, the id counts.
        match self.sources.get(key.split(':').next().unwrap_or_default()) {
            Some(source) if source.enabled => Ok(source.clone()),
            Some(_) => Err(IngestError::DisabledWriteKey),
            None => Err(IngestError::UnknownWriteKey),
        }
    }
}

/// What a pipeline asks of its events. The configuration was checked: its schemas are valid.
fn rules_of(pipeline: &Pipeline) -> SourceRules {
    let entries = pipeline.tracking_plan.iter().filter_map(|planned| {
        let action = match planned.on_violation {
            ViolationAction::Mark => Action::Mark,
            ViolationAction::Drop => Action::Drop,
            ViolationAction::Reject => Action::Reject,
        };
        Entry::new(planned.kind, planned.name.clone(), action, &planned.schema).ok()
    });
    SourceRules {
        strict: pipeline.validation == Validation::Strict,
        tracking_plan: TrackingPlan::new(entries.collect()),
    }
}

/// What came from one source since the start.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct SourceCounters {
    /// Events answered with 200 and durable.
    pub accepted: u64,
    /// Events that were sent again within the window, and are kept once.
    pub duplicates: u64,
    /// Events that were mended on the way in.
    pub repaired: u64,
    /// Items refused, by code.
    pub rejected_by: BTreeMap<String, u64>,
    /// Requests refused because of the key's limits.
    pub rate_limited: u64,
    /// Violations of the tracking plan, by entry and then by text (at most 100 of an entry).
    pub violations: BTreeMap<String, BTreeMap<String, u64>>,
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
    /// Whether the listener speaks TLS.
    pub speaks_tls: bool,
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
            keys: RwLock::new(Arc::new(Keys::of(config))),
            counters: Mutex::default(),
            rejected: Mutex::default(),
            bodies: Arc::new(Semaphore::new(config.ingest.bodies_bytes_max / PIECE_BYTES)),
            stopping: AtomicBool::new(false),
            limits: config.ingest.clone(),
            speaks_tls: config.ingest_tls.is_some(),
            now,
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

    /// From now on the daemon is not ready: whoever spreads the load shall send nothing more. What
    /// comes nevertheless is taken as long as the store is open.
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
        let own = match counters.get_mut(pipeline.as_str()) {
            Some(own) => own,
            None => counters.entry(pipeline.to_string()).or_default(),
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

    /// Counts a request that was refused because of its key's limits.
    pub(super) fn count_rate_limited(&self, pipeline: &PipelineId) {
        let mut counters = self.counters.lock().expect("nobody panics while holding the counters");
        counters.entry(pipeline.to_string()).or_default().rate_limited += 1;
    }

    /// Counts violations of tracking plans: entry and text.
    pub(super) fn count_violations(&self, pipeline: &PipelineId, violations: Vec<(String, String)>) {
        if violations.is_empty() {
            return;
        }
        let mut counters = self.counters.lock().expect("nobody panics while holding the counters");
        let own = &mut counters.entry(pipeline.to_string()).or_default().violations;
        for (title, text) in violations {
            let texts = own.entry(title).or_default();
            let text = if texts.len() < VIOLATION_TEXTS_MAX || texts.contains_key(&text) { text } else { OTHER.into() };
            *texts.entry(text).or_default() += 1;
        }
    }

    /// Counts events that were known already.
    pub(super) fn count_duplicates(&self, duplicates: &[(PipelineId, MessageId)]) {
        if duplicates.is_empty() {
            return;
        }
        let mut counters = self.counters.lock().expect("nobody panics while holding the counters");
        for (pipeline, _) in duplicates {
            counters.entry(pipeline.to_string()).or_default().duplicates += 1;
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
