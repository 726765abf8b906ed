//! Lanes: requests that keep the order of their events, one in flight at a time.
//!
//! A request stands in the lanes that the plugin named, and in those of the order that the
//! destination keeps: one for each user that it carries, or one for all. It goes when those before it
//! in each of its lanes have gone; when one of them waits for another attempt, it is stored behind
//! that one, and the store keeps the order from there on (see `queue::requests`). The store lets the
//! first go that it has: so what is stored is stored in order, too, each when those before it are.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::event::Event;
use crate::event::index::View;
use crate::plugin::manifest::Order;
use crate::plugin::plan::Request;
use crate::queue::{Change, Delivery, Lane, RequestId, Settlement};

/// The lanes of a request that carries `covers`, positions in `deliveries`; each once.
pub fn of(
    order: Order,
    request: Option<&Request>,
    covers: impl IntoIterator<Item = usize>,
    deliveries: &[Delivery],
) -> Vec<Lane> {
    let named = request.map_or(&[][..], |request| &request.lanes);
    let mut lanes: Vec<Lane> = named.iter().map(|lane| Lane::named("plugin", lane)).collect();
    lanes.extend(of_order(order, covers, deliveries));
    lanes.sort_unstable();
    lanes.dedup();
    lanes
}

fn of_order(order: Order, covers: impl IntoIterator<Item = usize>, deliveries: &[Delivery]) -> Vec<Lane> {
    match order {
        Order::None => Vec::new(),
        Order::User => covers.into_iter().flat_map(|at| of_user(&deliveries[at].event)).collect(),
        Order::Strict => vec![STRICT],
    }
}

/// The one lane of a destination in strict order.
pub const STRICT: Lane = Lane(0);

/// An event with both ids stands in the lanes of both, so that what a visitor did comes before and
/// after what she did signed in.
fn of_user(event: &Event) -> impl Iterator<Item = Lane> {
    let view = View::new(&event.json, &event.index);
    ["userId", "anonymousId"].into_iter().filter_map(move |name| {
        let id = view.get(&[name])?.as_str()?;
        Some(Lane::named(name, &id))
    })
}

/// The lanes of a destination.
#[derive(Debug, Default)]
pub struct Lanes {
    /// The latest request of each lane that is in flight.
    tails: HashMap<Lane, Tail>,
    groups: u64,
    /// The lanes of each stored request that stands in one.
    standing: HashMap<RequestId, Vec<Lane>>,
    /// How many stored requests stand in each lane.
    stored: HashMap<Lane, u64>,
}

/// When a planned request goes.
#[derive(Debug)]
pub enum Go {
    /// At once: it stands in no lane.
    Free,
    /// When its turn comes, unless what came before has to wait: then it is stored, too.
    InTurn(Turn),
    /// When its turn comes, whatever became of what came before.
    OutOfOrder(Turn),
    /// Not now: when its turn comes it is stored behind those that wait in its lanes.
    Held(Turn),
}

/// Requests that are settled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(u64);

/// A request that others wait for.
#[derive(Clone, Debug)]
struct Tail {
    group: Group,
    /// Whether it has its place in the store already, however it ends.
    is_stored: bool,
    passage: watch::Receiver<Passage>,
}

/// What a request tells the next one of its lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Passage {
    /// Wait.
    Closed,
    /// It will be stored. Those of the same group are stored with it; others wait until it is.
    Stored,
    /// Go.
    Clear,
}

/// A request's place in its lanes.
#[derive(Debug)]
pub struct Turn {
    group: Group,
    before: Vec<Tail>,
    own: watch::Sender<Passage>,
}

impl Lanes {
    /// Lanes that are remembered before those that are free are forgotten.
    const SWEEP_AT: usize = 4_096;

    /// Lanes in which stored requests stand already.
    pub fn new(standing: Vec<(RequestId, Vec<Lane>)>) -> Lanes {
        let mut lanes = Lanes::default();
        standing.into_iter().for_each(|(id, own)| lanes.enter(id, own));
        lanes
    }

    /// A new group.
    pub fn group(&mut self) -> Group {
        self.groups += 1;
        Group(self.groups)
    }

