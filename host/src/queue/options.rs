//! What the store may be told when it is opened.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::Notify;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Tells the time: milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Tells how many bytes are free on the disk that holds the path; None when that is not known.
pub type FreeBytes = Arc<dyn Fn(&Path) -> Option<u64> + Send + Sync>;

/// Bounds of the store, and the world it asks.
#[derive(Clone)]
pub struct StoreOptions {
    /// What frames, owed deliveries and stored requests may take together. Beyond it appends are
    /// refused. 20 GiB: five hours of 1,000 events of 1 KB a second with every destination down.
    pub queue_bytes_max: u64,
    /// What must stay free on the disk. Below it appends are refused, so that settlements can
    /// still be written. 512 MiB.
    pub disk_reserve_bytes: u64,
    /// How long delivered events are kept, in milliseconds. 24 hours.
    pub retention_ms: u64,
    /// How many bytes of frames are kept at most once they are delivered. 5 GiB.
    pub retention_bytes: u64,
    /// How long dead letters are kept, in milliseconds. 30 days: a mistake is found, mended and
    /// replayed within it.
    pub dead_retention_ms: u64,
    /// How many bytes of dead letters are kept at most; beyond, the oldest go. 1 GiB.
    pub dead_bytes_max: u64,
    /// For how long an event that is sent again is known, in milliseconds; 0: not at all. An hour:
    /// longer than any SDK goes on trying.
    pub deduplication_window_ms: u64,
    /// How many identities are known at most; beyond, the oldest are forgotten. 10 million: 2,800
    /// events a second for an hour, in about 36 bytes of memory each.
    pub deduplication_ids_max: u64,
    /// Memory for decoded frames, so that destinations share them. 128 MiB: about a second of
    /// full load; in use only while a destination is behind.
    pub cache_bytes: usize,
    /// Memory for the engine's pages, half of it for those of one commit. 16 MiB: frames have a
    /// cache of their own, and a small one stays in the processor's.
    pub engine_cache_bytes: usize,
    /// What the payload of a stored request becomes when one of the events that it carries was
    /// erased: the planning of the others, with nothing of the request. Empty by default.
    pub replan: fn(&[u8]) -> Bytes,
    /// The clock.
    pub now: Clock,
    /// The disk.
    pub free_bytes: FreeBytes,
    /// Rung after each commit, at a refusal and at the end: something may be to be said.
    pub pulse: Arc<Notify>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            queue_bytes_max: 20 * GIB,
            disk_reserve_bytes: 512 * MIB,
            retention_ms: 24 * 60 * 60 * 1_000,
            retention_bytes: 5 * GIB,
            dead_retention_ms: 30 * 24 * 60 * 60 * 1_000,
            dead_bytes_max: GIB,
            deduplication_window_ms: 60 * 60 * 1_000,
            deduplication_ids_max: 10_000_000,
            cache_bytes: 128 << 20,
            engine_cache_bytes: 16 << 20,
            replan: |_| Bytes::new(),
            now: Arc::new(system_now_ms),
            free_bytes: Arc::new(disk_free_bytes),
            pulse: Arc::default(),
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreOptions")
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("disk_reserve_bytes", &self.disk_reserve_bytes)
            .field("retention_ms", &self.retention_ms)
            .field("retention_bytes", &self.retention_bytes)
            .field("dead_retention_ms", &self.dead_retention_ms)
            .field("dead_bytes_max", &self.dead_bytes_max)
            .field("deduplication_window_ms", &self.deduplication_window_ms)
            .field("deduplication_ids_max", &self.deduplication_ids_max)
            .field("cache_bytes", &self.cache_bytes)
            .field("engine_cache_bytes", &self.engine_cache_bytes)
            .finish_non_exhaustive()
    }
}

fn system_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn disk_free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
