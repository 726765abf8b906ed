//! Frames in memory: those just committed, and those read from disk for a destination that is
//! behind. A frame goes once every destination that reads has read it, so that its memory is soon used
//! again; bounded by bytes, too: then the one goes that will be read last. Readers go through a pipeline in
//! order, so that is the one that is farthest ahead of the nearest reader behind it; before all others go
//! those that have none, such as what a destination left whose vendor is down. Readers share the frames, so
//! one that was dropped lives on while somebody still reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::frame::Frame;

/// A reader that asked for nothing while this part of the cache's bytes came has stopped: its vendor is down,
/// or slow, and what it needs next is read from disk.
const STOPPED_PART: u64 = 8;

/// The frames of all pipelines.
#[derive(Debug)]
pub struct FrameCache {
    bytes_max: usize,
    frames: Mutex<Frames>,
}

/// A pipeline, and a number in it.
type Place = (u32, u64);

#[derive(Debug, Default)]
struct Frames {
    /// By the place of its first event.
    by_place: BTreeMap<Place, Cached>,
    /// By destination.
    readers: HashMap<u32, Reader>,
    bytes: usize,
    /// All that ever came.
    came_bytes: u64,
    /// Counts the times that frames were forgotten.
    forgotten: u64,
}

#[derive(Debug)]
struct Cached {
    frame: Arc<Frame>,
    bytes: usize,
}

#[derive(Debug)]
struct Reader {
    /// What it asked for last.
    at: Place,
    /// What had come then.
    came_bytes: u64,
}

impl Frames {
    fn insert(&mut self, key: Place, frame: Arc<Frame>, bytes: usize) {
        self.bytes += bytes;
        self.came_bytes += bytes as u64;
        self.by_place.insert(key, Cached { frame, bytes });
    }

    fn remove(&mut self, key: Place) -> Option<Arc<Frame>> {
        let cached = self.by_place.remove(&key)?;
        self.bytes -= cached.bytes;
        Some(cached.frame)
    }

    fn holding(&self, place: Place) -> Option<(Place, &Cached)> {
        let (key, cached) = self.by_place.range((place.0, 0)..=place).next_back()?;
        (place.1 < cached.frame.end_seq()).then_some((*key, cached))
    }

    /// Those who read, and have not stopped.
    fn readers(&self, bytes_max: usize) -> impl Iterator<Item = &Reader> {
        let since = self.came_bytes.saturating_sub(bytes_max as u64 / STOPPED_PART);
        self.readers.values().filter(move |reader| reader.came_bytes >= since)
    }

    /// Where they are, in order, each at the first event of its frame.
    fn reading(&self, bytes_max: usize) -> Vec<Place> {
        let start = |reader: &Reader| self.holding(reader.at).map_or(reader.at, |(key, _)| key);
        let mut places: Vec<Place> = self.readers(bytes_max).map(start).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The frame that will be read last, or the oldest of those that nobody will read.
    fn read_last(&self, reading: &[Place]) -> Option<Place> {
        let mut farthest = None;
        let mut nobodys_from = (0, 0);
        for (at, place) in reading.iter().enumerate() {
            if let Some((key, _)) = self.by_place.range(nobodys_from..*place).next() {
                return Some(*key);
            }
            let next = reading.get(at + 1).filter(|next| next.0 == place.0);
            let end = next.copied().unwrap_or((place.0 + 1, 0));
            if let Some((key, _)) = self.by_place.range(*place..end).next_back() {
                farthest = farthest.max(Some((key.1 - place.1, *key)));
            }
            nobodys_from = end;
        }
        let nobodys = self.by_place.range(nobodys_from..).next().map(|(key, _)| *key);
        nobodys.or(farthest.map(|(_, key)| key))
    }
}

impl FrameCache {
    /// An empty cache.
    pub fn new(bytes_max: usize) -> FrameCache {
        FrameCache { bytes_max, frames: Mutex::default() }
    }

    /// Adds a frame. Answers those that went for it.
    pub fn insert(&self, pipeline: u32, frame: Arc<Frame>) -> Vec<Arc<Frame>> {
        let bytes = frame.memory_bytes();
        let key = (pipeline, frame.first_seq);
        let mut frames = self.lock();
        if bytes > self.bytes_max || frames.by_place.contains_key(&key) {
            return Vec::new();
        }
        let is_full = frames.bytes + bytes > self.bytes_max;
        let reading = if is_full { frames.reading(self.bytes_max) } else { Vec::new() };
        frames.insert(key, frame, bytes);
        let mut evicted = Vec::new();
        while frames.bytes > self.bytes_max
            && let Some(last) = frames.read_last(&reading)
        {
            evicted.extend(frames.remove(last));
        }
        evicted
    }

