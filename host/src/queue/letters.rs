//! Dead letters as the operator meets them: filters, pages, replay and discarding. A page and a step
//! look at a bounded number of rows, and nothing of a row is read that the filter does not ask for.

use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use super::dead::{self, DeadRow};
use super::settle::{OwedRow, Settling};
use super::state::State;
use super::tables::{DEAD, DEAD_EVENTS, DeadKey, OWED, STATE, from_json};
use super::{DeadLetter, Death, DeliveryId, DestinationId, Note, RequestId, StoreError, StoredRequest};
use crate::event::EventKind;

/// Rows that a page or a step looks at, at most: about 10 ms.
const ROWS_MAX: usize = 10_000;

/// JSON that one step makes owed anew, at most, so that no commit takes long.
const STEP_BYTES_MAX: usize = 1 << 20;

/// Which dead letters are meant. Fields that are None match all.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// Of this destination.
    pub destination: Option<DestinationId>,
    /// Those with these numbers.
    pub ids: Option<Vec<u64>>,
    /// Of this reason.
    pub reason: Option<String>,
    /// Planned by this revision.
    pub revision: Option<String>,
    /// Of this event name.
    pub event: Option<String>,
    /// Of this event.
    pub message_id: Option<String>,
    /// Given up at this time or later: milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// Given up before this time: milliseconds since 1970.
    pub to_ms: Option<u64>,
    /// At most so many; 0 means no bound.
    pub limit: usize,
}

/// A place among the dead letters. Opaque to callers, who may keep it as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadCursor(DeadKey);

/// From which end letters are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadOrder {
    /// The last to die comes first.
    NewestFirst,
    /// The first to die comes first.
    OldestFirst,
}

/// How much of a letter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadContent {
    /// All but the event's JSON.
    Head,
    /// All of it.
    Whole,
}

/// Some dead letters.
#[derive(Clone, Debug, Default)]
pub struct DeadPage {
    /// In the order that was asked for.
    pub letters: Vec<DeadLetter>,
    /// Where to go on; None when there are no more. A page may be empty and have more behind it.
    pub next: Option<DeadCursor>,
}

/// What becomes of dead letters.
#[derive(Clone, Debug)]
pub enum DeadFate {
    /// Each becomes a new delivery, covered by a stored request with this payload, due at once.
    Replay(Bytes),
    /// Each is removed.
    Discard,
}

/// One step of a replay or of discarding: one commit.
#[derive(Clone, Debug)]
pub struct DeadStep {
    /// Which letters; the filter's limit is that of this step.
    pub filter: DeadFilter,
    /// Behind this place, oldest first.
    pub after: Option<DeadCursor>,
    /// What becomes of them.
    pub fate: DeadFate,
    /// A replay passes over destinations that have so many stored requests: their new events wait for
    /// stored ones, and a vendor that is down takes none.
    pub stored_requests_max: u64,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadStepped {
    /// So many letters met their fate.
    pub count: u64,
    /// Where to go on; None when there are no more.
    pub next: Option<DeadCursor>,
    /// A destination that has too many stored requests: letters of it were passed over.
    pub held: Option<DestinationId>,
    /// The deliveries that replayed letters became.
    pub replays: Vec<ReplayRange>,
}

/// Deliveries of replays of one destination, with numbers that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRange {
    /// Which destination.
    pub destination: DestinationId,
    /// The first.
    pub first: DeliveryId,
    /// The last.
    pub last: DeliveryId,
}

impl ReplayRange {
    /// Whether a delivery of this destination is one of them.
    fn holds(&self, delivery: u64) -> bool {
        (self.first.0..=self.last.0).contains(&delivery) && DeliveryId(delivery).seq().is_none()
    }
}

/// Adds a delivery behind the others, or a range of its own.
pub fn add_replay(ranges: &mut Vec<ReplayRange>, destination: &DestinationId, first: DeliveryId, last: DeliveryId) {
    let own = ranges.iter_mut().rev().find(|range| range.destination == *destination);
    match own.filter(|range| range.last.is_before(first)) {
        Some(range) => range.last = last,
        None => ranges.push(ReplayRange { destination: destination.clone(), first, last }),
    }
}

/// How far deliveries of replays are; those that are neither ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayFates {
    /// Not yet ended.
    pub owed: u64,
    /// Dead letters again.
    pub dead: u64,
}

/// How far deliveries of replays are that were made at `since_ms` or later. Letters that died again and
/// are gone by now are not counted.
pub fn fates(transaction: &ReadTransaction, ranges: &[ReplayRange], since_ms: u64) -> Result<ReplayFates, StoreError> {
    let state = State::load(&transaction.open_table(STATE)?)?;
    let (owed, dead) = (transaction.open_table(OWED)?, transaction.open_table(DEAD)?);
    let mut fates = ReplayFates::default();
    let numbered: Vec<(u32, &ReplayRange)> =
        ranges.iter().filter_map(|range| Some((state.destination_number(&range.destination)?, range))).collect();
    for (number, range) in &numbered {
        for row in owed.range((*number, range.first.0)..=(*number, range.last.0))? {
            fates.owed += u64::from(range.holds(row?.0.value().1));
        }
    }
    for row in dead.range((since_ms, 0, 0)..)?.take(ROWS_MAX) {
        let (_, number, delivery) = row?.0.value();
        fates.dead += u64::from(numbered.iter().any(|(own, range)| *own == number && range.holds(delivery)));
    }
    Ok(fates)
}

