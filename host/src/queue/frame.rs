//! A frame: the events of one pipeline that one commit made durable, packed. It consists of blocks,
//! one for each append, which whoever appends makes himself, so that the committer only copies.
//!
//! On disk a frame is a byte string in chunks and a row in the directory. Numbers are little-endian.
//!
//! An event whose content was erased has an empty messageId and an empty JSON.
//!
//! The bytes are those of the blocks, one after the other. A block has for each event: kind (1),
//! length of its messageId (2), received_ms (8), length of its JSON (4), messageId, JSON. The index
//! is never stored.
//!
//! The chunks: redb rounds a value up to a power of two of pages, so the bytes are cut into pieces
//! that fill 64 KiB, then the tail into such that fill 32, 16 and 8 KiB, then what is left. The
//! lengths follow from the length of the frame alone.
//!
//! The directory row: version (1 byte, 1), number of events (4), length of the bytes (4), smallest
//! and largest received_ms (8 each), number of blocks (4), then for each block its length (4) and
//! the XXH64 of its bytes (8), then for each event the XXH64 of its messageId (8), so that an event
//! is found without a row for it.

use std::hash::Hasher;

use bytes::Bytes;
use twox_hash::XxHash64;

use super::PipelineId;
use super::identities::{Identity, identity};
use crate::event::{Event, EventKind, MessageId};

const VERSION: u8 = 1;
const RECORD_HEADER_BYTES: usize = 15;
const ROW_HEADER_BYTES: usize = 29;
const BLOCK_ENTRY_BYTES: usize = 12;
const HASH_BYTES: usize = 8;

/// What fills so many bytes of pages in redb, with room for its key and the page's header.
const CHUNK_BYTES: [usize; 4] = [65_536 - 64, 32_768 - 64, 16_384 - 64, 8_192 - 64];

/// Why a stored frame cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a stored frame is damaged: {0}")]
pub struct FrameDamaged(&'static str);

/// The events of one frame, in memory, shared by all who read it.
#[derive(Debug)]
pub struct Frame {
    /// Sequence number of the first event in its pipeline.
    pub first_seq: u64,
    /// The events, without a gap.
    pub events: Vec<Event>,
}

impl Frame {
    /// The sequence number behind the last event.
    pub fn end_seq(&self) -> u64 {
        self.first_seq + self.events.len() as u64
    }

    /// The event of that number, when it is in this frame.
    pub fn event(&self, seq: u64) -> Option<&Event> {
        let position = seq.checked_sub(self.first_seq)?;
        self.events.get(usize::try_from(position).ok()?)
    }

    /// About what it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let of_event = |event: &Event| event.json.len() + event.index.len() + 192;
        self.events.iter().map(of_event).sum()
    }
}

/// The events of one append and one pipeline, ready to be written. Their JSON is not copied.
#[derive(Debug)]
pub struct Block {
    /// The events.
    pub events: Vec<Event>,
    /// For each event what stands before its JSON.
    heads: Vec<u8>,
    /// Length of the block's bytes.
    length: usize,
    checksum: u64,
    /// Of the messageIds, as they are stored.
    hashes: Vec<u8>,
    /// Of the events, in their order; empty where nobody asks whether they are known.
    pub identities: Vec<Identity>,
}

impl Block {
    /// Packs events.
    pub fn new(events: Vec<Event>) -> Block {
        let mut heads = Vec::with_capacity(events.iter().map(head_bytes).sum());
        let mut hashes = Vec::with_capacity(HASH_BYTES * events.len());
        let mut checksum = XxHash64::with_seed(0);
        for event in &events {
            let id = event.message_id.as_str();
            let id_bytes = u16::try_from(id.len()).expect("a messageId has at most 400 bytes");
            let head = heads.len();
            heads.push(event.kind as u8);
            heads.extend_from_slice(&id_bytes.to_le_bytes());
            heads.extend_from_slice(&event.received_ms.to_le_bytes());
            heads.extend_from_slice(&length_u32(event.json.len()).to_le_bytes());
            heads.extend_from_slice(id.as_bytes());
            checksum.write(&heads[head..]);
            checksum.write(&event.json);
            hashes.extend_from_slice(&message_hash(id).to_le_bytes());
        }
        let length = heads.len() + events.iter().map(|event| event.json.len()).sum::<usize>();
        Block { events, heads, length, checksum: checksum.finish(), hashes, identities: Vec::new() }
    }

