//! What the committer, the feeds and the store's handle have in common: the database, the frames in
//! memory, the figures, and how it ended.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::cache::FrameCache;
use super::frame::Frame;
use super::options::StoreOptions;
use super::stored_frame;
use super::tables::{DIRECTORY, FRAMES};
use super::{AppendError, StoreError, StoreStatus};
use crate::event::scan;
use crate::meter::Histogram;

/// Upper bounds of the buckets of a commit's time, in seconds: from a disk with a safe cache to one
/// that is about to fail.
const SYNC_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// See the module.
pub struct Shared {
    /// The store's file.
    pub path: PathBuf,
    /// As the store was opened.
    pub options: StoreOptions,
    /// Frames in memory.
    pub cache: FrameCache,
    /// The time of each commit's last step, which ends with the fsync.
    pub sync_times: Histogram,
    status: Mutex<StoreStatus>,
    database: RwLock<Option<Database>>,
    end: OnceLock<End>,
    /// Held by what reads the whole store, or writes its file anew: one at a time.
    pub upkeep: tokio::sync::Mutex<()>,
}

/// Why the committer stopped. The first end counts.
#[derive(Clone, Debug)]
pub enum End {
    /// It was closed.
    Closed,
    /// A commit failed, for this cause.
    Poisoned(String),
}

impl Shared {
    /// Around an open database.
    pub fn new(path: &Path, options: StoreOptions, database: Database) -> Shared {
        Shared {
            path: path.to_owned(),
            cache: FrameCache::new(options.cache_bytes),
            sync_times: Histogram::new(SYNC_SECONDS),
            options,
            status: Mutex::default(),
            database: RwLock::new(Some(database)),
            end: OnceLock::new(),
            upkeep: tokio::sync::Mutex::new(()),
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        (self.options.now)()
    }

    /// A view of what is durable now. Keep it short: pages are not used again while it lives.
    pub fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*database {
            Some(database) => Ok(database.begin_read()?),
            None => Err(self.ended()),
        }
    }

    /// The transaction of the next commit. For the committer alone.
    pub fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match &*database {
            Some(database) => Ok(database.begin_write()?),
            None => Err(self.ended()),
        }
    }

    /// Closes the file, so that it can be opened again. Waits for reads that go on.
    pub fn close_database(&self) -> Result<(), StoreError> {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        match database {
            Some(database) => database.close().map_err(|error| StoreError::Failed(error.to_string())),
            None => Ok(()),
        }
    }

    /// Goes on with another file, which has all that this one has. Reads that go on keep the old one.
    pub fn replace_database(&self, database: Database) {
        let old = self.database.write().unwrap_or_else(PoisonError::into_inner).replace(database);
        drop(old);
    }

    /// Says how it ended.
    pub fn end(&self, end: End) {
        if let End::Poisoned(cause) = self.end.get_or_init(|| end) {
            self.status().poisoned = Some(cause.clone());
        }
        self.options.pulse.notify_one();
    }

    /// The error for whoever asks after the end.
    pub fn ended(&self) -> StoreError {
        match self.end.get() {
            Some(End::Poisoned(cause)) => StoreError::Failed(cause.clone()),
            Some(End::Closed) | None => StoreError::Closed,
        }
    }

    /// The same for an append.
    pub fn append_ended(&self) -> AppendError {
        match self.end.get() {
            Some(End::Poisoned(cause)) => AppendError::Poisoned(cause.clone()),
            Some(End::Closed) | None => AppendError::Closed,
        }
    }

    /// The figures of the last commit.
    pub fn status(&self) -> MutexGuard<'_, StoreStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The frame that holds the event, with indexes, from memory or from disk; None when it is no
    /// longer kept. May block on the disk.
    pub fn load_frame(&self, pipeline: u32, seq: u64) -> Result<Option<Arc<Frame>>, StoreError> {
        if let Some(frame) = self.cache.get(pipeline, seq) {
            return Ok(Some(frame));
        }
        let forgotten = self.cache.forgotten();
        let transaction = self.begin_read()?;
        let directory = transaction.open_table(DIRECTORY)?;
        let frames = transaction.open_table(FRAMES)?;
        let Some(stored) = stored_frame::read(&directory, &frames, pipeline, seq)? else {
            return Ok(None);
        };
        drop((directory, frames));
        drop(transaction);
        let mut frame = stored.decode().map_err(|error| self.damaged(error.to_string()))?;
        index_all(&mut frame).map_err(|error| self.damaged(format!("a stored event: {error}")))?;
        let frame = Arc::new(frame);
        self.cache.insert_read(pipeline, frame.clone(), forgotten);
        Ok(Some(frame))
    }

    /// The error for a part of the file that cannot be what was written.
    pub fn damaged(&self, cause: String) -> StoreError {
        StoreError::Damaged { path: self.path.display().to_string(), cause }
    }
}

/// Makes the indexes of a frame's events, in one piece of memory.
fn index_all(frame: &mut Frame) -> Result<(), scan::ScanError> {
    let kept = || frame.events.iter().filter(|event| !event.is_erased());
    let mut indexer = scan::Indexer::default();
    let mut all = Vec::with_capacity(kept().map(|event| event.json.len() * 3 / 2).sum());
    let mut ends = Vec::with_capacity(frame.events.len());
    for event in kept() {
        all.extend_from_slice(indexer.index(&event.json)?);
        ends.push(all.len());
    }
    let all = Bytes::from(all);
    let (mut from, mut ends) = (0, ends.into_iter());
    for event in frame.events.iter_mut().filter(|event| !event.is_erased()) {
        let end = ends.next().expect("each event has one");
        event.index = all.slice(from..end);
        from = end;
    }
    Ok(())
}

/// Runs a read that may block on the disk where that hurts nobody.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Failed(format!("a read did not end: {error}"))),
    }
}
