//! The store in one redb file: the handle that the daemon holds. Opening checks the file before
//! anything is changed in it; writing is the committer's alone; reading takes short transactions of
//! its own, beside the async runtime.
//!
//! The format of the file is told in `tables`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, StorageError};
use tokio::sync::{Semaphore, oneshot};

use super::commands::{self, Commands};
use super::committer::Committer;
use super::feed::RedbFeed;
use super::frame::Block;
use super::group::{Append, Command, Control, Reply};
use super::identities::Identities;
use super::migrate;
use super::options::StoreOptions;
use super::shared::{Shared, blocking};
use super::state::State;
use super::tables::{self, FORMAT, Format, IDENTITIES, RECORDS, STATE};
use super::{
    AppendError, Appended, DeadContent, DeadCursor, DeadFilter, DeadOrder, DeadPage, DeadStep, DeadStepped,
    ReplayFates, ReplayRange,
};
use super::{Backfill, BackfillStep, DestinationId, DestinationStatus, Erased, EventStore, Feed, NewEvent, PipelineId};
use super::{Start, StoreError, StoreStatus, Story, UserId, copy, dead, erase, history, letters};
use crate::event::Event;

/// Memory for appends that wait, in KiB of JSON: many groups, and far less than ingest may hold.
const WAITING_KIB_MAX: usize = 64 << 10;
/// A trace shows at most so many events of one identity.
const STORIES_MAX: usize = 16;

/// The durable store in one redb file.
pub struct RedbStore {
    shared: Arc<Shared>,
    commands: Commands,
    /// KiB of JSON that appends may still wait in.
    room: Arc<Semaphore>,
}

impl RedbStore {
    /// Opens the store's file; makes it (0600), and its directory (0700), where there is none.
    ///
    /// After a crash the engine walks the file first: about a second a GiB.
    ///
    /// # Errors
    /// `InUse` when another process has it open, `Damaged` when it cannot be read or is something
    /// else, `TooNew` when a newer version wrote it, `Failed` when the disk does not let us. In each
    /// case the file is as it was.
    pub fn open(path: &Path, options: StoreOptions) -> Result<RedbStore, StoreError> {
        let file = open_file(path).map_err(|error| StoreError::Failed(format!("{}: {error}", path.display())))?;
        let backend = FileBackend::new(file).map_err(|error| refusal(path, error))?;
        let store = RedbStore::open_with_backend(backend, path, options)?;
        copy::remove_leftovers(path)?;
        Ok(store)
    }

    /// The same over any backend. `path` is for messages, sizes and free space.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_with_backend(
        backend: impl StorageBackend,
        path: &Path,
        options: StoreOptions,
    ) -> Result<RedbStore, StoreError> {
        let database = Database::builder()
            .set_cache_size(options.engine_cache_bytes)
            .create_with_backend(backend)
            .map_err(|error| refusal(path, error))?;
        check_format(path, &database)?;
        let mut state = State::load(&database.begin_read()?.open_table(STATE)?)?;
        dead::count_uncounted(&database, &mut state)?;
        let identities = load_identities(&database, &options)?;
        let shared = Arc::new(Shared::new(path, options, database));
        let (commands, inbox) = commands::channel();
        let committer = Committer::new(shared.clone(), inbox, state, identities);
        std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(RedbStore { shared, commands, room: Arc::new(Semaphore::new(WAITING_KIB_MAX)) })
    }

    async fn append_all(&self, events: Vec<NewEvent>) -> Result<Appended, AppendError> {
        if events.is_empty() {
            return Ok(Appended::default());
        }
        let bytes = events.iter().map(|new| new.event.json.len()).sum::<usize>();
        let kib = (bytes / 1_024 + 1).min(WAITING_KIB_MAX);
        let kib = u32::try_from(kib).expect("the bound is a small number");
        let room = self.room.clone().acquire_many_owned(kib).await;
        let (reply, durable) = oneshot::channel();
        let append = Append {
            events: events.len(),
            parts: pack(events, self.shared.options.deduplication_window_ms > 0),
            bytes,
            reply,
            room: room.expect("the semaphore is never closed"),
        };
        let sent = self.commands.send(Command::Append(append)).await;
        sent.map_err(|_| self.shared.append_ended())?;
        match durable.await {
            Ok(taken) => taken,
            Err(_) => {
                self.ended().await;
                Err(self.shared.append_ended())
            }
        }
    }

    /// Waits for the end of a committer that dropped a reply: only then is known how it ended.
    async fn ended(&self) {
        self.commands.closed().await;
    }

    async fn erase_all(&self, user: UserId) -> Result<Erased, StoreError> {
        let _alone = self.shared.upkeep.lock().await;
        let until_ms = self.shared.now_ms();
        let mut erased = Erased::default();
        let (shared, wanted) = (self.shared.clone(), user.clone());
        for step in blocking(move || erase::find_in_frames(&shared, &wanted, until_ms)).await? {
            erased.add(&self.ask(|reply| Control::Erase(step, reply)).await?);
            self.shared.cache.forget();
        }
        loop {
            let (shared, wanted) = (self.shared.clone(), user.clone());
            let steps = blocking(move || erase::find_kept(&shared, &wanted, until_ms)).await?;
            if steps.is_empty() {
                break;
            }
            for step in steps {
                erased.add(&self.ask(|reply| Control::Erase(step, reply)).await?);
            }
        }
        self.rewrite().await?;
        Ok(erased)
    }

    /// Writes the file anew: pages that are free, and parts of pages that are not, keep what was
    /// removed.
    async fn rewrite(&self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let begun = blocking(move || copy::begin_rewrite(&shared)).await?;
        self.ask(|reply| Control::Rewrite(begun, reply)).await
    }

    async fn ask<T>(&self, control: impl FnOnce(Reply<T>) -> Control) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Control(control(reply))).await;
        sent.map_err(|_| self.shared.ended())?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                self.ended().await;
                Err(self.shared.ended())
            }
        }
    }
}