    /// The same, and the identities of the events of `pipeline`.
    pub fn identified(events: Vec<Event>, pipeline: &PipelineId) -> Block {
        let identities = events.iter().map(|event| identity(pipeline, event.message_id.as_str())).collect();
        Block { identities, ..Block::new(events) }
    }

    /// The block's bytes, in pieces.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut heads = &*self.heads;
        self.events.iter().flat_map(move |event| {
            let (head, rest) = heads.split_at(head_bytes(event));
            heads = rest;
            [head, &event.json]
        })
    }
}

/// How many bytes stand before an event's JSON.
fn head_bytes(event: &Event) -> usize {
    RECORD_HEADER_BYTES + event.message_id.as_str().len()
}

/// The frame that consists of these blocks.
pub struct Packed<'a> {
    blocks: &'a [Block],
    /// What is not written yet of the piece that is being written.
    rest: &'a [u8],
    behind: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
}

impl<'a> Packed<'a> {
    /// A frame of which nothing is written.
    pub fn new(blocks: &'a [Block]) -> Packed<'a> {
        Packed { blocks, rest: &[], behind: Box::new(blocks.iter().flat_map(Block::pieces)) }
    }

    /// Its row in the directory, and the same as it is stored.
    pub fn row(&self) -> (FrameRow, Vec<u8>) {
        let events = || self.blocks.iter().flat_map(|block| &block.events);
        let row = FrameRow {
            events: length_u32(events().count()),
            bytes: length_u32(self.blocks.iter().map(|block| block.length).sum()),
            oldest_ms: events().map(|event| event.received_ms).min().unwrap_or(0),
            newest_ms: events().map(|event| event.received_ms).max().unwrap_or(0),
        };
        let of_events = HASH_BYTES * row.events as usize;
        let of_blocks = BLOCK_ENTRY_BYTES * self.blocks.len();
        let mut stored = Vec::with_capacity(ROW_HEADER_BYTES + of_blocks + of_events);
        stored.push(VERSION);
        stored.extend_from_slice(&row.events.to_le_bytes());
        stored.extend_from_slice(&row.bytes.to_le_bytes());
        stored.extend_from_slice(&row.oldest_ms.to_le_bytes());
        stored.extend_from_slice(&row.newest_ms.to_le_bytes());
        stored.extend_from_slice(&length_u32(self.blocks.len()).to_le_bytes());
        for block in self.blocks {
            stored.extend_from_slice(&length_u32(block.length).to_le_bytes());
            stored.extend_from_slice(&block.checksum.to_le_bytes());
        }
        for block in self.blocks {
            stored.extend_from_slice(&block.hashes);
        }
        (row, stored)
    }

    /// Writes the next chunk, which must have the length that [`chunk_lengths`] gives.
    pub fn fill(&mut self, mut chunk: &mut [u8]) {
        while !chunk.is_empty() {
            if self.rest.is_empty() {
                self.rest = self.behind.next().expect("the chunks are as long as the frame");
            }
            let (now, later) = self.rest.split_at(self.rest.len().min(chunk.len()));
            let (space, behind) = chunk.split_at_mut(now.len());
            space.copy_from_slice(now);
            self.rest = later;
            chunk = behind;
        }
    }
}

/// What the directory says of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRow {
    /// How many events.
    pub events: u32,
    /// Length of the frame's bytes.
    pub bytes: u32,
    /// Smallest `received_ms`.
    pub oldest_ms: u64,
    /// Largest `received_ms`.
    pub newest_ms: u64,
}

impl FrameRow {
    /// Reads the beginning of a stored row.
    pub fn decode(stored: &[u8]) -> Result<FrameRow, FrameDamaged> {
        Ok(FrameRow::split(stored)?.0)
    }

