//! Replay from the queue: the events of a pipeline that were accepted between two times become new
//! deliveries of one destination, a bounded number a commit.
//!
//! The place is kept in the destination's row, in the same commit as the deliveries: after a crash,
//! and for a second caller, it goes on there, and no event is replayed twice. An event that the
//! destination has still to deliver for the first time is passed over: it comes anyway.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::{Frame, FrameRow};
use super::settle::{EventHead, Settling, read_owed};
use super::stored_frame;
use super::{DeliveryId, DestinationId, RequestId, StoreError, StoredRequest};

/// Frames that one step looks at, at most. Of those beyond the times only the row is read.
const FRAMES_MAX: usize = 256;

/// JSON that one step makes owed, at most, so that no commit takes long.
const STEP_BYTES_MAX: usize = 1 << 20;

/// Events that share a stored request, so that the plugin can put them into one. A destination with
/// a smaller bound plans them in parts.
const REQUEST_EVENTS_MAX: usize = 50;

/// One step of a replay from the queue.
#[derive(Clone, Debug)]
pub struct BackfillStep {
    /// Whose.
    pub destination: DestinationId,
    /// Where it goes on.
    pub place: BackfillPlace,
    /// At most so many events.
    pub events_max: usize,
    /// The step does nothing while the destination has so many stored requests.
    pub stored_requests_max: u64,
    /// Of the stored requests that cover the new deliveries.
    pub payload: Bytes,
}

/// Where a step goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillPlace {
    /// Where a replay of this range stopped, or else at its beginning: milliseconds since 1970, the
    /// end excluded.
    Range {
        /// Accepted at this time or later.
        from_ms: u64,
        /// Accepted before this time.
        to_ms: u64,
    },
    /// Where the replay of this number stands; it does nothing more once that has come to its end.
    Of(u64),
    /// Nowhere: what is under way is given up, and what it replayed stays.
    Abandon,
}

/// How far a replay from the queue is.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Backfill {
    /// Its number.
    pub number: u64,
    /// New deliveries that it has made.
    pub replayed: u64,
    /// Events that it passed over because the destination has still to deliver them.
    pub passed: u64,
    /// When the oldest event that the queue keeps was accepted; None when it keeps none.
    pub reaches_back_ms: Option<u64>,
    /// Whether the destination has too many stored requests for more.
    pub held: bool,
    /// Whether it has come to its end.
    pub done: bool,
}

/// The durable part.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BackfillRow {
    number: u64,
    from_ms: u64,
    to_ms: u64,
    /// The next event to look at.
    next_seq: u64,
    /// Behind the last one: those that come after the beginning are not in it.
    end_seq: u64,
    replayed: u64,
    passed: u64,
}

/// Takes one step. The outer error is the engine's, the inner one is for the caller alone.
pub fn step(settling: &mut Settling<'_, '_>, step: &BackfillStep) -> Result<Result<Backfill, StoreError>, StoreError> {
    let Some(number) = settling.state.destination_number(&step.destination) else {
        return Ok(Err(StoreError::UnknownDestination { destination: step.destination.clone() }));
    };
    let row = match begin(settling, number, step.place) {
        Ok(row) => row,
        Err(error) => return Ok(Err(error)),
    };
    let pipeline = settling.state.destination(number).row.pipeline;
    let oldest = settling.state.pipeline(pipeline).row.oldest;
    let reaches_back_ms = stored_frame::row_from(&settling.tables.directory, pipeline, oldest)?;
    let mut answer =
        Backfill { reaches_back_ms: reaches_back_ms.map(|(_, frame)| frame.oldest_ms), ..Backfill::default() };
    let Some(mut row) = row else {
        answer.done = true;
        return Ok(Ok(answer));
    };
    answer.held = settling.state.destination(number).row.stored >= step.stored_requests_max;
    if !answer.held {
        advance(settling, number, &mut row, step)?;
    }
    answer.number = row.number;
    answer.replayed = row.replayed;
    answer.passed = row.passed;
    answer.done = row.next_seq >= row.end_seq;
    settling.state.destination_mut(number).row.backfill = (!answer.done).then_some(row);
    Ok(Ok(answer))
}

