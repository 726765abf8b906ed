//! The tables of the store's file, and the format they have.
//!
//! # Format, version 3
//! One redb file. Integers in keys are redb's own; in values they are little-endian. JSON values may
//! gain members; a reader ignores those that it does not know. Pipelines and destinations have
//! numbers, from 0 up, that are never given to another name. An event's sequence number counts from
//! 1 within its pipeline, without a gap.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format` | version of the format |
//! | `state` | (0, pipeline) | JSON: name, head, oldest kept number, bytes kept |
//! | `state` | (1, destination) | JSON: name, cursor, done ranges, counters, sums, a replay's place |
//! | `directory` | (pipeline, first number) | a frame's row, see `frame` |
//! | `frames` | (pipeline, first number, chunk) | a piece of a frame, see `frame` |
//! | `owed` | (destination, delivery) | JSON: requests left, what came of the others, the event's head |
//! | `owed_events` | (destination, delivery) | the event's JSON |
//! | `requests` | (destination, request) | due_ms (8), how many deliveries (4), each of them (8), each lane (8) |
//! | `payloads` | (destination, request) | the caller's bytes |
//! | `dead` | (died_ms, destination, delivery) | JSON: the death, the event's head |
//! | `dead_events` | (died_ms, destination, delivery) | the event's JSON |
//! | `notes` | (pipeline, number / 1024, destination, count) | covers and JSON, see `history` |
//! | `identities` | (began_ms of the generation, count) | newest time (8), then 16 bytes an accepted event |
//! | `records` | name | the caller's bytes |
//!
//! A delivery's number is twice its event's sequence number; that of a replay is odd and counts on
//! by itself. The same holds of a request's number: those that a replay makes are odd.
//!
//! An older daemon refuses a newer version, and changes nothing. A newer one brings an older store up
//! to date: see `migrate`. Version 1 had no lanes, nor the number of deliveries before them. Versions 1
//! and 2 had no `records`: a daemon that knows none would run other revisions than those recorded.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

use super::StoreError;

/// The newest version of the format that this daemon reads, and the one that it writes.
pub const FORMAT: u64 = 3;

type Rows<K> = TableDefinition<'static, K, &'static [u8]>;

/// `format` -> version.
pub const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
/// Pipelines and destinations.
pub const STATE: Rows<StateKey> = TableDefinition::new("state");
/// One row a frame.
pub const DIRECTORY: Rows<FrameKey> = TableDefinition::new("directory");
/// The chunks of frames.
pub const FRAMES: Rows<ChunkKey> = TableDefinition::new("frames");
/// Deliveries that wait for stored requests.
pub const OWED: Rows<NumberKey> = TableDefinition::new("owed");
/// Their events.
pub const OWED_EVENTS: Rows<NumberKey> = TableDefinition::new("owed_events");
/// Stored requests: when, and for which deliveries.
pub const REQUESTS: Rows<NumberKey> = TableDefinition::new("requests");
/// Their payloads.
pub const PAYLOADS: Rows<NumberKey> = TableDefinition::new("payloads");
/// Dead letters, by time.
pub const DEAD: Rows<DeadKey> = TableDefinition::new("dead");
/// Their events.
pub const DEAD_EVENTS: Rows<DeadKey> = TableDefinition::new("dead_events");
/// The history of events.
pub const NOTES: Rows<NoteKey> = TableDefinition::new("notes");

/// The identities of events that were accepted lately.
pub const IDENTITIES: Rows<(u64, u64)> = TableDefinition::new("identities");

/// Small things that the caller keeps by name.
pub const RECORDS: Rows<&'static str> = TableDefinition::new("records");

/// (kind of row, number).
pub type StateKey = (u8, u32);
/// (pipeline, number of the first event).
pub type FrameKey = (u32, u64);
/// (pipeline, number of the first event, chunk).
pub type ChunkKey = (u32, u64, u16);
/// (destination, delivery or request).
pub type NumberKey = (u32, u64);
/// (died_ms, destination, delivery).
pub type DeadKey = (u64, u32, u64);
/// (pipeline, bucket, destination, count).
pub type NoteKey = (u32, u64, u32, u64);

/// A pipeline's row in `state`.
pub const STATE_PIPELINE: u8 = 0;
/// A destination's row in `state`.
pub const STATE_DESTINATION: u8 = 1;

/// An open table of rows.
pub type OpenTable<'t, K> = Table<'t, K, &'static [u8]>;

/// All tables, open for writing in one transaction.
pub struct Tables<'t> {
    /// See [`STATE`].
    pub state: OpenTable<'t, StateKey>,
    /// See [`DIRECTORY`].
    pub directory: OpenTable<'t, FrameKey>,
    /// See [`FRAMES`].
    pub frames: OpenTable<'t, ChunkKey>,
    /// See [`OWED`].
    pub owed: OpenTable<'t, NumberKey>,
    /// See [`OWED_EVENTS`].
    pub owed_events: OpenTable<'t, NumberKey>,
    /// See [`REQUESTS`].
    pub requests: OpenTable<'t, NumberKey>,
    /// See [`PAYLOADS`].
    pub payloads: OpenTable<'t, NumberKey>,
    /// See [`DEAD`].
    pub dead: OpenTable<'t, DeadKey>,
    /// See [`DEAD_EVENTS`].
    pub dead_events: OpenTable<'t, DeadKey>,
    /// See [`NOTES`].
    pub notes: OpenTable<'t, NoteKey>,
    /// See [`IDENTITIES`].
    pub identities: OpenTable<'t, (u64, u64)>,
    /// See [`RECORDS`].
    pub records: OpenTable<'t, &'static str>,
}

impl<'t> Tables<'t> {
    /// Opens all, and makes those that do not exist yet.
    pub fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, StoreError> {
        Ok(Tables {
            state: transaction.open_table(STATE)?,
            directory: transaction.open_table(DIRECTORY)?,
            frames: transaction.open_table(FRAMES)?,
            owed: transaction.open_table(OWED)?,
            owed_events: transaction.open_table(OWED_EVENTS)?,
            requests: transaction.open_table(REQUESTS)?,
            payloads: transaction.open_table(PAYLOADS)?,
            dead: transaction.open_table(DEAD)?,
            dead_events: transaction.open_table(DEAD_EVENTS)?,
            notes: transaction.open_table(NOTES)?,
            identities: transaction.open_table(IDENTITIES)?,
            records: transaction.open_table(RECORDS)?,
        })
    }
}

/// What a file says of its format.
#[derive(Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing is in it yet.
    Empty,
    /// It is ours, of this version.
    Version(u64),
    /// It has tables, but not ours.
    Foreign,
}

/// Reads the version of the format; changes nothing.
pub fn read_format(transaction: &ReadTransaction) -> Result<Format, StoreError> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Format::Empty);
        }
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Format::Foreign),
    };
    let version = ReadableTable::get(&meta, "format")?;
    Ok(version.map_or(Format::Foreign, |version| Format::Version(version.value())))
}

/// Writes the version of the format and makes the tables.
pub fn write_format(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(META)?.insert("format", FORMAT)?;
    Tables::open(transaction)?;
    Ok(())
}

/// A row as JSON.
pub fn to_json<T: serde::Serialize>(row: &T) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows have string keys and no failing parts")
}

/// A row from JSON.
pub fn from_json<T: serde::de::DeserializeOwned>(row: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(row).map_err(|error| StoreError::Failed(format!("a stored row cannot be read: {error}")))
}

macro_rules! failed {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> StoreError {
                StoreError::Failed(error.to_string())
            }
        }
    )*};
}

failed!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);