    /// When a planned request goes. Behind stored requests of its lanes it is stored, too; where these are
    /// `held_max` or more the order is given up. Call in the order of the plan.
    pub fn place(&mut self, group: Group, own: &[Lane], held_max: u64) -> Go {
        if own.is_empty() {
            return Go::Free;
        }
        let stored = self.stored(own);
        let mut turn = self.take_turn(group, own, false);
        match stored {
            0 => Go::InTurn(turn),
            stored if stored < held_max => {
                turn.before.retain(|before| !before.is_stored);
                Go::Held(turn)
            }
            _ => Go::OutOfOrder(turn),
        }
    }

    /// The turn of a stored request: the next place in each of its lanes.
    pub fn take_stored_turn(&mut self, group: Group, lanes: &[Lane]) -> Turn {
        self.take_turn(group, lanes, true)
    }

    fn take_turn(&mut self, group: Group, lanes: &[Lane], is_stored: bool) -> Turn {
        if self.tails.len() >= Lanes::SWEEP_AT {
            self.tails.retain(|_, tail| tail.passage.has_changed().is_ok() && *tail.passage.borrow() != Passage::Clear);
        }
        let (own, passage) = watch::channel(Passage::Closed);
        let mut before: Vec<Tail> = Vec::new();
        for lane in lanes {
            // One that was dropped has gone, or is stored and counted as such.
            if let Some(previous) = self.tails.insert(*lane, Tail { group, is_stored, passage: passage.clone() })
                && previous.passage.has_changed().is_ok()
                && !before.iter().any(|each| each.passage.same_channel(&previous.passage))
            {
                before.push(previous);
            }
        }
        Turn { group, before, own }
    }

    /// The most stored requests that stand in one of the lanes.
    pub fn stored(&self, lanes: &[Lane]) -> u64 {
        lanes.iter().filter_map(|lane| self.stored.get(lane)).copied().max().unwrap_or(0)
    }

    /// Takes over which requests a settlement stores and removes, before it is handed over.
    pub fn follow(&mut self, settlement: &Settlement) {
        for change in &settlement.changes {
            match change {
                Change::Put(request) => {
                    self.leave(request.id);
                    self.enter(request.id, request.lanes.clone());
                }
                Change::Delete(id) => self.leave(*id),
                _ => {}
            }
        }
    }

    /// A stored request is gone from its lanes. One that stands in none changes nothing.
    pub fn leave(&mut self, id: RequestId) {
        for lane in self.standing.remove(&id).unwrap_or_default() {
            if let Some(stored) = self.stored.get_mut(&lane) {
                *stored -= 1;
                if *stored == 0 {
                    self.stored.remove(&lane);
                }
            }
        }
    }

    fn enter(&mut self, id: RequestId, own: Vec<Lane>) {
        if own.is_empty() {
            return;
        }
        for lane in &own {
            *self.stored.entry(*lane).or_default() += 1;
        }
        self.standing.insert(id, own);
    }
}

impl Turn {
    /// Completes when all that came before in the lanes have gone, or were stored. Answers whether
    /// they have all gone.
    pub async fn come(&mut self) -> bool {
        let mut clear = true;
        for mut before in self.before.drain(..) {
            let together = before.group == self.group;
            let gone = before.passage.wait_for(|passage| match passage {
                Passage::Closed => false,
                Passage::Stored => together,
                Passage::Clear => true,
            });
            // An error: it was dropped, so what it carried is stored.
            clear &= gone.await.is_ok_and(|passage| *passage == Passage::Clear);
        }
        clear
    }

    /// Nothing of this request is left to be sent: the next one may go.
    pub fn clear(self) {
        self.own.send_replace(Passage::Clear);
    }

