//! Frames in memory: those just committed, and those read from disk for a destination that is
//! behind. Bounded by bytes; the oldest in the cache goes first. Readers share the frames, so one
//! that was dropped lives on while somebody still reads it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::frame::Frame;

/// The frames of all pipelines.
#[derive(Debug)]
pub struct FrameCache {
    bytes_max: usize,
    frames: Mutex<Frames>,
}

#[derive(Debug, Default)]
struct Frames {
    by_seq: BTreeMap<(u32, u64), Arc<Frame>>,
    by_age: VecDeque<((u32, u64), usize)>,
    bytes: usize,
    /// Counts the times that frames were forgotten.
    forgotten: u64,
}

impl FrameCache {
    /// An empty cache.
    pub fn new(bytes_max: usize) -> FrameCache {
        FrameCache { bytes_max, frames: Mutex::default() }
    }

    /// Adds a frame. Answers the oldest ones, which went for it.
    pub fn insert(&self, pipeline: u32, frame: Arc<Frame>) -> Vec<Arc<Frame>> {
        let bytes = frame.memory_bytes();
        let key = (pipeline, frame.first_seq);
        let mut frames = self.lock();
        if bytes > self.bytes_max || frames.by_seq.insert(key, frame).is_some() {
            return Vec::new();
        }
        let mut evicted = Vec::new();
        frames.by_age.push_back((key, bytes));
        frames.bytes += bytes;
        while frames.bytes > self.bytes_max
            && let Some((oldest, bytes)) = frames.by_age.pop_front()
        {
            evicted.extend(frames.by_seq.remove(&oldest));
            frames.bytes -= bytes;
        }
        evicted
    }

    /// Adds a frame that was read, unless frames were forgotten since the reader looked at
    /// [`FrameCache::forgotten`]: it may be one of them, as it was before.
    pub fn insert_read(&self, pipeline: u32, frame: Arc<Frame>, forgotten: u64) {
        if self.forgotten() == forgotten {
            self.insert(pipeline, frame);
            if self.forgotten() != forgotten {
                self.forget();
            }
        }
    }

    /// How often frames were forgotten.
    pub fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// Forgets all frames, once others are durable in the place of some.
    pub fn forget(&self) {
        let mut frames = self.lock();
        let forgotten = frames.forgotten + 1;
        let old = std::mem::replace(&mut *frames, Frames { forgotten, ..Frames::default() });
        drop(frames);
        drop(old);
    }

    /// The frame that holds this event.
    pub fn get(&self, pipeline: u32, seq: u64) -> Option<Arc<Frame>> {
        let frames = self.lock();
        let (_, frame) = frames.by_seq.range((pipeline, 0)..=(pipeline, seq)).next_back()?;
        (seq < frame.end_seq()).then(|| frame.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Frames> {
        self.frames.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Event, EventKind, MessageId};

    fn frame(first_seq: u64, events: usize) -> Arc<Frame> {
        let event = Event {
            kind: EventKind::Track,
            message_id: MessageId::from("m"),
            received_ms: 0,
            json: Bytes::from_static(b"{}"),
            index: Bytes::new(),
        };
        Arc::new(Frame { first_seq, events: vec![event; events] })
    }

    #[test]
    fn finds_by_any_number_within() {
        let cache = FrameCache::new(1 << 20);
        cache.insert(0, frame(1, 3));
        cache.insert(1, frame(1, 9));
        cache.insert(0, frame(10, 2));
        let first = |pipeline, seq| cache.get(pipeline, seq).map(|frame| frame.first_seq);
        assert_eq!([first(0, 1), first(0, 3), first(0, 11)], [Some(1), Some(1), Some(10)]);
        assert_eq!([first(0, 0), first(0, 4), first(0, 12), first(2, 1)], [None; 4]);
    }

    #[test]
    fn the_oldest_goes_first_and_the_bound_holds() {
        let one = frame(0, 1).memory_bytes();
        let cache = FrameCache::new(3 * one);
        for seq in 0..4 {
            cache.insert(0, frame(seq, 1));
        }
        cache.insert(0, frame(100, 4));
        assert!(cache.get(0, 0).is_none() && cache.get(0, 100).is_none());
        assert!((1..4).all(|seq| cache.get(0, seq).is_some()));
    }
}
