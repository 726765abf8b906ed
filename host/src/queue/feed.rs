//! A destination's feed: hands out the events of its pipeline from the cursor on, from the frames in
//! memory or from disk, and the stored requests that are due. Settlements go to the committer.
//!
//! The feed keeps no lock and no transaction while its caller works, and never writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redb::ReadableTable;
use tokio::sync::{oneshot, watch};

use super::backlog::BacklogState;
use super::commands::Commands;
use super::frame::Frame;
use super::group::{Command, Settle};
use super::requests::Requests;
use super::settle::{decode_request, read_owed};
use super::shared::{Shared, blocking};
use super::tables::{OWED, OWED_EVENTS, PAYLOADS, REQUESTS};
use super::{
    Backlog, Change, Delivery, DeliveryId, DueRequest, Feed, Lane, RequestId, Settlement, Settler, StoreError,
    StoredRequest,
};
use crate::event::{Event, EventKind, MessageId, scan};

/// What the committer tells a feed when it opens.
pub struct Opened {
    /// The destination's number.
    pub destination: u32,
    /// Its pipeline's number.
    pub pipeline: u32,
    /// The number behind the last durable event of the pipeline.
    pub head: watch::Receiver<u64>,
    /// Everything before it is settled.
    pub cursor: u64,
    /// Settled ahead of the cursor.
    pub done: VecDeque<(u64, u64)>,
    /// Its stored requests.
    pub requests: Arc<Requests>,
    /// Where ids for new requests come from.
    pub next_request: Arc<AtomicU64>,
    /// Whether the operator had paused it.
    pub paused: bool,
    /// What it may leave unsettled, and what of that has expired.
    pub backlog: Arc<BacklogState>,
}

/// See the module.
pub struct RedbFeed {
    shared: Arc<Shared>,
    commands: Commands,
    opened: Opened,
    /// What is handed out next; never within a range that is done.
    position: Position,
    /// Taken out of the requests by a call of `due` that was cancelled.
    taken: Vec<RequestId>,
}

/// A place in the pipeline, and the ranges ahead of it that are done.
#[derive(Clone)]
struct Position {
    seq: u64,
    done: VecDeque<(u64, u64)>,
}

impl Position {
    fn new(seq: u64, done: VecDeque<(u64, u64)>) -> Position {
        let mut position = Position { seq, done };
        position.skip_done();
        position
    }

    fn step(&mut self) {
        self.seq += 1;
        self.skip_done();
    }

    /// Leaves out what has expired.
    fn skip_to(&mut self, floor: u64) {
        if self.seq < floor {
            self.seq = floor;
            self.skip_done();
        }
    }

    fn skip_done(&mut self) {
        while let Some((start, end)) = self.done.front().copied()
            && start <= self.seq
        {
            self.seq = self.seq.max(end);
            self.done.pop_front();
        }
    }
}

impl RedbFeed {
    /// A feed as the committer opened it.
    pub fn new(shared: Arc<Shared>, commands: Commands, mut opened: Opened) -> RedbFeed {
        let done = std::mem::take(&mut opened.done);
        RedbFeed { shared, commands, position: Position::new(opened.cursor, done), opened, taken: Vec::new() }
    }

    async fn frame(&self, seq: u64) -> Result<Arc<Frame>, StoreError> {
        let pipeline = self.opened.pipeline;
        if let Some(frame) = self.shared.cache.read(self.opened.destination, pipeline, seq) {
            return Ok(frame);
        }
        let shared = self.shared.clone();
        let loaded = blocking(move || shared.load_frame(pipeline, seq)).await?;
        loaded.ok_or_else(|| self.shared.damaged(format!("event {seq} of a pipeline has no frame")))
    }

    async fn wait(&mut self) -> Result<u64, StoreError> {
        let next = self.position.seq;
        if self.opened.head.has_changed().is_err() {
            return Err(self.shared.ended());
        }
        match self.opened.head.wait_for(|head| *head > next).await {
            Ok(head) => Ok(*head),
            Err(_) => Err(self.shared.ended()),
        }
    }

    async fn next_deliveries(&mut self, events_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, StoreError> {
        let head = self.wait().await?;
        let mut position = self.position.clone();
        let mut deliveries = Vec::new();
        let mut erased = Vec::new();
        let mut bytes = 0;
        'frames: while position.seq < head && deliveries.len() < events_max {
            position.skip_to(self.opened.backlog.floor());
            let frame = match self.frame(position.seq).await {
                // It went while it was looked for.
                Err(_) if position.seq < self.opened.backlog.floor() => continue,
                frame => frame?,
            };
            while let Some(event) = frame.event(position.seq) {
                if event.is_erased() {
                    erased.push(Change::Expire(DeliveryId::first(position.seq)));
                    position.step();
                    continue;
                }
                bytes += event.json.len();
                let full = deliveries.len() >= events_max || (bytes > bytes_max && !deliveries.is_empty());
                if full {
                    break 'frames;
                }
                deliveries.push(Delivery { id: DeliveryId::first(position.seq), event: event.clone() });
                position.step();
            }
        }
        if !erased.is_empty() {
            let settle = Settle {
                destination: self.opened.destination,
                settlement: Settlement { changes: erased },
                reply: None,
            };
            self.commands.send(Command::Settle(settle)).await.map_err(|_| self.shared.ended())?;
        }
        self.position = position;
        Ok(deliveries)
    }

