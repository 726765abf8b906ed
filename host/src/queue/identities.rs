//! The identities that were accepted lately, so that an event that is sent again is taken once.
//!
//! An identity is (pipeline, messageId), known by 128 bits of its SHA-256. Identities are kept in
//! generations, each for a part of the window, and are forgotten a generation at a time: none is
//! forgotten before the window is over, unless there are more than the bound, and then the oldest go.
//!
//! On disk a commit adds one row with the identities of its events, in the same transaction; at the
//! start all rows are read. The committer owns this; nobody else has it.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use redb::ReadableTable;
use sha2::{Digest, Sha256};

use super::options::StoreOptions;
use super::tables::{IDENTITIES, OpenTable};
use super::{PipelineId, StoreError};

/// The window, and the bound, have so many generations. Each more would cost a look-up an event,
/// each less would keep more identities than asked for.
const PARTS: u64 = 4;

/// Rows that one commit removes at most, so that no commit takes long.
const ROWS_REMOVED_MAX: usize = 256;

/// Bytes of an identity.
const IDENTITY_BYTES: usize = 16;

/// What stands for (pipeline, messageId).
pub type Identity = u128;

/// The identity of an event.
pub fn identity(pipeline: &PipelineId, message_id: &str) -> Identity {
    let hash = Sha256::new().chain_update(pipeline.as_str()).chain_update([0]).chain_update(message_id).finalize();
    let (half, _) = hash.split_first_chunk().expect("SHA-256 has 32 bytes");
    u128::from_le_bytes(*half)
}

/// See the module.
pub struct Identities {
    window_ms: u64,
    ids_max: u64,
    /// Oldest first.
    generations: VecDeque<Generation>,
    /// Since when every identity is known, as far as the bound goes: milliseconds since 1970.
    known_since_ms: u64,
    /// Where the next row goes.
    next_row: u64,
    /// Whether the table may still have rows of generations that are forgotten.
    has_old_rows: bool,
}

struct Generation {
    /// When it began: milliseconds since 1970. Its rows have it in their keys.
    began_ms: u64,
    /// When its last identity came.
    ended_ms: u64,
    ids: HashSet<Identity, BuildHasherDefault<AsItIs>>,
}

/// An identity is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only identities are hashed, and they are numbers");
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

impl Identities {
    /// Reads those of the table that are still in the window.
    pub fn load(
        options: &StoreOptions,
        table: &impl ReadableTable<(u64, u64), &'static [u8]>,
        now_ms: u64,
    ) -> Result<Identities, StoreError> {
        let mut all = Identities {
            window_ms: options.deduplication_window_ms,
            ids_max: options.deduplication_ids_max,
            generations: VecDeque::new(),
            known_since_ms: 0,
            next_row: 0,
            has_old_rows: true,
        };
        if !all.is_on() {
            return Ok(all);
        }
        for row in table.iter()? {
            let (key, value) = row?;
            let (began_ms, number) = key.value();
            if all.generations.back().is_none_or(|last| last.began_ms != began_ms) {
                all.generations.push_back(Generation::new(began_ms, 0));
            }
            let generation = all.generations.back_mut().expect("one was just there");
            let (time, ids) = value.value().split_first_chunk().ok_or_else(damaged)?;
            generation.ended_ms = generation.ended_ms.max(u64::from_le_bytes(*time));
            let (ids, rest) = ids.as_chunks::<IDENTITY_BYTES>();
            if !rest.is_empty() {
                return Err(damaged());
            }
            generation.ids.extend(ids.iter().map(|id| Identity::from_le_bytes(*id)));
            all.next_row = number + 1;
        }
        all.forget(now_ms);
        Ok(all)
    }

    /// Whether identities are kept at all.
    pub fn is_on(&self) -> bool {
        self.window_ms > 0 && self.ids_max > 0
    }

    /// How many are known.
    pub fn len(&self) -> u64 {
        self.generations.iter().map(Generation::len).sum()
    }

