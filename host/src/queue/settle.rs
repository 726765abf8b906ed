//! Applying settlements: what each change does to a destination's cursor, done ranges, counters,
//! owed deliveries, stored requests and dead letters. State, tables and time in, state and tables
//! out; the committer decides when, and commits.
//!
//! A change that names a delivery that has ended already is ignored and logged: after a feed was
//! opened anew, two runs of the same delivery may both end.

use std::sync::Arc;

use bytes::Bytes;
use redb::ReadableTable;
use tracing::warn;

use super::dead::DeadRow;
use super::history;
use super::requests::{Put, RequestChange, Requests};
use super::shared::Shared;
use super::state::{Destination, State, count_reason};
use super::tables::{NumberKey, Tables, from_json, to_json};
use super::{
    Change, Death, Delivery, DeliveryId, Lane, Note, Outcome, RequestId, Settlement, StoreError, StoredRequest,
};
use crate::event::Event;

/// What is kept of an event beside its JSON.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EventHead {
    /// Code of its kind.
    pub kind: u8,
    /// Its identity.
    pub message_id: String,
    /// When it was accepted: milliseconds since 1970.
    pub received_ms: u64,
    /// The number of its first delivery's event, so that a replay's history is found.
    pub seq: u64,
}

/// A delivery that waits for stored requests.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct OwedRow {
    /// How many requests have still to come to their end.
    pub requests: u32,
    /// Whether a part was delivered.
    pub delivered: bool,
    /// Why the first filtered part was.
    pub filtered: Option<String>,
    /// How the first dead part died.
    pub death: Option<Death>,
    /// The event, but for its JSON.
    pub event: EventHead,
}

impl EventHead {
    /// The head of an event.
    pub fn new(event: &Event, seq: u64) -> EventHead {
        EventHead {
            kind: event.kind as u8,
            message_id: event.message_id.to_string(),
            received_ms: event.received_ms,
            seq,
        }
    }
}

/// One commit's settling.
pub struct Settling<'a, 't> {
    /// All pipelines and destinations.
    pub state: &'a mut State,
    /// The tables of the commit's transaction.
    pub tables: &'a mut Tables<'t>,
    /// For the frames in memory.
    pub shared: &'a Shared,
    /// The time of the commit.
    pub now_ms: u64,
    /// What open feeds are told once it is durable.
    pub told: Vec<(Arc<Requests>, RequestChange)>,
}

impl Settling<'_, '_> {
    /// Applies one settlement. One of a destination that was removed changes nothing.
    pub fn apply(&mut self, number: u32, settlement: Settlement) -> Result<(), StoreError> {
        if self.state.destination(number).row.removed {
            return Ok(());
        }
        // Notes first: a replay's event is known only while the replay is owed.
        for change in &settlement.changes {
            if let Change::Note { covers, note } = change {
                self.note(number, covers, note)?;
            }
        }
        for change in settlement.changes {
            match change {
                Change::Finish { delivery, outcome } => self.finish(number, delivery, outcome)?,
                Change::Owe { delivery, requests, dead } => self.owe(number, &delivery, requests, dead)?,
                Change::Put(request) => {
                    if let Some(request) = self.without_ended(number, request)? {
                        self.put(number, &request)?;
                    }
                }
                Change::Delete(request) => self.delete(number, request)?,
                Change::Part { delivery, outcome, follow_ups } => self.part(number, delivery, outcome, follow_ups)?,
                Change::Expire(delivery) => self.expire(number, delivery),
                Change::Note { .. } => {}
            }
        }
        Ok(())
    }

    /// Makes a delivery owed: its event is kept apart from now on.
    pub fn add_owed(&mut self, number: u32, id: DeliveryId, row: &OwedRow, json: &[u8]) -> Result<(), StoreError> {
        self.tables.owed.insert((number, id.0), &to_json(row)[..])?;
        self.tables.owed_events.insert((number, id.0), json)?;
        let destination = &mut self.state.destination_mut(number).row;
        destination.owed += 1;
        destination.owed_bytes += json.len() as u64;
        Ok(())
    }

    /// Stores a request, or replaces the one of the same id: it is to be sent.
    pub fn put(&mut self, number: u32, request: &StoredRequest) -> Result<(), StoreError> {
        let put = self.write_request(number, request)?;
        self.tell(number, RequestChange::Put(put));
        Ok(())
    }

    /// Replaces a request that may be in flight by one with fewer deliveries.
    pub fn rewrite(&mut self, number: u32, request: &StoredRequest) -> Result<(), StoreError> {
        let put = self.write_request(number, request)?;
        self.tell(number, RequestChange::Rewrite(put));
        Ok(())
    }

