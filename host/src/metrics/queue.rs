//! The metrics of the queue.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::family::{Labels, counter, gauge, histogram};
use crate::queue::StoreStatus;

/// Writes them.
pub(super) fn write(out: &mut DescriptorEncoder<'_>, store: &StoreStatus) -> fmt::Result {
    let one = |value: u64| [(Labels::new(), value)];
    let bytes = || Some(Unit::Bytes);
    let help = "Events accepted since the store was made";
    counter(out, "queue_accepted", help, None, one(store.accepted))?;
    gauge(out, "queue_events", "Events that are kept", None, one(store.kept_events))?;
    gauge(out, "queue", "Bytes of the events that are kept", bytes(), one(store.kept_bytes))?;
    let help = "Bytes that some destination has not settled";
    gauge(out, "queue_pending", help, bytes(), one(store.pending_bytes))?;
    gauge(out, "queue_file", "Size of the store's file", bytes(), one(store.file_bytes))?;
    counter(out, "queue_commits", "Commits since the start", None, one(store.commits))?;
    let help = "Time of a commit's last step, which ends with the fsync";
    histogram(out, "queue_sync", help, [(Labels::new(), &store.sync_times)])?;
    let help = "Identities by which an event that is sent again is known";
    gauge(out, "queue_known_ids", help, None, one(store.known_ids))?;
    let help = "How far back all of them are known";
    let window = [(Labels::new(), store.known_window_ms as f64 / 1e3)];
    gauge(out, "queue_known_window", help, Some(Unit::Seconds), window)?;
    let free = store.disk_free_bytes.map(|free| (Labels::new(), free));
    gauge(out, "queue_disk_free", "Free on the store's disk", bytes(), free)?;
    let help = "What must stay free on the store's disk for events to be taken";
    gauge(out, "queue_disk_reserve", help, bytes(), one(store.disk_reserve_bytes))?;
    let help = "1 when the store failed and takes nothing until the daemon is started again";
    gauge(out, "queue_poisoned", help, None, one(u64::from(store.poisoned.is_some())))
}
