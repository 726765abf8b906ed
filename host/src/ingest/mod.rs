//! Ingest: HTTP in, durable events out, then 200.
//!
//! Invariants:
//! - 200 is answered only after the events are durable.
//! - An error body has both `code` and `message`: some SDKs read a 400 without them as a broken
//!   network and send again.
//! - Nothing here decides what a good event is (`validate` does) or knows of destinations.

mod answer;
mod auth;
mod body;
mod client_ip;
mod forms;
mod gate;
mod routes;
mod settle;

pub use answer::IngestError;
pub use client_ip::client_ip;
pub use gate::{Gate, Keys, Rejected, Source, SourceCounters};
pub use routes::{handle, take_own};
