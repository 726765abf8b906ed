//! Replay from the queue: what is in it, what is not, and where it goes on.

use super::*;

fn at(name: &str, received_ms: u64) -> NewEvent {
    NewEvent { pipeline: pipeline("shop"), event: Event { received_ms, ..event(name, 0) } }
}

fn step(place: BackfillPlace, events_max: usize) -> BackfillStep {
    BackfillStep {
        destination: destination("shop/ga4"),
        place,
        events_max,
        stored_requests_max: u64::MAX,
        payload: Bytes::from_static(b"again"),
    }
}

fn range(from: u64, to: u64) -> BackfillPlace {
    BackfillPlace::Range { from_ms: START_MS + from, to_ms: START_MS + to }
}

/// A destination that has delivered ten events, one a second, in frames of two.
async fn delivered(store: &RedbStore) -> Box<dyn Feed> {
    let mut ga4 = feed(store, "shop/ga4").await;
    for pair in 0..5 {
        let new = |number: u64| at(&number.to_string(), START_MS + number * 1_000);
        store.append(vec![new(2 * pair), new(2 * pair + 1)]).await.unwrap();
    }
    let all = drain(&mut ga4).await;
    settle(&*ga4, all.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect()).await;
    ga4
}

async fn due(feed: &mut Box<dyn Feed>) -> Vec<String> {
    let due = feed.due(u64::MAX, 100).await.unwrap();
    due.iter().flat_map(|(_, deliveries)| names(deliveries)).collect()
}

#[tokio::test]
async fn events_between_two_times_become_new_deliveries_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let mut ga4 = delivered(&store).await;
    let first = store.backfill(step(range(3_000, 8_000), 2)).await.unwrap();
    assert_eq!((first.replayed, first.done, first.reaches_back_ms), (2, false, Some(START_MS)));
    let mut state = first.clone();
    while !state.done {
        state = store.backfill(step(BackfillPlace::Of(first.number), 2)).await.unwrap();
    }
    assert_eq!((state.replayed, state.passed), (5, 0));
    assert_eq!(due(&mut ga4).await, ["3", "4", "5", "6", "7"]);
    // It has ended: the same number does nothing more, the same range is a new replay.
    let ended = store.backfill(step(BackfillPlace::Of(first.number), 9)).await.unwrap();
    assert!(ended.done && ended.replayed == 0);
    assert_eq!(status(&store, "shop/ga4").await.counters.replayed, 5);
    let again = store.backfill(step(range(3_000, 8_000), 9)).await.unwrap();
    assert!(again.number > first.number && again.replayed == 5);
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.replayed, now.owed, now.stored_requests), (10, 10, 4));
}

#[tokio::test]
async fn after_a_restart_it_goes_on_where_it_was_and_another_range_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    drop(delivered(&store).await);
    store.backfill(step(range(0, 10_000), 4)).await.unwrap();
    store.close().await.unwrap();

    let store = open(&path);
    let mut ga4 = feed(&store, "shop/ga4").await;
    let refused = store.backfill(step(range(0, 9_000), 4)).await.unwrap_err();
    assert!(matches!(refused, StoreError::ReplayUnderWay { .. }), "{refused}");
    // What came since it began is not in it.
    store.append(vec![at("late", START_MS + 5_000)]).await.unwrap();
    let resumed = store.backfill(step(range(0, 10_000), 100)).await.unwrap();
    assert_eq!((resumed.replayed, resumed.done), (10, true));
    let mut replayed = due(&mut ga4).await;
    replayed.sort();
    assert_eq!(replayed, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);

    store.backfill(step(range(0, 10_000), 4)).await.unwrap();
    store.backfill(step(BackfillPlace::Abandon, 0)).await.unwrap();
    assert_eq!(store.backfill(step(range(0, 9_000), 4)).await.unwrap().replayed, 4);
    status(&store, "shop/ga4").await;
}

#[tokio::test]
async fn what_has_still_to_be_delivered_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let mut ga4 = delivered(&store).await;
    store.append(vec![at("owed", START_MS + 10_000), at("waits", START_MS + 11_000)]).await.unwrap();
    let all = drain(&mut ga4).await;
    let id = ga4.new_request_id();
    let request = StoredRequest { id, due_ms: START_MS, covers: vec![all[0].id], lanes: vec![], payload: Bytes::new() };
    settle(&*ga4, vec![Change::Owe { delivery: all[0].clone(), requests: 1, dead: None }, Change::Put(request)]).await;
    let state = store.backfill(step(range(9_000, 20_000), 100)).await.unwrap();
    assert_eq!((state.replayed, state.passed, state.done), (1, 2, true));
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.replayed, now.waiting, now.owed), (1, 1, 2));
}

#[tokio::test]
async fn a_destination_with_enough_stored_requests_gets_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let _ga4 = delivered(&store).await;
    let bounded = |stored_requests_max| BackfillStep { stored_requests_max, ..step(range(0, 10_000), 3) };
    assert_eq!(store.backfill(bounded(1)).await.unwrap().replayed, 3);
    let held = store.backfill(bounded(1)).await.unwrap();
    assert_eq!((held.replayed, held.held, held.done), (3, true, false));
    assert_eq!(store.backfill(bounded(2)).await.unwrap().replayed, 6);
}

#[tokio::test]
async fn a_destination_that_is_not_configured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let refused = store.backfill(step(range(0, 1), 1)).await.unwrap_err();
    assert!(refused.to_string().contains("shop/ga4"), "{refused}");
}
