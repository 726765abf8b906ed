//! What the committer knows of pipelines and destinations: kept in memory, written once a commit
//! when it changed. Nobody else has it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use redb::ReadableTable;
use tokio::sync::watch;

use super::backfill::BackfillRow;
use super::backlog::BacklogState;
use super::dead::LettersKept;
use super::frame::FrameRow;
use super::progress::Progress;
use super::requests::Requests;
use super::tables::{STATE_DESTINATION, STATE_PIPELINE, StateKey, Tables, from_json, to_json};
use super::{Counters, DeliveryId, DestinationId, DestinationStatus, PipelineId, RequestId, Start, StoreError};

/// The number of the first event of a pipeline.
pub const FIRST_SEQ: u64 = 1;

/// At most so many reasons are counted apart, so that a row stays small; the rest is `other`.
const REASONS_MAX: usize = 64;

/// A pipeline's durable row.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct PipelineRow {
    /// Its name.
    pub name: PipelineId,
    /// The number that the next event gets.
    pub head: u64,
    /// The number of the oldest event still kept.
    pub oldest: u64,
    /// Bytes of its frames still kept.
    pub kept_bytes: u64,
}

/// A destination's durable row.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct DestinationRow {
    /// Its name.
    pub name: DestinationId,
    /// Its pipeline's number.
    pub pipeline: u32,
    /// Set when it is no longer configured; kept for its dead letters and its numbers.
    pub removed: bool,
    /// The number of the first event that it was to deliver.
    pub base: u64,
    /// What it has settled.
    pub progress: Progress,
    /// The counters; `accepted` follows from `base` and is not kept.
    pub counters: Counters,
    /// Deliveries owed.
    pub owed: u64,
    /// Bytes of their events.
    pub owed_bytes: u64,
    /// Stored requests.
    pub stored: u64,
    /// Bytes of their payloads.
    pub stored_bytes: u64,
    /// How many replays it has had.
    pub replays: u64,
    /// How many notes it has made.
    pub notes: u64,
    /// Whether the operator paused it.
    #[serde(default)]
    pub paused: bool,
    /// Its dead letters; None in a row that an older daemon wrote, until they are counted.
    #[serde(default)]
    pub letters: Option<LettersKept>,
    /// The replay from the queue that is under way.
    #[serde(default)]
    pub backfill: Option<BackfillRow>,
    /// How many replays from the queue it has begun.
    #[serde(default)]
    pub backfills: u64,
}

/// A pipeline.
#[derive(Debug)]
pub struct Pipeline {
    /// What is durable.
    pub row: PipelineRow,
    /// The head as feeds see it: it moves once the events are durable.
    pub head: watch::Sender<u64>,
    /// The directory row of the oldest frame, once it was read.
    pub oldest_frame: Option<FrameRow>,
}

/// A destination.
#[derive(Debug)]
pub struct Destination {
    /// What is durable.
    pub row: DestinationRow,
    /// Its stored requests by time, while a feed is open.
    pub requests: Weak<Requests>,
    /// Where the feeds of this run of the daemon take request ids from; even numbers.
    pub next_request: Arc<AtomicU64>,
    /// What it may leave unsettled, and what of that has expired.
    pub backlog: Arc<BacklogState>,
}

/// What all pipelines and destinations come to. Looking at a thousand of them costs as much as a small
/// commit, so it is done once a commit.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Events ever accepted.
    pub accepted: u64,
    /// Events still kept.
    pub kept_events: u64,
    /// Bytes of all frames kept.
    pub kept_bytes: u64,
    /// Bytes that owed deliveries and stored requests take.
    pub owed_bytes: u64,
    /// About the bytes that not all destinations have settled: frames from the slowest cursors on, by their
    /// share of events, and owed.
    pub pending_bytes: u64,
    /// Dead letters, also of destinations that are no longer configured.
    pub letters: LettersKept,
    /// The numbers up to which every destination of a pipeline has settled, by pipeline.
    pub settled: Vec<u64>,
}

