//! Erasing a user: everything that is kept of the events that name him, as userId, anonymousId or
//! previousId, and that were accepted before the erasing began.
//!
//! - In a frame an erased event keeps its number, its kind and its time; its messageId and its JSON
//!   are empty. Such a frame reads like any other, and feeds pass the event over. For every
//!   destination that had not settled it, it ends expired.
//! - Owed deliveries end expired. A stored request loses them: with others left it becomes the
//!   planning of those anew, with none it is removed. Dead letters go.
//! - Of history, a step of the user's events alone goes; one that others share loses its texts.
//! - What is in flight meanwhile ends as it ends: the committer passes over what it then says of an
//!   erased event.
//!
//! Reading happens beside the committer, in views of the store; each step is a commit of bounded
//! size. Frames come first: once they are done nothing of the user becomes owed any more, so that a
//! view that finds nothing owed and no dead letter proves that nothing is left.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable};

use super::frame::Block;
use super::requests::RequestChange;
use super::settle::{OwedRow, RequestRow, Settling, decode_request, read_owed};
use super::shared::Shared;
use super::tables::{DEAD, DEAD_EVENTS, DIRECTORY, DeadKey, FRAMES, FrameKey, NumberKey};
use super::tables::{OWED, OWED_EVENTS, REQUESTS, from_json};
use super::{DeliveryId, RequestId, StoreError, StoredRequest, dead, history, stored_frame};
use crate::event::{Event, MessageId, index::View, scan};

/// Frames that one step writes anew: a frame has up to 2 MiB, mostly far less.
const STEP_FRAMES: usize = 8;

/// Owed deliveries, or dead letters, that one step removes.
const STEP_ROWS: usize = 128;

/// Frames read in one view of the store.
const VIEW_FRAMES: usize = 64;

/// A user, as events name him: a userId, an anonymousId or a previousId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId(pub String);

/// What an erasing removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// Events in the queue.
    pub events: u64,
    /// Deliveries that had not ended, and are counted as expired now.
    pub expired: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Stored requests that were removed, or became the planning of other users' events.
    pub stored_requests: u64,
}

/// One step of an erasing.
#[derive(Clone, Debug)]
pub enum EraseStep {
    /// These events of these frames.
    Frames(Vec<(FrameKey, BTreeSet<u64>)>),
    /// These owed deliveries and dead letters, and what covers the deliveries.
    Kept(Kept),
}

/// What is kept of a user beside frames.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    owed: Vec<NumberKey>,
    requests: BTreeSet<NumberKey>,
    dead: Vec<DeadKey>,
}

impl Erased {
    /// Adds what another step removed.
    pub fn add(&mut self, other: &Erased) {
        self.events += other.events;
        self.expired += other.expired;
        self.dead_letters += other.dead_letters;
        self.stored_requests += other.stored_requests;
    }
}

impl Event {
    /// Whether its content was erased.
    pub fn is_erased(&self) -> bool {
        self.json.is_empty()
    }

    fn erase(&mut self) {
        self.message_id = MessageId::from("");
        self.json = Bytes::new();
        self.index = Bytes::new();
    }
}

/// The steps that erase a user's events from the frames.
pub fn find_in_frames(shared: &Shared, user: &UserId, until_ms: u64) -> Result<Vec<EraseStep>, StoreError> {
    let mut keys = Vec::new();
    for row in shared.begin_read()?.open_table(DIRECTORY)?.iter()? {
        keys.push(row?.0.value());
    }
    let mut found = Vec::new();
    for keys in keys.chunks(VIEW_FRAMES) {
        let view = shared.begin_read()?;
        let (directory, frames) = (view.open_table(DIRECTORY)?, view.open_table(FRAMES)?);
        for key in keys {
            // It may have gone meanwhile.
            let Some(stored) = stored_frame::read(&directory, &frames, key.0, key.1)? else {
                continue;
            };
            let events = stored.decode().map_err(|error| shared.damaged(error.to_string()))?.events;
            let of_user = |(seq, event): (u64, &Event)| {
                let is_meant = event.received_ms <= until_ms && names(shared, user, &event.json)?;
                Ok(is_meant.then_some(seq))
            };
            let seqs = (key.1..).zip(&events).map(of_user).filter_map(Result::transpose);
            let seqs = seqs.collect::<Result<BTreeSet<u64>, StoreError>>()?;
            if !seqs.is_empty() {
                found.push((*key, seqs));
            }
        }
    }
    Ok(found.chunks(STEP_FRAMES).map(|frames| EraseStep::Frames(frames.to_vec())).collect())
}