    /// Something of this request will be stored. The next ones are stored behind it: those of its
    /// group at once, others when this turn is dropped.
    pub fn will_be_stored(self) -> Turn {
        self.own.send_replace(Passage::Stored);
        self
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt;

    use super::*;
    use crate::event::{EventKind, MessageId, scan};
    use crate::queue::{DeliveryId, StoredRequest};

    const A: Lane = Lane(1);
    const B: Lane = Lane(2);

    /// The turn of a request that is a group of its own.
    fn take(lanes: &mut Lanes, own: &[Lane]) -> Turn {
        let group = lanes.group();
        lanes.take_turn(group, own, false)
    }

    /// How the next request goes that stands in this lane, in which three may be stored.
    fn place(lanes: &mut Lanes, lane: Lane) -> Go {
        let group = lanes.group();
        lanes.place(group, &[lane], 3)
    }

    /// The turn of the next request, which is held.
    fn hold(lanes: &mut Lanes, lane: Lane) -> Turn {
        match place(lanes, lane) {
            Go::Held(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    /// The request of that number is stored in these lanes.
    fn put(id: u64, lanes: &[Lane]) -> Change {
        let (id, lanes) = (RequestId(id), lanes.to_vec());
        Change::Put(StoredRequest { id, due_ms: 0, covers: Vec::new(), lanes, payload: Bytes::new() })
    }

    fn follow(lanes: &mut Lanes, change: Change) {
        lanes.follow(&Settlement { changes: vec![change] });
    }

    #[tokio::test]
    async fn a_lane_has_one_request_at_a_time_in_order() {
        let mut lanes = Lanes::default();
        let mut first = take(&mut lanes, &[A]);
        let mut second = take(&mut lanes, &[A]);
        let mut other = take(&mut lanes, &[B]);
        assert!(first.come().await && other.come().await);
        let waits = second.come();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        first.clear();
        assert!(waits.await);
    }

    #[tokio::test]
    async fn who_follows_a_request_that_was_stored_is_told() {
        let mut lanes = Lanes::default();
        let (first, mut second, mut third) = (take(&mut lanes, &[A]), take(&mut lanes, &[A]), take(&mut lanes, &[A]));
        drop(first);
        assert!(!second.come().await);
        drop(second);
        assert!(!third.come().await);
        drop(third);
        assert!(take(&mut lanes, &[A]).come().await, "from here on the count of stored requests decides");
    }

    #[tokio::test]
    async fn only_its_own_group_follows_a_request_before_it_is_stored() {
        let mut lanes = Lanes::default();
        let group = lanes.group();
        let (first, mut second) = (lanes.take_turn(group, &[A], false), lanes.take_turn(group, &[A], false));
        let mut other = take(&mut lanes, &[A]);
        let first = first.will_be_stored();
        assert!(!second.come().await);
        let second = second.will_be_stored();
        let waits = other.come();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        drop((first, second));
        assert!(!waits.await);
    }

    #[tokio::test]
    async fn a_request_in_two_lanes_waits_for_both() {
        let mut lanes = Lanes::default();
        let (first, second) = (take(&mut lanes, &[A]), take(&mut lanes, &[B]));
        let mut both = take(&mut lanes, &[A, B]);
        first.clear();
        let waits = both.come();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        drop(second);
        assert!(!waits.await, "one of them was stored");
    }

    #[tokio::test]
    async fn what_is_held_is_stored_in_order_and_not_overtaken() {
        let mut lanes = Lanes::new(vec![(RequestId(1), vec![A])]);
        let (mut second, mut third) = (hold(&mut lanes, A), hold(&mut lanes, A));
        assert!(second.come().now_or_never().is_some());
        let second = second.will_be_stored();
        {
            let waits = third.come();
            tokio::pin!(waits);
            assert!((&mut waits).now_or_never().is_none(), "the second is not stored yet");
            follow(&mut lanes, put(2, &[A]));
            drop(second);
            waits.await;
        }
        // Those that are stored are delivered before the third is stored.
        follow(&mut lanes, Change::Delete(RequestId(1)));
        follow(&mut lanes, Change::Delete(RequestId(2)));
        let Go::InTurn(mut fourth) = place(&mut lanes, A) else { panic!("nothing is stored") };
        let waits = fourth.come();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        drop(third.will_be_stored());
        assert!(!waits.await, "it is stored behind the third");
    }

    #[tokio::test]
    async fn what_is_held_waits_for_nothing_that_has_its_place_in_the_store() {
        let mut lanes = Lanes::new(vec![(RequestId(1), vec![A])]);
        let group = lanes.group();
        let in_flight = lanes.take_stored_turn(group, &[A]);
        assert!(hold(&mut lanes, A).come().now_or_never().is_some());
        assert!(matches!(place(&mut lanes, B), Go::InTurn(_)));
        drop(in_flight);
        // What goes for the first time may have to be stored.
        let first = take(&mut lanes, &[A]);
        let mut held = hold(&mut lanes, A);
        let waits = held.come();
        tokio::pin!(waits);
        assert!((&mut waits).now_or_never().is_none());
        first.clear();
        waits.await;
    }

    #[test]
    fn beyond_the_bound_the_order_is_given_up() {
        let mut lanes = Lanes::new((1..3).map(|id| (RequestId(id), vec![A])).collect());
        assert!(matches!(place(&mut lanes, A), Go::Held(_)));
        follow(&mut lanes, put(3, &[A]));
        assert!(matches!(place(&mut lanes, A), Go::OutOfOrder(_)));
        let group = lanes.group();
        assert!(matches!(lanes.place(group, &[], 3), Go::Free));
    }

    #[test]
    fn stored_requests_are_counted_by_lane() {
        let mut lanes = Lanes::new(vec![(RequestId(1), vec![A]), (RequestId(2), vec![A])]);
        lanes.follow(&Settlement { changes: vec![put(3, &[A, B]), put(4, &[])] });
        assert_eq!((lanes.stored(&[A]), lanes.stored(&[B]), lanes.stored(&[A, B]), lanes.stored(&[])), (3, 1, 3, 0));
        lanes.follow(&Settlement { changes: vec![put(3, &[A, B])] });
        assert_eq!((lanes.stored(&[A]), lanes.stored(&[B])), (3, 1), "one that is stored again counts once");
        lanes.follow(&Settlement { changes: vec![Change::Delete(RequestId(3)), Change::Delete(RequestId(4))] });
        lanes.leave(RequestId(3));
        assert_eq!((lanes.stored(&[A]), lanes.stored(&[B])), (2, 0), "one that left twice leaves once");
        lanes.leave(RequestId(1));
        lanes.leave(RequestId(2));
        assert!(lanes.stored.is_empty() && lanes.standing.is_empty());
    }

    #[test]
    fn free_lanes_are_forgotten() {
        let mut lanes = Lanes::default();
        let kept = take(&mut lanes, &[A]);
        for number in 10..10 + Lanes::SWEEP_AT as u64 * 3 {
            take(&mut lanes, &[Lane(number)]).clear();
        }
        assert!(lanes.tails.len() <= Lanes::SWEEP_AT && lanes.tails.contains_key(&A));
        drop(kept);
    }

    #[test]
    fn the_order_names_the_lanes() {
        let delivery = |number: u64, json: &'static str| {
            let json = Bytes::from_static(json.as_bytes());
            let index = scan::index_canonical(&json).unwrap();
            let message_id = MessageId::from("m");
            Delivery {
                id: DeliveryId(number),
                event: Event { kind: EventKind::Track, message_id, received_ms: 0, json, index },
            }
        };
        let deliveries = [
            delivery(1, r#"{"userId":"u","anonymousId":"a"}"#),
            delivery(2, r#"{"anonymousId":"a"}"#),
            delivery(3, r#"{"userId":"a"}"#),
            delivery(4, r#"{"userId":7}"#),
        ];
        let check = |order: Order, covers: &[usize], expected: &[Lane]| {
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(of(order, None, covers.iter().copied(), &deliveries), expected, "{order:?} {covers:?}");
        };
        let (user, visitor) = (Lane::named("userId", "u"), Lane::named("anonymousId", "a"));
        check(Order::None, &[0, 1, 2], &[]);
        check(Order::Strict, &[0, 1, 2], &[STRICT]);
        check(Order::User, &[0], &[user, visitor]);
        check(Order::User, &[0, 1], &[user, visitor]);
        check(Order::User, &[2], &[Lane::named("userId", "a")]);
        check(Order::User, &[3], &[]);
        assert_ne!(visitor, Lane::named("userId", "a"));
    }
}
