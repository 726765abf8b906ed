//! The plugins at the daemon's start: those that the records say are active, and those that nothing is
//! recorded of yet.

use std::sync::Arc;

use anyhow::Context;

use super::plugins::{Chosen, Plugins};
use super::record::PluginRecord;
use crate::plugin::shelf::Shelf;
use crate::queue::EventStore;

/// Loads what the records say is active, or on trial.
pub(super) async fn recall_plugins(
    plugins: &mut Plugins,
    store: &Arc<dyn EventStore>,
    shelf: &Arc<Shelf>,
) -> anyhow::Result<()> {
    for (name, stored) in store.records().await? {
        let Some(record) = PluginRecord::decode(&name, &stored) else { continue };
        let record = record.with_context(|| format!("the record {name} of the store cannot be read"))?;
        let (own, digest) = (shelf.clone(), record.active.clone());
        let on_trial = record.trial.clone();
        let chosen = tokio::task::spawn_blocking(move || {
            let Some(digest) = digest else { return Ok(None) };
            let trial = on_trial.map(|trial| own.get(&trial.revision).map(|revision| (revision, trial.percent)));
            own.get(&digest).and_then(|stable| Ok(Some(Chosen { stable, trial: trial.transpose()? })))
        });
        match chosen.await? {
            Ok(None) => {}
            Ok(Some(chosen)) => {
                let current = chosen.current();
                tracing::info!(plugin = %record.plugin, version = %current.manifest().version,
                    revision = current.short_digest(), "the plugin is active");
                plugins.choose(chosen);
            }
            Err(error) => {
                tracing::error!(plugin = %record.plugin, %error, "the active revision cannot be loaded: the plugin waits for another");
                continue;
            }
        }
        plugins.recorded(record);
    }
    Ok(())
}

/// Plugins of which nothing is recorded begin with what is in the inbox; the rest of the inbox is looked
/// at once the daemon runs.
pub(super) async fn begin_with_inbox(
    plugins: &mut Plugins,
    store: &Arc<dyn EventStore>,
    shelf: &Arc<Shelf>,
    now_ms: u64,
) -> anyhow::Result<()> {
    for dropped in plugins.look().await {
        let manifest = dropped.revision.manifest();
        if plugins.get(&manifest.id).is_some() {
            plugins.leave(dropped);
            continue;
        }
        tracing::info!(plugin = %manifest.id, version = %manifest.version,
            revision = dropped.revision.short_digest(), "the plugin is active");
        shelf.put(&dropped.revision, &dropped.bytes)?;
        let mut record = PluginRecord::new(&manifest.id);
        record.begin(now_ms, &dropped.revision, format!("from {}", dropped.path.display()));
        record.inbox = plugins.inbox(&manifest.id);
        store.put_record(&record.name(), record.encode()).await?;
        plugins.recorded(record);
        plugins.choose(Chosen::only(dropped.revision));
    }
    Ok(())
}
