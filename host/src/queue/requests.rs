//! The stored requests of one destination, by time and by lane: what a feed asks and the committer
//! feeds, once the requests are durable. Holds no payloads.
//!
//! Of the requests that stand in a lane only the first may be taken, and it stays the first until it
//! is deleted: a retry keeps its place, and those behind it wait, however long they are due. One
//! order, by [`Place`], holds in all lanes, so that requests that stand in several never wait for
//! each other in a circle.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::{DeliveryId, Lane, RequestId};

/// The requests of one open feed.
#[derive(Debug, Default)]
pub struct Requests {
    index: Mutex<Index>,
    added: Notify,
}

/// Where a request stands in its lanes: by the first event that it carries.
type Place = (u64, RequestId);

#[derive(Debug, Default)]
struct Index {
    /// Those that may be taken, by time.
    order: BTreeSet<(u64, RequestId)>,
    known: HashMap<RequestId, Known>,
    lanes: HashMap<Lane, BTreeSet<Place>>,
    /// Those that were not taken.
    waiting: usize,
    /// Those that were erased, until the feed was asked for them.
    erased: Vec<RequestId>,
}

#[derive(Debug)]
struct Known {
    due_ms: u64,
    place: Place,
    lanes: Vec<Lane>,
    taken: bool,
}

/// What a commit changed of a stored request.
#[derive(Clone, Debug)]
pub enum RequestChange {
    /// It is stored.
    Put(Put),
    /// It is stored with fewer deliveries: if it is in flight, it stays so.
    Rewrite(Put),
    /// It is gone.
    Delete(RequestId),
    /// It is gone, or was never stored, because of an erasing: the feed's owner has to be told.
    Erase(RequestId),
}

/// A request that is stored, or stored again.
#[derive(Clone, Debug)]
pub struct Put {
    /// Which.
    pub id: RequestId,
    /// When it is due: milliseconds since 1970.
    pub due_ms: u64,
    /// The first delivery that it carries.
    pub first: u64,
    /// The lanes that it stands in.
    pub lanes: Vec<Lane>,
}

impl Put {
    /// As the index needs it. Replays stand behind all first deliveries.
    pub fn new(id: RequestId, due_ms: u64, covers: &[DeliveryId], lanes: Vec<Lane>) -> Put {
        let first = covers.iter().filter_map(|delivery| delivery.seq()).min().unwrap_or(u64::MAX);
        Put { id, due_ms, first, lanes }
    }
}

impl Requests {
    /// Applies a change that is durable now.
    pub fn apply(&self, change: RequestChange) {
        let mut index = self.lock();
        match change {
            RequestChange::Put(put) => {
                index.remove(put.id);
                index.put(put);
            }
            RequestChange::Rewrite(put) => {
                let (id, taken) = (put.id, index.known.get(&put.id).is_some_and(|known| known.taken));
                index.remove(id);
                index.put(put);
                if taken {
                    index.take(id);
                }
            }
            RequestChange::Delete(id) => index.remove(id),
            RequestChange::Erase(id) => {
                index.remove(id);
                index.erased.push(id);
            }
        }
        // A deletion may let the next one of a lane go.
        drop(index);
        self.added.notify_one();
    }

    /// Takes those out that are due, earliest first, at most `max`.
    pub fn take_due(&self, now_ms: u64, max: usize) -> Vec<RequestId> {
        let mut index = self.lock();
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(&(due_ms, id)) = index.order.first()
            && due_ms <= now_ms
        {
            index.take(id);
            taken.push(id);
        }
        taken
    }

    /// How many wait and were not taken.
    pub fn len(&self) -> usize {
        self.lock().waiting
    }

    /// When the earliest is due that may be taken.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.lock().order.first().map(|(due_ms, _)| *due_ms)
    }

    /// The lanes of each request that stands in one.
    pub fn standing(&self) -> Vec<(RequestId, Vec<Lane>)> {
        let index = self.lock();
        let standing = index.known.iter().filter(|(_, known)| !known.lanes.is_empty());
        standing.map(|(id, known)| (*id, known.lanes.clone())).collect()
    }

    /// Those that were erased since the last call.
    pub fn erased(&self) -> Vec<RequestId> {
        std::mem::take(&mut self.lock().erased)
    }

    /// Completes when one was added, or became free, since this completed last. Safe to cancel.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().expect("no holder of this lock panics")
    }
}

impl Index {
    fn put(&mut self, put: Put) {
        let place = (put.first, put.id);
        let mut behind = Vec::new();
        for lane in &put.lanes {
            let standing = self.lanes.entry(*lane).or_default();
            let first = standing.first().copied();
            standing.insert(place);
            behind.extend(first.filter(|first| place < *first));
        }
        self.known.insert(put.id, Known { due_ms: put.due_ms, place, lanes: put.lanes, taken: false });
        self.waiting += 1;
        self.free(put.id);
        // It stands before one that was the first.
        for (_, id) in behind {
            let due_ms = self.known[&id].due_ms;
            self.order.remove(&(due_ms, id));
        }
    }

    fn take(&mut self, id: RequestId) {
        let known = self.known.get_mut(&id).expect("only what is known is taken");
        known.taken = true;
        self.order.remove(&(known.due_ms, id));
        self.waiting -= 1;
    }

