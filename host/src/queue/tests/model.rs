//! Random operations against the store and against a simple model of it, with restarts between.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Small here, large with SWITCHYARD_SOAK.
const SEEDS: [u64; 2] = [6, 100];
const OPERATIONS: u64 = 250;
const DESTINATIONS: [&str; 3] = ["shop/ga4", "shop/mixpanel", "blog/ga4"];

/// What a destination should be.
#[derive(Default)]
struct Model {
    waiting: BTreeSet<DeliveryId>,
    handed: BTreeMap<DeliveryId, Delivery>,
    owed: BTreeMap<DeliveryId, Owed>,
    requests: BTreeMap<RequestId, DeliveryId>,
    dead: u64,
    counters: Counters,
}

struct Owed {
    name: String,
    delivered: bool,
    died: bool,
}

struct World {
    path: std::path::PathBuf,
    store: RedbStore,
    feeds: Vec<Box<dyn Feed>>,
    models: Vec<Model>,
    random: Random,
    events: u64,
}

impl World {
    async fn new(path: std::path::PathBuf, seed: u64) -> World {
        let models = DESTINATIONS.iter().map(|_| Model::default()).collect();
        let store = open(&path);
        let mut world = World { path, store, feeds: Vec::new(), models, random: Random(seed), events: 0 };
        world.open_feeds().await;
        world
    }

    async fn open_feeds(&mut self) {
        self.feeds.clear();
        for name in DESTINATIONS {
            self.feeds.push(feed(&self.store, name).await);
        }
    }

    async fn step(&mut self) {
        let at = usize::try_from(self.random.below(DESTINATIONS.len() as u64)).unwrap();
        match self.random.below(20) {
            0 => self.restart().await,
            1 => self.replay(at).await,
            2..6 => self.append(at).await,
            6..11 => self.take(at).await,
            11..16 => self.settle_first(at).await,
            _ => self.settle_owed(at).await,
        }
        self.check().await;
    }

