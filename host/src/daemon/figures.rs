//! The figures of a running daemon, for `/metrics` and `status`.

use serde_json::{Value, json};

use super::Daemon;
use crate::meter::Meters;
use crate::metrics::{DestinationSnapshot, PluginSnapshot, Process, Snapshot, render};

impl Daemon {
    /// The page of `/metrics`. A store that failed is said to have; its destinations are left out.
    pub async fn metrics(&self) -> String {
        let (mut runtimes, meters, plugins) = {
            let changing = self.changing.read().await;
            let plugins = changing.plugins.records().map(|record| PluginSnapshot {
                plugin: record.plugin.clone(),
                rollbacks: record.rollbacks,
                is_on_trial: record.trial.is_some(),
                is_held: record.held.is_some(),
            });
            (changing.destinations.statuses(), changing.destinations.meters(), plugins.collect())
        };
        let statuses = self.store.destinations().await.unwrap_or_default();
        let destinations = statuses.into_iter().filter_map(|status| {
            let (_, runtime) = runtimes.remove(&status.destination)?;
            let attempts = meters.attempts(&status.destination).counts();
            Some(DestinationSnapshot { status, runtime, attempts })
        });
        let snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            is_ready: self.not_ready().is_none(),
            destinations: destinations.collect(),
            store: self.store.status(),
            sources: self.gate.counters(),
            guests: meters.guests(),
            plugins,
            process: Process::now(self.started_ms),
        };
        // Hundreds of destinations take some milliseconds: not on a thread that moves events.
        tokio::task::spawn_blocking(move || render(snapshot)).await.unwrap_or_default()
    }
}

/// What each plugin costs in each destination, as `status` shows it.
pub(super) fn guests(meters: &Meters) -> Value {
    let shown = |guest: crate::meter::GuestCounts| {
        let faults: serde_json::Map<String, Value> =
            guest.faults.iter().map(|(kind, count)| (kind.as_str().to_string(), (*count).into())).collect();
        json!({
            "plugin": guest.plugin, "destination": guest.destination.0, "cpu_seconds": guest.cpu_seconds,
            "plan_calls": guest.plan_calls, "judge_calls": guest.judge_calls, "instances": guest.instances,
            "memory_peak_bytes": guest.memory_peak_bytes, "bytes_in": guest.bytes_in, "bytes_out": guest.bytes_out,
            "faults": faults,
        })
    };
    meters.guests().into_iter().map(shown).collect()
}
