//! The daemon: where all stages are wired together, and nowhere else.
//!
//! Start: store, plugins, destinations, listeners. While it runs: a change of the configuration file
//! or of the plugin directory is checked whole before any of it takes effect. Stop: no more requests,
//! what is in flight is finished within the grace period, the store is closed.

mod alerting;
mod check;
mod destinations;
pub mod difference;
mod figures;
mod listeners;
mod plugins;
mod reload;
mod replay;
mod restart;
mod run;
mod secrets;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, RwLock};

pub use check::{Report, check};
pub use replay::{Replaying, Steps};
pub use run::run;

use crate::admin::Token;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::live::Live;
use crate::ingest::Gate;
use crate::queue::{DestinationId, EventStore, StoreError};
use destinations::Destinations;
use plugins::Plugins;

/// A running daemon.
pub struct Daemon {
    /// Credential of the admin interface.
    pub token: Token,
    /// What ingest requests share.
    pub gate: Arc<Gate>,
    /// The durable store.
    pub store: Arc<dyn EventStore>,
    /// Who watches.
    pub live: Live,
    /// Whether `/metrics` answers without the token.
    pub metrics_open: bool,
    /// Rung when alerts may have something to say.
    pulse: Arc<Notify>,
    now: Clock,
    /// When it started: milliseconds since 1970.
    started_ms: u64,
    /// One change at a time: of the configuration, or of a plugin.
    changing: RwLock<Changing>,
    /// Another configuration is in effect.
    config_changed: Notify,
    /// Why the last change was refused, if it was.
    refused: Mutex<Option<String>>,
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

    /// Everything that `status` shows.
    pub async fn status(&self) -> Result<serde_json::Value, StoreError> {
        let changing = self.changing.read().await;
        let runtimes = changing.destinations.statuses();
        let destinations: Vec<serde_json::Value> = self
            .store
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

    /// Checks a plugin's file, activates it for every destination that uses it, and puts it into the
    /// plugin directory. On an error nothing has changed.
    pub async fn install_plugin(&self, bytes: Bytes) -> anyhow::Result<serde_json::Value> {
        let mut changing = self.changing.write().await;
        let changing = &mut *changing;
        let revision = changing.plugins.load(bytes.clone()).await?;
        let ready = changing.destinations.ready_with(&changing.config, &changing.plugins, &revision).await?;
        changing.plugins.keep_file(&revision, &bytes)?;
        let answer = serde_json::json!({
            "success": true,
            "plugin": revision.manifest().id,
            "version": revision.manifest().version,
            "revision": revision.digest(),
            "destinations": ready.iter().map(|active| active.destination.id.0.clone()).collect::<Vec<_>>(),
        });
        changing.plugins.activate(revision);
        changing.destinations.activate(ready);
        Ok(answer)
    }
}