    async fn due_requests(&mut self, now_ms: u64, max: usize) -> Result<Vec<DueRequest>, StoreError> {
        if self.taken.is_empty() {
            self.taken = self.opened.requests.take_due(now_ms, max);
        }
        if self.taken.is_empty() {
            return Ok(Vec::new());
        }
        let (shared, destination, taken) = (self.shared.clone(), self.opened.destination, self.taken.clone());
        let due = blocking(move || read_requests(&shared, destination, &taken)).await?;
        self.taken.clear();
        Ok(due)
    }
}

impl Feed for RedbFeed {
    fn next(&mut self, events_max: usize, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, StoreError>> {
        Box::pin(self.next_deliveries(events_max.max(1), bytes_max))
    }

    fn has_next(&self) -> bool {
        *self.opened.head.borrow() > self.position.seq
    }

    fn due(&mut self, now_ms: u64, max: usize) -> BoxFuture<'_, Result<Vec<DueRequest>, StoreError>> {
        Box::pin(self.due_requests(now_ms, max))
    }

    fn next_due_ms(&self) -> Option<u64> {
        match self.taken.is_empty() {
            true => self.opened.requests.next_due_ms(),
            false => Some(0),
        }
    }

    fn stored_requests(&self) -> u64 {
        self.opened.requests.len() as u64
    }

    fn was_paused(&self) -> bool {
        self.opened.paused
    }

    fn bound_backlog(&self, backlog: Option<Backlog>) {
        self.opened.backlog.set(backlog);
    }

    fn standing(&self) -> Vec<(RequestId, Vec<Lane>)> {
        self.opened.requests.standing()
    }

    fn erased(&mut self) -> Vec<RequestId> {
        self.opened.requests.erased()
    }

    fn changed(&mut self, knows_next: bool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if knows_next {
                return self.opened.requests.added().await;
            }
            let next = self.position.seq;
            let (added, head) = (self.opened.requests.added(), &mut self.opened.head);
            let came = async { head.wait_for(|head| *head > next).await.is_ok() };
            tokio::select! {
                () = added => {}
                // Where the store has ended nothing more comes.
                came = came => if !came {
                    std::future::pending::<()>().await;
                },
            }
        })
    }

    fn new_request_id(&mut self) -> RequestId {
        RequestId(self.opened.next_request.fetch_add(2, Ordering::Relaxed))
    }

    fn settler(&self) -> Box<dyn Settler> {
        Box::new(RedbSettler {
            shared: self.shared.clone(),
            commands: self.commands.clone(),
            destination: self.opened.destination,
        })
    }
}

/// Hands settlements to the committer.
#[derive(Clone)]
struct RedbSettler {
    shared: Arc<Shared>,
    commands: Commands,
    destination: u32,
}

impl RedbSettler {
    async fn send(&self, settlement: Settlement, reply: Option<oneshot::Sender<()>>) -> Result<(), StoreError> {
        let settle = Settle { destination: self.destination, settlement, reply };
        let sent = self.commands.send(Command::Settle(settle)).await;
        sent.map_err(|_| self.shared.ended())
    }

    /// The error once the committer dropped a reply.
    async fn gone(&self) -> StoreError {
        self.commands.closed().await;
        self.shared.ended()
    }
}

impl Settler for RedbSettler {
    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.send(settlement, None))
    }

    fn settle_durably(&self, settlement: Settlement) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let (reply, durable) = oneshot::channel();
            self.send(settlement, Some(reply)).await?;
            match durable.await {
                Ok(()) => Ok(()),
                Err(_) => Err(self.gone().await),
            }
        })
    }

    fn clone_box(&self) -> Box<dyn Settler> {
        Box::new(self.clone())
    }
}

/// Reads stored requests and what of their deliveries is still owed. One that is gone is left out.
fn read_requests(shared: &Shared, destination: u32, ids: &[RequestId]) -> Result<Vec<DueRequest>, StoreError> {
    let transaction = shared.begin_read()?;
    let requests = transaction.open_table(REQUESTS)?;
    let payloads = transaction.open_table(PAYLOADS)?;
    let owed = transaction.open_table(OWED)?;
    let owed_events = transaction.open_table(OWED_EVENTS)?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let key = (destination, id.0);
        let (Some(row), Some(payload)) = (ReadableTable::get(&requests, key)?, ReadableTable::get(&payloads, key)?)
        else {
            continue;
        };
        let row =
            decode_request(row.value()).ok_or_else(|| shared.damaged("a stored request is cut off".to_owned()))?;
        let mut deliveries = Vec::with_capacity(row.covers.len());
        for delivery in &row.covers {
            let key = (destination, delivery.0);
            if let (Some(owed), Some(json)) = (read_owed(&owed, key)?, ReadableTable::get(&owed_events, key)?) {
                let json = Bytes::copy_from_slice(json.value());
                deliveries.push(Delivery { id: *delivery, event: owed_event(shared, &owed.event, json)? });
            }
        }
        let payload = Bytes::copy_from_slice(payload.value());
        let request = StoredRequest { id: *id, due_ms: row.due_ms, covers: row.covers, lanes: row.lanes, payload };
        found.push((request, deliveries));
    }
    Ok(found)
}

fn owed_event(shared: &Shared, head: &super::settle::EventHead, json: Bytes) -> Result<Event, StoreError> {
    let index = scan::index_canonical(&json).map_err(|error| shared.damaged(format!("an owed event: {error}")))?;
    Ok(Event {
        kind: EventKind::from_code(head.kind)
            .ok_or_else(|| shared.damaged("an owed event has an unknown kind".to_owned()))?,
        message_id: MessageId::from(head.message_id.as_str()),
        received_ms: head.received_ms,
        json,
        index,
    })
}