impl fmt::Display for DeadCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (died_ms, destination, delivery) = self.0;
        write!(formatter, "{died_ms}.{destination}.{delivery}")
    }
}

impl FromStr for DeadCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<DeadCursor, ()> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().and_then(|part| part.parse::<u64>().ok()).ok_or(());
        let (died_ms, destination, delivery) = (part()?, part()?, part()?);
        Ok(DeadCursor((died_ms, u32::try_from(destination).map_err(|_| ())?, delivery)))
    }
}

/// The parts of a row that filters compare.
#[derive(serde::Deserialize)]
struct Compared<'a> {
    #[serde(borrow)]
    death: ComparedDeath<'a>,
    #[serde(borrow)]
    event: ComparedEvent<'a>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct ComparedDeath<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    revision: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct ComparedEvent<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
}

impl DeadFilter {
    fn reads_rows(&self) -> bool {
        let texts = [&self.reason, &self.revision, &self.event, &self.message_id];
        texts.into_iter().any(Option::is_some)
    }

    fn matches(&self, row: &[u8]) -> Result<bool, StoreError> {
        if !self.reads_rows() {
            return Ok(true);
        }
        let row: Compared<'_> = serde_json::from_slice(row)
            .map_err(|error| StoreError::Failed(format!("a stored row cannot be read: {error}")))?;
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        Ok(is(&self.reason, &row.death.reason)
            && is(&self.revision, &row.death.revision)
            && is(&self.event, &row.name)
            && is(&self.message_id, &row.event.message_id))
    }

    /// The rows in question by their keys alone.
    fn range(&self, order: DeadOrder, after: Option<DeadCursor>) -> (Bound<DeadKey>, Bound<DeadKey>) {
        let from = Bound::Included((self.from_ms.unwrap_or(0), 0, 0));
        let to = self.to_ms.map_or(Bound::Unbounded, |to_ms| Bound::Excluded((to_ms, 0, 0)));
        match (after, order) {
            (None, _) => (from, to),
            (Some(after), DeadOrder::OldestFirst) => (Bound::Excluded(after.0), to),
            (Some(after), DeadOrder::NewestFirst) => (from, Bound::Excluded(after.0)),
        }
    }
}

/// A page of the dead letters that match, with at most the filter's limit.
pub fn page(
    transaction: &ReadTransaction,
    filter: &DeadFilter,
    order: DeadOrder,
    after: Option<DeadCursor>,
    content: DeadContent,
) -> Result<DeadPage, StoreError> {
    let state = State::load(&transaction.open_table(STATE)?)?;
    let events = transaction.open_table(DEAD_EVENTS)?;
    let dead = transaction.open_table(DEAD)?;
    let (keys, next) = find(&dead, &state, filter, order, after, |_| true)?;
    let mut letters = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(row) = ReadableTable::get(&dead, key)? else {
            continue;
        };
        let row: DeadRow = from_json(row.value())?;
        let json = match content {
            DeadContent::Whole => ReadableTable::get(&events, key)?.map(|json| Bytes::copy_from_slice(json.value())),
            DeadContent::Head => None,
        };
        letters.push(DeadLetter {
            id: key.2,
            destination: state.destination(key.1).row.name.clone(),
            died_ms: key.0,
            message_id: row.event.message_id,
            kind: EventKind::from_code(row.event.kind).map_or("", EventKind::as_str).to_owned(),
            event: row.name,
            death: row.death,
            json: json.unwrap_or_default(),
        });
    }
    Ok(DeadPage { letters, next })
}

/// Lets the next letters meet their fate. Letters of a destination that is no longer configured are
/// not replayed, and stay.
pub fn step(settling: &mut Settling<'_, '_>, step: &DeadStep) -> Result<DeadStepped, StoreError> {
    let (state, dead) = (&*settling.state, &settling.tables.dead);
    let mut held = None;
    let may = |number: u32| {
        let destination = &state.destination(number).row;
        let is_held = destination.stored >= step.stored_requests_max;
        match step.fate {
            DeadFate::Discard => true,
            DeadFate::Replay(_) if destination.removed => false,
            DeadFate::Replay(_) if is_held => {
                held = Some(destination.name.clone());
                false
            }
            DeadFate::Replay(_) => true,
        }
    };
    let (keys, next) = find(dead, state, &step.filter, DeadOrder::OldestFirst, step.after, may)?;
    let mut stepped = DeadStepped { count: 0, next, held, replays: Vec::new() };
    let mut bytes = 0;
    for key in keys {
        let Some((row, json)) = dead::remove(settling.state, settling.tables, key)? else {
            continue;
        };
        match &step.fate {
            DeadFate::Replay(payload) => {
                let delivery = replay(settling, key.1, row, &json, payload)?;
                let destination = settling.state.destination(key.1).row.name.clone();
                add_replay(&mut stepped.replays, &destination, delivery, delivery);
            }
            DeadFate::Discard => dead::letters_mut(settling.state, key.1).discarded += 1,
        }
        stepped.count += 1;
        bytes += json.len();
        if bytes >= STEP_BYTES_MAX {
            stepped.next = Some(DeadCursor(key));
            break;
        }
    }
    Ok(stepped)
}

