//! Copies of the store: a backup, the store's own file written anew after an erasing, and the way
//! back from a backup. A copy has the rows and nothing else, so what was removed is in none of it.
//!
//! A copy is made from one view of the store. While it lives, pages that are given up are not used
//! again: the store's file grows by about what is written meanwhile.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, Key, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable};
use redb::{TableDefinition, TableHandle, WriteTransaction};

use super::shared::Shared;
use super::state::State;
use super::tables::{self, DEAD, DEAD_EVENTS, DIRECTORY, FORMAT, FRAMES, Format, FrameKey, IDENTITIES, META};
use super::tables::{NOTES, OWED, OWED_EVENTS, PAYLOADS, RECORDS, REQUESTS, STATE};
use super::{LettersKept, StoreError, stored_frame};

/// Memory for a copy's pages. 16 MiB, as the store's own.
const CACHE_BYTES: usize = 16 << 20;

/// What a store's file holds.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Contents {
    /// Its format's version.
    pub format: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Events accepted since the store was made.
    pub accepted: u64,
    /// Events still kept.
    pub kept_events: u64,
    /// Names of the destinations, with what they have not delivered.
    pub destinations: Vec<(String, u64)>,
    /// Dead letters.
    pub dead_letters: LettersKept,
}

/// What becomes of a store that is in the place of a restored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is restored.
    Keep,
    /// It is replaced.
    Replace,
}

/// Makes a copy, which goes when it is closed.
pub fn backup(shared: &Shared) -> Result<File, StoreError> {
    let to = beside(&shared.path, "backup");
    remove_if_there(&to)?;
    check_room(shared)?;
    let view = shared.begin_read()?;
    check_tables(&view)?;
    let made = create(&to).and_then(|copy| {
        copy_frames(&view, &copy)?;
        copy_the_rest(&view, &copy)?;
        copy.close().map_err(|error| failed(&to, error))?;
        File::open(&to).map_err(|error| failed(&to, error))
    });
    remove_if_there(&to)?;
    made
}

/// Begins a file that is to take the store's place: with the frames, most of it, while everything
/// goes on. Answers its path.
pub fn begin_rewrite(shared: &Shared) -> Result<PathBuf, StoreError> {
    let to = beside(&shared.path, "rewrite");
    remove_if_there(&to)?;
    check_room(shared)?;
    let view = shared.begin_read()?;
    check_tables(&view)?;
    let copy = create(&to)?;
    copy_frames(&view, &copy)?;
    copy.close().map_err(|error| failed(&to, error))?;
    Ok(to)
}

/// Puts the file that was begun in the store's place, with what came meanwhile and the rest. For the
/// committer, between two commits. An error leaves the store as it is.
pub fn end_rewrite(shared: &Shared, from: &Path) -> Result<(), StoreError> {
    let view = shared.begin_read()?;
    let copy = open(from)?;
    follow_frames(&view, &copy)?;
    copy_the_rest(&view, &copy)?;
    drop(view);
    std::fs::rename(from, &shared.path).map_err(|error| failed(&shared.path, error))?;
    // From here on the old file has no name: what was committed to it would be lost.
    shared.replace_database(copy);
    Ok(())
}

/// Makes the name that a rewritten store has got durable. An error leaves open which file the next
/// start finds, so nothing may be committed after it.
pub fn sync_name(shared: &Shared) -> Result<(), StoreError> {
    sync_directory(&shared.path).map_err(|error| failed(&shared.path, error))
}