impl EventStore for RedbStore {
    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_all(events))
    }

    fn open(
        &self,
        destination: &DestinationId,
        pipeline: &PipelineId,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Feed>, StoreError>> {
        let (destination, pipeline) = (destination.clone(), pipeline.clone());
        Box::pin(async move {
            let opened = self.ask(|reply| Control::Open(destination, pipeline, start, reply)).await?;
            let feed = RedbFeed::new(self.shared.clone(), self.commands.clone(), opened);
            Ok(Box::new(feed) as Box<dyn Feed>)
        })
    }

    fn remove(&self, destination: &DestinationId) -> BoxFuture<'_, Result<u64, StoreError>> {
        let destination = destination.clone();
        Box::pin(self.ask(|reply| Control::Remove(destination, reply)))
    }

    fn pause(&self, destination: &DestinationId, paused: bool) -> BoxFuture<'_, Result<bool, StoreError>> {
        let destination = destination.clone();
        Box::pin(self.ask(move |reply| Control::Pause(destination, paused, reply)))
    }

    fn destinations(&self) -> BoxFuture<'_, Result<Vec<DestinationStatus>, StoreError>> {
        Box::pin(self.ask(Control::Destinations))
    }

    fn status(&self) -> StoreStatus {
        let mut status = self.shared.status().clone();
        status.file_bytes = std::fs::metadata(&self.shared.path).map_or(0, |file| file.len());
        status.sync_times = self.shared.sync_times.counts();
        status.disk_free_bytes = (self.shared.options.free_bytes)(&self.shared.path);
        status.disk_reserve_bytes = self.shared.options.disk_reserve_bytes;
        status
    }

    fn dead_page(
        &self,
        filter: DeadFilter,
        order: DeadOrder,
        after: Option<DeadCursor>,
        content: DeadContent,
    ) -> BoxFuture<'_, Result<DeadPage, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(blocking(move || letters::page(&shared.begin_read()?, &filter, order, after, content)))
    }

    fn dead_step(&self, step: DeadStep) -> BoxFuture<'_, Result<DeadStepped, StoreError>> {
        Box::pin(self.ask(|reply| Control::DeadStep(step, reply)))
    }

    fn replay_fates(&self, ranges: Vec<ReplayRange>, since_ms: u64) -> BoxFuture<'_, Result<ReplayFates, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(blocking(move || letters::fates(&shared.begin_read()?, &ranges, since_ms)))
    }

    fn backfill(&self, step: BackfillStep) -> BoxFuture<'_, Result<Backfill, StoreError>> {
        Box::pin(self.ask(|reply| Control::Backfill(step, reply)))
    }

    fn erase(&self, user: UserId) -> BoxFuture<'_, Result<Erased, StoreError>> {
        Box::pin(self.erase_all(user))
    }

    fn backup(&self) -> BoxFuture<'_, Result<File, StoreError>> {
        Box::pin(async move {
            let _alone = self.shared.upkeep.lock().await;
            let shared = self.shared.clone();
            blocking(move || copy::backup(&shared)).await
        })
    }

    fn trace(&self, message_id: &str) -> BoxFuture<'_, Result<Vec<Story>, StoreError>> {
        let (shared, message_id) = (self.shared.clone(), message_id.to_owned());
        Box::pin(blocking(move || history::trace(&shared.begin_read()?, &message_id, STORIES_MAX)))
    }

    fn recent(&self, pipeline: &PipelineId, count: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        let (shared, pipeline) = (self.shared.clone(), pipeline.clone());
        Box::pin(blocking(move || recent(&shared, &pipeline, count)))
    }

    fn put_record(&self, name: &str, record: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        let name = name.to_owned();
        Box::pin(self.ask(|reply| Control::PutRecord(name, record, reply)))
    }

    fn records(&self) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(blocking(move || {
            let mut records = Vec::new();
            for row in shared.begin_read()?.open_table(RECORDS)?.iter()? {
                let (name, record) = row?;
                records.push((name.value().to_owned(), Bytes::copy_from_slice(record.value())));
            }
            Ok(records)
        }))
    }

    fn recent_stories(&self, pipeline: &PipelineId, count: usize) -> BoxFuture<'_, Result<Vec<Story>, StoreError>> {
        let (shared, pipeline) = (self.shared.clone(), pipeline.clone());
        Box::pin(blocking(move || {
            history::recent(&shared.begin_read()?, &pipeline, count, |number, seq| shared.load_frame(number, seq))
        }))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(Control::Close))
    }
}

