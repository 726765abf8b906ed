//! Bounds, each obeyed and met: the queue's, the disk's, the retention's.

use super::*;

async fn append_sized(store: &RedbStore, count: usize, bytes: usize) -> Result<(), AppendError> {
    let new = |number: usize| NewEvent { pipeline: pipeline("shop"), event: event(&format!("e{number}"), bytes) };
    store.append((0..count).map(new).collect()).await.map(|_| ())
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_once_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { queue_bytes_max: 100_000, ..TestClock::new().options() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    for _ in 0..9 {
        append_sized(&store, 10, 1_000).await.unwrap();
    }
    let Err(AppendError::Full { used_bytes, bytes_max }) = append_sized(&store, 10, 1_000).await else {
        panic!("it took more than it may");
    };
    assert!(bytes_max == 100_000 && used_bytes > 90_000);
    append_sized(&store, 1, 1_000).await.unwrap();

    let all = drain(&mut ga4).await;
    assert_eq!(all.len(), 91);
    settle(&*ga4, all.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect()).await;
    append_sized(&store, 10, 1_000).await.unwrap();
    assert_eq!(status(&store, "shop/ga4").await.waiting, 10);
}

#[tokio::test]
async fn a_disk_below_its_reserve_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(1_000));
    let seen = free.clone();
    let options = StoreOptions {
        disk_reserve_bytes: 1_000,
        free_bytes: Arc::new(move |_| Some(seen.load(Ordering::Relaxed))),
        ..TestClock::new().options()
    };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    append_sized(&store, 1, 100).await.unwrap();
    free.store(999, Ordering::Relaxed);
    let refused = append_sized(&store, 1, 100).await;
    assert!(matches!(refused, Err(AppendError::DiskReserve { free_bytes: 999, reserve_bytes: 1_000 })));
    free.store(1_000, Ordering::Relaxed);
    append_sized(&store, 1, 100).await.unwrap();
    assert_eq!(store.status().accepted, 2);
}

#[tokio::test]
async fn the_real_disk_says_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { disk_reserve_bytes: u64::MAX, ..StoreOptions::default() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    assert!(matches!(append_sized(&store, 1, 100).await, Err(AppendError::DiskReserve { .. })));
}

#[tokio::test]
async fn an_append_larger_than_a_group_is_taken_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append_sized(&store, 3_000, 1_500).await.unwrap();
    store.close().await.unwrap();
    let store = open(&path);
    assert_eq!(drain(&mut feed(&store, "shop/ga4").await).await.len(), 3_000);
}

#[tokio::test]
async fn settled_events_go_by_size_and_the_file_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let options = StoreOptions { retention_bytes: 200_000, ..TestClock::new().options() };
    let store = RedbStore::open(&path, options).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    for _ in 0..200 {
        append_sized(&store, 50, 1_000).await.unwrap();
        let all = drain(&mut ga4).await;
        let covers = all.iter().map(|delivery| delivery.id).collect();
        let mut changes: Vec<Change> = all.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect();
        changes.push(Change::Note { covers, note: note("delivered") });
        settle(&*ga4, changes).await;
    }
    let now = store.status();
    assert!(now.kept_bytes <= 200_000 && now.kept_bytes > 100_000, "{now:?}");
    assert!(now.file_bytes < 4_000_000, "10 MB went through {} bytes", now.file_bytes);
    assert_eq!(now.accepted, 10_000);
    // 10,000 events in buckets of 1,024: those of the last buckets stay.
    store.close().await.unwrap();
    let database = redb::Database::open(&path).unwrap();
    let notes = redb::ReadableDatabase::begin_read(&database).unwrap().open_table(tables::NOTES).unwrap();
    assert!(redb::ReadableTableMetadata::len(&notes).unwrap() < 50);
}

#[tokio::test]
async fn what_is_too_much_goes_in_strides() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let options = StoreOptions { retention_bytes: 160_000, ..clock.options() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    let (mut kept_bytes, mut strides) = (0, 0);
    for _ in 0..1_000 {
        // Each commit looks at ages, which is no reason to keep less.
        clock.advance(1_000);
        append_sized(&store, 1, 1_000).await.unwrap();
        let now = store.status();
        assert!(now.kept_bytes <= 160_000, "{now:?}");
        strides += usize::from(now.kept_bytes < kept_bytes);
        kept_bytes = now.kept_bytes;
    }
    assert!((50..100).contains(&strides), "a megabyte went in {strides} strides of 10,000 bytes");
}

#[tokio::test]
async fn settled_events_go_by_age_and_unsettled_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let options = StoreOptions { retention_ms: 1_000, ..clock.options() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    let (mut fast, mut slow) = (feed(&store, "shop/fast").await, feed(&store, "shop/slow").await);
    append(&store, "shop", &["a"]).await;
    append(&store, "shop", &["b"]).await;
    let all = drain(&mut fast).await;
    settle(&*fast, all.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect()).await;
    let slowly = drain(&mut slow).await;
    settle(&*slow, vec![finish(&slowly[0], Outcome::Delivered)]).await;
    clock.advance(1_000);
    assert_eq!((status(&store, "shop/slow").await.lag_ms, store.status().kept_events), (1_000, 2));
    // Ages are looked at once a second.
    clock.advance(1_000);
    assert_eq!((status(&store, "shop/slow").await.lag_ms, store.status().kept_events), (2_000, 1));
    assert!(store.trace("a").await.unwrap().is_empty());
    assert_eq!(store.trace("b").await.unwrap().len(), 1);
    clock.advance(1_000);
    settle(&*slow, vec![finish(&slowly[1], Outcome::Delivered)]).await;
    assert_eq!((store.status().kept_events, store.status().kept_bytes), (0, 0));
    append(&store, "shop", &["c"]).await;
    assert_eq!(names(&drain(&mut slow).await), ["c"]);
}