/// What the totals need of a destination: beside each other in memory, unlike the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    pipeline: u32,
    removed: bool,
    cursor: u64,
    /// As [`Totals::owed_bytes`].
    owed_bytes: u64,
    letters: LettersKept,
}

/// All pipelines and destinations, by number.
#[derive(Debug, Default)]
pub struct State {
    pipelines: Vec<Pipeline>,
    destinations: Vec<Destination>,
    /// Of the destinations, as they were at the last totals.
    shares: Vec<Share>,
    /// Those whose row is written with this commit.
    dirty_pipelines: BTreeSet<u32>,
    dirty_destinations: BTreeSet<u32>,
    pipeline_numbers: HashMap<PipelineId, u32>,
    destination_numbers: HashMap<DestinationId, u32>,
    /// Events of which this run of the daemon erased the content, by pipeline and number: what is in
    /// flight may still speak of them.
    erased: HashSet<(u32, u64)>,
}

impl DeliveryId {
    /// The first delivery of an event.
    pub(super) fn first(seq: u64) -> DeliveryId {
        DeliveryId(seq << 1)
    }

    /// The replay of that number.
    pub(super) fn replay(number: u64) -> DeliveryId {
        DeliveryId(number << 1 | 1)
    }

    /// Whether another replay is the next one.
    pub(super) fn is_before(self, other: DeliveryId) -> bool {
        self.0 + 2 == other.0
    }

    /// The event's sequence number, when this is its first delivery.
    pub(super) fn seq(self) -> Option<u64> {
        (self.0 & 1 == 0).then_some(self.0 >> 1)
    }
}

impl RequestId {
    /// The request that a replay makes.
    pub(super) fn of_replay(delivery: DeliveryId) -> RequestId {
        RequestId(delivery.0)
    }
}

/// Adds one to a reason's count.
pub fn count_reason(counts: &mut BTreeMap<String, u64>, reason: &str) {
    if let Some(count) = counts.get_mut(reason) {
        *count += 1;
    } else if counts.len() < REASONS_MAX {
        counts.insert(reason.to_owned(), 1);
    } else {
        *counts.entry("other".to_owned()).or_default() += 1;
    }
}

impl Pipeline {
    fn new(row: PipelineRow) -> Pipeline {
        Pipeline { head: watch::Sender::new(row.head), row, oldest_frame: None }
    }

    /// Events still kept.
    pub fn kept_events(&self) -> u64 {
        self.row.head - self.row.oldest
    }
}

impl Destination {
    fn new(row: DestinationRow) -> Destination {
        Destination { row, requests: Weak::new(), next_request: Arc::new(AtomicU64::new(0)), backlog: Arc::default() }
    }

    /// The counters at this head of its pipeline.
    pub fn status(&self, head: u64, lag_ms: u64) -> DestinationStatus {
        let counters = Counters { accepted: head - self.row.base, ..self.row.counters.clone() };
        let waiting = self.row.progress.waiting(head);
        debug_assert_eq!(
            counters.accepted + counters.replayed,
            waiting + self.row.owed + counters.delivered + counters.filtered + counters.dead + counters.expired,
            "conservation of {}",
            self.row.name
        );
        DestinationStatus {
            destination: self.row.name.clone(),
            counters,
            waiting,
            owed: self.row.owed,
            stored_requests: self.row.stored,
            lag_ms,
            paused: self.row.paused,
            dead_letters: self.letters(),
        }
    }

    /// Its dead letters.
    pub fn letters(&self) -> LettersKept {
        self.row.letters.unwrap_or_default()
    }

    fn share(&self) -> Share {
        let row = &self.row;
        Share {
            pipeline: row.pipeline,
            removed: row.removed,
            cursor: row.progress.cursor,
            owed_bytes: row.owed_bytes + row.stored_bytes,
            letters: self.letters(),
        }
    }
}

impl State {
    /// Reads all rows.
    pub fn load(table: &impl ReadableTable<StateKey, &'static [u8]>) -> Result<State, StoreError> {
        let mut state = State::default();
        for row in table.iter()? {
            let (key, value) = row?;
            match key.value() {
                (STATE_PIPELINE, number) if number as usize == state.pipelines.len() => {
                    state.push_pipeline(Pipeline::new(from_json(value.value())?));
                }
                (STATE_DESTINATION, number) if number as usize == state.destinations.len() => {
                    state.push_destination(Destination::new(from_json(value.value())?));
                }
                _ => return Err(StoreError::Failed("the rows of state have a gap".to_owned())),
            }
        }
        Ok(state)
    }

