//! Dead letters: how they are kept, counted and let go. `letters` lists, replays and discards them.

use redb::{Database, ReadableDatabase, ReadableTable};
use tracing::warn;

use super::options::StoreOptions;
use super::settle::{EventHead, Settling};
use super::state::State;
use super::tables::{DEAD, DEAD_EVENTS, DeadKey, Tables, from_json, to_json};
use super::{Death, StoreError};

/// At most so many dead letters go with one commit for their age or for the bound on bytes, so that
/// no commit takes long. A commit adds at most as many.
const TRIMMED_MAX: usize = 512;

/// What is kept of a dead letter beside its event's JSON.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct DeadRow {
    /// Why it was given up.
    pub death: Death,
    /// The event, but for its JSON.
    pub event: EventHead,
    /// The event's name, for filtering.
    pub name: String,
}

/// The dead letters of a destination, durable. None of these takes part in the balance: a letter's
/// delivery has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LettersKept {
    /// Letters kept.
    pub kept: u64,
    /// Bytes of their rows and events.
    pub bytes: u64,
    /// Letters that went for their age or for the bound on bytes.
    pub expired: u64,
    /// Letters that the operator discarded.
    pub discarded: u64,
}

impl LettersKept {
    /// The sum.
    pub fn and(self, other: LettersKept) -> LettersKept {
        LettersKept {
            kept: self.kept + other.kept,
            bytes: self.bytes + other.bytes,
            expired: self.expired + other.expired,
            discarded: self.discarded + other.discarded,
        }
    }
}

impl DeadRow {
    /// The row of an event with that JSON.
    pub fn new(event: EventHead, json: &[u8], death: Death) -> DeadRow {
        DeadRow { death, event, name: event_name(json) }
    }
}

impl Settling<'_, '_> {
    /// Keeps a dead letter.
    pub fn add_letter(&mut self, key: DeadKey, row: &DeadRow, json: &[u8]) -> Result<(), StoreError> {
        let row = to_json(row);
        self.tables.dead.insert(key, &row[..])?;
        self.tables.dead_events.insert(key, json)?;
        let letters = letters_mut(self.state, key.1);
        letters.kept += 1;
        letters.bytes += (row.len() + json.len()) as u64;
        Ok(())
    }
}

/// Removes a dead letter; answers its row and its event's JSON.
pub fn remove(
    state: &mut State,
    tables: &mut Tables<'_>,
    key: DeadKey,
) -> Result<Option<(DeadRow, Vec<u8>)>, StoreError> {
    let Some(row) = tables.dead.remove(key)?.map(|row| row.value().to_vec()) else {
        return Ok(None);
    };
    let json = tables.dead_events.remove(key)?.map(|json| json.value().to_vec()).unwrap_or_default();
    let letters = letters_mut(state, key.1);
    letters.kept = letters.kept.saturating_sub(1);
    letters.bytes = letters.bytes.saturating_sub((row.len() + json.len()) as u64);
    Ok(Some((from_json(&row)?, json)))
}

/// What a destination's dead letters come to, to be changed.
pub fn letters_mut(state: &mut State, number: u32) -> &mut LettersKept {
    state.destination_mut(number).row.letters.get_or_insert_default()
}

/// Lets the oldest dead letters go that are too old, or too much, a bounded number a commit. Answers whether
/// any went.
pub fn trim(
    state: &mut State,
    tables: &mut Tables<'_>,
    options: &StoreOptions,
    now_ms: u64,
    mut letters: LettersKept,
) -> Result<bool, StoreError> {
    let mut gone = std::collections::BTreeMap::<u32, u64>::new();
    while gone.values().sum::<u64>() < TRIMMED_MAX as u64
        && let Some(key) = oldest_to_go(letters, tables, options, now_ms)?
    {
        remove(state, tables, key)?;
        letters_mut(state, key.1).expired += 1;
        *gone.entry(key.1).or_default() += 1;
        letters = state.totals().letters;
    }
    for (number, letters) in &gone {
        let destination = &state.destination(*number).row.name;
        warn!(%destination, letters, "dead letters expired: they are older than dead_letters.retention_days, or all are more than dead_letters.bytes_max");
    }
    Ok(!gone.is_empty())
}

fn oldest_to_go(
    letters: LettersKept,
    tables: &Tables<'_>,
    options: &StoreOptions,
    now_ms: u64,
) -> Result<Option<DeadKey>, StoreError> {
    if letters.kept == 0 {
        return Ok(None);
    }
    let oldest = tables.dead.first()?.map(|(key, _)| key.value());
    let is_old = |key: &DeadKey| key.0.saturating_add(options.dead_retention_ms) < now_ms;
    Ok(oldest.filter(|key| is_old(key) || letters.bytes > options.dead_bytes_max))
}

/// Counts the dead letters of destinations whose row says nothing of them, as rows of an older
/// daemon do.
pub fn count_uncounted(database: &Database, state: &mut State) -> Result<(), StoreError> {
    let mut counted: std::collections::BTreeMap<u32, LettersKept> =
        state.uncounted_letters().map(|(number, _)| (number, LettersKept::default())).collect();
    if counted.is_empty() {
        return Ok(());
    }
    let transaction = database.begin_read()?;
    let (dead, events) = (transaction.open_table(DEAD)?, transaction.open_table(DEAD_EVENTS)?);
    for (rows, letters) in [(&dead, 1), (&events, 0)] {
        for row in rows.iter()? {
            let (key, value) = row?;
            if let Some(kept) = counted.get_mut(&key.value().1) {
                kept.kept += letters;
                kept.bytes += value.value().len() as u64;
            }
        }
    }
    for (number, letters) in state.uncounted_letters() {
        *letters = counted.get(&number).copied();
    }
    Ok(())
}

/// The `event` of a track event, or nothing.
fn event_name(json: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(default)]
        event: String,
    }
    serde_json::from_slice(json).map_or_else(|_| String::new(), |named: Named| named.event)
}