#[tokio::test]
async fn what_is_owed_outlives_its_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let clock = TestClock::new();
    let options = StoreOptions { retention_ms: 1_000, ..clock.options() };
    let store = RedbStore::open(&path, options.clone()).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    append(&store, "shop", &["a"]).await;
    let all = drain(&mut ga4).await;
    let id = ga4.new_request_id();
    let request = StoredRequest {
        id,
        due_ms: START_MS,
        covers: vec![all[0].id],
        lanes: vec![],
        payload: Bytes::from_static(b"p"),
    };
    let owe = Change::Owe { delivery: all[0].clone(), requests: 1, dead: None };
    settle(&*ga4, vec![owe, Change::Put(request)]).await;
    clock.advance(5_000);
    settle(&*ga4, vec![]).await;
    append(&store, "shop", &["b"]).await;
    assert_eq!(store.status().kept_events, 1);
    store.close().await.unwrap();

    let store = RedbStore::open(&path, options).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    let due = ga4.due(START_MS, 1).await.unwrap();
    assert_eq!(due[0].1[0].event.json, all[0].event.json);
    settle(&*ga4, vec![Change::Delete(id), part(all[0].id, Outcome::Dead(death("exhausted")), 0)]).await;
    let letters = dead_letters(&store, DeadFilter::default()).await;
    assert_eq!((letters[0].message_id.as_str(), letters[0].died_ms), ("a", START_MS + 5_000));
}

/// Such a request once kept the places of the expired ones, and counted the others wrong.
#[tokio::test]
async fn a_request_of_which_some_events_expired_in_flight_is_stored_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let options = StoreOptions { replan: |_| Bytes::from_static(b"planned anew"), ..clock.options() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    append(&store, "shop", &["a", "b"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    ga4.bound_backlog(Some(Backlog { bytes_max: u64::MAX, age_ms_max: 1_000 }));
    clock.advance(1_001);
    let young = |name: &str| {
        let mut young = new_event("shop", name);
        young.event.received_ms = START_MS + 1_001;
        young
    };
    let first = drain(&mut ga4).await;
    store.append(vec![young("c")]).await.unwrap();
    assert_eq!(status(&store, "shop/ga4").await.counters.expired, 2, "a and b, in flight");
    let all = [first, drain(&mut ga4).await].concat();
    assert_eq!(names(&all), ["a", "b", "c"]);
    let ids: Vec<DeliveryId> = all.iter().map(|delivery| delivery.id).collect();
    let owe = |delivery: &Delivery| Change::Owe { delivery: delivery.clone(), requests: 1, dead: None };
    let put = |id: RequestId, covers: &[DeliveryId]| {
        let payload = Bytes::from_static(b"as it was sent");
        Change::Put(StoredRequest { id, due_ms: START_MS, covers: covers.to_vec(), lanes: vec![], payload })
    };
    let [mixed, gone] = [ga4.new_request_id(), ga4.new_request_id()];
    let mut changes: Vec<Change> = all.iter().map(owe).collect();
    changes.extend([put(mixed, &ids), put(gone, &ids[..2])]);
    settle(&*ga4, changes).await;
    let due = ga4.due(START_MS + 9_000, 10).await.unwrap();
    let due: Vec<_> = due.iter().map(|(stored, own)| (stored.id, &stored.payload[..], names(own))).collect();
    assert_eq!(due, [(mixed, &b"planned anew"[..], vec!["c".to_string()])]);
    assert_eq!(ga4.erased(), [gone], "it leaves its lanes");
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.expired, now.owed, now.waiting, now.stored_requests), (2, 1, 0, 1));
}

#[tokio::test]
async fn what_waits_longer_than_the_backlog_may_expires_and_the_rest_is_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = RedbStore::open(&folder.path().join("queue.redb"), clock.options()).unwrap();
    append(&store, "shop", &["a", "b"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    ga4.bound_backlog(Some(Backlog { bytes_max: u64::MAX, age_ms_max: 1_000 }));
    clock.advance(1_000);
    let mut young = new_event("shop", "c");
    young.event.received_ms = START_MS + 1_000;
    store.append(vec![young]).await.unwrap();
    assert_eq!(status(&store, "shop/ga4").await.counters.expired, 0, "just within");
    clock.advance(1);
    let mut younger = new_event("shop", "d");
    younger.event.received_ms = START_MS + 1_001;
    store.append(vec![younger]).await.unwrap();
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.expired, now.waiting), (2, 2));
    assert_eq!(names(&drain(&mut ga4).await), ["c", "d"]);
}