    /// Writes the rows that changed. Answers whether there were any.
    pub fn save(&mut self, tables: &mut Tables<'_>) -> Result<bool, StoreError> {
        let any = !self.dirty_pipelines.is_empty() || !self.dirty_destinations.is_empty();
        for number in std::mem::take(&mut self.dirty_pipelines) {
            tables.state.insert((STATE_PIPELINE, number), &to_json(&self.pipeline(number).row)[..])?;
        }
        for number in std::mem::take(&mut self.dirty_destinations) {
            tables.state.insert((STATE_DESTINATION, number), &to_json(&self.destination(number).row)[..])?;
        }
        Ok(any)
    }

    /// The number of a pipeline, which is made when there is none.
    pub fn pipeline_number(&mut self, name: &PipelineId) -> u32 {
        if let Some(number) = self.pipeline_numbers.get(name) {
            return *number;
        }
        let row = PipelineRow { name: name.clone(), head: FIRST_SEQ, oldest: FIRST_SEQ, kept_bytes: 0 };
        let number = self.push_pipeline(Pipeline::new(row));
        self.pipeline_mut(number);
        number
    }

    /// The number of a destination that is configured.
    pub fn destination_number(&self, name: &DestinationId) -> Option<u32> {
        let number = *self.destination_numbers.get(name)?;
        (!self.destinations[number as usize].row.removed).then_some(number)
    }

    /// The number of a destination, which is made when there is none. One that moved to another
    /// pipeline begins anew there.
    pub fn add_destination(&mut self, name: &DestinationId, pipeline: u32, start: Start) -> u32 {
        let of_pipeline = &self.pipelines[pipeline as usize].row;
        let base = match start {
            Start::Now => of_pipeline.head,
            Start::Earliest => of_pipeline.oldest,
        };
        let mut row = DestinationRow {
            name: name.clone(),
            pipeline,
            removed: false,
            base,
            progress: Progress::new(base),
            counters: Counters::default(),
            owed: 0,
            owed_bytes: 0,
            stored: 0,
            stored_bytes: 0,
            replays: 0,
            notes: 0,
            paused: false,
            letters: Some(LettersKept::default()),
            backfill: None,
            backfills: 0,
        };
        let Some(number) = self.destination_numbers.get(name).copied() else {
            let number = self.push_destination(Destination::new(row));
            self.destination_mut(number);
            return number;
        };
        let known = self.destination_mut(number);
        row.replays = known.row.replays;
        row.notes = known.row.notes;
        row.letters = known.row.letters;
        row.backfills = known.row.backfills;
        known.row = row;
        number
    }

    /// All pipelines, by number.
    pub fn pipelines(&self) -> impl Iterator<Item = (u32, &Pipeline)> {
        (0..).zip(&self.pipelines)
    }

    /// A pipeline.
    pub fn pipeline(&self, number: u32) -> &Pipeline {
        &self.pipelines[number as usize]
    }

    /// A pipeline, to be changed: its row is written with this commit.
    pub fn pipeline_mut(&mut self, number: u32) -> &mut Pipeline {
        self.dirty_pipelines.insert(number);
        &mut self.pipelines[number as usize]
    }

    /// Keeps the directory row of a pipeline's oldest frame; that changes nothing durable.
    pub fn set_oldest_frame(&mut self, number: u32, frame: Option<FrameRow>) {
        self.pipelines[number as usize].oldest_frame = frame;
    }

    /// All destinations that are configured, by number.
    pub fn destinations(&self) -> impl Iterator<Item = (u32, &Destination)> {
        (0..).zip(&self.destinations).filter(|(_, destination)| !destination.row.removed)
    }

    /// A destination.
    pub fn destination(&self, number: u32) -> &Destination {
        &self.destinations[number as usize]
    }

