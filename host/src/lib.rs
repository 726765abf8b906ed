//! Switchyard, the daemon: events in over HTTP, durable, planned by sandboxed plugins, sent to
//! vendors, and each one accounted for. ARCHITECTURE.md tells where things are.
//!
//! The modules stand along the data path: [`ingest`] → [`validate`] → [`queue`] → [`transformation`]
//! → [`plugin`] → [`send`], driven by [`delivery`], wired together in [`daemon`].

pub mod admin;
pub mod alerts;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod daemon;
pub mod delivery;
pub mod event;
pub mod http;
pub mod ingest;
pub mod meter;
pub mod metrics;
pub mod plugin;
pub mod queue;
pub mod rate;
pub mod send;
pub mod telemetry;
pub mod tls;
pub mod transformation;
pub mod validate;
