//! Dead letters: kept by time, listed newest first, and made into new deliveries by a replay.

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use super::settle::{EventHead, OwedRow, Settling};
use super::state::State;
use super::tables::{DEAD, DEAD_EVENTS, DeadKey, STATE, Tables, from_json, to_json};
use super::{DeadFilter, DeadLetter, Death, DeliveryId, Note, RequestId, StoreError, StoredRequest};
use crate::event::EventKind;

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

impl DeadRow {
    /// The row of an event with that JSON.
    pub fn new(event: EventHead, json: &[u8], death: Death) -> DeadRow {
        DeadRow { death, event, name: event_name(json) }
    }

    fn matches(&self, filter: &DeadFilter, id: u64) -> bool {
        filter.ids.as_ref().is_none_or(|ids| ids.contains(&id))
            && filter.reason.as_ref().is_none_or(|reason| *reason == self.death.reason)
            && filter.event.as_ref().is_none_or(|event| *event == self.name)
            && filter.message_id.as_ref().is_none_or(|message_id| *message_id == self.event.message_id)
    }
}

/// Keeps a dead letter.
pub fn insert(tables: &mut Tables<'_>, key: DeadKey, row: &DeadRow, json: &[u8]) -> Result<(), StoreError> {
    tables.dead.insert(key, &to_json(row)[..])?;
    tables.dead_events.insert(key, json)?;
    Ok(())
}

/// The dead letters that match, newest first. Their JSON is read only where letters are named one
/// by one.
pub fn list(transaction: &ReadTransaction, filter: &DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
    let state = State::load(&transaction.open_table(STATE)?)?;
    let events = transaction.open_table(DEAD_EVENTS)?;
    let found = find(&transaction.open_table(DEAD)?, &state, filter)?;
    let mut letters = Vec::with_capacity(found.len());
    for (key, row) in found {
        let json = match filter.ids {
            Some(_) => ReadableTable::get(&events, key)?.map(|json| Bytes::copy_from_slice(json.value())),
            None => None,
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
    Ok(letters)
}

/// Makes a new delivery of each dead letter that matches, and removes the letter. Letters of a
/// destination that is no longer configured stay. Answers how many there were.
pub fn replay(settling: &mut Settling<'_, '_>, filter: &DeadFilter, payload: &Bytes) -> Result<u64, StoreError> {
    let mut count = 0;
    for (key, row) in find(&settling.tables.dead, settling.state, filter)? {
        let (_, number, _) = key;
        if settling.state.destination(number).row.removed {
            continue;
        }
        settling.tables.dead.remove(key)?;
        let json = settling.tables.dead_events.remove(key)?;
        let json = json.map(|json| Bytes::copy_from_slice(json.value())).unwrap_or_default();
        replay_one(settling, number, row, &json, payload)?;
        count += 1;
    }
    Ok(count)
}

fn replay_one(
    settling: &mut Settling<'_, '_>,
    number: u32,
    row: DeadRow,
    json: &[u8],
    payload: &Bytes,
) -> Result<(), StoreError> {
    let destination = &mut settling.state.destination_mut(number).row;
    destination.replays += 1;
    destination.counters.replayed += 1;
    let delivery = DeliveryId::replay(destination.replays);
    let owed = OwedRow { requests: 1, delivered: false, filtered: None, death: None, event: row.event };
    settling.add_owed(number, delivery, &owed, json)?;
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
    let note = Note {
        at_ms: settling.now_ms,
        step: "replayed".to_owned(),
        revision: String::new(),
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: format!("died of {}", row.death.reason),
    };
    settling.note(number, &[delivery], &note)
}

fn find(
    dead: &impl ReadableTable<DeadKey, &'static [u8]>,
    state: &State,
    filter: &DeadFilter,
) -> Result<Vec<(DeadKey, DeadRow)>, StoreError> {
    let mut found = Vec::new();
    for row in dead.iter()?.rev() {
        let (key, value) = row?;
        let key = key.value();
        let destination = &state.destination(key.1).row.name;
        if filter.destination.as_ref().is_some_and(|wanted| wanted != destination) {
            continue;
        }
        let row: DeadRow = from_json(value.value())?;
        if row.matches(filter, key.2) {
            found.push((key, row));
        }
        if filter.limit > 0 && found.len() == filter.limit {
            break;
        }
    }
    Ok(found)
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
