//! A destination ready to work: its configuration, the revision of its plugin, settings with handles
//! in place of secrets, and its client. Replaced whole when any of it changes; a batch keeps the one
//! it began with.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::trial::Trial;
use crate::config::Destination;
use crate::meter::{GuestMeter, RevisionMeter};
use crate::plugin::handles::Handles;
use crate::plugin::manifest::{Manifest, Order};
use crate::plugin::revision::Revision;
use crate::send::client::Client;
use crate::send::egress::{Grants, host_of};
use crate::send::tokens::Tokens;

/// A destination ready to work.
#[derive(Clone)]
pub struct Active {
    /// As configured.
    pub destination: Arc<Destination>,
    /// The code, when its plugin is loaded and takes the settings.
    pub guest: Option<ActiveGuest>,
    /// Why there is no guest, for `status`.
    pub trouble: Option<String>,
    /// Sends its requests.
    pub client: Client,
    /// Whether nothing is delivered until it is resumed.
    pub paused: bool,
    /// A new revision that takes over, or may.
    pub trial: Option<Arc<Trial>>,
    /// Finds the destination with another revision that is kept, by its digest: for requests that it
    /// planned.
    pub kept: Option<FindKept>,
}

/// See [`Active::kept`].
pub type FindKept = Arc<dyn Fn(String) -> BoxFuture<'static, Option<Arc<Active>>> + Send + Sync>;

/// A revision with the settings it is called with.
#[derive(Clone)]
pub struct ActiveGuest {
    /// The code.
    pub revision: Arc<Revision>,
    /// The settings as JSON, with handles in place of secrets.
    pub settings: Arc<str>,
    /// The secrets by handle.
    pub handles: Arc<Handles>,
    /// Counts its calls.
    pub meter: Arc<GuestMeter>,
    /// Counts what comes of the events that it plans.
    pub counts: Arc<RevisionMeter>,
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
        Active { paused: destination.paused, destination, guest, trouble, client, trial: None, kept: None }
    }

    /// The same, paused by the operator or not; what the configuration pauses stays so.
    pub fn paused_by_operator(&self, paused: bool) -> Active {
        Active { paused: paused || self.destination.paused, ..self.clone() }
    }

    /// The guest that plans most: the one on trial when all users go there.
    pub fn planning(&self) -> Option<&ActiveGuest> {
        let trial = self.trial.as_ref().filter(|trial| trial.takes_all());
        trial.map_or(self.guest.as_ref(), |trial| trial.new.guest.as_ref())
    }

    /// The same destination with the revision of that digest, while it is kept.
    pub async fn with_revision(self: &Arc<Active>, digest: &str) -> Option<Arc<Active>> {
        let is_it =
            |active: &&Arc<Active>| active.guest.as_ref().is_some_and(|guest| guest.revision.digest() == digest);
        let on_trial = self.trial.as_ref().map(|trial| &trial.new);
        match [Some(self), on_trial].into_iter().flatten().find(is_it) {
            Some(active) => Some(active.clone()),
            None => self.kept.as_ref()?(digest.to_string()).await,
        }
    }

    /// Who paused it.
    pub fn pause_reason(&self) -> String {
        match self.destination.paused {
            true => "by the configuration".to_string(),
            false => format!("by the operator: `switchyard resume {}` lets it go on", self.destination.id),
        }
    }

    /// The order that its deliveries keep: the operator's word, else what the plugin needs.
    pub fn order(&self) -> Order {
        let of_plugin = || self.guest.as_ref().map_or(Order::None, |guest| guest.revision.manifest().order);
        self.destination.delivery.order.unwrap_or_else(of_plugin)
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
