//! Looks at the daemon after a change, and sends what there is to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::Daemon;
use super::plugins::Plugins;
use super::record::StepKind;
use crate::alerts::outbox::{Outbox, Tried};
use crate::alerts::watch::{Seen, SeenDestination, Watcher};
use crate::config::AlertConfig;
use crate::send::client::{Client, Outgoing};
use crate::send::egress::{Grants, host_of};

/// A look follows a change by so long, so that a busy daemon is looked at once a second and a
/// runtime has taken the change up.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Time for one message, in milliseconds.
const TIMEOUT_MS: u64 = 10_000;

/// Sends alerts until the daemon stops, where they are configured.
pub(super) async fn run_if_configured(daemon: Arc<Daemon>, mut stopped: watch::Receiver<bool>) {
    let Some(config) = daemon.changing.read().await.config.alerts.clone() else { return };
    tokio::select! {
        () = run(&daemon, &config) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

/// Looks after each change and when it is time to; never returns.
async fn run(daemon: &Daemon, config: &AlertConfig) {
    let grants =
        Grants { hosts: host_of(&config.url.0).into_iter().collect(), addresses: config.allowed_addresses.clone() };
    let egress = daemon.changing.read().await.config.egress.clone();
    let client = Client::plain(grants, &egress, TIMEOUT_MS);
    let mut watcher = Watcher::new(config.limits, daemon.dead_before.clone());
    let mut outbox = Outbox::default();
    loop {
        outbox.add(watcher.look((daemon.now)(), &daemon.seen().await));
        let now_ms = (daemon.now)();
        if outbox.due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let tried = send(&client, config, &outbox).await;
            outbox.tried((daemon.now)(), config.limits.gap_ms, tried);
        }
        let next_ms = watcher.next_look_ms().into_iter().chain(outbox.due_ms()).min();
        tokio::select! {
            () = daemon.alert_pulse.notified() => tokio::time::sleep(LOOK_AFTER).await,
            () = until(next_ms, (daemon.now)()) => {}
        }
    }
}

/// Waits until a time in milliseconds since 1970, or for ever.
pub(super) async fn until(at_ms: Option<u64>, now_ms: u64) {
    match at_ms {
        Some(at_ms) => tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(now_ms).max(1))).await,
        None => std::future::pending().await,
    }
}

async fn send(client: &Client, config: &AlertConfig, outbox: &Outbox) -> Tried {
    let outgoing = Outgoing {
        method: "POST".to_string(),
        url: config.url.0.clone(),
        headers: vec![("content-type".to_string(), "application/json".to_string())],
        body: Bytes::from(outbox.message().to_string()),
        token: None,
    };
    // The URL may hold a secret, and an answer may repeat it.
    match client.send(outgoing).await {
        Ok(answer) if (200..300).contains(&answer.status) => Tried::Sent,
        Ok(answer) => {
            tracing::error!(
                status = answer.status,
                "ALERTS ARE NOT TAKEN by the webhook of [alerts]; they are sent again"
            );
            Tried::Failed
        }
        Err(error) => {
            tracing::error!(%error, "ALERTS CANNOT BE SENT to the webhook of [alerts]; they are sent again");
            Tried::Failed
        }
    }
}

impl Daemon {
    /// What alerts are about.
    async fn seen(&self) -> Seen {
        let (runtimes, refused, rolled_back) = {
            let changing = self.changing.read().await;
            let refused = changing.plugins.refused();
            let refused = refused.map(|(path, why)| (path.display().to_string(), why.to_string())).collect();
            (changing.destinations.statuses(), refused, rolled_back(&changing.plugins))
        };
        let statuses = self.store.destinations().await.ok();
        let destinations = statuses.map(|statuses| {
            let seen = statuses.into_iter().filter_map(|status| {
                let (_, runtime) = runtimes.get(&status.destination)?;
                let (state, why) = (runtime.state.clone(), runtime.why.clone());
                Some(SeenDestination { id: status.destination, state, why, dead: status.counters.dead })
            });
            seen.collect()
        });
        let store = self.store.status();
        Seen {
            destinations,
            disk_short_bytes: store.disk_free_bytes.filter(|free_bytes| *free_bytes < store.disk_reserve_bytes),
            poisoned: store.poisoned,
            refused,
            rolled_back,
        }
    }
}

/// Plugins of which a revision was rolled back by itself, and nothing happened since; and why.
fn rolled_back(plugins: &Plugins) -> Vec<(String, String)> {
    let last = plugins.records().filter_map(|record| Some((record, record.history.last()?)));
    let by_itself = last.filter(|(_, step)| step.step == StepKind::RolledBackByItself);
    by_itself.map(|(record, step)| (record.plugin.clone(), step.detail.clone())).collect()
}