    /// The row, and what follows: lengths and checksums of the blocks, then the hashes.
    fn split(stored: &[u8]) -> Result<(FrameRow, &[u8], &[u8]), FrameDamaged> {
        let mut reader = Reader(stored);
        if reader.take::<1>()? != [VERSION] {
            return Err(FrameDamaged("its directory row has an unknown version"));
        }
        let row = FrameRow {
            events: u32::from_le_bytes(reader.take()?),
            bytes: u32::from_le_bytes(reader.take()?),
            oldest_ms: u64::from_le_bytes(reader.take()?),
            newest_ms: u64::from_le_bytes(reader.take()?),
        };
        let blocks = u32::from_le_bytes(reader.take()?) as usize;
        let blocks = reader.slice(BLOCK_ENTRY_BYTES * blocks)?;
        let hashes = reader.slice(HASH_BYTES * row.events as usize)?;
        Ok((row, blocks, hashes))
    }
}

/// The number that a search for a messageId compares.
pub fn message_hash(message_id: &str) -> u64 {
    XxHash64::oneshot(0, message_id.as_bytes())
}

/// The positions in a frame, by its stored directory row, of events that may have this hash, last
/// first.
pub fn positions_of(stored_row: &[u8], hash: u64) -> Result<Vec<usize>, FrameDamaged> {
    let (_, _, hashes) = FrameRow::split(stored_row)?;
    let wanted = hash.to_le_bytes();
    let (hashes, _) = hashes.as_chunks::<HASH_BYTES>();
    let positions = (0..hashes.len()).rev();
    Ok(positions.filter(|position| hashes[*position] == wanted).collect())
}

/// The lengths of the chunks of a frame of so many bytes.
pub fn chunk_lengths(frame_bytes: usize) -> impl Iterator<Item = usize> {
    let mut rest = frame_bytes;
    std::iter::from_fn(move || {
        let length = CHUNK_BYTES.into_iter().find(|length| *length <= rest).unwrap_or(rest);
        rest -= length;
        (length > 0).then_some(length)
    })
}

/// The events of a frame that was read, sharing its bytes. Their indexes are empty.
pub fn decode(stored_row: &[u8], frame: &Bytes) -> Result<Vec<Event>, FrameDamaged> {
    let (row, blocks, _) = FrameRow::split(stored_row)?;
    let mut events = Vec::with_capacity(row.events as usize);
    let (mut entries, mut reader) = (Reader(blocks), Reader(frame));
    while !entries.0.is_empty() {
        let block = reader.slice(u32::from_le_bytes(entries.take()?) as usize)?;
        if XxHash64::oneshot(0, block) != u64::from_le_bytes(entries.take()?) {
            return Err(FrameDamaged("its checksum is wrong"));
        }
        decode_block(frame, block, &mut events)?;
    }
    if !reader.0.is_empty() || events.len() != row.events as usize {
        return Err(FrameDamaged("it is not as long as it was"));
    }
    Ok(events)
}