    fn write_request(&mut self, number: u32, request: &StoredRequest) -> Result<Put, StoreError> {
        let key = (number, request.id.0);
        self.tables.requests.insert(key, &encode_request(request)[..])?;
        let replaced = self.tables.payloads.insert(key, &request.payload[..])?;
        let replaced_bytes = replaced.map(|payload| payload.value().len() as u64);
        let row = &mut self.state.destination_mut(number).row;
        row.stored += u64::from(replaced_bytes.is_none());
        row.stored_bytes += request.payload.len() as u64;
        row.stored_bytes -= replaced_bytes.unwrap_or(0);
        Ok(Put::new(request.id, request.due_ms, &request.covers, request.lanes.clone()))
    }

    /// Removes all rows of a destination but its dead letters. Answers how many deliveries had not
    /// ended.
    pub fn remove(&mut self, number: u32) -> Result<u64, StoreError> {
        let all = (number, 0)..=(number, u64::MAX);
        let tables = &mut *self.tables;
        for table in [&mut tables.owed, &mut tables.owed_events, &mut tables.requests, &mut tables.payloads] {
            table.retain_in(all.clone(), |_, _| false)?;
        }
        let head = self.state.pipeline(self.state.destination(number).row.pipeline).row.head;
        let destination = self.state.destination_mut(number);
        let open = destination.row.progress.waiting(head) + destination.row.owed;
        destination.row.removed = true;
        destination.row.owed = 0;
        destination.row.owed_bytes = 0;
        destination.row.stored = 0;
        destination.row.stored_bytes = 0;
        Ok(open)
    }

    fn finish(&mut self, number: u32, id: DeliveryId, outcome: Outcome) -> Result<(), StoreError> {
        if let Some(seq) = self.mark(number, id) {
            return match outcome {
                Outcome::Dead(death) => self.die_first(number, seq, death),
                outcome => {
                    count(self.state.destination_mut(number), &outcome);
                    Ok(())
                }
            };
        }
        match read_owed(&self.tables.owed, (number, id.0))? {
            Some(row) => self.end_owed(number, id, row, outcome),
            None => self.ignore(number, id),
        }
    }

    fn owe(&mut self, number: u32, delivery: &Delivery, requests: u32, death: Option<Death>) -> Result<(), StoreError> {
        let Some(seq) = self.mark(number, delivery.id) else {
            return self.ignore(number, delivery.id);
        };
        let row = OwedRow {
            requests: requests.max(1),
            delivered: false,
            filtered: None,
            death,
            event: EventHead::new(&delivery.event, seq),
        };
        self.add_owed(number, delivery.id, &row, &delivery.event.json)
    }

    fn part(&mut self, number: u32, id: DeliveryId, outcome: Outcome, follow_ups: u32) -> Result<(), StoreError> {
        let Some(mut row) = read_owed(&self.tables.owed, (number, id.0))? else {
            return self.ignore(number, id);
        };
        row.requests = row.requests.saturating_sub(1) + follow_ups;
        match outcome {
            Outcome::Delivered => row.delivered = true,
            Outcome::Filtered { reason } => row.filtered = row.filtered.or(Some(reason)),
            Outcome::Dead(death) => row.death = row.death.or(Some(death)),
        }
        if row.requests > 0 {
            self.tables.owed.insert((number, id.0), &to_json(&row)[..])?;
            return Ok(());
        }
        let outcome = match (&row.death, row.delivered, &row.filtered) {
            (Some(death), _, _) => Outcome::Dead(death.clone()),
            (None, false, Some(reason)) => Outcome::Filtered { reason: reason.clone() },
            (None, _, _) => Outcome::Delivered,
        };
        self.end_owed(number, id, row, outcome)
    }

    /// Removes a stored request.
    pub fn delete(&mut self, number: u32, id: RequestId) -> Result<(), StoreError> {
        let key = (number, id.0);
        self.tables.requests.remove(key)?;
        let removed = self.tables.payloads.remove(key)?.map(|payload| payload.value().len() as u64);
        if let Some(bytes) = removed {
            let row = &mut self.state.destination_mut(number).row;
            row.stored -= 1;
            row.stored_bytes -= bytes;
            self.tell(number, RequestChange::Delete(id));
        }
        Ok(())
    }

    /// Writes a note of those deliveries.
    pub fn note(&mut self, number: u32, covers: &[DeliveryId], note: &Note) -> Result<(), StoreError> {
        let mut with_seq = Vec::with_capacity(covers.len());
        for id in covers {
            let seq = match id.seq() {
                Some(seq) => Some(seq),
                None => read_owed(&self.tables.owed, (number, id.0))?.map(|row| row.event.seq),
            };
            with_seq.extend(seq.map(|seq| (*id, seq)));
        }
        let pipeline = self.state.destination(number).row.pipeline;
        with_seq.retain(|(_, seq)| !self.state.is_erased(pipeline, *seq));
        let oldest = self.state.pipeline(pipeline).row.oldest;
        let destination = self.state.destination_mut(number);
        history::record(self.tables, (number, destination), oldest, &mut with_seq, note)
    }

