//! A destination ready to work: its configuration, the revision of its plugin, settings with handles
//! in place of secrets, and its client. Replaced whole when any of it changes; a batch keeps the one
//! it began with.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Destination;
use crate::plugin::handles::Handles;
use crate::plugin::manifest::Manifest;
use crate::plugin::revision::Revision;
use crate::send::client::Client;
use crate::send::egress::{Grants, host_of};
use crate::send::tokens::Tokens;

/// A destination ready to work.
pub struct Active {
    /// As configured.
    pub destination: Arc<Destination>,
    /// The code, when its plugin is loaded and takes the settings.
    pub guest: Option<ActiveGuest>,
    /// Why there is no guest, for `status`.
    pub trouble: Option<String>,
    /// Sends its requests.
    pub client: Client,
}

/// A revision with the settings it is called with.
#[derive(Clone)]
pub struct ActiveGuest {
    /// The code.
    pub revision: Arc<Revision>,
    /// The settings as JSON, with handles in place of secrets.
    pub settings: Arc<str>,
    /// The secrets by handle.
    pub handles: Arc<Handles>,
}

impl Active {
    /// A destination with its plugin's revision, and the access tokens that it had before.
    pub fn new(destination: Arc<Destination>, guest: Result<ActiveGuest, String>, tokens: Arc<Tokens>) -> Active {
        let hosts = match &guest {
            Ok(guest) => granted_hosts(&destination, guest.revision.manifest()),
            Err(_) => destination.allowed_hosts.clone(),
        };
        let grants = Grants { hosts, addresses: destination.allowed_addresses.clone() };
        let handles = guest.as_ref().map(|guest| guest.handles.clone()).unwrap_or_default();
        let timeout_ms = destination.delivery.timeout_ms;
        let client = Client::new(Arc::new(grants), &destination.egress, handles, tokens, timeout_ms);
        let (guest, trouble) = match guest {
            Ok(guest) => (Some(guest), None),
            Err(trouble) => (None, Some(trouble)),
        };
        Active { destination, guest, trouble, client }
    }
}

/// The hosts that a destination may reach: those that the manifest names and the operator listed,
/// and those in the settings that the manifest names, which the operator wrote there.
fn granted_hosts(destination: &Destination, manifest: &Manifest) -> Vec<String> {
    let mut hosts = Vec::new();
    for named in &manifest.hosts {
        match named.strip_prefix("{settings.").and_then(|rest| rest.strip_suffix('}')) {
            Some(setting) => {
                let value = destination.settings.0.get(setting).and_then(serde_json::Value::as_str);
                hosts.extend(value.and_then(host_of));
            }
            None => {
                let host = named.to_ascii_lowercase();
                if destination.allowed_hosts.contains(&host) {
                    hosts.push(host);
                }
            }
        }
    }
    hosts
}

/// Hosts that the manifest names and the operator did not list.
pub fn missing_grants(destination: &Destination, manifest: &Manifest) -> Vec<String> {
    manifest
        .hosts
        .iter()
        .filter(|named| !named.starts_with('{'))
        .map(|named| named.to_ascii_lowercase())
        .filter(|host| !destination.allowed_hosts.contains(host))
        .collect()
}

/// Lanes of a destination: each lane's latest request, so that the next one waits for it.
#[derive(Default)]
pub struct Lanes {
    tails: HashMap<String, tokio::sync::watch::Receiver<()>>,
}

/// A request's place in its lane. The next in the lane starts when this is dropped.
pub struct Turn {
    before: Option<tokio::sync::watch::Receiver<()>>,
    _done: tokio::sync::watch::Sender<()>,
}

impl Lanes {
    /// Lanes that are remembered before those that are free are forgotten.
    const SWEEP_AT: usize = 1_024;

    /// Takes the next place in a lane. Call in the order of the plan.
    pub fn take_turn(&mut self, lane: &str) -> Turn {
        if self.tails.len() >= Lanes::SWEEP_AT {
            self.tails.retain(|_, tail| tail.has_changed().is_ok());
        }
        let (done, tail) = tokio::sync::watch::channel(());
        let before = self.tails.insert(lane.to_string(), tail);
        Turn { before, _done: done }
    }
}

impl Turn {
    /// Completes when all earlier requests of the lane have ended.
    pub async fn come(&mut self) {
        if let Some(mut before) = self.before.take() {
            // The sender is dropped, never used: an error is the signal.
            let _ = before.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lane_has_one_request_at_a_time_in_order() {
        let mut lanes = Lanes::default();
        let mut first = lanes.take_turn("a");
        let mut second = lanes.take_turn("a");
        let mut other = lanes.take_turn("b");
        first.come().await;
        other.come().await;
        {
            let waits = second.come();
            tokio::pin!(waits);
            assert!((&mut waits).now_or_never().is_none());
            drop(first);
            waits.await;
        }
    }
}