/// Removes what interrupted copies left.
pub fn remove_leftovers(store: &Path) -> Result<(), StoreError> {
    ["backup", "rewrite", "restore"].into_iter().try_for_each(|purpose| remove_if_there(&beside(store, purpose)))
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

/// What a store's file holds, once every frame of it was read and found whole. Changes nothing.
///
/// # Errors
/// `InUse` when a daemon has it open, `Damaged` when it cannot be read, `TooNew` for a newer format.
pub fn contents(path: &Path) -> Result<Contents, StoreError> {
    let database = ReadOnlyDatabase::open(path).map_err(|error| refusal(path, error))?;
    let view = database.begin_read()?;
    let damaged = |cause: String| StoreError::Damaged { path: path.display().to_string(), cause };
    let format = match tables::read_format(&view)? {
        Format::Version(found) if found <= FORMAT => found,
        Format::Version(found) => {
            return Err(StoreError::TooNew {
                path: path.display().to_string(),
                found: u32::try_from(found).unwrap_or(u32::MAX),
                known: u32::try_from(FORMAT).unwrap_or(u32::MAX),
            });
        }
        Format::Empty | Format::Foreign => return Err(damaged("it is no store of Switchyard".to_owned())),
    };
    let mut state = State::load(&view.open_table(STATE)?)?;
    check_frames(&view).map_err(|error| damaged(error.to_string()))?;
    let totals = state.totals();
    let open = |number: u32| {
        let row = &state.destination(number).row;
        row.progress.waiting(state.pipeline(row.pipeline).row.head) + row.owed
    };
    Ok(Contents {
        format,
        file_bytes: std::fs::metadata(path).map_or(0, |file| file.len()),
        accepted: totals.accepted,
        kept_events: totals.kept_events,
        destinations: state.destinations().map(|(number, each)| (each.row.name.0.clone(), open(number))).collect(),
        dead_letters: totals.letters,
    })
}

/// Puts a backup into a data directory, once it was read and found whole. A daemon that starts there
/// goes on from it.
///
/// # Errors
/// As [`contents`] for the backup; `InUse` when a daemon has the directory; `Failed` when it has a
/// store already that is to be kept, or the disk does not let us. The directory's store is then as
/// it was.
pub fn restore(backup: &Path, directory: &Path, existing: Existing) -> Result<Contents, StoreError> {
    let contents = contents(backup)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed(directory, error))?;
    let store = directory.join(STORE_FILE);
    if store.exists() {
        // Opened to read: that says whether a daemon has it, and changes nothing.
        if let Err(error) = ReadOnlyDatabase::open(&store)
            && let error @ StoreError::InUse { .. } = refusal(&store, error)
        {
            return Err(error);
        }
        if existing == Existing::Keep {
            let shown = store.display();
            return Err(StoreError::Failed(format!(
                "{shown} is there already: name another data directory, or say --force to replace that store"
            )));
        }
    }
    let partial = beside(&store, "restore");
    let copied = copy_file(backup, &partial).and_then(|()| std::fs::rename(&partial, &store));
    copied.and_then(|()| sync_directory(&store)).map_err(|error| failed(&store, error))?;
    Ok(contents)
}

/// The store's file in the data directory.
pub const STORE_FILE: &str = "store.redb";

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    target.sync_all()
}

fn sync_directory(file: &Path) -> io::Result<()> {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn create(path: &Path) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    open_file(path, file.map_err(|error| failed(path, error))?)
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    open_file(path, file.map_err(|error| failed(path, error))?)
}

fn open_file(path: &Path, file: File) -> Result<Database, StoreError> {
    let backend = FileBackend::new(file).map_err(|error| refusal(path, error))?;
    let opened = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
    opened.map_err(|error| refusal(path, error))
}

/// A copy is at most as large as the file.
fn check_room(shared: &Shared) -> Result<(), StoreError> {
    let file_bytes = std::fs::metadata(&shared.path).map_or(0, |file| file.len());
    let wanted_bytes = file_bytes.saturating_add(shared.options.disk_reserve_bytes);
    match (shared.options.free_bytes)(&shared.path) {
        Some(free_bytes) if free_bytes < wanted_bytes => Err(StoreError::Failed(format!(
            "a copy of the store needs {wanted_bytes} bytes of free disk, the reserve included, and there are {free_bytes}"
        ))),
        _ => Ok(()),
    }
}

