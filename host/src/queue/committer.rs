//! The committer: the one thread that writes. It takes what waits in its channel, appends and
//! settlements of all, into one transaction, pays one fsync, then answers everybody.
//!
//! - While a commit runs, the next group gathers in the channel. Those who append take turns: a group
//!   that has fewer than half of them lingers for a moment as long as more come, so that one half
//!   is received and answered while the other is committed. One who appends alone never waits for
//!   company. Settlements that nobody waits for are committed after
//!   [`SETTLE_LAG_MS`](super::SETTLE_LAG_MS) at the latest. With nothing to do the thread sleeps.
//! - Nobody is answered, and no feed sees an event, before the fsync.
//! - When a commit fails the store is poisoned and the thread ends: whoever waits, or comes later,
//!   gets the cause. State in memory may then be ahead of the disk, and is never used again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redb::{ReadableTable, WriteTransaction};
use tracing::error;

use super::commands::Inbox;
use super::feed::Opened;
use super::frame::{Block, Frame};
use super::group::{Append, Control, Group, Reply};
use super::identities::{Identities, Identity};
use super::requests::{Put, RequestChange, Requests};
use super::retention::Retention;
use super::settle::{Settling, decode_request};
use super::shared::{End, Shared};
use super::state::{State, Totals};
use super::tables::Tables;
use super::turns::Turns;
use super::{
    AppendError, Appended, DestinationId, DestinationStatus, PipelineId, RequestId, SETTLE_LAG_MS, Start, StoreError,
};
use super::{backfill, backlog, copy, dead, letters, stored_frame};
use crate::telemetry::span;

/// See the module.
pub struct Committer {
    shared: Arc<Shared>,
    inbox: Inbox,
    state: State,
    identities: Identities,
    /// What all came to at the last commit.
    totals: Totals,
    /// When it was last looked whether events are too old.
    ages_looked_ms: u64,
    retention: Retention,
    /// What came while the last commit ran.
    next: Group,
    turns: Turns,
}

/// A group that has fewer appends than its part waits so long for others to come: a commit costs
/// much more than that, and those who were answered together come back together.
const LINGER: Duration = Duration::from_micros(100);
/// It waits again as long as appends come, but no more often than this.
const LINGERS_MAX: usize = 16;

/// It is looked no more often than this whether events are too old, in milliseconds.
const AGES_LOOK_MS: u64 = 1_000;

/// What one group brings for one pipeline.
type Batch = (u32, Vec<Block>);

/// Who waits for an append, and what becomes of it once the group is durable.
type Admitted = (tokio::sync::oneshot::Sender<Result<Appended, AppendError>>, Appended);

/// What a group's appends bring.
#[derive(Default)]
struct Arrivals {
    batches: Vec<Batch>,
    admitted: Vec<Admitted>,
    /// Identities that were not known before.
    learned: Vec<Identity>,
}

/// What happens once a group is durable.
#[derive(Default)]
struct Durable {
    frames: Vec<(u32, Arc<Frame>)>,
    told: Vec<(Arc<Requests>, RequestChange)>,
    answers: Vec<Box<dyn FnOnce()>>,
    /// Whether there was anything to commit.
    changed: bool,
    rewrites: Vec<(PathBuf, Reply<()>)>,
    close: Option<Reply<()>>,
}

impl Committer {
    /// A committer over the state that was read.
    pub fn new(shared: Arc<Shared>, inbox: Inbox, mut state: State, identities: Identities) -> Committer {
        let totals = state.totals();
        let (retention, next, turns) = (Retention::default(), Group::default(), Turns::default());
        Committer { shared, inbox, state, identities, totals, ages_looked_ms: 0, retention, next, turns }
    }

