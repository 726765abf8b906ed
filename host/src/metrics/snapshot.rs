//! All figures of one scrape.

use std::collections::BTreeMap;

use super::process::Process;
use crate::delivery::health::RuntimeStatus;
use crate::ingest::SourceCounters;
use crate::meter::{AttemptCounts, GuestCounts};
use crate::queue::{DestinationStatus, StoreStatus};

/// All figures of one scrape.
#[derive(Debug)]
pub struct Snapshot {
    /// The daemon's version.
    pub version: &'static str,
    /// Whether events are taken.
    pub is_ready: bool,
    /// The store as a whole.
    pub store: StoreStatus,
    /// The destinations that run; none when the store does not answer.
    pub destinations: Vec<DestinationSnapshot>,
    /// By source.
    pub sources: BTreeMap<String, SourceCounters>,
    /// By destination and plugin.
    pub guests: Vec<GuestCounts>,
    /// The plugins.
    pub plugins: Vec<PluginSnapshot>,
    /// The process.
    pub process: Process,
}

/// The figures of one plugin.
#[derive(Debug)]
pub struct PluginSnapshot {
    /// Its id.
    pub plugin: String,
    /// How often it was rolled back.
    pub rollbacks: u64,
    /// Whether a revision is on trial.
    pub is_on_trial: bool,
    /// Whether a revision waits for a grant.
    pub is_held: bool,
}

/// The figures of one destination.
#[derive(Debug)]
pub struct DestinationSnapshot {
    /// What the store says.
    pub status: DestinationStatus,
    /// What its runtime says.
    pub runtime: RuntimeStatus,
    /// What its attempts came to.
    pub attempts: AttemptCounts,
}
