//! Frames in the tables: writing, finding, reading and removing them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use redb::ReadableTable;

use super::StoreError;
use super::frame::{self, Block, Frame, FrameRow, Packed};
use super::tables::{ChunkKey, FrameKey, Tables};

/// A frame as it was found: the bytes are not checked yet.
pub struct StoredFrame {
    /// The number of its first event.
    pub first_seq: u64,
    row: Vec<u8>,
    bytes: Bytes,
}

impl StoredFrame {
    /// Checks the bytes and takes the events out of them; the events have no index.
    pub fn decode(&self) -> Result<Frame, frame::FrameDamaged> {
        Ok(Frame { first_seq: self.first_seq, events: frame::decode(&self.row, &self.bytes)? })
    }
}

/// Writes a frame, straight into the engine's pages.
pub fn write(tables: &mut Tables<'_>, pipeline: u32, first_seq: u64, blocks: &[Block]) -> Result<FrameRow, StoreError> {
    let mut packed = Packed::new(blocks);
    let (row, stored) = packed.row();
    for (chunk, length) in (0..).zip(frame::chunk_lengths(row.bytes as usize)) {
        let mut space = tables.frames.insert_reserve((pipeline, first_seq, chunk), length)?;
        packed.fill(space.as_mut());
    }
    tables.directory.insert((pipeline, first_seq), &stored[..])?;
    Ok(row)
}

/// Removes the frames of a pipeline that begin with one of these numbers.
pub fn remove(tables: &mut Tables<'_>, pipeline: u32, seqs: Range<u64>) -> Result<(), StoreError> {
    tables.directory.retain_in((pipeline, seqs.start)..(pipeline, seqs.end), |_, _| false)?;
    let chunks = (pipeline, seqs.start, 0)..(pipeline, seqs.end, 0);
    Ok(tables.frames.retain_in(chunks, |_, _| false)?)
}

/// The row of the first frame of a pipeline that begins at `seq` or later.
pub fn row_from(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    pipeline: u32,
    seq: u64,
) -> Result<Option<(u64, FrameRow)>, StoreError> {
    let Some(found) = directory.range((pipeline, seq)..=(pipeline, u64::MAX))?.next() else {
        return Ok(None);
    };
    let (key, row) = found?;
    Ok(Some((key.value().1, FrameRow::decode(row.value())?)))
}

/// The row of the frame that holds the event of that number, with the number of its first event.
pub fn row_of(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    pipeline: u32,
    seq: u64,
) -> Result<Option<FrameRow>, StoreError> {
    Ok(first_and_row_of(directory, pipeline, seq)?.map(|(_, row)| row))
}

/// The same with the number of its first event.
pub fn first_and_row_of(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    pipeline: u32,
    seq: u64,
) -> Result<Option<(u64, FrameRow)>, StoreError> {
    let found = stored_row_of(directory, pipeline, seq)?;
    Ok(found.map(|(first_seq, row)| FrameRow::decode(&row).map(|row| (first_seq, row))).transpose()?)
}

/// The frame that holds the event of that number, when it is kept.
pub fn read(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    frames: &impl ReadableTable<ChunkKey, &'static [u8]>,
    pipeline: u32,
    seq: u64,
) -> Result<Option<StoredFrame>, StoreError> {
    let Some((first_seq, row)) = stored_row_of(directory, pipeline, seq)? else {
        return Ok(None);
    };
    let mut bytes = BytesMut::with_capacity(FrameRow::decode(&row)?.bytes as usize);
    for chunk in frames.range((pipeline, first_seq, 0)..=(pipeline, first_seq, u16::MAX))? {
        bytes.extend_from_slice(chunk?.1.value());
    }
    Ok(Some(StoredFrame { first_seq, row, bytes: bytes.freeze() }))
}

/// The same with its first number, as it is stored.
fn stored_row_of(
    directory: &impl ReadableTable<FrameKey, &'static [u8]>,
    pipeline: u32,
    seq: u64,
) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let Some(found) = directory.range((pipeline, 0)..=(pipeline, seq))?.next_back() else {
        return Ok(None);
    };
    let (key, row) = found?;
    let first_seq = key.value().1;
    let end_seq = first_seq + u64::from(FrameRow::decode(row.value())?.events);
    Ok((seq < end_seq).then(|| (first_seq, row.value().to_vec())))
}

impl From<frame::FrameDamaged> for StoreError {
    fn from(error: frame::FrameDamaged) -> StoreError {
        StoreError::Failed(error.to_string())
    }
}