/// The replay that a step goes on with; a new one where there is none of that range.
fn begin(
    settling: &mut Settling<'_, '_>,
    number: u32,
    place: BackfillPlace,
) -> Result<Option<BackfillRow>, StoreError> {
    let destination = &settling.state.destination(number).row;
    let under_way = destination.backfill.clone();
    match place {
        BackfillPlace::Of(wanted) => Ok(under_way.filter(|row| row.number == wanted)),
        BackfillPlace::Abandon => {
            settling.state.destination_mut(number).row.backfill = None;
            Ok(None)
        }
        BackfillPlace::Range { from_ms, to_ms } => match under_way {
            Some(row) if (row.from_ms, row.to_ms) == (from_ms, to_ms) => Ok(Some(row)),
            Some(BackfillRow { from_ms, to_ms, .. }) => {
                Err(StoreError::ReplayUnderWay { destination: destination.name.clone(), from_ms, to_ms })
            }
            None => {
                let of_pipeline = &settling.state.pipeline(destination.pipeline).row;
                let (next_seq, end_seq) = (of_pipeline.oldest, of_pipeline.head);
                let destination = &mut settling.state.destination_mut(number).row;
                destination.backfills += 1;
                let number = destination.backfills;
                Ok(Some(BackfillRow { number, from_ms, to_ms, next_seq, end_seq, ..BackfillRow::default() }))
            }
        },
    }
}

/// Replays the next events.
fn advance(
    settling: &mut Settling<'_, '_>,
    number: u32,
    row: &mut BackfillRow,
    step: &BackfillStep,
) -> Result<(), StoreError> {
    let pipeline = settling.state.destination(number).row.pipeline;
    let mut covers = Vec::new();
    let (mut events, mut bytes) = (0, 0);
    for _ in 0..FRAMES_MAX {
        row.next_seq = row.next_seq.max(settling.state.pipeline(pipeline).row.oldest);
        if row.next_seq >= row.end_seq || events >= step.events_max || bytes >= STEP_BYTES_MAX {
            break;
        }
        let found = stored_frame::first_and_row_of(&settling.tables.directory, pipeline, row.next_seq)?;
        let (first_seq, frame) =
            found.ok_or_else(|| settling.shared.damaged(format!("event {} has no frame", row.next_seq)))?;
        if !overlaps(&frame, row) {
            row.next_seq = first_seq + u64::from(frame.events);
            continue;
        }
        let frame = settling.frame(pipeline, row.next_seq)?;
        while let Some(event) = frame.event(row.next_seq).filter(|_| row.next_seq < row.end_seq) {
            if events >= step.events_max || bytes >= STEP_BYTES_MAX {
                break;
            }
            let seq = row.next_seq;
            row.next_seq += 1;
            if event.is_erased() || !(row.from_ms..row.to_ms).contains(&event.received_ms) {
                continue;
            }
            if settling.is_open(number, seq)? {
                row.passed += 1;
                continue;
            }
            covers.push(settling.add_replay(number, EventHead::new(event, seq), &event.json)?);
            row.replayed += 1;
            events += 1;
            bytes += event.json.len();
        }
    }
    for covers in covers.chunks(REQUEST_EVENTS_MAX) {
        let request = StoredRequest {
            id: RequestId::of_replay(covers[0]),
            due_ms: settling.now_ms,
            covers: covers.to_vec(),
            lanes: Vec::new(),
            payload: step.payload.clone(),
        };
        settling.put(number, &request)?;
        settling.note_replay(number, covers, "from the queue".to_owned())?;
    }
    Ok(())
}

fn overlaps(frame: &FrameRow, row: &BackfillRow) -> bool {
    frame.newest_ms >= row.from_ms && frame.oldest_ms < row.to_ms
}

impl Settling<'_, '_> {
    /// The frame that holds the event, perhaps without indexes.
    pub fn frame(&self, pipeline: u32, seq: u64) -> Result<Arc<Frame>, StoreError> {
        if let Some(frame) = self.shared.cache.get(pipeline, seq) {
            return Ok(frame);
        }
        let stored = stored_frame::read(&self.tables.directory, &self.tables.frames, pipeline, seq)?;
        let stored = stored.ok_or_else(|| self.shared.damaged(format!("event {seq} has no frame")))?;
        Ok(Arc::new(stored.decode()?))
    }

    /// Whether the first delivery of an event has still to end.
    fn is_open(&self, number: u32, seq: u64) -> Result<bool, StoreError> {
        let progress = &self.state.destination(number).row.progress;
        Ok(!progress.is_done(seq) || read_owed(&self.tables.owed, (number, DeliveryId::first(seq).0))?.is_some())
    }
}
