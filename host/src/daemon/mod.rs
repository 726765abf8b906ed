//! The daemon: where all stages are wired together, and nowhere else.
//!
//! Start: store, plugins, destinations, listeners. While it runs: a change of the configuration file
//! or of the plugin directory is checked whole before any of it takes effect. Stop: no more requests,
//! what is in flight is finished within the grace period, the store is closed.

mod alerting;
mod check;
pub mod comparison;
mod config_history;
mod configured;
mod configuring;
mod destinations;
mod figures;
mod kept_settings;
mod listeners;
pub mod planner;
mod plugins;
mod recall;
mod record;
mod reload;
mod replay;
mod restart;
mod rollback;
mod rollout;
mod run;
mod secrets;
mod settings_view;
mod shadow;
pub mod trends;
mod watching;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, RwLock};

pub use check::{Report, check};
pub use config_history::{Saved, write_whole};
pub use configured::Configured;
pub use configuring::{Change, ConfigureError, Standing, etag_of};
pub use replay::{Replaying, Steps};
pub use rollout::Install;
pub use run::run;
pub use settings_view::is_secret;
pub use shadow::COMPARED_EVENTS_MAX;

use crate::admin::{Access, AuditLog, Replays};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::guest::Guests;
use crate::delivery::live::Live;
use crate::ingest::Gate;
use crate::plugin::handles::HandleKey;
use crate::plugin::shelf::Shelf;
use crate::queue::{DestinationId, DestinationStatus, EventStore, StoreError};
use destinations::Destinations;
use plugins::Plugins;

/// A running daemon.
pub struct Daemon {
    /// Who may use the admin interface.
    pub access: Access,
    /// Who changed what.
    pub audit: AuditLog,
    /// Replays that the console began.
    pub replays: Replays,
    /// What ingest requests share.
    pub gate: Arc<Gate>,
    /// The durable store.
    pub store: Arc<dyn EventStore>,
    /// Who watches.
    pub live: Live,
    /// Rung when something happened: alerts may have something to say, and figures may have changed.
    pulse: Arc<Notify>,
    /// The same, for who looks at alerts.
    alert_pulse: Notify,
    /// The same, for who takes samples.
    trend_pulse: Notify,
    /// The dead letters that each destination had before the start.
    dead_before: BTreeMap<DestinationId, u64>,
    /// How the figures went.
    pub trends: Mutex<trends::Trends>,
    /// Milliseconds since 1970.
    pub now: Clock,
    /// When it started: milliseconds since 1970.
    started_ms: u64,
    /// One change at a time: of the configuration, or of a plugin.
    changing: RwLock<Changing>,
    /// Another configuration is in effect.
    config_changed: Notify,
    /// Why the last change was refused, if it was.
    refused: Mutex<Option<String>>,
    /// The revisions that are kept.
    shelf: Arc<Shelf>,
    shelf_directory: std::path::PathBuf,
    /// Plans what is compared.
    guests: Guests,
    /// A trial began or ended.
    trials_changed: Notify,
    /// The configurations that were in effect.
    config_history: Mutex<config_history::ConfigHistory>,
    /// Makes the marks that stand for secrets in what is kept.
    mark_key: HandleKey,
    /// Destinations that a replay from the queue is making deliveries for.
    backfilling: replay::Backfilling,
}

/// What a change replaces.
struct Changing {
    config: Config,
    plugins: Plugins,
    destinations: Destinations,
}

impl Daemon {
    /// Why the daemon takes no events, if it does not.
    pub fn not_ready(&self) -> Option<String> {
        if self.gate.is_stopping() {
            return Some("stopping".to_string());
        }
        self.store.status().poisoned.map(|cause| format!("the store failed: {cause}"))
    }

    /// The destinations that the store knows. None once it has failed: its own status says why then.
    pub async fn destinations(&self) -> Result<Vec<DestinationStatus>, StoreError> {
        match self.store.destinations().await {
            Err(StoreError::Failed(_)) if self.store.status().poisoned.is_some() => Ok(Vec::new()),
            answered => answered,
        }
    }

    /// Everything that `status` shows.
    pub async fn status(&self) -> Result<serde_json::Value, StoreError> {
        let changing = self.changing.read().await;
        let runtimes = changing.destinations.statuses();
        let destinations: Vec<serde_json::Value> = self
            .destinations()
            .await?
            .iter()
            .map(|destination| {
                let mut shown = serde_json::to_value(destination).unwrap_or_default();
                if let Some((config, runtime)) = runtimes.get(&destination.destination) {
                    shown["plugin"] = config.plugin.clone().into();
                    shown["state"] = runtime.state.clone().into();
                    shown["why"] = runtime.why.clone().into();
                    shown["in_flight_groups"] = runtime.in_flight.into();
                    shown["breaker"] = runtime.breaker.into();
                    shown["concurrency"] = runtime.concurrency.into();
                    shown["order_given_up"] = runtime.order_given_up.into();
                    shown["revision"] = runtime.revision.clone().into();
                }
                shown
            })
            .collect();
        Ok(serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "now_ms": (self.now)(),
            "started_ms": self.started_ms,
            "store": self.store.status(),
            "sources": self.gate.counters(),
            "destinations": destinations,
            "plugins": changing.plugins.status(),
            "guests": figures::guests(&changing.destinations.meters()),
            "egress": changing.config.egress.shown(),
            "configuration": {
                "file": changing.config.path,
                "refused": *self.refused.lock().expect("nobody panics while holding it"),
            },
        }))
    }

    /// The plugins, active and refused.
    pub async fn plugins_status(&self) -> serde_json::Value {
        self.changing.read().await.plugins.status()
    }

    /// Pauses a destination, or lets it go on, durably. Answers whether it is configured.
    pub async fn pause(&self, destination: &DestinationId, paused: bool) -> Result<bool, StoreError> {
        let mut changing = self.changing.write().await;
        let known = self.store.pause(destination, paused).await?;
        changing.destinations.pause(destination, paused);
        Ok(known)
    }
}
