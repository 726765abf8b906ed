//! Daemons for measuring.

use switchyard_tests::daemon::Daemon;
use switchyard_tests::setup::{Destination, Setup};

use crate::clients::CONNECTIONS;
use crate::sink::Sink;

/// The daemon's address for clients, HOST:PORT.
pub fn address(daemon: &Daemon) -> String {
    daemon.ingest().to_string()
}

/// A pipeline without destinations: ingest and the queue alone.
pub fn without_destinations() -> Daemon {
    Daemon::start(Setup::shop([]))
}

/// A pipeline whose events go through ga4 to a sink.
pub fn with_ga4(sink: &Sink) -> Daemon {
    Daemon::start(Setup::shop([Destination::ga4("ga4", &sink.url()).delivery("concurrency", CONNECTIONS as u64)]))
}
