//! What the daemon runs with, for those who show it: one look, then no lock is held.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::Daemon;
use crate::config::{Config, Destination};
use crate::delivery::health::RuntimeStatus;
use crate::plugin::revision::Revision;
use crate::queue::DestinationId;

/// What the daemon runs with.
pub struct Configured {
    /// The configuration in effect.
    pub config: Config,
    /// What each runtime shows.
    pub runtimes: HashMap<DestinationId, (Arc<Destination>, RuntimeStatus)>,
    /// The active revisions, by plugin.
    pub revisions: BTreeMap<String, Arc<Revision>>,
    /// Files of plugins that are refused, and why.
    pub refused: Vec<(PathBuf, String)>,
    /// Why the last change of the configuration file was refused, if it was.
    pub configuration_refused: Option<String>,
}

impl Daemon {
    /// What the daemon runs with now.
    pub async fn configured(&self) -> Configured {
        let changing = self.changing.read().await;
        let ids = changing.plugins.ids();
        let revisions =
            ids.into_iter().filter_map(|id| Some((id.to_string(), changing.plugins.get(id)?.current().clone())));
        Configured {
            config: changing.config.clone(),
            runtimes: changing.destinations.statuses(),
            revisions: revisions.collect(),
            refused: changing.plugins.refused().map(|(path, why)| (path.to_path_buf(), why.to_string())).collect(),
            configuration_refused: self.refused.lock().expect("nobody panics while holding it").clone(),
        }
    }
}