    /// Works until the store is closed, or nobody can send any more, or a commit fails.
    pub fn run(mut self) {
        let _at_a_panic = EndAtPanic(self.shared.clone());
        self.publish(None);
        let mut close = None;
        while close.is_none()
            && let Some(group) = self.next_group()
        {
            match self.commit(group) {
                Ok(reply) => close = reply,
                Err(cause) => return self.poison(&cause.to_string()),
            }
        }
        self.shared.end(End::Closed);
        drop((self.state, self.next, self.inbox));
        let closed = self.shared.close_database();
        if let Some(reply) = close {
            // Who does not wait any more does not need it.
            let _ = reply.send(closed);
        }
    }

    /// The next group; waits for the first command of it. None when nobody can send any more.
    fn next_group(&mut self) -> Option<Group> {
        let mut group = std::mem::take(&mut self.next);
        if group.is_empty() {
            group.add(self.inbox.next()?);
        }
        let deadline = Instant::now() + Duration::from_millis(SETTLE_LAG_MS);
        loop {
            self.drain_into(&mut group);
            if group.is_awaited() {
                self.linger(&mut group);
            }
            if group.is_full() || group.is_awaited() {
                return Some(group);
            }
            if !self.inbox.sleep_until(deadline) {
                self.drain_into(&mut group);
                return Some(group);
            }
        }
    }

    /// Takes what waits, until the group is full.
    fn drain_into(&mut self, group: &mut Group) {
        while !group.is_full()
            && let Some(command) = self.inbox.try_next()
        {
            group.add(command);
        }
    }

    /// Lets others of the same part come.
    #[expect(clippy::disallowed_methods, reason = "the committer's own thread, which nobody else works on")]
    fn linger(&mut self, group: &mut Group) {
        for _ in 0..LINGERS_MAX {
            let appends = group.appends.len();
            if group.is_enough() || appends >= self.turns.part() {
                return;
            }
            std::thread::sleep(LINGER);
            self.drain_into(group);
            if group.appends.len() == appends {
                return;
            }
        }
    }

    fn commit(&mut self, mut group: Group) -> Result<Option<Reply<()>>, StoreError> {
        let started = Instant::now();
        let was_enough = group.is_enough();
        let span = span::commit(group.appends.len(), group.settles.len()).entered();
        let arrivals = self.admit(std::mem::take(&mut group.appends));
        let transaction = self.shared.begin_write()?;
        let durable = self.write(&transaction, arrivals.batches, &arrivals.learned, group)?;
        span.record("changed", durable.changed);
        if durable.changed {
            let written = Instant::now();
            transaction.commit()?;
            self.shared.sync_times.observe(written.elapsed());
            self.publish(Some(started.elapsed()));
        } else {
            transaction.abort()?;
        }
        let mut evicted = Vec::new();
        for (pipeline, frame) in durable.frames {
            let end_seq = frame.end_seq();
            evicted.push(self.shared.cache.insert(pipeline, frame));
            evicted.push(self.shared.cache.take_read(pipeline, self.totals.settled[pipeline as usize]));
            self.state.pipeline(pipeline).head.send_replace(end_seq);
        }
        for (requests, change) in durable.told {
            requests.apply(change);
        }
        self.meet(arrivals.admitted.len(), was_enough);
        for (reply, appended) in arrivals.admitted {
            let _ = reply.send(Ok(appended));
        }
        for answer in durable.answers {
            answer();
        }
        for (from, reply) in durable.rewrites {
            let rewritten = copy::end_rewrite(&self.shared, &from);
            if rewritten.is_ok() {
                copy::sync_name(&self.shared)?;
            }
            let _ = reply.send(rewritten);
        }
        // Freeing thousands of events takes its time, so not before the answers.
        drop(evicted);
        Ok(durable.close)
    }

    /// Between a commit and its answers: who waits for them, and who came meanwhile, are all who append now.
    fn meet(&mut self, committed: usize, was_enough: bool) {
        let mut next = std::mem::take(&mut self.next);
        self.drain_into(&mut next);
        if committed > 0 {
            self.turns.meet(committed, next.appends.len(), was_enough);
        }
        self.next = next;
    }