/// A table that is not copied would be lost.
fn check_tables(view: &ReadTransaction) -> Result<(), StoreError> {
    let known = [
        META.name(),
        STATE.name(),
        DIRECTORY.name(),
        FRAMES.name(),
        OWED.name(),
        OWED_EVENTS.name(),
        REQUESTS.name(),
        PAYLOADS.name(),
        DEAD.name(),
        DEAD_EVENTS.name(),
        NOTES.name(),
        IDENTITIES.name(),
        RECORDS.name(),
    ];
    match view.list_tables()?.find(|table| !known.contains(&table.name())) {
        Some(table) => {
            Err(StoreError::Failed(format!("the store has a table `{}` that this daemon cannot copy", table.name())))
        }
        None => Ok(()),
    }
}

/// Frames never change but by an erasing, and no copy is made during one.
fn copy_frames(view: &ReadTransaction, copy: &Database) -> Result<(), StoreError> {
    let transaction = copy.begin_write()?;
    copy_table(view, &transaction, FRAMES)?;
    copy_table(view, &transaction, DIRECTORY)?;
    Ok(transaction.commit()?)
}

/// Removes the frames that went since the copy began, and adds those that came.
fn follow_frames(view: &ReadTransaction, copy: &Database) -> Result<(), StoreError> {
    let (directory, frames) = (view.open_table(DIRECTORY)?, view.open_table(FRAMES)?);
    let transaction = copy.begin_write()?;
    let mut copied_directory = transaction.open_table(DIRECTORY)?;
    let mut copied_frames = transaction.open_table(FRAMES)?;
    let (now, copied) = (keys(&directory)?, keys(&copied_directory)?);
    for key in copied.difference(&now).copied() {
        copied_directory.remove(key)?;
        copied_frames.retain_in((key.0, key.1, 0)..=(key.0, key.1, u16::MAX), |_, _| false)?;
    }
    for key in now.difference(&copied).copied() {
        if let Some(row) = ReadableTable::get(&directory, key)? {
            copied_directory.insert(key, row.value())?;
        }
        for chunk in frames.range((key.0, key.1, 0)..=(key.0, key.1, u16::MAX))? {
            let (key, chunk) = chunk?;
            copied_frames.insert(key.value(), chunk.value())?;
        }
    }
    drop((copied_directory, copied_frames));
    Ok(transaction.commit()?)
}

fn keys(directory: &impl ReadableTable<FrameKey, &'static [u8]>) -> Result<BTreeSet<FrameKey>, StoreError> {
    let mut keys = BTreeSet::new();
    for row in directory.iter()? {
        keys.insert(row?.0.value());
    }
    Ok(keys)
}

fn copy_the_rest(view: &ReadTransaction, copy: &Database) -> Result<(), StoreError> {
    let transaction = copy.begin_write()?;
    tables::write_format(&transaction)?;
    copy_table(view, &transaction, STATE)?;
    copy_table(view, &transaction, OWED)?;
    copy_table(view, &transaction, OWED_EVENTS)?;
    copy_table(view, &transaction, REQUESTS)?;
    copy_table(view, &transaction, PAYLOADS)?;
    copy_table(view, &transaction, DEAD)?;
    copy_table(view, &transaction, DEAD_EVENTS)?;
    copy_table(view, &transaction, NOTES)?;
    copy_table(view, &transaction, IDENTITIES)?;
    copy_table(view, &transaction, RECORDS)?;
    Ok(transaction.commit()?)
}

fn copy_table<K: Key + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
) -> Result<(), StoreError> {
    let from = from.open_table(table)?;
    let mut to = to.open_table(table)?;
    for row in from.iter()? {
        let (key, value) = row?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Reads every frame, which has checksums.
fn check_frames(view: &ReadTransaction) -> Result<(), StoreError> {
    let (directory, frames) = (view.open_table(DIRECTORY)?, view.open_table(FRAMES)?);
    for row in directory.iter()? {
        let (pipeline, first_seq) = row?.0.value();
        if let Some(stored) = stored_frame::read(&directory, &frames, pipeline, first_seq)? {
            stored.decode()?;
        }
    }
    Ok(())
}

fn failed(path: &Path, error: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("{}: {error}", path.display()))
}

fn refusal(path: &Path, error: DatabaseError) -> StoreError {
    super::redb_store::refusal(path, error)
}

fn beside(store: &Path, purpose: &str) -> PathBuf {
    store.with_extension(format!("redb.{purpose}"))
}
