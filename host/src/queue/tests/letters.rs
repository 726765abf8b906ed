//! Dead letters: filters and pages, replay and discarding in steps, their bounds.

use super::*;

/// So many dead letters of a destination, one a second, of two reasons in turn.
async fn die(store: &RedbStore, clock: &TestClock, of: &str, count: usize) {
    let mut feed = feed(store, of).await;
    let (to, _) = of.split_once('/').unwrap();
    for number in 0..count {
        clock.advance(1_000);
        append(store, to, &[&format!("{of}-{number}")]).await;
        for delivery in drain(&mut feed).await {
            let reason = if number % 2 == 0 { "refused" } else { "exhausted" };
            settle(&*feed, vec![finish(&delivery, Outcome::Dead(death(reason)))]).await;
        }
    }
}

fn store_of(folder: &tempfile::TempDir, clock: &TestClock) -> RedbStore {
    RedbStore::open(&folder.path().join("queue.redb"), clock.options()).unwrap()
}

async fn found(store: &RedbStore, filter: DeadFilter) -> Vec<String> {
    dead_letters(store, filter).await.into_iter().map(|letter| letter.message_id).collect()
}

fn step(filter: DeadFilter, fate: DeadFate) -> DeadStep {
    DeadStep { filter, after: None, fate, stored_requests_max: u64::MAX }
}

#[tokio::test]
async fn each_filter_finds_its_letters_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 4).await;
    die(&store, &clock, "blog/ga4", 2).await;
    let all = DeadFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let of = DeadFilter { destination: Some(destination("blog/ga4")), ..all() };
    assert_eq!(found(&store, of).await, ["blog/ga4-1", "blog/ga4-0"], "newest first");
    let of = DeadFilter { reason: text("exhausted"), ..all() };
    assert_eq!(found(&store, of).await, ["blog/ga4-1", "shop/ga4-3", "shop/ga4-1"]);
    assert_eq!(found(&store, DeadFilter { revision: text("abc"), ..all() }).await.len(), 6);
    assert!(found(&store, DeadFilter { revision: text("ab"), ..all() }).await.is_empty());
    let of = DeadFilter { message_id: text("shop/ga4-2"), ..all() };
    assert_eq!(found(&store, of).await, ["shop/ga4-2"]);
    assert_eq!(found(&store, DeadFilter { event: text("Paid"), ..all() }).await.len(), 6);
    assert!(found(&store, DeadFilter { event: text("Pai"), ..all() }).await.is_empty());
    let (from_ms, to_ms) = (Some(START_MS + 2_000), Some(START_MS + 4_000));
    let of = DeadFilter { from_ms, to_ms, ..all() };
    assert_eq!(found(&store, of).await, ["shop/ga4-2", "shop/ga4-1"], "the end is not in it");
    let of = DeadFilter { from_ms: to_ms, to_ms: from_ms, ..all() };
    assert!(found(&store, of).await.is_empty());
}

#[tokio::test]
async fn pages_hold_all_once_in_either_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 7).await;
    for order in [DeadOrder::NewestFirst, DeadOrder::OldestFirst] {
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let filter = DeadFilter { limit: 3, ..DeadFilter::default() };
            let page = store.dead_page(filter, order, after, DeadContent::Whole).await.unwrap();
            assert!(page.letters.len() <= 3 && page.letters.iter().all(|letter| !letter.json.is_empty()));
            seen.extend(page.letters.into_iter().map(|letter| letter.died_ms));
            (after, pages) = (page.next, pages + 1);
            if after.is_none() {
                break;
            }
        }
        assert!(pages >= 3 && seen.len() == 7, "{order:?}: {seen:?}");
        assert!(seen.is_sorted_by(|one, next| if order == DeadOrder::OldestFirst { one < next } else { one > next }));
    }
}

#[tokio::test]
async fn discarding_changes_no_counter_of_the_balance_and_is_safe_to_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 4).await;
    let before = status(&store, "shop/ga4").await;
    let filter = DeadFilter { reason: Some("refused".to_owned()), ..DeadFilter::default() };
    let discard = step(filter, DeadFate::Discard);
    assert_eq!(store.dead_step(discard.clone()).await.unwrap().count, 2);
    assert_eq!(store.dead_step(discard).await.unwrap().count, 0);
    let after = status(&store, "shop/ga4").await;
    assert_eq!(after.counters, before.counters);
    assert_eq!((after.dead_letters.kept, after.dead_letters.discarded), (2, 2));
    assert_eq!(found(&store, DeadFilter::default()).await, ["shop/ga4-3", "shop/ga4-1"]);
}