    /// Refuses what there is no room for, leaves out what is known, and sorts the rest by pipeline.
    fn admit(&mut self, appends: Vec<Append>) -> Arrivals {
        let mut arrivals = Arrivals::default();
        if appends.is_empty() {
            return arrivals;
        }
        self.identities.turn(self.shared.now_ms());
        let free_bytes = self.free_bytes();
        let mut used_bytes = self.totals.kept_bytes + self.totals.owed_bytes;
        for append in appends {
            // What is only sent again needs no room.
            let is_known = |part: &(PipelineId, Block)| {
                !part.1.identities.is_empty() && part.1.identities.iter().all(|id| self.identities.knows(*id))
            };
            if !append.parts.iter().all(is_known)
                && let Err(refusal) = self.room_for(&append, used_bytes, free_bytes)
            {
                let _ = append.reply.send(Err(refusal));
                self.shared.options.pulse.notify_one();
                continue;
            }
            used_bytes += append.bytes as u64;
            let mut appended = Appended::default();
            for (pipeline, block) in append.parts {
                let Some(block) = self.without_known(&pipeline, block, &mut arrivals.learned, &mut appended) else {
                    continue;
                };
                let number = self.state.pipeline_number(&pipeline);
                match arrivals.batches.iter_mut().find(|batch| batch.0 == number) {
                    Some(batch) => batch.1.push(block),
                    None => arrivals.batches.push((number, vec![block])),
                }
            }
            arrivals.admitted.push((append.reply, appended));
            // The memory is the cache's from here on.
            drop(append.room);
        }
        arrivals
    }

    /// The block without the events that are known, in this group or before; None when all are.
    fn without_known(
        &mut self,
        pipeline: &PipelineId,
        block: Block,
        learned: &mut Vec<Identity>,
        appended: &mut Appended,
    ) -> Option<Block> {
        let known: Vec<bool> = block.identities.iter().map(|id| !self.identities.learn(*id)).collect();
        let news = block.identities.iter().zip(&known).filter(|(_, known)| !**known);
        learned.extend(news.map(|(id, _)| *id));
        if !known.contains(&true) {
            return Some(block);
        }
        let (mut kept, mut known) = (Vec::new(), known.into_iter());
        for event in block.events {
            match known.next() {
                Some(true) => appended.duplicates.push((pipeline.clone(), event.message_id)),
                _ => kept.push(event),
            }
        }
        (!kept.is_empty()).then(|| Block::new(kept))
    }

