//! Why the store does not do what it is asked for.

use super::DestinationId;

/// Why events were not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The queue holds as much as it may.
    #[error("the queue is full: {used_bytes} of {bytes_max} bytes")]
    Full {
        /// What it holds.
        used_bytes: u64,
        /// What it may hold.
        bytes_max: u64,
    },
    /// The disk has less free space than the reserve.
    #[error("the disk has {free_bytes} bytes free, less than the reserve of {reserve_bytes}")]
    DiskReserve {
        /// Free on the disk.
        free_bytes: u64,
        /// What must stay free.
        reserve_bytes: u64,
    },
    /// A write or an fsync failed: nothing is taken until the daemon is started again.
    #[error("the store failed and accepts nothing until it is opened again: {0}")]
    Poisoned(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Why something else could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("{path} is in use by another process: stop that daemon, or give this one a data directory of its own")]
    InUse {
        /// The store's file.
        path: String,
    },
    /// The file is damaged or of another program.
    #[error(
        "{path} cannot be read: {cause}. Nothing was changed. Put a backup in its place, or move it away to start empty"
    )]
    Damaged {
        /// The store's file.
        path: String,
        /// What the engine says.
        cause: String,
    },
    /// The file was written by a newer version.
    #[error("{path} has format version {found}, and this daemon knows up to {known}: run the newer daemon")]
    TooNew {
        /// The store's file.
        path: String,
        /// The version it has.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The engine failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// No such destination is configured.
    #[error("there is no destination `{destination}`: `switchyard status` names them")]
    UnknownDestination {
        /// Its name.
        destination: DestinationId,
    },
    /// Another replay from the queue has not come to its end.
    #[error(
        "a replay of {destination} from {from_ms} to {to_ms} has not come to its end: run that one again to go on with it, or abandon it"
    )]
    ReplayUnderWay {
        /// Whose.
        destination: DestinationId,
        /// Its range: milliseconds since 1970.
        from_ms: u64,
        /// Its range: milliseconds since 1970.
        to_ms: u64,
    },
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}
