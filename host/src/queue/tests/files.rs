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
    assert!(matches!(refused(&path), StoreError::TooNew { found: 4, known: 3, .. }));
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

/// A store as an older format left it: of six events of `shop` ga4 has delivered a, filtered b, given
/// up c, and owes d and e to two requests; webhook has settled nothing.
fn store_of(frozen: &[u8], folder: &Path) -> std::path::PathBuf {
    let path = folder.join("queue.redb");
    let mut stored = flate2::read::GzDecoder::new(frozen);
    std::io::copy(&mut stored, &mut std::fs::File::create(&path).unwrap()).unwrap();
    path
}

#[tokio::test]
async fn a_store_of_format_1_is_brought_up_to_date() {
    is_brought_up_to_date(include_bytes!("store-v1.redb.gz"), [0, 0]).await;
}

#[tokio::test]
async fn a_store_of_format_2_is_brought_up_to_date() {
    is_brought_up_to_date(include_bytes!("store-v2.redb.gz"), [1, 2]).await;
}

/// `lanes`: how many its two stored requests stand in.
async fn is_brought_up_to_date(frozen: &[u8], lanes: [usize; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = store_of(frozen, folder.path());
    let store = open(&path);
    let counters = status(&store, "shop/ga4").await.counters;
    assert_eq!((counters.delivered, counters.filtered, counters.dead), (1, 1, 1));
    let mut ga4 = feed(&store, "shop/ga4").await;
    assert_eq!(names(&drain(&mut ga4).await), ["f"]);
    let due = ga4.due(START_MS + 9, 10).await.unwrap();
    let shown: Vec<(u64, &[u8], Vec<String>, usize)> = due
        .iter()
        .map(|(request, deliveries)| {
            (request.due_ms - START_MS, &request.payload[..], names(deliveries), request.lanes.len())
        })
        .collect();
    let of = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(
        shown,
        [(5, &b"\x01first"[..], of(&["d", "e"]), lanes[0]), (9, &b"\x01second"[..], of(&["e"]), lanes[1])]
    );
    let mut webhook = feed(&store, "shop/webhook").await;
    assert_eq!(names(&drain(&mut webhook).await), ["a", "b", "c", "d", "e", "f"]);
    let letters = dead_letters(&store, DeadFilter::default()).await;
    assert_eq!(letters.iter().map(|letter| &letter.message_id[..]).collect::<Vec<_>>(), ["c"]);
    assert_eq!(store.trace("a").await.unwrap()[0].steps.len(), 1);
    assert_eq!(store.records().await.unwrap(), []);
    store.put_record("plugin/ga4", Bytes::from_static(b"{}")).await.unwrap();
    drop((ga4, webhook));
    store.close().await.unwrap();
    let database = Database::open(&path).unwrap();
    let format = tables::read_format(&database.begin_read().unwrap()).unwrap();
    assert_eq!(format, tables::Format::Version(tables::FORMAT));
}

#[tokio::test]
async fn records_outlive_a_restart_and_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    store.put_record("plugin/b", bytes("1")).await.unwrap();
    store.put_record("plugin/a", bytes("2")).await.unwrap();
    store.put_record("plugin/b", bytes("3")).await.unwrap();
    let expected = [("plugin/a".to_owned(), bytes("2")), ("plugin/b".to_owned(), bytes("3"))];
    assert_eq!(store.records().await.unwrap(), expected);
    let mut copied = store.backup().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(open(&path).records().await.unwrap(), expected);
    let copy = folder.path().join("copy.redb");
    std::io::copy(&mut copied, &mut std::fs::File::create(&copy).unwrap()).unwrap();
    assert_eq!(open(&copy).records().await.unwrap(), expected);
}