    /// Takes out the frames of a pipeline that nobody will read: those before `settled`, and those that all
    /// its readers have left behind.
    pub fn take_read(&self, pipeline: u32, settled: u64) -> Vec<Arc<Frame>> {
        let mut frames = self.lock();
        let own = frames.readers(self.bytes_max).filter(|reader| reader.at.0 == pipeline);
        let slowest = own.map(|reader| reader.at.1).min();
        let end = settled.max(slowest.unwrap_or(0));
        let before = frames.by_place.range((pipeline, 0)..(pipeline, end));
        let read = before.take_while(|(_, cached)| cached.frame.end_seq() <= end);
        let keys: Vec<Place> = read.map(|(key, _)| *key).collect();
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
        self.lock().holding((pipeline, seq)).map(|(_, cached)| cached.frame.clone())
    }

    /// The same for a destination that reads on from there.
    pub fn read(&self, destination: u32, pipeline: u32, seq: u64) -> Option<Arc<Frame>> {
        let mut frames = self.lock();
        let (at, came_bytes) = ((pipeline, seq), frames.came_bytes);
        frames.readers.insert(destination, Reader { at, came_bytes });
        frames.holding(at).map(|(_, cached)| cached.frame.clone())
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
    fn what_all_have_settled_or_read_goes() {
        let cache = FrameCache::new(1 << 20);
        for (pipeline, first_seq) in [(0, 1), (0, 4), (0, 7), (1, 1)] {
            cache.insert(pipeline, frame(first_seq, 3));
        }
        assert_eq!(cache.take_read(0, 6).len(), 1, "the second one ends at 7");
        assert_eq!(cache.take_read(0, 7).len(), 1);
        let is_kept = |pipeline, seq| cache.get(pipeline, seq).is_some();
        assert_eq!([is_kept(0, 3), is_kept(0, 6), is_kept(0, 7), is_kept(1, 1)], [false, false, true, true]);
        let frames = cache.lock();
        assert_eq!(frames.bytes, 2 * frame(0, 3).memory_bytes());
        drop(frames);
        cache.insert(1, frame(4, 3));
        cache.read(8, 1, 6);
        assert_eq!(cache.take_read(1, 0).len(), 1, "the only reader is in the second frame");
        cache.read(9, 1, 0);
        cache.insert(1, frame(1, 3));
        assert_eq!(cache.take_read(1, 0).len(), 0, "another one comes after it");
    }

    /// The first numbers of the frames of one event each that are left of those before `count` in the
    /// first pipeline, in a cache for four.
    fn left(count: u64, read: impl Fn(&FrameCache, u64)) -> Vec<u64> {
        let cache = FrameCache::new(4 * frame(0, 1).memory_bytes());
        for seq in 0..count {
            cache.insert(0, frame(seq, 1));
            read(&cache, seq);
        }
        (0..count).filter(|seq| cache.get(0, *seq).is_some()).collect()
    }

    #[test]
    fn without_readers_the_oldest_goes_first() {
        assert_eq!(left(6, |_, _| {}), [2, 3, 4, 5]);
        let cache = FrameCache::new(3 * frame(0, 1).memory_bytes());
        cache.insert(0, frame(1, 1));
        cache.insert(0, frame(100, 4));
        assert!(cache.get(0, 100).is_none(), "it is larger than the cache");
        assert!(cache.get(0, 1).is_some(), "nothing went for it");
    }

    #[test]
    fn what_is_read_last_goes_first() {
        let behind = |cache: &FrameCache, _: u64| drop(cache.read(7, 0, 0));
        assert_eq!(left(9, behind), [0, 1, 2, 3], "a reader that is behind finds what it needs next");
        let both = |cache: &FrameCache, seq: u64| {
            cache.read(7, 0, 0);
            cache.read(8, 0, seq);
        };
        assert_eq!(left(9, both), [0, 1, 7, 8], "and so does one that is not behind");
    }

    #[test]
    fn what_no_reader_needs_goes_before_all_else() {
        let on = |cache: &FrameCache, seq: u64| drop(cache.read(7, 0, seq.max(3)));
        assert_eq!(left(7, on), [3, 4, 5, 6], "it has read 0, 1 and 2");
        let stopped = |cache: &FrameCache, seq: u64| {
            cache.read(8, 0, seq);
            if seq == 0 {
                cache.read(7, 0, 0);
            }
        };
        assert_eq!(left(9, stopped), [5, 6, 7, 8], "one that reads no more keeps nothing");
    }

    #[test]
    fn pipelines_share_the_bound() {
        let cache = FrameCache::new(4 * frame(0, 1).memory_bytes());
        for (pipeline, seq) in [(1, 0), (1, 1), (2, 0), (3, 0), (2, 1), (2, 2)] {
            cache.read(7, 1, 0);
            cache.read(8, 2, 0);
            cache.insert(pipeline, frame(seq, 1));
        }
        let left = |pipeline| (0..3).filter(|seq| cache.get(pipeline, *seq).is_some()).collect::<Vec<u64>>();
        assert_eq!([left(1), left(2), left(3)], [vec![0, 1], vec![0, 1], vec![]]);
    }
}
