//! Calls plugins from delivery: on the worker threads, never on the async runtime's.

use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span};

use super::active::ActiveGuest;
use crate::event::Event;
use crate::plugin::fault::{PluginError, PluginFault};
use crate::plugin::plan::{Fate, Judgement, Request, Response};
use crate::plugin::split::Search;
use crate::plugin::workers::Workers;
use crate::telemetry::span;

/// A batch that failed for a reason of the host's is planned again after so long, in milliseconds.
const AGAIN_MS: u64 = 1_000;

/// Calls plugins. Cheap to clone.
#[derive(Clone)]
pub struct Guests {
    workers: Arc<Workers>,
}

/// What planning a batch came to. Positions are those of the batch.
#[derive(Debug, Default)]
pub struct Planned {
    /// The requests.
    pub requests: Vec<Request>,
    /// The events that get none.
    pub fates: Vec<(u32, Fate)>,
    /// The events at which the plugin failed, and how.
    pub faults: Vec<(u32, PluginFault)>,
}

impl Planned {
    /// Whether the plugin failed at each event that it was tried with: then it is the plugin or its settings, not the events,
    /// and those that come next had better wait.
    pub fn is_hopeless(&self) -> bool {
        self.requests.is_empty() && self.fates.is_empty() && !self.faults.is_empty()
    }
}

impl Guests {
    /// Starts worker threads.
    pub fn start(workers: usize) -> Result<Guests, PluginError> {
        Ok(Guests { workers: Arc::new(Workers::start(workers)?) })
    }

    /// Plans a batch, halving it where the plugin fails. Safe to cancel.
    pub async fn plan(&self, search: Search, guest: &ActiveGuest, now_ms: u64, events: Vec<Event>) -> Planned {
        let span =
            span::plan(guest.meter.destination(), guest.meter.plugin(), guest.revision.short_digest(), events.len());
        let planning = self.workers.plan(search, &guest.revision, &guest.settings, now_ms, events, &guest.meter);
        let split = planning.instrument(span.clone()).await;
        span.record("requests", split.plan.requests.len()).record("faults", split.faults.len());
        let mut planned = Planned { requests: split.plan.requests, fates: split.plan.fates, ..Planned::default() };
        for (position, fault) in split.faults {
            match fault {
                // Not the event's fault, nor the plugin's: it is planned again.
                PluginFault::Host(why) => {
                    tracing::error!(plugin = %guest.revision.manifest().id, why, "the host failed in a plugin's call");
                    planned.fates.push((position, Fate::DeferUntilMs(now_ms + AGAIN_MS)));
                }
                fault => planned.faults.push((position, fault)),
            }
        }
        planned
    }

    /// Has an answer judged, together with others that come while it waits so long. Safe to cancel.
    pub async fn judge(
        &self,
        guest: &ActiveGuest,
        now_ms: u64,
        response: Response,
        patience: Duration,
    ) -> Result<Judgement, PluginFault> {
        let (meter, digest) = (&guest.meter, guest.revision.short_digest());
        let span = span::judge(meter.destination(), meter.plugin(), digest, response.covers.len(), response.status);
        self.workers.judge(&guest.revision, &guest.settings, now_ms, response, meter, patience).instrument(span).await
    }
}

impl ActiveGuest {
    /// The span of an attempt of one of its requests.
    pub fn attempt_span(&self, request: &Request) -> Span {
        let (meter, digest) = (&self.meter, self.revision.short_digest());
        span::attempt(meter.destination(), meter.plugin(), digest, request.covers.len())
    }
}
