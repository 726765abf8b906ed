//! Giving space back: frames that every destination of their pipeline has settled go once they are
//! beyond the retention, by age or by bytes, whichever comes first. Their history goes with them.
//! Never touches a frame that a destination still has to read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::StoreError;
use super::frame::FrameRow;
use super::history;
use super::options::StoreOptions;
use super::state::{State, Totals};
use super::stored_frame;
use super::tables::Tables;

/// At most so many frames go with one commit, so that no commit takes long. A commit adds one frame
/// a pipeline, so this catches up.
const FRAMES_MAX: usize = 64;

/// Where bytes are the bound, one of so many parts of them goes at once, and then nothing for a
/// while: what is removed together costs little more than one frame.
const STRIDE_PART: u64 = 16;

/// No more bytes than these go at once.
const STRIDE_BYTES_MAX: u64 = 16 << 20;

/// Gives space back, in strides.
#[derive(Default)]
pub struct Retention {
    /// Whether more may go than went with the last commit.
    is_behind: bool,
}

impl Retention {
    /// Removes what may go: as soon as it is too much, and when it is time to look at ages. Answers
    /// whether anything went.
    ///
    /// # Errors
    /// The engine's.
    pub fn trim(
        &mut self,
        state: &mut State,
        tables: &mut Tables<'_>,
        options: &StoreOptions,
        (now_ms, looks_at_ages): (u64, bool),
        totals: &Totals,
    ) -> Result<bool, StoreError> {
        let bytes_max = kept_bytes_max(options);
        let strides = self.is_behind || totals.kept_bytes > bytes_max;
        if !strides && !looks_at_ages {
            return Ok(false);
        }
        let stride_bytes = if strides { (bytes_max / STRIDE_PART).min(STRIDE_BYTES_MAX) } else { 0 };
        let enough_bytes = bytes_max - stride_bytes;
        let (mut trimmed, mut kept_bytes) = (0, totals.kept_bytes);
        let mut gone = BTreeMap::<u32, Range<u64>>::new();
        while trimmed < FRAMES_MAX
            && let Some((pipeline, frame)) = oldest_settled(state, tables, &totals.settled)?
            && (is_old(&frame, options, now_ms) || kept_bytes > enough_bytes)
        {
            let seqs = leave_out(state, pipeline, &frame);
            gone.entry(pipeline).or_insert(seqs.clone()).end = seqs.end;
            kept_bytes -= u64::from(frame.bytes);
            trimmed += 1;
        }
        for (pipeline, seqs) in gone {
            stored_frame::remove(tables, pipeline, seqs.clone())?;
            history::trim(tables, pipeline, seqs)?;
        }
        self.is_behind = trimmed == FRAMES_MAX;
        Ok(trimmed > 0)
    }
}

fn is_old(frame: &FrameRow, options: &StoreOptions, now_ms: u64) -> bool {
    frame.newest_ms.saturating_add(options.retention_ms) < now_ms
}

/// Delivered events give way before the queue is full.
fn kept_bytes_max(options: &StoreOptions) -> u64 {
    options.retention_bytes.min(options.queue_bytes_max / 8 * 7)
}

/// The oldest of those frames with which their pipeline begins and that all have settled: that end before
/// the number in `settled`, by pipeline.
fn oldest_settled(
    state: &mut State,
    tables: &Tables<'_>,
    settled: &[u64],
) -> Result<Option<(u32, FrameRow)>, StoreError> {
    let mut oldest: Option<(u32, FrameRow)> = None;
    for (number, settled) in (0..).zip(settled) {
        let Some(frame) = first_frame(state, tables, number)? else {
            continue;
        };
        let end = state.pipeline(number).row.oldest + u64::from(frame.events);
        let older = oldest.as_ref().is_none_or(|(_, other)| frame.newest_ms < other.newest_ms);
        if older && end <= *settled {
            oldest = Some((number, frame));
        }
    }
    Ok(oldest)
}

fn first_frame(state: &mut State, tables: &Tables<'_>, number: u32) -> Result<Option<FrameRow>, StoreError> {
    let pipeline = state.pipeline(number);
    if pipeline.oldest_frame.is_none() && pipeline.kept_events() > 0 {
        let row = stored_frame::row_from(&tables.directory, number, pipeline.row.oldest)?;
        state.set_oldest_frame(number, row.map(|(_, row)| row));
    }
    Ok(state.pipeline(number).oldest_frame.clone())
}

/// The first frame of a pipeline is no longer kept. Answers the numbers of its events.
fn leave_out(state: &mut State, number: u32, frame: &FrameRow) -> Range<u64> {
    state.set_oldest_frame(number, None);
    let row = &mut state.pipeline_mut(number).row;
    let first_seq = row.oldest;
    row.oldest += u64::from(frame.events);
    row.kept_bytes -= u64::from(frame.bytes);
    first_seq..row.oldest
}