fn decode_block(frame: &Bytes, block: &[u8], events: &mut Vec<Event>) -> Result<(), FrameDamaged> {
    let mut reader = Reader(block);
    while !reader.0.is_empty() {
        let [kind] = reader.take()?;
        let id_bytes = usize::from(u16::from_le_bytes(reader.take()?));
        let received_ms = u64::from_le_bytes(reader.take()?);
        let json_bytes = u32::from_le_bytes(reader.take()?) as usize;
        events.push(Event {
            kind: EventKind::from_code(kind).ok_or(FrameDamaged("an event has an unknown kind"))?,
            message_id: MessageId::from_utf8(frame.slice_ref(reader.slice(id_bytes)?)),
            received_ms,
            json: frame.slice_ref(reader.slice(json_bytes)?),
            index: Bytes::new(),
        });
    }
    Ok(())
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).expect("ingest bounds an append far below 4 GiB")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameDamaged> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FrameDamaged("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], FrameDamaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(FrameDamaged("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(count: usize, json_bytes: usize) -> Vec<Event> {
        let event = |number: usize| Event {
            kind: EventKind::ALL[number % 6],
            message_id: MessageId::from(format!("id-{number}").as_str()),
            received_ms: 1_000 + number as u64,
            json: Bytes::from(format!("{{\"n\":{number},\"x\":\"{}\"}}", "y".repeat(json_bytes))),
            index: Bytes::new(),
        };
        (0..count).map(event).collect()
    }

    fn write(blocks: &[Block]) -> (FrameRow, Vec<u8>, Bytes) {
        let mut packed = Packed::new(blocks);
        let (row, stored) = packed.row();
        let mut bytes = vec![0; row.bytes as usize];
        let mut rest = &mut bytes[..];
        for length in chunk_lengths(row.bytes as usize) {
            let (chunk, behind) = rest.split_at_mut(length);
            packed.fill(chunk);
            rest = behind;
        }
        (row, stored, Bytes::from(bytes))
    }

    #[test]
    fn the_hash_is_the_one_that_the_format_names() {
        assert_eq!(message_hash(""), 0xEF46_DB37_51D8_E999);
        assert_eq!(message_hash("a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(message_hash("abc"), 0x44BC_2CF5_AD77_0999);
        assert_eq!(message_hash("The quick brown fox jumps over the lazy dog"), 0x0B24_2D36_1FDA_71BC);
    }

    #[test]
    fn what_is_written_is_read() {
        for (count, json_bytes) in [(1, 0), (3, 100), (40, 5_000), (2, 200_000), (512, 1_000)] {
            let events = events(count, json_bytes);
            let blocks: Vec<Block> = events.chunks(20).map(|part| Block::new(part.to_vec())).collect();
            let (row, stored, bytes) = write(&blocks);
            assert_eq!(FrameRow::decode(&stored).unwrap(), row);
            let read = decode(&stored, &bytes).unwrap();
            assert_eq!(read.len(), events.len());
            for (left, right) in read.iter().zip(&events) {
                assert_eq!((left.kind, &left.message_id), (right.kind, &right.message_id));
                assert_eq!((left.received_ms, &left.json), (right.received_ms, &right.json));
            }
            let last = message_hash(&format!("id-{}", count - 1));
            assert_eq!(positions_of(&stored, last).unwrap(), [count - 1]);
        }
    }

    #[test]
    fn any_flipped_byte_is_found() {
        let (_, stored, bytes) = write(&[Block::new(events(3, 20)), Block::new(events(2, 20))]);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x20;
            assert!(decode(&stored, &Bytes::from(damaged)).is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&stored, &bytes.slice(..length)).is_err(), "cut at {length}");
        }
        for length in 0..stored.len() {
            assert!(decode(&stored[..length], &bytes).is_err(), "row cut at {length}");
        }
    }

    #[test]
    fn chunks_add_up_and_waste_little() {
        for total in [1, 500, 8_128, 8_129, 65_472, 65_473, 100_000, 1_048_576, 5_000_001] {
            let lengths: Vec<usize> = chunk_lengths(total).collect();
            assert_eq!(lengths.iter().sum::<usize>(), total);
            let pages: usize = lengths.iter().map(|length| (length + 64).next_power_of_two()).sum();
            assert!(total < 100_000 || pages < total + total / 8, "{total} takes {pages}");
        }
    }

    /// The stored form is fixed: this is version 1, byte for byte.
    #[test]
    fn version_1_stays_as_it_is() {
        let event = Event {
            kind: EventKind::Identify,
            message_id: MessageId::from("m"),
            received_ms: 258,
            json: Bytes::from_static(b"{}"),
            index: Bytes::new(),
        };
        let (_, stored, bytes) = write(&[Block::new(vec![event])]);
        assert_eq!(bytes, &b"\x02\x01\x00\x02\x01\0\0\0\0\0\0\x02\0\0\0m{}"[..]);
        let time = b"\x02\x01\0\0\0\0\0\0";
        let row = [&b"\x01\x01\0\0\0\x12\0\0\0"[..], time, time, b"\x01\0\0\0\x12\0\0\0"].concat();
        let hashes = [XxHash64::oneshot(0, &bytes).to_le_bytes(), message_hash("m").to_le_bytes()].concat();
        assert_eq!(stored, [row, hashes].concat());
    }
}
