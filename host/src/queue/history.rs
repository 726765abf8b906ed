//! The history of events: what `trace` shows. A note is one row however many deliveries it covers,
//! and lies with others of the same 1,024 events, so that history goes with the frames by range.
//!
//! A row: number of runs (4), then for each run its first delivery (8), the sequence number of that
//! delivery's event (8) and how many follow on, in both (4); then the note as JSON.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable};

use super::frame::{self, Frame};
use super::state::{Destination, State};
use super::stored_frame;
use super::tables::{DIRECTORY, FRAMES, FrameKey, NOTES, NoteKey, STATE, Tables, from_json, to_json};
use super::{DeliveryId, DestinationId, Note, PipelineId, StoreError, Story};

/// So many events share a bucket of notes.
const BUCKET_EVENTS: u64 = 1_024;

/// Notes that are looked at for the last events: those of about 10,000 steps.
const RECENT_NOTES_MAX: usize = 20_000;

/// Deliveries that follow each other, and so do their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    delivery: u64,
    seq: u64,
    count: u32,
}

/// The bucket that holds the notes of an event.
fn bucket(seq: u64) -> u64 {
    seq / BUCKET_EVENTS
}

/// Writes a note. What it says of events that are no longer kept is dropped.
pub fn record(
    tables: &mut Tables<'_>,
    (number, destination): (u32, &mut Destination),
    oldest_seq: u64,
    covers: &mut [(DeliveryId, u64)],
    note: &Note,
) -> Result<(), StoreError> {
    covers.sort_unstable_by_key(|(delivery, seq)| (*seq, *delivery));
    let note = to_json(note);
    for in_bucket in covers.chunk_by(|left, right| bucket(left.1) == bucket(right.1)) {
        let bucket = bucket(in_bucket[0].1);
        if bucket < self::bucket(oldest_seq) {
            continue;
        }
        let key = (destination.row.pipeline, bucket, number, destination.row.notes);
        destination.row.notes += 1;
        tables.notes.insert(key, &encode(&runs(in_bucket), &note)[..])?;
    }
    Ok(())
}

/// Removes the notes of events that are no longer kept.
pub fn trim(tables: &mut Tables<'_>, pipeline: u32, seqs: Range<u64>) -> Result<(), StoreError> {
    let (first, kept) = (bucket(seqs.start), bucket(seqs.end));
    if first < kept {
        let gone = (pipeline, first, 0, 0)..(pipeline, kept, 0, 0);
        tables.notes.retain_in(gone, |_, _| false)?;
    }
    Ok(())
}

/// Removes what is kept of these events: a note of others, too, stays for those without its texts.
pub fn erase(tables: &mut Tables<'_>, pipeline: u32, seqs: &BTreeSet<u64>) -> Result<(), StoreError> {
    let buckets: BTreeSet<u64> = seqs.iter().map(|seq| bucket(*seq)).collect();
    for bucket in buckets {
        let mut changed = Vec::new();
        let rows = (pipeline, bucket, 0, 0)..(pipeline, bucket + 1, 0, 0);
        for row in tables.notes.range(rows)? {
            let (key, value) = row?;
            let (runs, note) = decode(value.value()).ok_or_else(cut_off)?;
            let covers = || runs.iter().flat_map(|run| run.deliveries());
            if covers().any(|(_, seq)| seqs.contains(&seq)) {
                let left: Vec<(DeliveryId, u64)> = covers().filter(|(_, seq)| !seqs.contains(seq)).collect();
                changed.push((key.value(), left, from_json::<Note>(note)?));
            }
        }
        for (key, left, note) in changed {
            tables.notes.remove(key)?;
            if !left.is_empty() {
                let note =
                    Note { request: String::new(), detail: "an event of this step was erased".to_owned(), ..note };
                tables.notes.insert(key, &encode(&self::runs(&left), &to_json(&note))[..])?;
            }
        }
    }
    Ok(())
}

fn cut_off() -> StoreError {
    StoreError::Failed("a note is cut off".to_owned())
}