#[tokio::test]
async fn a_step_is_bounded_and_the_next_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 5).await;
    let replay = DeadFate::Replay(Bytes::from_static(b"again"));
    let first = step(DeadFilter { limit: 2, ..DeadFilter::default() }, replay);
    let stepped = store.dead_step(first.clone()).await.unwrap();
    assert_eq!((stepped.count, stepped.held), (2, None));
    let next = DeadStep { after: stepped.next, ..first.clone() };
    let stepped = store.dead_step(next.clone()).await.unwrap();
    assert_eq!(stepped.count, 2);
    // The same step again finds its letters gone.
    assert_eq!(store.dead_step(next).await.unwrap().count, 1);
    assert_eq!(store.dead_step(first).await.unwrap(), DeadStepped::default());
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.replayed, now.owed, now.stored_requests, now.dead_letters.kept), (5, 5, 5, 0));
}

#[tokio::test]
async fn a_destination_with_enough_stored_requests_is_passed_over_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 3).await;
    die(&store, &clock, "blog/ga4", 1).await;
    let full = DeadFilter { destination: Some(destination("shop/ga4")), limit: 2, ..DeadFilter::default() };
    replay(&store, full, b"again").await;
    let all = step(DeadFilter::default(), DeadFate::Replay(Bytes::new()));
    let stepped = store.dead_step(DeadStep { stored_requests_max: 2, ..all.clone() }).await.unwrap();
    assert_eq!((stepped.count, stepped.held), (1, Some(destination("shop/ga4"))));
    assert_eq!(status(&store, "blog/ga4").await.counters.replayed, 1);
    let stepped = store.dead_step(DeadStep { stored_requests_max: 3, ..all }).await.unwrap();
    assert_eq!((stepped.count, stepped.held), (1, None));
}

#[tokio::test]
async fn letters_go_by_age_and_by_bytes_oldest_first_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let clock = TestClock::new();
    let options = StoreOptions { dead_retention_ms: 10_000, ..clock.options() };
    let store = RedbStore::open(&path, options).unwrap();
    die(&store, &clock, "shop/ga4", 4).await;
    clock.advance(8_000);
    append(&store, "shop", &["still"]).await;
    assert_eq!(found(&store, DeadFilter::default()).await.len(), 3, "the first is 11 s old");
    clock.advance(1_000);
    append(&store, "shop", &["more"]).await;
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.dead_letters.kept, now.dead_letters.expired, now.counters.dead), (2, 2, 4));
    let bytes = now.dead_letters.bytes;
    store.close().await.unwrap();

    let bounded = |bytes| StoreOptions { dead_bytes_max: bytes, ..clock.options() };
    let store = RedbStore::open(&path, bounded(bytes)).unwrap();
    append(&store, "shop", &["within"]).await;
    assert_eq!(store.status().dead_letters.kept, 2);
    store.close().await.unwrap();
    let store = RedbStore::open(&path, bounded(bytes - 1)).unwrap();
    append(&store, "shop", &["beyond"]).await;
    assert_eq!(found(&store, DeadFilter::default()).await, ["shop/ga4-3"]);
    assert_eq!((store.status().dead_letters.kept, store.status().dead_letters.expired), (1, 3));
}

#[tokio::test]
async fn letters_of_an_older_store_are_counted_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let clock = TestClock::new();
    let store = store_of(&folder, &clock);
    die(&store, &clock, "shop/ga4", 3).await;
    let counted = status(&store, "shop/ga4").await.dead_letters;
    store.close().await.unwrap();
    // As an older daemon wrote it: without the member.
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut rows = transaction.open_table(tables::STATE).unwrap();
    let key = (tables::STATE_DESTINATION, 0);
    let row = redb::ReadableTable::get(&rows, key).unwrap().unwrap().value().to_vec();
    let mut row: serde_json::Value = serde_json::from_slice(&row).unwrap();
    for member in ["letters", "backfill", "backfills"] {
        assert!(row.as_object_mut().unwrap().remove(member).is_some(), "{member}");
    }
    rows.insert(key, row.to_string().as_bytes()).unwrap();
    drop(rows);
    transaction.commit().unwrap();
    drop(database);
    let store = store_of(&folder, &clock);
    assert_eq!(counted.kept, 3);
    assert_eq!(status(&store, "shop/ga4").await.dead_letters, counted);
}
