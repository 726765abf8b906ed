//! Changes while the daemon runs: of the configuration file and of the plugin directory. Each is
//! checked whole; then it takes effect at batch boundaries, or not at all.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::{Changing, Daemon};
use crate::config::{Config, ConfigError, Destination, Pipeline};
use crate::delivery::active::Active;
use crate::ingest::Keys;
use crate::queue::DestinationId;

impl Daemon {
    /// Reads the configuration file again and takes it up if it is good and different.
    pub async fn reload_config(&self, path: &Path) {
        let mut changing = self.changing.write().await;
        let result = match read(path).await {
            Ok((next, text)) if next == changing.config => Ok((false, text)),
            Ok((next, text)) => self.take_up(&mut changing, next).await.map(|()| (true, text)),
            Err(error) => Err(error.into()),
        };
        let refused = match result {
            Ok((changed, text)) => {
                self.note_configuration(&changing, &text, FILE, "edited in the file");
                if changed {
                    tracing::info!(file = %path.display(), "the changed configuration is in effect");
                }
                None
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(error = %why, "the changed configuration is refused; the running one stays");
                Some(why)
            }
        };
        *self.refused.lock().expect("nobody panics while holding it") = refused;
        self.pulse.notify_one();
    }

    pub(super) async fn take_up(&self, changing: &mut Changing, next: Config) -> anyhow::Result<()> {
        if let Some(key) = changing.config.needs_restart(&next) {
            anyhow::bail!("`{key}` takes effect only at a start: restart the daemon, or take that change back");
        }
        let old: HashMap<DestinationId, Arc<Destination>> =
            changing.config.destinations().map(|(_, each)| (each.id.clone(), each.clone())).collect();
        let mut started: Vec<(Arc<Pipeline>, Arc<Active>)> = Vec::new();
        let mut changed: Vec<Arc<Active>> = Vec::new();
        for (pipeline, destination) in next.destinations() {
            let is_same = old.get(&destination.id).is_some_and(|old| same_but_for_line(old, destination));
            if is_same {
                continue;
            }
            let chosen = changing.plugins.get(&destination.plugin);
            let place = || format!("{}:{}", next.path.display(), destination.line);
            let active = changing.destinations.ready(destination, chosen).await.with_context(place)?;
            match old.contains_key(&destination.id) {
                true => changed.push(active),
                false => started.push((pipeline.clone(), active)),
            }
        }
        let kept: Vec<&DestinationId> = next.destinations().map(|(_, each)| &each.id).collect();
        let removed: Vec<DestinationId> =
            changing.destinations.ids().into_iter().filter(|id| !kept.contains(&id)).collect();
        // From here on nothing is refused any more.
        changing.destinations.activate(changed);
        changing.destinations.start(&self.store, started, next.drain_grace_ms).await?;
        self.gate.set_keys(Keys::of(&next));
        changing.destinations.stop(&removed).await;
        for id in &removed {
            let expired =
                self.store.remove(id).await.with_context(|| format!("destination `{id}` cannot be removed"))?;
            tracing::warn!(destination = %id, expired, "the destination was removed; what it had not delivered expired");
        }
        self.access.set_config(next.admin.clone());
        let rules_changed = changing.config.plugins != next.plugins;
        changing.config = next;
        self.config_changed.notify_one();
        if rules_changed {
            changing.plugins.set_rules(&changing.config.plugins);
            self.trials_changed.notify_one();
            self.look_at_inbox(changing).await;
        }
        self.note_settings(changing).await
    }
}

/// Who changed what was changed in the file itself.
pub(super) const FILE: &str = "the file";

/// Reads the file aside, with its text: it may name commands, which take their time.
async fn read(path: &Path) -> Result<(Config, String), ConfigError> {
    let own = path.to_path_buf();
    let unreadable = |cause: String| ConfigError::Unreadable { path: path.display().to_string(), cause };
    let load = move || {
        let text = std::fs::read_to_string(&own).map_err(|error| error.to_string())?;
        Ok((Config::parse(&text, &own, &|name| std::env::var(name).ok()), text))
    };
    let (config, text) =
        tokio::task::spawn_blocking(load).await.unwrap_or_else(|error| Err(error.to_string())).map_err(unreadable)?;
    Ok((config?, text))
}

/// Whether a destination stayed as it was; its line in the file may have moved.
fn same_but_for_line(old: &Destination, new: &Destination) -> bool {
    Destination { line: new.line, ..old.clone() } == *new
}