/// The stories of the events of that identity, newest first, at most `max`.
pub fn trace(transaction: &ReadTransaction, message_id: &str, max: usize) -> Result<Vec<Story>, StoreError> {
    let state = State::load(&transaction.open_table(STATE)?)?;
    let directory = transaction.open_table(DIRECTORY)?;
    let frames = transaction.open_table(FRAMES)?;
    let notes = transaction.open_table(NOTES)?;
    let mut stories = Vec::new();
    for (number, pipeline) in state.pipelines() {
        for (first_seq, position) in find(&directory, number, message_id, max)? {
            let Some(stored) = stored_frame::read(&directory, &frames, number, first_seq)? else {
                continue;
            };
            let frame = stored.decode()?;
            let seq = first_seq + position as u64;
            let Some(event) = frame.event(seq).filter(|event| event.message_id.as_str() == message_id) else {
                continue;
            };
            stories.push(Story {
                message_id: message_id.to_owned(),
                pipeline: pipeline.row.name.to_string(),
                kind: event.kind.to_string(),
                received_ms: event.received_ms,
                json: event.json.clone(),
                steps: steps(&notes, &state, number, seq)?,
            });
        }
    }
    stories.sort_by_key(|story| std::cmp::Reverse(story.received_ms));
    stories.truncate(max);
    Ok(stories)
}

/// The stories of the last events of a pipeline, newest first, at most `max`. `frames` gives the frame that
/// holds an event.
pub fn recent(
    transaction: &ReadTransaction,
    name: &PipelineId,
    max: usize,
    frames: impl Fn(u32, u64) -> Result<Option<Arc<Frame>>, StoreError>,
) -> Result<Vec<Story>, StoreError> {
    let state = State::load(&transaction.open_table(STATE)?)?;
    let Some((number, pipeline)) = state.pipelines().find(|(_, known)| known.row.name == *name) else {
        return Ok(Vec::new());
    };
    let (mut stories, mut seqs) = (Vec::new(), Vec::new());
    let mut end = pipeline.row.head;
    while stories.len() < max
        && end > pipeline.row.oldest
        && let Some(frame) = frames(number, end - 1)?
    {
        let seqs_here = (frame.first_seq..end).rev().take(max - stories.len());
        for seq in seqs_here {
            let Some(event) = frame.event(seq).filter(|event| !event.is_erased()) else { continue };
            seqs.push(seq);
            stories.push(Story {
                message_id: event.message_id.to_string(),
                pipeline: name.to_string(),
                kind: event.kind.to_string(),
                received_ms: event.received_ms,
                json: event.json.clone(),
                steps: Vec::new(),
            });
        }
        end = frame.first_seq;
    }
    let (Some(newest), Some(oldest)) = (seqs.first(), seqs.last()) else { return Ok(stories) };
    let notes = transaction.open_table(NOTES)?;
    let rows = (number, bucket(*oldest), 0, 0)..(number, bucket(*newest) + 1, 0, 0);
    for row in notes.range(rows)?.take(RECENT_NOTES_MAX) {
        let (key, value) = row?;
        let (runs, note) = decode(value.value()).ok_or_else(cut_off)?;
        let covered = seqs.iter().enumerate().filter(|(_, seq)| runs.iter().any(|run| run.covers(**seq)));
        let covered: Vec<usize> = covered.map(|(at, _)| at).collect();
        if covered.is_empty() {
            continue;
        }
        let (destination, note) = (&state.destination(key.value().2).row.name, from_json::<Note>(note)?);
        covered.iter().for_each(|at| stories[*at].steps.push((destination.clone(), note.clone())));
    }
    stories.iter_mut().for_each(|story| story.steps.sort_by_key(|(_, note)| note.at_ms));
    Ok(stories)
}

