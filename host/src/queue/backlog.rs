//! What a destination leaves unsettled, and its bound: beyond it the oldest waiting events expire, a
//! frame at a time, so that a vendor that is down for days never takes the space of the others.
//! Nothing expires without being counted, told in the history, and logged.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::FrameRow;
use super::settle::Settling;
use super::state::DestinationRow;
use super::stored_frame;
use super::{Backlog, DeliveryId, Note, StoreError};

/// At most so many frames expire with one commit, so that no commit takes long. A commit adds one
/// frame a pipeline, so this catches up.
const FRAMES_MAX: usize = 64;

/// The bound of one destination and what expired by it: shared by its feed and the committer.
#[derive(Debug, Default)]
pub struct BacklogState {
    bound: Mutex<Option<Backlog>>,
    /// Everything before this number has expired or is settled.
    floor: AtomicU64,
}

impl BacklogState {
    /// Sets the bound.
    pub fn set(&self, backlog: Option<Backlog>) {
        *self.bound.lock().expect("no holder of this lock panics") = backlog;
    }

    /// Feeds hand nothing out before this number.
    pub fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }

    fn bound(&self) -> Option<Backlog> {
        *self.bound.lock().expect("no holder of this lock panics")
    }
}

/// Lets expire what is beyond the bounds. The bound of size is looked at only for pipelines to which this
/// commit adds (`grown`): what is tried and has to wait takes more room than before, as an event and as a
/// request, and while a destination catches up nothing must go for that. That of age, which `looks_at_ages`
/// asks for, costs a look at each destination.
pub fn expire(settling: &mut Settling<'_, '_>, grown: &[u32], looks_at_ages: bool) -> Result<(), StoreError> {
    let mut is_grown = vec![false; settling.state.pipelines().count()];
    for pipeline in grown {
        is_grown[*pipeline as usize] = true;
    }
    let state = &settling.state;
    let may_be_beyond = |row: &DestinationRow| {
        (looks_at_ages || is_grown[row.pipeline as usize])
            && row.progress.cursor < state.pipeline(row.pipeline).row.head
    };
    let looked_at = state.destinations().filter(|(_, each)| may_be_beyond(&each.row));
    let bounded: Vec<_> = looked_at.filter_map(|(number, each)| Some((number, each.backlog.bound()?))).collect();
    for (number, bound) in bounded {
        let mut expired = 0;
        for _ in 0..FRAMES_MAX {
            match oldest_beyond(settling, number, bound, &is_grown)? {
                Some(end) => expired += expire_to(settling, number, end)?,
                None => break,
            }
        }
        if expired > 0 {
            let destination = &settling.state.destination(number).row.name;
            tracing::warn!(%destination, expired, bytes_max = bound.bytes_max, age_ms_max = bound.age_ms_max,
                "its backlog is beyond its bound: the oldest events expired and will not be delivered");
        }
    }
    Ok(())
}

/// The end of the frame that a destination has to settle next, when that is beyond the bound.
fn oldest_beyond(
    settling: &Settling<'_, '_>,
    number: u32,
    bound: Backlog,
    is_grown: &[bool],
) -> Result<Option<u64>, StoreError> {
    let row = &settling.state.destination(number).row;
    let pipeline = settling.state.pipeline(row.pipeline);
    let cursor = row.progress.cursor;
    if cursor >= pipeline.row.head {
        return Ok(None);
    }
    let is_large = is_grown[row.pipeline as usize] && settling.state.backlog_bytes(number) > bound.bytes_max;
    let too_old = |frame: &FrameRow| frame.newest_ms.saturating_add(bound.age_ms_max) < settling.now_ms;
    // No frame is older than the pipeline's oldest, which is in memory: mostly nothing is read.
    if !is_large && pipeline.oldest_frame.as_ref().is_some_and(|oldest| !too_old(oldest)) {
        return Ok(None);
    }
    let Some((first_seq, frame)) = stored_frame::first_and_row_of(&settling.tables.directory, row.pipeline, cursor)?
    else {
        return Ok(None);
    };
    Ok((is_large || too_old(&frame)).then(|| first_seq + u64::from(frame.events)))
}

/// Settles as expired what waits before `end`. Answers how many there were.
fn expire_to(settling: &mut Settling<'_, '_>, number: u32, end: u64) -> Result<u64, StoreError> {
    let destination = settling.state.destination_mut(number);
    let cursor = destination.row.progress.cursor;
    let expired: Vec<DeliveryId> =
        (cursor..end).filter(|seq| destination.row.progress.mark(*seq)).map(DeliveryId::first).collect();
    destination.row.counters.expired += expired.len() as u64;
    destination.backlog.floor.fetch_max(end, Ordering::Release);
    let note = Note {
        at_ms: settling.now_ms,
        step: "expired".to_owned(),
        revision: String::new(),
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: "the backlog of the destination was beyond its bound".to_owned(),
    };
    settling.note(number, &expired, &note)?;
    Ok(expired.len() as u64)
}