    /// How far back every identity is known, in milliseconds; 0 when none is kept.
    pub fn window_ms(&self, now_ms: u64) -> u64 {
        if self.is_on() { now_ms.saturating_sub(self.known_since_ms).min(self.window_ms) } else { 0 }
    }

    /// Whether this one is known.
    pub fn knows(&self, id: Identity) -> bool {
        self.generations.iter().rev().any(|generation| generation.ids.contains(&id))
    }

    /// Before the identities of a commit: forgets those whose time is over, and begins a generation
    /// when the last one is full.
    pub fn turn(&mut self, now_ms: u64) {
        if !self.is_on() {
            return;
        }
        self.forget(now_ms);
        let is_full = self.generations.back().is_none_or(|last| {
            last.len() >= self.ids_max.div_ceil(PARTS) || now_ms >= last.began_ms + self.window_ms / PARTS
        });
        if is_full {
            let last = self.generations.back();
            // A clock that was set back must not bring the keys of rows out of order.
            let began_ms = last.map_or(now_ms, |last| now_ms.max(last.began_ms + 1));
            let capacity = last.map_or(0, |last| last.ids.len());
            self.generations.push_back(Generation::new(began_ms, capacity));
        }
    }

    /// Learns an identity; [`Identities::turn`] came before. Answers whether it was new.
    pub fn learn(&mut self, id: Identity) -> bool {
        let is_new = !self.knows(id);
        if is_new && let Some(last) = self.generations.back_mut() {
            last.ids.insert(id);
        }
        is_new
    }

    /// Writes what a commit learned, and removes what was forgotten.
    pub fn write(
        &mut self,
        table: &mut OpenTable<'_, (u64, u64)>,
        learned: &[Identity],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        if let (Some(last), false) = (self.generations.back_mut(), learned.is_empty()) {
            last.ended_ms = last.ended_ms.max(now_ms);
            let mut row = Vec::with_capacity(8 + learned.len() * IDENTITY_BYTES);
            row.extend_from_slice(&last.ended_ms.to_le_bytes());
            learned.iter().for_each(|id| row.extend_from_slice(&id.to_le_bytes()));
            table.insert((last.began_ms, self.next_row), &row[..])?;
            self.next_row += 1;
        }
        if self.has_old_rows && !learned.is_empty() {
            self.remove_old_rows(table)?;
        }
        Ok(())
    }

    fn remove_old_rows(&mut self, table: &mut OpenTable<'_, (u64, u64)>) -> Result<(), StoreError> {
        let oldest_ms = self.generations.front().map_or(0, |oldest| oldest.began_ms);
        let mut old = Vec::new();
        for row in table.range(..(oldest_ms, 0))?.take(ROWS_REMOVED_MAX) {
            old.push(row?.0.value());
        }
        for key in &old {
            table.remove(key)?;
        }
        self.has_old_rows = old.len() == ROWS_REMOVED_MAX;
        Ok(())
    }

    fn forget(&mut self, now_ms: u64) {
        while let Some(oldest) = self.generations.front() {
            let is_over = oldest.ended_ms + self.window_ms < now_ms;
            let is_too_much = self.len() - oldest.len() >= self.ids_max;
            if !is_over && !is_too_much {
                break;
            }
            self.generations.pop_front();
            self.has_old_rows = true;
            if !is_over {
                self.known_since_ms = self.generations.front().map_or(now_ms, |oldest| oldest.began_ms);
            }
        }
    }
}

impl Generation {
    fn new(began_ms: u64, capacity: usize) -> Generation {
        let ids = HashSet::with_capacity_and_hasher(capacity, BuildHasherDefault::default());
        Generation { began_ms, ended_ms: began_ms, ids }
    }

    fn len(&self) -> u64 {
        self.ids.len() as u64
    }
}

fn damaged() -> StoreError {
    StoreError::Failed(format!("a row of the table `{}` is cut off", redb::TableHandle::name(&IDENTITIES)))
}
