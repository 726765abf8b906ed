//! Traces: where the time of a commit, a plan, an attempt and a judge goes, sent by OTLP when that is
//! configured.
//!
//! Invariants:
//! - A span names destination, plugin, revision and counts: never an event, a request, an answer or
//!   a secret.
//! - When nothing is configured a span costs one look at a number: none is made.
//! - What the receiver does not take in time is dropped; no event ever waits for a span.

mod export;
pub mod span;

pub use export::{Exporting, start};