    fn remove(&mut self, id: RequestId) {
        let Some(known) = self.known.remove(&id) else { return };
        self.order.remove(&(known.due_ms, id));
        self.waiting -= usize::from(!known.taken);
        for lane in known.lanes {
            let Some(standing) = self.lanes.get_mut(&lane) else { continue };
            standing.remove(&known.place);
            match standing.first() {
                Some((_, next)) => {
                    let next = *next;
                    self.free(next);
                }
                None => {
                    self.lanes.remove(&lane);
                }
            }
        }
    }

    /// Lets a request be taken if it is the first in all of its lanes.
    fn free(&mut self, id: RequestId) {
        let known = &self.known[&id];
        let is_first = |lane: &Lane| self.lanes.get(lane).and_then(|standing| standing.first()) == Some(&known.place);
        if !known.taken && known.lanes.iter().all(is_first) {
            self.order.insert((known.due_ms, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(requests: &Requests, id: u64, due_ms: u64, first: u64, lanes: &[u64]) {
        let lanes = lanes.iter().map(|lane| Lane(*lane)).collect();
        requests.apply(RequestChange::Put(Put { id: RequestId(id), due_ms, first, lanes }));
    }

    fn delete(requests: &Requests, id: u64) {
        requests.apply(RequestChange::Delete(RequestId(id)));
    }

    fn take(requests: &Requests, now_ms: u64) -> Vec<u64> {
        requests.take_due(now_ms, 100).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn without_lanes_the_time_decides() {
        let requests = Requests::default();
        put(&requests, 1, 50, 1, &[]);
        put(&requests, 2, 20, 2, &[]);
        put(&requests, 3, 70, 3, &[]);
        assert_eq!((requests.len(), requests.next_due_ms()), (3, Some(20)));
        assert_eq!(take(&requests, 60), [2, 1]);
        assert_eq!((requests.len(), requests.next_due_ms()), (1, Some(70)));
        put(&requests, 2, 10, 2, &[]);
        assert_eq!(take(&requests, 60), [2], "what is stored again is due again");
        delete(&requests, 2);
        delete(&requests, 2);
        assert_eq!(requests.len(), 1);
    }

    #[test]
    fn a_lane_lets_one_go_at_a_time_in_the_order_of_events() {
        let requests = Requests::default();
        put(&requests, 12, 0, 5, &[7]);
        put(&requests, 14, 900, 3, &[7]);
        put(&requests, 16, 0, 4, &[7, 8]);
        put(&requests, 18, 0, 9, &[8]);
        assert_eq!(requests.len(), 4);
        assert_eq!(take(&requests, 100), [] as [u64; 0], "all wait for the event 3, which is not due");
        assert_eq!(take(&requests, 900), [14]);
        assert_eq!(take(&requests, 900), [] as [u64; 0], "it is in flight");
        put(&requests, 14, 950, 3, &[7]);
        assert_eq!(take(&requests, 949), [] as [u64; 0], "a retry keeps its place");
        assert_eq!(take(&requests, 950), [14]);
        delete(&requests, 14);
        assert_eq!(take(&requests, 950), [16], "18 waits for it in the other lane");
        delete(&requests, 16);
        assert_eq!(take(&requests, 950), [12, 18]);
        delete(&requests, 12);
        delete(&requests, 18);
        assert_eq!((requests.len(), requests.standing().len()), (0, 0));
    }

    #[test]
    fn one_that_is_rewritten_in_flight_is_not_handed_out_again() {
        let requests = Requests::default();
        let rewrite = |id, first| {
            let rewritten = Put { id: RequestId(id), due_ms: 0, first, lanes: vec![Lane(7)] };
            requests.apply(RequestChange::Rewrite(rewritten));
        };
        put(&requests, 2, 0, 1, &[7]);
        put(&requests, 4, 0, 5, &[7]);
        rewrite(2, 3);
        assert_eq!(take(&requests, 0), [2], "it was not in flight");
        rewrite(2, 4);
        assert_eq!((take(&requests, 0), requests.len()), (vec![], 1), "it is in flight, and 4 waits for it");
        put(&requests, 2, 0, 4, &[7]);
        assert_eq!(take(&requests, 0), [2], "its retry");
        delete(&requests, 2);
        assert_eq!(take(&requests, 0), [4]);
    }

    #[test]
    fn a_request_that_comes_before_the_first_takes_its_place() {
        let requests = Requests::default();
        put(&requests, 2, 0, 5, &[7]);
        put(&requests, 4, 10, 1, &[7]);
        assert_eq!(requests.next_due_ms(), Some(10));
        delete(&requests, 4);
        assert_eq!(take(&requests, 0), [2]);
    }

    #[test]
    fn what_was_erased_is_told_once_and_lets_the_next_one_go() {
        let requests = Requests::default();
        put(&requests, 2, 900, 1, &[7]);
        put(&requests, 4, 0, 2, &[7]);
        assert_eq!(take(&requests, 0), [] as [u64; 0]);
        requests.apply(RequestChange::Erase(RequestId(2)));
        requests.apply(RequestChange::Erase(RequestId(6)));
        assert_eq!(take(&requests, 0), [4]);
        assert_eq!(requests.erased(), [RequestId(2), RequestId(6)]);
        assert_eq!(requests.erased(), []);
        assert_eq!(requests.standing(), [(RequestId(4), vec![Lane(7)])]);
    }

    #[test]
    fn replays_stand_last() {
        let first = Put::new(RequestId(1), 0, &[DeliveryId::replay(1), DeliveryId::first(9)], vec![]);
        let replay = Put::new(RequestId(1), 0, &[DeliveryId::replay(1)], vec![]);
        assert_eq!((first.first, replay.first), (9, u64::MAX));
    }
}
