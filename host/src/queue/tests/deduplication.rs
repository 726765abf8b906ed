//! An event that is sent again is taken once: exactly within the window and the bound, across
//! restarts and power cuts, and not beyond them.

use super::disk::Disk;
use super::*;

const WINDOW_MS: u64 = 60_000;

fn options(clock: &TestClock, ids_max: u64) -> StoreOptions {
    StoreOptions { deduplication_window_ms: WINDOW_MS, deduplication_ids_max: ids_max, ..clock.options() }
}

/// The names that were known already.
async fn send(store: &RedbStore, to: &str, names: &[&str]) -> Vec<String> {
    let appended = store.append(names.iter().map(|name| new_event(to, name)).collect()).await.unwrap();
    appended.duplicates.iter().map(|(_, message_id)| message_id.to_string()).collect()
}

#[tokio::test]
async fn an_event_that_is_sent_again_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&folder.path().join("queue.redb"), options(&TestClock::new(), 1_000)).unwrap();
    assert!(send(&store, "shop", &["a", "b"]).await.is_empty());
    assert_eq!(send(&store, "shop", &["b", "c", "a"]).await, ["b", "a"]);
    assert_eq!(send(&store, "shop", &["d", "d"]).await, ["d"], "twice in one append");
    assert!(send(&store, "blog", &["a"]).await.is_empty(), "another source's");
    assert_eq!(send(&store, "shop", &["a", "b", "c", "d"]).await.len(), 4);
    let mut shop = feed(&store, "shop/ga4").await;
    assert_eq!(names(&drain(&mut shop).await), ["a", "b", "c", "d"]);
    assert_eq!((store.status().accepted, store.status().known_ids), (5, 5));
}

#[tokio::test]
async fn two_appends_of_one_group_know_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&folder.path().join("queue.redb"), options(&TestClock::new(), 1_000)).unwrap();
    let (one, other) = tokio::join!(send(&store, "shop", &["a"]), send(&store, "shop", &["a"]));
    assert_eq!(one.len() + other.len(), 1);
    assert_eq!(store.status().accepted, 1);
}

#[tokio::test]
async fn the_window_is_obeyed_to_its_end_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, path) = (TestClock::new(), folder.path().join("queue.redb"));
    for restart in [false, true] {
        let name = format!("a-{restart}");
        let mut store = RedbStore::open(&path, options(&clock, 1_000)).unwrap();
        assert!(send(&store, "shop", &[&name]).await.is_empty());
        clock.advance(WINDOW_MS);
        if restart {
            store.close().await.unwrap();
            store = RedbStore::open(&path, options(&clock, 1_000)).unwrap();
        }
        assert_eq!(send(&store, "shop", &[&name]).await, [name.as_str()], "just within");
        // A generation ends with its last identity.
        clock.advance(WINDOW_MS + 1);
        assert!(send(&store, "shop", &[&name]).await.is_empty(), "beyond");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_are_forgotten_and_the_window_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let store = RedbStore::open(&folder.path().join("queue.redb"), options(&clock, 100)).unwrap();
    for number in 0..300 {
        send(&store, "shop", &[&format!("e{number}")]).await;
        clock.advance(10);
    }
    assert_eq!(send(&store, "shop", &["e200", "e299"]).await.len(), 2, "the last hundred are known");
    assert!(send(&store, "shop", &["e0"]).await.is_empty());
    let status = store.status();
    assert!((100..=126).contains(&status.known_ids), "{}", status.known_ids);
    assert!((990..=1_400).contains(&status.known_window_ms), "{}", status.known_window_ms);
}

#[tokio::test]
async fn what_was_forgotten_leaves_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, path) = (TestClock::new(), folder.path().join("queue.redb"));
    let store = RedbStore::open(&path, options(&clock, 10)).unwrap();
    for number in 0..1_000 {
        send(&store, "shop", &[&format!("e{number}")]).await;
    }
    store.close().await.unwrap();
    let database = redb::Database::open(&path).unwrap();
    let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
    let table = transaction.open_table(super::super::tables::IDENTITIES).unwrap();
    let rows = redb::ReadableTableMetadata::len(&table).unwrap();
    assert!((10..=16).contains(&rows), "{rows}");
}

#[tokio::test]
async fn a_duplicate_needs_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { queue_bytes_max: 500, ..options(&TestClock::new(), 1_000) };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    // Nothing is settled, so nothing gives way.
    let _feed = feed(&store, "shop/ga4").await;
    let mut sent = 0;
    while store.append(vec![new_event("shop", &format!("e{sent}"))]).await.is_ok() {
        sent += 1;
    }
    assert!(sent > 0);
    assert_eq!(send(&store, "shop", &["e0"]).await, ["e0"]);
}

#[tokio::test]
async fn a_power_cut_forgets_nothing_that_was_acknowledged() {
    let open =
        |disk: Disk| RedbStore::open_with_backend(disk, Path::new("disk"), options(&TestClock::new(), 1_000)).unwrap();
    for seed in 0..super::seeds([100, 5_000]) {
        let (disk, mut random) = (Disk::default(), Random(seed));
        let store = open(disk.clone());
        let mut known = Vec::new();
        disk.cut_after(1 + random.below(400));
        for number in 0..40 {
            let name = format!("e{number}");
            if store.append(vec![new_event("shop", &name)]).await.is_err() {
                break;
            }
            known.push(name);
        }
        drop(store);
        let store = open(Disk::with(disk.cut(&mut random)));
        for name in &known {
            assert_eq!(send(&store, "shop", &[name]).await, [name.as_str()], "seed {seed}");
        }
        store.close().await.unwrap();
    }
}
