//! The spans. Fields that are known only later are recorded with `Span::record`.

use tracing::field::Empty;
use tracing::{Span, trace_span};

use crate::queue::DestinationId;

/// The target of all spans, by which they are told from what is logged.
pub const TARGET: &str = "switchyard::span";

/// One commit of the store: events and settlements that share an fsync.
pub fn commit(appends: usize, settlements: usize) -> Span {
    trace_span!(target: TARGET, "commit", appends, settlements, changed = Empty)
}

/// One planning of a batch, the search for culprits included.
pub fn plan(destination: &DestinationId, plugin: &str, revision: &str, events: usize) -> Span {
    trace_span!(target: TARGET, "plan", %destination, plugin, revision, events, requests = Empty, faults = Empty)
}

/// One attempt of one request.
pub fn attempt(destination: &DestinationId, plugin: &str, revision: &str, events: usize) -> Span {
    trace_span!(target: TARGET, "attempt", %destination, plugin, revision, events, result = Empty, status = Empty)
}

/// One reading of an answer by a plugin.
pub fn judge(destination: &DestinationId, plugin: &str, revision: &str, events: usize, status: u16) -> Span {
    trace_span!(target: TARGET, "judge", %destination, plugin, revision, events, status)
}