    fn room_for(&self, append: &Append, used_bytes: u64, free_bytes: Option<u64>) -> Result<(), AppendError> {
        let options = &self.shared.options;
        if used_bytes + append.bytes as u64 > options.queue_bytes_max {
            return Err(AppendError::Full { used_bytes, bytes_max: options.queue_bytes_max });
        }
        match free_bytes {
            Some(free_bytes) if free_bytes < options.disk_reserve_bytes => {
                Err(AppendError::DiskReserve { free_bytes, reserve_bytes: options.disk_reserve_bytes })
            }
            _ => Ok(()),
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        (self.shared.options.free_bytes)(&self.shared.path)
    }

    fn write(
        &mut self,
        transaction: &WriteTransaction,
        batches: Vec<Batch>,
        learned: &[Identity],
        group: Group,
    ) -> Result<Durable, StoreError> {
        let now_ms = self.shared.now_ms();
        let mut durable = Durable::default();
        let mut tables = Tables::open(transaction)?;
        self.identities.write(&mut tables.identities, learned, now_ms)?;
        for (pipeline, blocks) in batches {
            let frame = self.append(&mut tables, pipeline, blocks)?;
            durable.frames.push((pipeline, Arc::new(frame)));
        }
        let mut settling =
            Settling { state: &mut self.state, tables: &mut tables, shared: &self.shared, now_ms, told: Vec::new() };
        for settle in group.settles {
            settling.apply(settle.destination, settle.settlement)?;
            if let Some(reply) = settle.reply {
                durable.answers.push(Box::new(move || {
                    let _ = reply.send(());
                }));
            }
        }
        for control in group.controls {
            control_one(&mut settling, control, &mut durable)?;
        }
        let grown: Vec<u32> = durable.frames.iter().map(|(pipeline, _)| *pipeline).collect();
        let looks_at_ages = now_ms.abs_diff(self.ages_looked_ms) >= AGES_LOOK_MS;
        if looks_at_ages {
            self.ages_looked_ms = now_ms;
        }
        backlog::expire(&mut settling, &grown, looks_at_ages)?;
        durable.told = settling.told;
        self.totals = self.state.totals();
        let options = &self.shared.options;
        let frames_went =
            self.retention.trim(&mut self.state, &mut tables, options, (now_ms, looks_at_ages), &self.totals)?;
        let letters_went = dead::trim(&mut self.state, &mut tables, options, now_ms, self.totals.letters)?;
        if frames_went || letters_went {
            self.totals = self.state.totals();
        }
        durable.changed |= self.state.save(&mut tables)?;
        Ok(durable)
    }

    fn append(&mut self, tables: &mut Tables<'_>, pipeline: u32, blocks: Vec<Block>) -> Result<Frame, StoreError> {
        let row = &mut self.state.pipeline_mut(pipeline).row;
        let stored = stored_frame::write(tables, pipeline, row.head, &blocks)?;
        let mut frame = Frame { first_seq: row.head, events: Vec::with_capacity(stored.events as usize) };
        frame.events.extend(blocks.into_iter().flat_map(|block| block.events));
        row.head = frame.end_seq();
        row.kept_bytes += u64::from(stored.bytes);
        Ok(frame)
    }

    fn poison(self, cause: &str) {
        error!(path = %self.shared.path.display(), cause, "a commit failed: nothing is accepted until the daemon is started again");
        self.shared.end(End::Poisoned(cause.to_owned()));
    }

    /// Shows the figures to [`EventStore::status`](super::EventStore::status).
    fn publish(&self, commit: Option<Duration>) {
        let mut status = self.shared.status();
        status.accepted = self.totals.accepted;
        status.kept_events = self.totals.kept_events;
        status.kept_bytes = self.totals.kept_bytes;
        status.pending_bytes = self.totals.pending_bytes;
        status.dead_letters = self.totals.letters;
        status.known_ids = self.identities.len();
        status.known_window_ms = self.identities.window_ms(self.shared.now_ms());
        if let Some(took) = commit {
            status.commits += 1;
            status.commit_us += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        }
        drop(status);
        self.shared.options.pulse.notify_one();
    }
}

/// Poisons the store should the committer panic, so that nobody waits for ever.
struct EndAtPanic(Arc<Shared>);

impl Drop for EndAtPanic {
    fn drop(&mut self) {
        self.0.end(End::Poisoned("the committer stopped at a fault of its own".to_owned()));
    }
}

fn control_one(settling: &mut Settling<'_, '_>, control: Control, durable: &mut Durable) -> Result<(), StoreError> {
    match control {
        Control::Open(destination, pipeline, start, reply) => {
            let opened = open(settling, &destination, &pipeline, start)?;
            answer(durable, reply, opened);
        }
        Control::Remove(destination, reply) => {
            let open = match settling.state.destination_number(&destination) {
                Some(number) => settling.remove(number)?,
                None => 0,
            };
            answer(durable, reply, Ok(open));
        }
        Control::Pause(destination, paused, reply) => {
            let number = settling.state.destination_number(&destination);
            if let Some(number) = number {
                settling.state.destination_mut(number).row.paused = paused;
            }
            answer(durable, reply, Ok(number.is_some()));
        }
        Control::Destinations(reply) => {
            let all = statuses(settling)?;
            answer(durable, reply, Ok(all));
        }
        Control::DeadStep(step, reply) => {
            let stepped = letters::step(settling, &step)?;
            answer(durable, reply, Ok(stepped));
        }
        Control::Backfill(step, reply) => {
            let stepped = backfill::step(settling, &step)?;
            answer(durable, reply, stepped);
        }
        Control::PutRecord(name, record, reply) => {
            settling.tables.records.insert(&*name, &record[..])?;
            durable.changed = true;
            answer(durable, reply, Ok(()));
        }
        Control::Erase(step, reply) => {
            let erased = settling.erase(step)?;
            answer(durable, reply, Ok(erased));
        }
        Control::Rewrite(from, reply) => durable.rewrites.push((from, reply)),
        Control::Close(reply) => durable.close = Some(reply),
    }
    Ok(())
}

fn answer<T: 'static>(durable: &mut Durable, reply: Reply<T>, result: Result<T, StoreError>) {
    durable.answers.push(Box::new(move || {
        let _ = reply.send(result);
    }));
}

