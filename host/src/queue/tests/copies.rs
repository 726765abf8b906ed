//! Backups and restores: a copy has everything, and what is no copy is refused.

use std::io::Read;

use super::*;

async fn backup(store: &RedbStore, to: &Path) {
    let mut bytes = Vec::new();
    store.backup().await.unwrap().read_to_end(&mut bytes).unwrap();
    std::fs::write(to, bytes).unwrap();
}

/// A store with something in every table, and its file.
async fn full(path: &Path) -> RedbStore {
    let options = StoreOptions { deduplication_window_ms: 60_000, ..TestClock::new().options() };
    let store = RedbStore::open(path, options).unwrap();
    append(&store, "shop", &["a", "b", "c", "d"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let id = ga4.new_request_id();
    let request = StoredRequest {
        id,
        due_ms: START_MS,
        covers: vec![all[1].id],
        lanes: vec![],
        payload: Bytes::from_static(b"p"),
    };
    let covers = vec![all[0].id];
    settle(
        &*ga4,
        vec![
            finish(&all[0], Outcome::Dead(death("refused"))),
            Change::Owe { delivery: all[1].clone(), requests: 1, dead: None },
            Change::Put(request),
            finish(&all[2], Outcome::Delivered),
            Change::Note { covers, note: note("dead") },
        ],
    )
    .await;
    store
}

#[tokio::test]
async fn a_restored_backup_goes_on_where_the_store_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = full(&folder.path().join("queue.redb")).await;
    let before = status(&store, "shop/ga4").await;
    let file = folder.path().join("backup");
    backup(&store, &file).await;
    append(&store, "shop", &["later"]).await;
    let held = contents(&file).unwrap();
    assert_eq!((held.accepted, held.kept_events, held.dead_letters.kept), (4, 4, 1));
    assert_eq!(held.destinations, [("shop/ga4".to_owned(), 2)]);

    let data = folder.path().join("data");
    assert_eq!(restore(&file, &data, Existing::Keep).unwrap(), held);
    let store = full_again(&data.join(STORE_FILE));
    assert_eq!(status(&store, "shop/ga4").await, before);
    let mut ga4 = feed(&store, "shop/ga4").await;
    assert_eq!(names(&drain(&mut ga4).await), ["d"]);
    assert_eq!(names(&ga4.due(START_MS, 9).await.unwrap()[0].1), ["b"]);
    assert_eq!(dead_letters(&store, DeadFilter::default()).await[0].message_id, "a");
    assert_eq!(store.trace("a").await.unwrap()[0].steps.len(), 1);
    let repeated = store.append(vec![new_event("shop", "a")]).await.unwrap();
    assert_eq!(repeated.duplicates.len(), 1, "identities are in it");
}

fn full_again(path: &Path) -> RedbStore {
    let options = StoreOptions { deduplication_window_ms: 60_000, ..TestClock::new().options() };
    RedbStore::open(path, options).unwrap()
}

#[tokio::test]
async fn a_directory_with_a_store_is_refused_and_one_in_use_always() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("backup"));
    let store = full(&data.join(STORE_FILE)).await;
    backup(&store, &file).await;
    append(&store, "shop", &["later"]).await;
    for existing in [Existing::Keep, Existing::Replace] {
        let refused = restore(&file, &data, existing).unwrap_err();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    }
    store.close().await.unwrap();
    drop(store);
    let refused = restore(&file, &data, Existing::Keep).unwrap_err().to_string();
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(contents(&data.join(STORE_FILE)).unwrap().accepted, 5, "the store is as it was");
    restore(&file, &data, Existing::Replace).unwrap();
    assert_eq!(contents(&data.join(STORE_FILE)).unwrap().accepted, 4);
}

#[tokio::test]
async fn what_is_no_whole_store_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let store = full(&folder.path().join("queue.redb")).await;
    let (file, data) = (folder.path().join("backup"), folder.path().join("data"));
    backup(&store, &file).await;
    let good = std::fs::read(&file).unwrap();
    let at = memchr::memmem::find(&good, b"\"messageId\":\"d\"").unwrap();
    let mut flipped = good.clone();
    flipped[at] ^= 1;
    for (what, bytes) in [("cut", &good[..good.len() / 2]), ("flipped", &flipped), ("text", b"[data]"), ("empty", b"")]
    {
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&file, &data, Existing::Keep);
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{what}: {refused:?}");
        assert!(!data.join(STORE_FILE).exists());
    }
}

#[tokio::test]
async fn what_interrupted_copies_left_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    for left in ["queue.redb.backup", "queue.redb.rewrite", "queue.redb.restore"] {
        std::fs::write(folder.path().join(left), b"half").unwrap();
    }
    let store = open(&path);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    backup(&store, &folder.path().join("backup")).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the copy has no name");
}