/// Where events of that hash are, newest first: first number of the frame, position in it.
fn find(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    pipeline: u32,
    message_id: &str,
    max: usize,
) -> Result<Vec<(u64, usize)>, StoreError> {
    let hash = frame::message_hash(message_id);
    let mut found = Vec::new();
    for row in directory.range((pipeline, 0)..=(pipeline, u64::MAX))?.rev() {
        let (key, row) = row?;
        let positions = frame::positions_of(row.value(), hash)?;
        found.extend(positions.into_iter().map(|position| (key.value().1, position)));
        if found.len() >= max {
            break;
        }
    }
    Ok(found)
}

fn steps(
    notes: &impl ReadableTable<NoteKey, &'static [u8]>,
    state: &State,
    pipeline: u32,
    seq: u64,
) -> Result<Vec<(DestinationId, Note)>, StoreError> {
    let mut steps = Vec::new();
    let rows = (pipeline, bucket(seq), 0, 0)..(pipeline, bucket(seq) + 1, 0, 0);
    for row in notes.range(rows)? {
        let (key, value) = row?;
        let (runs, note) = decode(value.value()).ok_or_else(cut_off)?;
        if runs.iter().any(|run| run.covers(seq)) {
            let destination = &state.destination(key.value().2).row.name;
            steps.push((destination.clone(), from_json::<Note>(note)?));
        }
    }
    steps.sort_by_key(|(_, note)| note.at_ms);
    Ok(steps)
}

impl Run {
    fn covers(&self, seq: u64) -> bool {
        (self.seq..self.seq + u64::from(self.count)).contains(&seq)
    }

    fn deliveries(&self) -> impl Iterator<Item = (DeliveryId, u64)> {
        let (delivery, seq) = (self.delivery, self.seq);
        (0..u64::from(self.count)).map(move |at| (DeliveryId(delivery + 2 * at), seq + at))
    }
}

fn runs(covers: &[(DeliveryId, u64)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (DeliveryId(delivery), seq) in covers.iter().copied() {
        match runs.last_mut() {
            Some(run)
                if run.seq + u64::from(run.count) == seq && run.delivery + 2 * u64::from(run.count) == delivery =>
            {
                run.count += 1;
            }
            _ => runs.push(Run { delivery, seq, count: 1 }),
        }
    }
    runs
}

fn encode(runs: &[Run], note: &[u8]) -> Vec<u8> {
    let count = u32::try_from(runs.len()).expect("a bucket has fewer events");
    let mut row = Vec::with_capacity(4 + 20 * runs.len() + note.len());
    row.extend_from_slice(&count.to_le_bytes());
    for run in runs {
        row.extend_from_slice(&run.delivery.to_le_bytes());
        row.extend_from_slice(&run.seq.to_le_bytes());
        row.extend_from_slice(&run.count.to_le_bytes());
    }
    row.extend_from_slice(note);
    row
}

fn decode(row: &[u8]) -> Option<(Vec<Run>, &[u8])> {
    let (count, row) = row.split_first_chunk()?;
    let (runs, note) = row.split_at_checked(20 * u32::from_le_bytes(*count) as usize)?;
    let (runs, _) = runs.as_chunks::<20>();
    let decoded = runs.iter().map(|run| {
        let (delivery, run) = run.split_first_chunk()?;
        let (seq, run) = run.split_first_chunk()?;
        let (count, _) = run.split_first_chunk()?;
        Some(Run {
            delivery: u64::from_le_bytes(*delivery),
            seq: u64::from_le_bytes(*seq),
            count: u32::from_le_bytes(*count),
        })
    });
    Some((decoded.collect::<Option<_>>()?, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_run() {
        let first = |seq| (DeliveryId::first(seq), seq);
        let replay = |number, seq| (DeliveryId::replay(number), seq);
        let covers = [first(5), first(6), first(7), first(9), replay(3, 10), replay(4, 11)];
        let runs = runs(&covers);
        assert_eq!(runs.iter().map(|run| run.count).collect::<Vec<_>>(), [3, 1, 2]);
        let row = encode(&runs, b"{}");
        assert_eq!(decode(&row), Some((runs, &b"{}"[..])));
        assert_eq!(decode(&row[..30]), None);
    }
}
