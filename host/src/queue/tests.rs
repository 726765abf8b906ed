//! The store from outside: what is handed over comes back, across restarts and refusals.
//! [`crash`] cuts the power, [`model`] compares with a simple one.

mod backfill;
mod bounds;
mod copies;
mod crash;
mod deduplication;
mod disk;
mod erase;
mod files;
mod letters;
mod lifecycle;
mod model;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::*;
use crate::event::{EventKind, MessageId, scan};

/// 2020-09-13, so that ages are easy to read.
const START_MS: u64 = 1_600_000_000_000;

/// A clock that a test moves.
#[derive(Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn new() -> TestClock {
        TestClock(Arc::new(AtomicU64::new(START_MS)))
    }

    fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn options(&self) -> StoreOptions {
        let time = self.0.clone();
        StoreOptions {
            now: Arc::new(move || time.load(Ordering::Relaxed)),
            free_bytes: Arc::new(|_| None),
            // Most tests take the same events again and again.
            deduplication_window_ms: 0,
            ..StoreOptions::default()
        }
    }
}

/// Small numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, TestClock::new().options()).unwrap()
}

fn pipeline(name: &str) -> PipelineId {
    PipelineId::from(name)
}

fn destination(name: &str) -> DestinationId {
    DestinationId(name.to_owned())
}

/// An event of about `bytes` bytes.
fn event(name: &str, bytes: usize) -> Event {
    let padding = "x".repeat(bytes.saturating_sub(60));
    let json = format!("{{\"type\":\"track\",\"event\":\"Paid\",\"messageId\":\"{name}\",\"padding\":\"{padding}\"}}");
    let json = Bytes::from(json);
    Event {
        kind: EventKind::Track,
        message_id: MessageId::from(name),
        received_ms: START_MS,
        index: scan::index_canonical(&json).unwrap(),
        json,
    }
}

fn new_event(to: &str, name: &str) -> NewEvent {
    NewEvent { pipeline: pipeline(to), event: event(name, 0) }
}

async fn append(store: &RedbStore, to: &str, names: &[&str]) {
    store.append(names.iter().map(|name| new_event(to, name)).collect()).await.unwrap();
}

async fn feed(store: &RedbStore, of: &str) -> Box<dyn Feed> {
    let (to, _) = of.split_once('/').unwrap();
    store.open(&destination(of), &pipeline(to), Start::Earliest).await.unwrap()
}

/// All that a feed has now.
async fn drain(feed: &mut Box<dyn Feed>) -> Vec<Delivery> {
    let mut all = Vec::new();
    while feed.has_next() {
        all.extend(feed.next(7, 4_000).await.unwrap());
    }
    all
}

fn names(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.event.message_id.to_string()).collect()
}

fn death(reason: &str) -> Death {
    Death {
        reason: reason.to_owned(),
        detail: "the vendor answered 400".to_owned(),
        attempts: 3,
        revision: "abc".to_owned(),
        request: Some("POST https://vendor.example/".to_owned()),
        answer: None,
    }
}

fn note(step: &str) -> Note {
    Note {
        at_ms: START_MS,
        step: step.to_owned(),
        revision: String::new(),
        request: String::new(),
        status: 200,
        took_ms: 3,
        detail: String::new(),
    }
}

fn finish(delivery: &Delivery, outcome: Outcome) -> Change {
    Change::Finish { delivery: delivery.id, outcome }
}

fn part(delivery: DeliveryId, outcome: Outcome, follow_ups: u32) -> Change {
    Change::Part { delivery, outcome, follow_ups }
}

async fn settle(feed: &dyn Feed, changes: Vec<Change>) {
    feed.settler().settle_durably(Settlement { changes }).await.unwrap();
}

/// The dead letters that match, newest first, page by page.
async fn dead_letters(store: &RedbStore, filter: DeadFilter) -> Vec<DeadLetter> {
    let content = if filter.ids.is_some() { DeadContent::Whole } else { DeadContent::Head };
    let (mut letters, mut after) = (Vec::new(), None);
    loop {
        let page = store.dead_page(filter.clone(), DeadOrder::NewestFirst, after, content).await.unwrap();
        letters.extend(page.letters);
        after = page.next;
        if after.is_none() {
            return letters;
        }
    }
}

/// Replays what matches, oldest first, in one step.
async fn replay(store: &RedbStore, filter: DeadFilter, payload: &'static [u8]) -> u64 {
    let fate = DeadFate::Replay(Bytes::from_static(payload));
    let step = DeadStep { filter, after: None, fate, stored_requests_max: u64::MAX };
    store.dead_step(step).await.unwrap().count
}

async fn status(store: &RedbStore, of: &str) -> DestinationStatus {
    let all = store.destinations().await.unwrap();
    let found = all.into_iter().find(|status| status.destination == destination(of)).unwrap();
    let counters = &found.counters;
    let ended = counters.delivered + counters.filtered + counters.dead + counters.expired;
    assert_eq!(counters.accepted + counters.replayed, found.waiting + found.owed + ended, "conservation of {of}");
    found
}

/// How many random runs: the second number with SWITCHYARD_SOAK.
fn seeds([small, stated]: [u64; 2]) -> u64 {
    if std::env::var_os("SWITCHYARD_SOAK").is_some() { stated } else { small }
}