    /// Settles a first delivery in the destination's progress. Answers its event's number when that
    /// was still to be done.
    pub fn mark(&mut self, number: u32, id: DeliveryId) -> Option<u64> {
        let seq = id.seq()?;
        let head = self.state.pipeline(self.state.destination(number).row.pipeline).row.head;
        let progress = &mut self.state.destination_mut(number).row.progress;
        (seq < head && progress.mark(seq)).then_some(seq)
    }

    /// A first delivery dies that was never owed: its event is still in its frame.
    fn die_first(&mut self, number: u32, seq: u64, death: Death) -> Result<(), StoreError> {
        let pipeline = self.state.destination(number).row.pipeline;
        let frame = self.frame(pipeline, seq)?;
        let event = frame.event(seq).expect("a frame was found by this number");
        let row = DeadRow::new(EventHead::new(event, seq), &event.json, death);
        self.add_dead(number, DeliveryId::first(seq), row, &event.json)
    }

    fn end_owed(&mut self, number: u32, id: DeliveryId, row: OwedRow, outcome: Outcome) -> Result<(), StoreError> {
        self.tables.owed.remove((number, id.0))?;
        let json = self.tables.owed_events.remove((number, id.0))?;
        let json = json.map(|json| Bytes::copy_from_slice(json.value())).unwrap_or_default();
        let destination = self.state.destination_mut(number);
        destination.row.owed -= 1;
        destination.row.owed_bytes -= json.len() as u64;
        match outcome {
            Outcome::Dead(death) => self.add_dead(number, id, DeadRow::new(row.event, &json, death), &json),
            outcome => {
                count(destination, &outcome);
                Ok(())
            }
        }
    }

    fn add_dead(&mut self, number: u32, id: DeliveryId, row: DeadRow, json: &[u8]) -> Result<(), StoreError> {
        let counters = &mut self.state.destination_mut(number).row.counters;
        counters.dead += 1;
        count_reason(&mut counters.dead_by, &row.death.reason);
        self.add_letter((self.now_ms, number, id.0), &row, json)
    }

    fn tell(&mut self, number: u32, change: RequestChange) {
        if let Some(requests) = self.state.destination(number).requests.upgrade() {
            self.told.push((requests, change));
        }
    }

    fn ignore(&self, number: u32, id: DeliveryId) -> Result<(), StoreError> {
        let destination = &self.state.destination(number).row.name;
        warn!(%destination, delivery = id.0, "a delivery that had ended already was settled again");
        Ok(())
    }
}

/// The row of an owed delivery.
pub fn read_owed(
    owed: &impl ReadableTable<NumberKey, &'static [u8]>,
    key: NumberKey,
) -> Result<Option<OwedRow>, StoreError> {
    owed.get(key)?.map(|row| from_json(row.value())).transpose()
}

fn count(destination: &mut Destination, outcome: &Outcome) {
    let counters = &mut destination.row.counters;
    match outcome {
        Outcome::Delivered => counters.delivered += 1,
        Outcome::Filtered { reason } => {
            counters.filtered += 1;
            count_reason(&mut counters.filtered_by, reason);
        }
        Outcome::Dead(_) => unreachable!("dead letters are counted where they are kept"),
    }
}

fn encode_request(request: &StoredRequest) -> Vec<u8> {
    let mut row = Vec::with_capacity(12 + 8 * request.covers.len() + 8 * request.lanes.len());
    row.extend_from_slice(&request.due_ms.to_le_bytes());
    let covers = u32::try_from(request.covers.len()).expect("a batch has far fewer events");
    row.extend_from_slice(&covers.to_le_bytes());
    for delivery in &request.covers {
        row.extend_from_slice(&delivery.0.to_le_bytes());
    }
    for lane in &request.lanes {
        row.extend_from_slice(&lane.0.to_le_bytes());
    }
    row
}

/// A stored request without its payload.
pub struct RequestRow {
    /// When it is due: milliseconds since 1970.
    pub due_ms: u64,
    /// The deliveries it carries.
    pub covers: Vec<DeliveryId>,
    /// The lanes it stands in.
    pub lanes: Vec<Lane>,
}

/// Reads what [`Settling::put`] wrote; None when it is cut off.
pub fn decode_request(row: &[u8]) -> Option<RequestRow> {
    let (due_ms, row) = row.split_first_chunk()?;
    let (count, row) = row.split_first_chunk()?;
    let (covers, lanes) = row.split_at_checked(8 * u32::from_le_bytes(*count) as usize)?;
    let numbers = |bytes: &[u8]| -> Option<Vec<u64>> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        Some(numbers.iter().map(|number| u64::from_le_bytes(*number)).collect())
    };
    Some(RequestRow {
        due_ms: u64::from_le_bytes(*due_ms),
        covers: numbers(covers)?.into_iter().map(DeliveryId).collect(),
        lanes: numbers(lanes)?.into_iter().map(Lane).collect(),
    })
}