/// The steps that erase a user's owed deliveries and dead letters, as one view of the store has
/// them. None when there are none.
pub fn find_kept(shared: &Shared, user: &UserId, until_ms: u64) -> Result<Vec<EraseStep>, StoreError> {
    let view = shared.begin_read()?;
    let owed = owed_of(shared, &view, user, until_ms)?;
    let mut covering: BTreeMap<NumberKey, Vec<NumberKey>> = BTreeMap::new();
    let of_user: HashSet<NumberKey> = owed.iter().copied().collect();
    for row in view.open_table(REQUESTS)?.iter()?.filter(|_| !of_user.is_empty()) {
        let (key, row) = row?;
        let key = key.value();
        let covers = decode(shared, row.value())?.covers;
        for delivery in covers.iter().map(|delivery| (key.0, delivery.0)).filter(|key| of_user.contains(key)) {
            covering.entry(delivery).or_default().push(key);
        }
    }
    let mut steps = Vec::new();
    for owed in owed.chunks(STEP_ROWS) {
        let requests = owed.iter().filter_map(|key| covering.get(key)).flatten().copied().collect();
        steps.push(EraseStep::Kept(Kept { owed: owed.to_vec(), requests, dead: Vec::new() }));
    }
    for dead in dead_of(shared, &view, user, until_ms)?.chunks(STEP_ROWS) {
        steps.push(EraseStep::Kept(Kept { dead: dead.to_vec(), ..Kept::default() }));
    }
    Ok(steps)
}

fn owed_of(
    shared: &Shared,
    view: &ReadTransaction,
    user: &UserId,
    until_ms: u64,
) -> Result<Vec<NumberKey>, StoreError> {
    let (rows, events) = (view.open_table(OWED)?, view.open_table(OWED_EVENTS)?);
    let mut found = Vec::new();
    for event in events.iter()? {
        let (key, json) = event?;
        let row: Option<OwedRow> = read_owed(&rows, key.value())?;
        if row.is_some_and(|row| row.event.received_ms <= until_ms)
            && names(shared, user, &Bytes::copy_from_slice(json.value()))?
        {
            found.push(key.value());
        }
    }
    Ok(found)
}

fn dead_of(shared: &Shared, view: &ReadTransaction, user: &UserId, until_ms: u64) -> Result<Vec<DeadKey>, StoreError> {
    let (rows, events) = (view.open_table(DEAD)?, view.open_table(DEAD_EVENTS)?);
    let mut found = Vec::new();
    for event in events.iter()? {
        let (key, json) = event?;
        if !names(shared, user, &Bytes::copy_from_slice(json.value()))? {
            continue;
        }
        let row = ReadableTable::get(&rows, key.value())?;
        let row: Option<dead::DeadRow> = row.map(|row| from_json(row.value())).transpose()?;
        if row.is_some_and(|row| row.event.received_ms <= until_ms) {
            found.push(key.value());
        }
    }
    Ok(found)
}

/// Whether an event names the user.
fn names(shared: &Shared, user: &UserId, json: &Bytes) -> Result<bool, StoreError> {
    if json.is_empty() {
        return Ok(false);
    }
    let index = scan::index_canonical(json).map_err(|error| shared.damaged(format!("a stored event: {error}")))?;
    let view = View::new(json, &index);
    let is_named = |name: &str| view.get(&[name]).and_then(|value| value.as_str()).is_some_and(|id| id == user.0);
    Ok(["userId", "anonymousId", "previousId"].into_iter().any(is_named))
}

fn decode(shared: &Shared, row: &[u8]) -> Result<RequestRow, StoreError> {
    decode_request(row).ok_or_else(|| shared.damaged("a stored request is cut off".to_owned()))
}

