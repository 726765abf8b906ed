//! Power cuts and broken disks: what was acknowledged is there, what was settled stays settled, and
//! after a failed sync nothing is tried again.

use std::collections::HashSet;

use rustix::io::Errno;

use super::disk::Disk;
use super::*;

/// Small here, large with SWITCHYARD_SOAK.
const SEEDS: [u64; 2] = [200, 10_000];

fn open_disk(disk: &Disk) -> Result<RedbStore, StoreError> {
    let options = StoreOptions { retention_bytes: 20_000, ..TestClock::new().options() };
    RedbStore::open_with_backend(disk.clone(), Path::new("disk"), options)
}

/// What was acknowledged until the power was cut.
#[derive(Default)]
struct Acknowledged {
    appended: Vec<String>,
    settled: HashSet<DeliveryId>,
    /// Those whose settlement was handed over, acknowledged or not.
    asked: HashSet<String>,
}

/// Appends, in two tasks at once, and settles, until the store fails.
async fn work(store: &RedbStore, random: &mut Random, known: &mut Acknowledged) -> Option<()> {
    let to = pipeline("shop");
    let mut ga4 = store.open(&destination("shop/ga4"), &to, Start::Earliest).await.ok()?;
    let settler = ga4.settler();
    for round in 0.. {
        let batch = |task: u64, count: u64| -> Vec<String> {
            (0..count).map(|number| format!("{round}.{task}.{number}")).collect()
        };
        let batches = [batch(0, 1 + random.below(30)), batch(1, 1 + random.below(3))];
        let bytes = usize::try_from(random.below(3_000)).unwrap();
        let appends = batches.clone().map(|names| {
            let new = |name: &String| NewEvent { pipeline: to.clone(), event: event(name, bytes) };
            store.append(names.iter().map(new).collect())
        });
        let [first, second] = appends;
        let (first, second) = tokio::join!(first, second);
        for (result, names) in [first, second].into_iter().zip(batches) {
            known.appended.extend(result.ok().map(|_| names).into_iter().flatten());
        }
        let handed = ga4.next(50, 100_000).await.ok()?;
        let some: Vec<&Delivery> = handed.iter().filter(|_| random.below(4) > 0).collect();
        known.asked.extend(some.iter().map(|delivery| delivery.event.message_id.to_string()));
        let changes = some.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect();
        settler.settle_durably(Settlement { changes }).await.ok()?;
        known.settled.extend(some.iter().map(|delivery| delivery.id));
    }
    Some(())
}

async fn check_cut(seed: u64) {
    let mut random = Random(seed);
    let disk = Disk::default();
    let store = open_disk(&disk).unwrap();
    disk.cut_after(1 + random.below(400));
    let mut known = Acknowledged::default();
    work(&store, &mut random, &mut known).await;
    assert!(matches!(store.append(vec![new_event("shop", "late")]).await, Err(AppendError::Poisoned(_))));
    drop(store);

    let left = Disk::with(disk.cut(&mut random));
    let store = open_disk(&left).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    let handed = drain(&mut ga4).await;
    let again: HashSet<DeliveryId> = handed.iter().map(|delivery| delivery.id).collect();
    assert_eq!(again.len(), handed.len(), "seed {seed}: a delivery is handed out twice");
    assert!(again.is_disjoint(&known.settled), "seed {seed}: a settled delivery is handed out again");
    let now = status(&store, "shop/ga4").await;
    assert_eq!(now.waiting, handed.len() as u64, "seed {seed}");
    assert!(now.counters.accepted >= known.appended.len() as u64, "seed {seed}");
    assert!(now.counters.delivered >= known.settled.len() as u64, "seed {seed}: a settlement is lost");
    let there: HashSet<String> = names(&handed).into_iter().chain(known.asked).collect();
    let lost = known.appended.iter().find(|name| !there.contains(*name));
    assert_eq!(lost, None, "seed {seed}: an acknowledged event is lost");
    append(&store, "shop", &["after"]).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_power_cut_at_any_moment_loses_nothing_acknowledged() {
    for seed in 0..super::seeds(SEEDS) {
        check_cut(seed).await;
    }
}

/// A disk that fails, is full or read-only, at a write or at the sync: what was not made durable is not acknowledged, nothing is tried
/// again, and a store that is opened anew on a disk that works has what was acknowledged.
async fn check_broken(break_disk: impl FnOnce(&Disk), told: &str) {
    let disk = Disk::default();
    let store = open_disk(&disk).unwrap();
    append(&store, "shop", &["a"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    break_disk(&disk);
    let settler = ga4.settler();
    let settle = settler.settle_durably(Settlement { changes: vec![finish(&all[0], Outcome::Delivered)] });
    let (appended, settled) = tokio::join!(store.append(vec![new_event("shop", "b")]), settle);
    let Err(AppendError::Poisoned(cause)) = appended else { panic!("{appended:?}") };
    assert!(cause.contains(told), "{cause}");
    assert!(matches!(settled, Err(StoreError::Failed(_))));
    let later = store.append(vec![new_event("shop", "c")]).await;
    assert!(matches!(later, Err(AppendError::Poisoned(_))));
    assert!(matches!(ga4.next(1, 1).await, Err(StoreError::Failed(_))));
    assert!(matches!(store.destinations().await, Err(StoreError::Failed(_))));
    assert!(matches!(store.close().await, Err(StoreError::Failed(_))));
    assert_eq!(store.status().poisoned, Some(cause));
    drop((store, ga4, settler));
    assert_eq!(disk.tried_after_failure(), 0, "{told}");

    let store = open_disk(&Disk::with(disk.cut(&mut Random(1)))).unwrap();
    let kept: Vec<String> =
        store.recent(&pipeline("shop"), 9).await.unwrap().iter().map(|event| event.message_id.to_string()).collect();
    assert_eq!(kept[0], "a");
    append(&store, "shop", &["d"]).await;
}

#[tokio::test]
async fn a_failed_sync_poisons_the_store_for_good() {
    check_broken(Disk::fail_next_sync, "the disk is broken").await;
}

#[tokio::test]
async fn a_failed_write_poisons_the_store_for_good() {
    for (error, told) in [
        (Errno::IO, "Input/output error"),
        (Errno::NOSPC, "No space left on device"),
        (Errno::ROFS, "Read-only file system"),
    ] {
        check_broken(|disk| disk.fail_next_write(error), told).await;
    }
}

#[tokio::test]
async fn a_flipped_byte_after_a_power_cut_is_refused() {
    let disk = Disk::default();
    let store = open_disk(&disk).unwrap();
    append(&store, "shop", &["needle"]).await;
    append(&store, "shop", &["b"]).await;
    let mut bytes = disk.cut(&mut Random(1));
    // Everywhere: pages that are no longer used may hold the word, too.
    for at in 0..bytes.len() - 6 {
        if bytes[at..].starts_with(b"needle") {
            bytes[at] ^= 1;
        }
    }
    let refused = open_disk(&Disk::with(bytes)).err().unwrap();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    drop(store);
}