    async fn append(&mut self, at: usize) {
        let (to, _) = DESTINATIONS[at].split_once('/').unwrap();
        let names: Vec<String> =
            (0..=self.random.below(12)).map(|number| format!("{}", self.events + number)).collect();
        self.events += names.len() as u64;
        append(&self.store, to, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for (model, _) in self.models.iter_mut().zip(DESTINATIONS).filter(|(_, name)| name.starts_with(to)) {
            for _ in &names {
                model.counters.accepted += 1;
                // The numbers of first deliveries count on by two from 2.
                model.waiting.insert(DeliveryId(2 * model.counters.accepted));
            }
        }
    }

    async fn take(&mut self, at: usize) {
        if !self.feeds[at].has_next() {
            return;
        }
        let handed = self.feeds[at].next(usize::try_from(1 + self.random.below(9)).unwrap(), 900).await.unwrap();
        let model = &mut self.models[at];
        for delivery in handed {
            assert!(model.waiting.contains(&delivery.id), "handed out, but not waiting");
            assert!(model.handed.insert(delivery.id, delivery).is_none(), "handed out twice");
        }
    }

    /// Ends some of the deliveries that were handed out, or makes them owed.
    async fn settle_first(&mut self, at: usize) {
        let model = &mut self.models[at];
        let mut changes = Vec::new();
        let some: Vec<DeliveryId> = model.handed.keys().copied().filter(|_| self.random.below(2) == 0).collect();
        for id in some {
            let delivery = model.handed.remove(&id).unwrap();
            model.waiting.remove(&id);
            match self.random.below(5) {
                0 => {
                    let requests = 1 + self.random.below(3);
                    let name = delivery.event.message_id.to_string();
                    model.owed.insert(id, Owed { name, delivered: false, died: false });
                    changes.push(Change::Owe { delivery, requests: u32::try_from(requests).unwrap(), dead: None });
                    for _ in 0..requests {
                        changes.push(put(model, self.feeds[at].new_request_id(), id));
                    }
                }
                1 => {
                    model.dead += 1;
                    model.counters.dead += 1;
                    changes.push(finish(&delivery, Outcome::Dead(death("refused"))));
                }
                2 => {
                    model.counters.filtered += 1;
                    changes.push(finish(&delivery, Outcome::Filtered { reason: "kind".to_owned() }));
                }
                _ => {
                    model.counters.delivered += 1;
                    changes.push(finish(&delivery, Outcome::Delivered));
                }
            }
        }
        settle(&*self.feeds[at], changes).await;
    }

    /// Takes what is due, and ends or repeats it.
    async fn settle_owed(&mut self, at: usize) {
        let due = self.feeds[at].due(START_MS, 1 + usize::try_from(self.random.below(5)).unwrap()).await.unwrap();
        let model = &mut self.models[at];
        let mut changes = Vec::new();
        for (request, deliveries) in due {
            let id = deliveries[0].id;
            assert_eq!((model.requests[&request.id], deliveries.len()), (id, 1));
            assert_eq!(model.owed[&id].name, deliveries[0].event.message_id.as_str());
            if self.random.below(4) == 0 {
                changes.push(Change::Put(request));
                continue;
            }
            changes.push(Change::Delete(request.id));
            model.requests.remove(&request.id);
            let follow_ups = u32::from(self.random.below(4) == 0);
            if follow_ups > 0 {
                changes.push(put(model, self.feeds[at].new_request_id(), id));
            }
            let died = self.random.below(3) == 0;
            let outcome = if died { Outcome::Dead(death("exhausted")) } else { Outcome::Delivered };
            changes.push(part(id, outcome, follow_ups));
            let owed = model.owed.get_mut(&id).unwrap();
            owed.died |= died;
            owed.delivered |= !died;
            if !model.requests.values().any(|covered| *covered == id) {
                let owed = model.owed.remove(&id).unwrap();
                model.dead += u64::from(owed.died);
                model.counters.dead += u64::from(owed.died);
                model.counters.delivered += u64::from(!owed.died && owed.delivered);
            }
        }
        settle(&*self.feeds[at], changes).await;
    }

    async fn replay(&mut self, at: usize) {
        let filter = DeadFilter { destination: Some(destination(DESTINATIONS[at])), ..DeadFilter::default() };
        let limit = usize::try_from(1 + self.random.below(4)).unwrap();
        let mut letters = dead_letters(&self.store, filter.clone()).await;
        letters.reverse();
        letters.truncate(limit);
        let count = replay(&self.store, DeadFilter { limit, ..filter }, b"again").await;
        assert_eq!(count, letters.len() as u64);
        let model = &mut self.models[at];
        model.dead -= count;
        for letter in letters {
            model.counters.replayed += 1;
            let id = DeliveryId(2 * model.counters.replayed + 1);
            model.owed.insert(id, Owed { name: letter.message_id, delivered: false, died: false });
            model.requests.insert(RequestId(id.0), id);
        }
    }

    async fn restart(&mut self) {
        self.feeds.clear();
        self.store.close().await.unwrap();
        self.store = open(&self.path);
        self.open_feeds().await;
        for (model, feed) in self.models.iter_mut().zip(&mut self.feeds) {
            model.handed.clear();
            for delivery in drain(feed).await {
                assert!(model.handed.insert(delivery.id, delivery).is_none(), "handed out twice");
            }
            assert!(model.handed.keys().eq(&model.waiting), "what waits is handed out again, and nothing else");
        }
    }

    async fn check(&mut self) {
        for (model, name) in self.models.iter().zip(DESTINATIONS) {
            let found = status(&self.store, name).await;
            let counters = Counters { filtered_by: BTreeMap::new(), dead_by: BTreeMap::new(), ..found.counters };
            assert_eq!(counters, model.counters, "{name}");
            assert_eq!(found.waiting, model.waiting.len() as u64, "{name}");
            assert_eq!(found.owed, model.owed.len() as u64, "{name}");
            assert_eq!(found.stored_requests, model.requests.len() as u64, "{name}");
            let filter = DeadFilter { destination: Some(destination(name)), ..DeadFilter::default() };
            assert_eq!(dead_letters(&self.store, filter).await.len() as u64, model.dead, "{name}");
        }
    }
}

fn put(model: &mut Model, id: RequestId, covers: DeliveryId) -> Change {
    assert!(model.requests.insert(id, covers).is_none(), "an id was given twice");
    Change::Put(StoredRequest {
        id,
        due_ms: START_MS,
        covers: vec![covers],
        lanes: vec![],
        payload: Bytes::from_static(b"body"),
    })
}

#[tokio::test]
async fn any_operations_in_any_order_balance() {
    for seed in 0..super::seeds(SEEDS) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path().join("queue.redb"), seed).await;
        println!("seed {seed}");
        for _ in 0..OPERATIONS {
            world.step().await;
        }
    }
}