    /// A destination, to be changed: its row is written with this commit.
    pub fn destination_mut(&mut self, number: u32) -> &mut Destination {
        self.dirty_destinations.insert(number);
        &mut self.destinations[number as usize]
    }

    /// A destination whose feed is opened; that changes nothing durable.
    pub fn destination_to_open(&mut self, number: u32) -> &mut Destination {
        &mut self.destinations[number as usize]
    }

    /// About the bytes that a destination has not settled: what waits in the frames, by its share of their
    /// events, and what it owes.
    pub fn backlog_bytes(&self, number: u32) -> u64 {
        let row = &self.destination(number).row;
        let waiting = row.progress.waiting(self.pipeline(row.pipeline).row.head);
        self.share_of_frames(row.pipeline, waiting) + row.owed_bytes + row.stored_bytes
    }

    /// About the bytes that so many events of a pipeline take in its frames.
    fn share_of_frames(&self, number: u32, events: u64) -> u64 {
        let pipeline = self.pipeline(number);
        let events = u128::from(events);
        let share = u128::from(pipeline.row.kept_bytes) * events / u128::from(pipeline.kept_events().max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// What all come to. Before [`State::save`], which forgets what has changed.
    pub fn totals(&mut self) -> Totals {
        // There are new ones, or they were just loaded.
        if self.shares.len() < self.destinations.len() {
            self.shares = self.destinations.iter().map(Destination::share).collect();
        }
        for number in &self.dirty_destinations {
            self.shares[*number as usize] = self.destinations[*number as usize].share();
        }
        #[cfg(test)]
        assert!(self.destinations.iter().map(Destination::share).eq(self.shares.iter().copied()), "a share is stale");
        let mut totals = Totals::default();
        for pipeline in &self.pipelines {
            totals.accepted += pipeline.row.head - FIRST_SEQ;
            totals.kept_events += pipeline.kept_events();
            totals.kept_bytes += pipeline.row.kept_bytes;
            totals.settled.push(pipeline.row.head);
        }
        for share in &self.shares {
            totals.owed_bytes += share.owed_bytes;
            totals.letters = totals.letters.and(share.letters);
            if !share.removed {
                let settled = &mut totals.settled[share.pipeline as usize];
                *settled = share.cursor.min(*settled);
            }
        }
        let unsettled = self.pipelines().zip(&totals.settled);
        let of_pipeline = |((number, pipeline), settled): ((u32, &Pipeline), &u64)| {
            self.share_of_frames(number, pipeline.row.head - settled)
        };
        totals.pending_bytes = unsettled.map(of_pipeline).sum::<u64>() + totals.owed_bytes;
        totals
    }

    /// What is to be set of those destinations, also removed ones, whose dead letters are not counted.
    /// That writes no row.
    pub fn uncounted_letters(&mut self) -> impl Iterator<Item = (u32, &mut Option<LettersKept>)> {
        let all = (0..).zip(&mut self.destinations).map(|(number, destination)| (number, &mut destination.row.letters));
        all.filter(|(_, letters)| letters.is_none())
    }

    /// Remembers that the content of an event was erased.
    pub fn add_erased(&mut self, pipeline: u32, seq: u64) {
        self.erased.insert((pipeline, seq));
    }

    /// Whether the content of an event was erased in this run.
    pub fn is_erased(&self, pipeline: u32, seq: u64) -> bool {
        self.erased.contains(&(pipeline, seq))
    }

    /// Whether any was.
    pub fn has_erased(&self) -> bool {
        !self.erased.is_empty()
    }

    fn push_pipeline(&mut self, pipeline: Pipeline) -> u32 {
        let number = u32::try_from(self.pipelines.len()).expect("far fewer pipelines are configured");
        self.pipeline_numbers.insert(pipeline.row.name.clone(), number);
        self.pipelines.push(pipeline);
        number
    }

    fn push_destination(&mut self, destination: Destination) -> u32 {
        let number = u32::try_from(self.destinations.len()).expect("far fewer destinations are configured");
        self.destination_numbers.insert(destination.row.name.clone(), number);
        self.destinations.push(destination);
        number
    }
}