/// Packs events by pipeline; mostly there is one.
fn pack(events: Vec<NewEvent>, identified: bool) -> Vec<(PipelineId, Block)> {
    let mut parts: Vec<(PipelineId, Vec<Event>)> = Vec::new();
    let count = events.len();
    for new in events {
        match parts.iter_mut().find(|(pipeline, _)| *pipeline == new.pipeline) {
            Some((_, events)) => events.push(new.event),
            None => {
                let mut events = Vec::with_capacity(count);
                events.push(new.event);
                parts.push((new.pipeline, events));
            }
        }
    }
    let pack = |(pipeline, events)| {
        let block = if identified { Block::identified(events, &pipeline) } else { Block::new(events) };
        (pipeline, block)
    };
    parts.into_iter().map(pack).collect()
}

/// An older store has no such table yet.
fn load_identities(database: &Database, options: &StoreOptions) -> Result<Identities, StoreError> {
    let transaction = database.begin_write()?;
    let table = transaction.open_table(IDENTITIES)?;
    let identities = Identities::load(options, &table, (options.now)())?;
    drop(table);
    transaction.commit()?;
    Ok(identities)
}

fn recent(shared: &Shared, pipeline: &PipelineId, count: usize) -> Result<Vec<Event>, StoreError> {
    let state = State::load(&shared.begin_read()?.open_table(STATE)?)?;
    let Some((number, pipeline)) = state.pipelines().find(|(_, known)| known.row.name == *pipeline) else {
        return Ok(Vec::new());
    };
    let kept = usize::try_from(pipeline.kept_events()).unwrap_or(usize::MAX);
    let mut events = Vec::with_capacity(count.min(kept));
    let mut end = pipeline.row.head;
    while events.len() < count
        && end > pipeline.row.oldest
        && let Some(frame) = shared.load_frame(number, end - 1)?
    {
        let missing = count - events.len();
        let kept = frame.events.iter().rev().filter(|event| !event.is_erased());
        events.extend(kept.take(missing).cloned());
        end = frame.first_seq;
    }
    events.reverse();
    Ok(events)
}

fn open_file(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let exists = path.exists();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if !exists {
        // The file's name has to be as durable as what is in it.
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

fn check_format(path: &Path, database: &Database) -> Result<(), StoreError> {
    let shown = || path.display().to_string();
    match tables::read_format(&database.begin_read()?)? {
        Format::Empty => {
            let transaction = database.begin_write()?;
            tables::write_format(&transaction)?;
            Ok(transaction.commit()?)
        }
        Format::Version(FORMAT) => Ok(()),
        Format::Version(found) if (migrate::OLDEST..FORMAT).contains(&found) => {
            tracing::info!(path = %shown(), from = found, to = FORMAT, "the store has an older format and is brought up to date");
            let transaction = database.begin_write()?;
            migrate::migrate(&transaction, found)?;
            Ok(transaction.commit()?)
        }
        Format::Version(found) if found > FORMAT => Err(StoreError::TooNew {
            path: shown(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: u32::try_from(FORMAT).unwrap_or(u32::MAX),
        }),
        Format::Version(_) | Format::Foreign => {
            Err(StoreError::Damaged { path: shown(), cause: "it is a database of another program".to_owned() })
        }
    }
}

/// The error for a file that the engine does not open.
pub(super) fn refusal(path: &Path, error: DatabaseError) -> StoreError {
    let shown = path.display().to_string();
    match &error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::InUse { path: shown },
        DatabaseError::Storage(StorageError::Io(cause)) => match cause.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
                StoreError::Damaged { path: shown, cause: cause.to_string() }
            }
            _ => StoreError::Failed(format!("{shown}: {cause}")),
        },
        _ => StoreError::Damaged { path: shown, cause: error.to_string() },
    }
}