impl Settling<'_, '_> {
    /// Takes one step of an erasing.
    pub fn erase(&mut self, step: EraseStep) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        match step {
            EraseStep::Frames(frames) => {
                for (key, seqs) in frames {
                    self.erase_in_frame(key, &seqs, &mut erased)?;
                }
            }
            EraseStep::Kept(kept) => {
                let mut seqs: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
                for key in kept.owed {
                    if let Some(seq) = self.erase_owed(key)? {
                        seqs.entry(self.state.destination(key.0).row.pipeline).or_default().insert(seq);
                        erased.expired += 1;
                    }
                }
                for key in kept.requests {
                    erased.stored_requests += u64::from(self.erase_in_request(key)?);
                }
                for key in kept.dead {
                    if let Some((row, _)) = dead::remove(self.state, self.tables, key)? {
                        seqs.entry(self.state.destination(key.1).row.pipeline).or_default().insert(row.event.seq);
                        erased.dead_letters += 1;
                    }
                }
                for (pipeline, seqs) in seqs {
                    history::erase(self.tables, pipeline, &seqs)?;
                }
            }
        }
        Ok(erased)
    }

    /// A new or replaced request without the events that were erased while it was in flight, or that
    /// expired; None when it carries no other.
    pub fn without_ended(&mut self, number: u32, request: StoredRequest) -> Result<Option<StoredRequest>, StoreError> {
        let floor = self.state.destination(number).backlog.floor();
        let may_have_expired = |id: &DeliveryId| id.seq().is_some_and(|seq| seq < floor);
        if !self.state.has_erased() && !request.covers.iter().any(may_have_expired) {
            return Ok(Some(request));
        }
        let mut covers = Vec::with_capacity(request.covers.len());
        for delivery in &request.covers {
            if self.tables.owed.get((number, delivery.0))?.is_some() {
                covers.push(*delivery);
            }
        }
        if covers.len() == request.covers.len() {
            return Ok(Some(request));
        }
        if covers.is_empty() {
            self.tell_erased(number, request.id);
            return Ok(None);
        }
        let payload = (self.shared.options.replan)(&request.payload);
        Ok(Some(StoredRequest { covers, payload, ..request }))
    }

    fn tell_erased(&mut self, number: u32, id: RequestId) {
        if let Some(requests) = self.state.destination(number).requests.upgrade() {
            self.told.push((requests, RequestChange::Erase(id)));
        }
    }

    /// Ends a delivery whose event was erased. One that has ended is passed over.
    pub fn expire(&mut self, number: u32, id: DeliveryId) {
        if self.mark(number, id).is_some() {
            self.state.destination_mut(number).row.counters.expired += 1;
        }
    }

    fn erase_in_frame(
        &mut self,
        (pipeline, first_seq): FrameKey,
        seqs: &BTreeSet<u64>,
        erased: &mut Erased,
    ) -> Result<(), StoreError> {
        let stored = stored_frame::read(&self.tables.directory, &self.tables.frames, pipeline, first_seq)?;
        let Some(stored) = stored else {
            return Ok(());
        };
        let mut events = stored.decode()?.events;
        for (seq, event) in (first_seq..).zip(&mut events).filter(|(seq, _)| seqs.contains(seq)) {
            erased.events += u64::from(!event.is_erased());
            event.erase();
            self.state.add_erased(pipeline, seq);
        }
        let before = stored_frame::row_from(&self.tables.directory, pipeline, first_seq)?;
        stored_frame::remove(self.tables, pipeline, first_seq..first_seq + 1)?;
        let after = stored_frame::write(self.tables, pipeline, first_seq, &[Block::new(events)])?;
        let row = &mut self.state.pipeline_mut(pipeline).row;
        row.kept_bytes -= before.map_or(0, |(_, before)| u64::from(before.bytes));
        row.kept_bytes += u64::from(after.bytes);
        self.state.set_oldest_frame(pipeline, None);
        history::erase(self.tables, pipeline, seqs)?;
        let of_pipeline = self.state.destinations().filter(|(_, each)| each.row.pipeline == pipeline);
        let numbers: Vec<u32> = of_pipeline.map(|(number, _)| number).collect();
        for number in numbers {
            let before = self.state.destination(number).row.counters.expired;
            seqs.iter().for_each(|seq| self.expire(number, DeliveryId::first(*seq)));
            erased.expired += self.state.destination(number).row.counters.expired - before;
        }
        Ok(())
    }

    /// Answers the event's number, when the delivery was still owed.
    fn erase_owed(&mut self, key: NumberKey) -> Result<Option<u64>, StoreError> {
        let Some(row) = read_owed(&self.tables.owed, key)? else {
            return Ok(None);
        };
        self.tables.owed.remove(key)?;
        let bytes = self.tables.owed_events.remove(key)?.map_or(0, |json| json.value().len() as u64);
        let destination = &mut self.state.destination_mut(key.0).row;
        destination.owed -= 1;
        destination.owed_bytes -= bytes;
        destination.counters.expired += 1;
        let pipeline = destination.pipeline;
        self.state.add_erased(pipeline, row.event.seq);
        Ok(Some(row.event.seq))
    }

    /// Answers whether the request is another one now, or gone.
    fn erase_in_request(&mut self, (number, id): NumberKey) -> Result<bool, StoreError> {
        let Some(row) = self.tables.requests.get((number, id))?.map(|row| row.value().to_vec()) else {
            return Ok(false);
        };
        let payload = self.tables.payloads.get((number, id))?.map(|payload| payload.value().to_vec());
        let row = decode(self.shared, &row)?;
        let request = StoredRequest {
            id: RequestId(id),
            due_ms: row.due_ms,
            covers: row.covers,
            lanes: row.lanes,
            payload: payload.unwrap_or_default().into(),
        };
        let covered = request.covers.len();
        match self.without_ended(number, request)? {
            Some(request) if request.covers.len() == covered => Ok(false),
            Some(request) => self.rewrite(number, &request).map(|()| true),
            None => self.delete(number, RequestId(id)).map(|()| true),
        }
    }
}