/// The outer error is the engine's, the inner one is for the caller alone.
fn open(
    settling: &mut Settling<'_, '_>,
    name: &DestinationId,
    pipeline: &PipelineId,
    start: Start,
) -> Result<Result<Opened, StoreError>, StoreError> {
    let pipeline = settling.state.pipeline_number(pipeline);
    let known = settling.state.destination_number(name);
    if known.is_some_and(|number| settling.state.destination(number).requests.strong_count() > 0) {
        return Ok(Err(StoreError::Failed(format!("the feed of {name} is open already"))));
    }
    let number = match known {
        Some(number) if settling.state.destination(number).row.pipeline == pipeline => number,
        moved_or_new => {
            if let Some(number) = moved_or_new {
                settling.remove(number)?;
            }
            settling.state.add_destination(name, pipeline, start)
        }
    };
    let requests = Arc::new(Requests::default());
    let last_request = load_requests(settling, number, &requests)?;
    let head = settling.state.pipeline(pipeline).head.subscribe();
    let destination = settling.state.destination_to_open(number);
    destination.requests = Arc::downgrade(&requests);
    destination.next_request.fetch_max((last_request | 1) + 1, Ordering::Relaxed);
    Ok(Ok(Opened {
        destination: number,
        pipeline,
        head,
        cursor: destination.row.progress.cursor,
        done: destination.row.progress.ranges().collect(),
        requests,
        next_request: destination.next_request.clone(),
        paused: destination.row.paused,
        backlog: destination.backlog.clone(),
    }))
}

/// Reads a destination's stored requests. Answers the largest id.
fn load_requests(settling: &Settling<'_, '_>, number: u32, requests: &Requests) -> Result<u64, StoreError> {
    let mut last = 0;
    for row in settling.tables.requests.range((number, 0)..=(number, u64::MAX))? {
        let (key, value) = row?;
        let row = decode_request(value.value())
            .ok_or_else(|| settling.shared.damaged("a stored request is cut off".to_owned()))?;
        last = key.value().1;
        requests.apply(RequestChange::Put(Put::new(RequestId(last), row.due_ms, &row.covers, row.lanes)));
    }
    Ok(last)
}

fn statuses(settling: &Settling<'_, '_>) -> Result<Vec<DestinationStatus>, StoreError> {
    let mut all = Vec::new();
    for (_, destination) in settling.state.destinations() {
        let head = settling.state.pipeline(destination.row.pipeline).row.head;
        let cursor = destination.row.progress.cursor;
        let lag_ms = if destination.row.progress.waiting(head) == 0 {
            0
        } else {
            let frame = stored_frame::row_of(&settling.tables.directory, destination.row.pipeline, cursor)?;
            frame.map_or(0, |frame| settling.now_ms.saturating_sub(frame.oldest_ms))
        };
        all.push(destination.status(head, lag_ms));
    }
    Ok(all)
}
