//! Frames in memory: those just committed, and those read from disk for a destination that is
//! behind. A frame goes once every destination has settled it, so that its memory is soon used
//! again; bounded by bytes, too: then the oldest in the cache goes first. Readers share the frames,
//! so one that was dropped lives on while somebody still reads it.

use std::collections::BTreeMap;
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
    by_seq: BTreeMap<(u32, u64), Cached>,
    /// By the number of their insertion.
    by_age: BTreeMap<u64, (u32, u64)>,
    next_age: u64,
    bytes: usize,
    /// Counts the times that frames were forgotten.
    forgotten: u64,
}

#[derive(Debug)]
struct Cached {
    frame: Arc<Frame>,
    bytes: usize,
    age: u64,
}

impl Frames {
    fn insert(&mut self, key: (u32, u64), frame: Arc<Frame>, bytes: usize) {
        let age = self.next_age;
        self.next_age += 1;
        self.by_age.insert(age, key);
        self.bytes += bytes;
        self.by_seq.insert(key, Cached { frame, bytes, age });
    }

    fn remove(&mut self, key: (u32, u64)) -> Option<Arc<Frame>> {
        let cached = self.by_seq.remove(&key)?;
        self.by_age.remove(&cached.age);
        self.bytes -= cached.bytes;
        Some(cached.frame)
    }
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
        if bytes > self.bytes_max || frames.by_seq.contains_key(&key) {
            return Vec::new();
        }
        frames.insert(key, frame, bytes);
        let mut evicted = Vec::new();
        while frames.bytes > self.bytes_max
            && let Some((_, oldest)) = frames.by_age.first_key_value()
        {
            let oldest = *oldest;
            evicted.extend(frames.remove(oldest));
        }
        evicted
    }

    /// Takes out the frames of a pipeline that end at `seq` or before it: nobody has to read them.
    pub fn take_settled(&self, pipeline: u32, seq: u64) -> Vec<Arc<Frame>> {
        let mut frames = self.lock();
        let before = frames.by_seq.range((pipeline, 0)..(pipeline, seq));
        let settled = before.take_while(|(_, cached)| cached.frame.end_seq() <= seq);
        let keys: Vec<(u32, u64)> = settled.map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| frames.remove(key)).collect()
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
        let (_, cached) = frames.by_seq.range((pipeline, 0)..=(pipeline, seq)).next_back()?;
        (seq < cached.frame.end_seq()).then(|| cached.frame.clone())
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
    fn what_all_have_settled_goes() {
        let cache = FrameCache::new(1 << 20);
        for (pipeline, first_seq) in [(0, 1), (0, 4), (0, 7), (1, 1)] {
            cache.insert(pipeline, frame(first_seq, 3));
        }
        assert_eq!(cache.take_settled(0, 6).len(), 1, "the second one ends at 7");
        assert_eq!(cache.take_settled(0, 7).len(), 1);
        let is_kept = |pipeline, seq| cache.get(pipeline, seq).is_some();
        assert_eq!([is_kept(0, 3), is_kept(0, 6), is_kept(0, 7), is_kept(1, 1)], [false, false, true, true]);
        let frames = cache.lock();
        assert_eq!((frames.bytes, frames.by_age.len()), (2 * frame(0, 3).memory_bytes(), 2));
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