fn replay(
    settling: &mut Settling<'_, '_>,
    number: u32,
    row: DeadRow,
    json: &[u8],
    payload: &Bytes,
) -> Result<DeliveryId, StoreError> {
    let delivery = settling.add_replay(number, row.event, json)?;
    settling.put(
        number,
        &StoredRequest {
            id: RequestId::of_replay(delivery),
            due_ms: settling.now_ms,
            covers: vec![delivery],
            lanes: Vec::new(),
            payload: payload.clone(),
        },
    )?;
    settling.note_replay(number, &[delivery], format!("died of {}", row.death.reason))?;
    Ok(delivery)
}

impl Settling<'_, '_> {
    /// Makes a new delivery of an event, which a stored request that is put with it covers.
    pub fn add_replay(
        &mut self,
        number: u32,
        event: super::settle::EventHead,
        json: &[u8],
    ) -> Result<DeliveryId, StoreError> {
        let destination = &mut self.state.destination_mut(number).row;
        destination.replays += 1;
        destination.counters.replayed += 1;
        let delivery = DeliveryId::replay(destination.replays);
        let owed = OwedRow { requests: 1, delivered: false, filtered: None, death: None::<Death>, event };
        self.add_owed(number, delivery, &owed, json)?;
        Ok(delivery)
    }

    /// Says in their story where replayed deliveries come from.
    pub fn note_replay(&mut self, number: u32, covers: &[DeliveryId], detail: String) -> Result<(), StoreError> {
        let note = Note {
            at_ms: self.now_ms,
            step: "replayed".to_owned(),
            revision: String::new(),
            request: String::new(),
            status: 0,
            took_ms: 0,
            detail,
        };
        self.note(number, covers, &note)
    }
}

/// The keys that match behind a place, and where to go on.
fn find(
    dead: &impl ReadableTable<DeadKey, &'static [u8]>,
    state: &State,
    filter: &DeadFilter,
    order: DeadOrder,
    after: Option<DeadCursor>,
    mut may: impl FnMut(u32) -> bool,
) -> Result<(Vec<DeadKey>, Option<DeadCursor>), StoreError> {
    let mut found = Vec::new();
    if filter.from_ms.zip(filter.to_ms).is_some_and(|(from_ms, to_ms)| from_ms >= to_ms) {
        return Ok((found, None));
    }
    let mut rows = dead.range::<DeadKey>(filter.range(order, after))?;
    let limit = if filter.limit == 0 { ROWS_MAX } else { filter.limit };
    let mut last = None;
    for _ in 0..ROWS_MAX {
        let row = match order {
            DeadOrder::NewestFirst => rows.next_back(),
            DeadOrder::OldestFirst => rows.next(),
        };
        let Some(row) = row else {
            return Ok((found, None));
        };
        let (key, value) = row?;
        let key = key.value();
        last = Some(DeadCursor(key));
        let is_of = |wanted: &DestinationId| state.destination(key.1).row.name == *wanted;
        let is_meant = filter.ids.as_ref().is_none_or(|ids| ids.contains(&key.2))
            && filter.destination.as_ref().is_none_or(is_of)
            && filter.matches(value.value())?
            && may(key.1);
        if is_meant {
            found.push(key);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok((found, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_that_follow_one_another_are_one_range() {
        let (one, other) = (DestinationId("shop/a".to_string()), DestinationId("shop/b".to_string()));
        let mut ranges = Vec::new();
        for (destination, number) in [(&one, 1), (&other, 1), (&one, 2), (&one, 3), (&one, 5), (&other, 2)] {
            let delivery = DeliveryId::replay(number);
            add_replay(&mut ranges, destination, delivery, delivery);
        }
        let shown: Vec<_> =
            ranges.iter().map(|own| (own.destination.0.as_str(), own.first.0 >> 1, own.last.0 >> 1)).collect();
        assert_eq!(shown, [("shop/a", 1, 3), ("shop/b", 1, 2), ("shop/a", 5, 5)]);
        assert!(ranges[0].holds(DeliveryId::replay(2).0) && !ranges[0].holds(DeliveryId::first(2).0));
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nonsense_is_none() {
        let cursor = DeadCursor((1_600_000_000_000, 3, u64::MAX));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1", "1.2", "1.2.x", "1.4294967296.3", "1.2.3.4", "-1.2.3"] {
            assert_eq!(text.parse::<DeadCursor>(), Err(()), "{text}");
        }
    }
}
