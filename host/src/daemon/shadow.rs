//! A plugin's file on paper: what it would change in each of its destinations.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Daemon;
use super::comparison::{SetUp, compare};
use super::plugins::Chosen;
use super::rollout::asks;

/// Stored events that are planned for a comparison, at most: 10,000 take some seconds.
pub const COMPARED_EVENTS_MAX: usize = 10_000;

impl Daemon {
    /// What a plugin's file would change: each of its destinations plans its last events with it and
    /// with what is active. Sends nothing, and changes nothing.
    pub async fn shadow(&self, bytes: Bytes, signature: Option<String>, last: usize) -> anyhow::Result<Value> {
        let (revision, asks, pairs) = {
            let changing = self.changing.read().await;
            let revision = changing.plugins.load(bytes, signature).await?;
            let chosen = Chosen::only(revision.clone());
            let ready = changing.destinations.ready_with(&changing.config, &chosen).await?;
            let mut pairs = Vec::new();
            for new in ready {
                let old = changing.destinations.active(&new.destination.id);
                let pipeline = changing.config.destinations().find(|(_, each)| each.id == new.destination.id);
                pairs.extend(old.zip(pipeline).map(|(old, (pipeline, _))| (old, new, pipeline.id.clone())));
            }
            (revision.clone(), asks(&changing, &revision), pairs)
        };
        let mut comparisons = Vec::new();
        for (old, new, pipeline) in pairs {
            let events = self.store.recent(&pipeline, last.min(COMPARED_EVENTS_MAX)).await?;
            // One whose plugin does not work has nothing to be compared with.
            if let (Some(before), Some(after)) = (SetUp::of(&old), SetUp::of(&new)) {
                let both = (Some(&before), Some(&after));
                comparisons.push(compare(&self.guests, &old.destination.id, both, &events, 0).await);
            }
        }
        Ok(json!({
            "success": true, "plugin": revision.manifest().id, "version": revision.manifest().version,
            "revision": revision.digest(), "asks": asks, "destinations": comparisons,
        }))
    }
}
