//! Files that cannot be opened, and why; and the file that is made.

use std::os::unix::fs::PermissionsExt;

use redb::{Database, ReadableDatabase, TableDefinition};

use super::*;

fn refused(path: &Path) -> StoreError {
    match RedbStore::open(path, TestClock::new().options()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_file_and_its_folder_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("data").join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a"]).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert!(store.status().file_bytes > 0);
}

#[tokio::test]
async fn a_second_daemon_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    assert!(matches!(refused(&path), StoreError::InUse { .. }));
    append(&store, "shop", &["a"]).await;
    store.close().await.unwrap();
    open(&path);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    open(&path).close().await.unwrap();
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(tables::META).unwrap().insert("format", tables::FORMAT + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(refused(&path), StoreError::TooNew { found: 3, known: 2, .. }));
}

#[test]
fn what_is_no_store_of_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "hello ".repeat(50_000)).unwrap();
    let foreign = folder.path().join("foreign");
    let database = Database::create(&foreign).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(refused(&text), StoreError::Damaged { .. }));
    assert!(before == std::fs::read(&text).unwrap());
    assert!(matches!(refused(&foreign), StoreError::Damaged { .. }));
    let database = Database::open(&foreign).unwrap();
    assert_eq!(database.begin_read().unwrap().list_tables().unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = refused(&folder.path().join("file").join("queue.redb"));
    assert!(matches!(&error, StoreError::Failed(text) if text.contains("queue.redb")), "{error}");
}

#[tokio::test]
async fn a_damaged_frame_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b"]).await;
    store.close().await.unwrap();
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut frames = transaction.open_table(tables::FRAMES).unwrap();
    let mut chunk = frames.remove((0, 1, 0)).unwrap().unwrap().value().to_vec();
    chunk[40] ^= 1;
    frames.insert((0, 1, 0), &chunk[..]).unwrap();
    drop(frames);
    transaction.commit().unwrap();
    drop(database);
    let store = open(&path);
    let mut ga4 = feed(&store, "shop/ga4").await;
    assert!(matches!(ga4.next(10, 1_000).await, Err(StoreError::Damaged { .. })));
    append(&store, "shop", &["c"]).await;
}
