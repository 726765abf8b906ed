//! A mistake of the host's in one task of a destination: the events of that task wait for the next start,
//! and everything else goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchyard::clock::Clock;
use switchyard_tests::simulated::{World, clock, event, first_arrivals, webhook};
use switchyard_tests::stand_in::StandIn;
use tokio::task;

/// A clock that panics once in a task that is not the first to look at it: the runtime of the destination
/// is the first, and the task that plans its first batch is the next.
fn planted(armed: &Arc<AtomicBool>) -> Clock {
    let (inner, armed, first) = (clock(1), armed.clone(), OnceLock::new());
    Arc::new(move || {
        if let Some(own) = task::try_id() {
            let is_other = *first.get_or_init(|| own) != own;
            assert!(!(is_other && armed.swap(false, Ordering::SeqCst)), "planted");
        }
        inner()
    })
}

/// The flag that a batch is being planned once stayed set for ever after such a panic.
#[test]
fn after_a_panic_in_planning_the_destination_goes_on() {
    let vendor = StandIn::start();
    let armed = Arc::new(AtomicBool::new(true));
    let now = planted(&armed);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.redb");
        let world = World::new(&now, 1, [webhook("any", &vendor)]);
        let working = world.open(&path).await;
        working.store.append(vec![event(0, 1, now())]).await.expect("the store takes it");
        while armed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        working.store.append(vec![event(1, 1, now())]).await.expect("the store takes it");
        let is_second = |arrived: &Vec<u64>| *arrived == [1];
        let wait = Duration::from_secs(60);
        let arrived = || first_arrivals(&vendor.requests(), "/webhook-any").remove("u-0").unwrap_or_default();
        let came = tokio::time::timeout(wait, async {
            while !is_second(&arrived()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        came.await.expect("the event that came later is delivered");
        working.balanced(2, 0).await;
        working.close(true).await;
        let working = world.open(&path).await;
        working.all_ended(2, 0, wait).await;
        assert_eq!(arrived(), [1, 0], "the first one is delivered after the start");
        working.close(true).await;
    });
}
