//! Erasing a user: nothing of him is left in the file, the balance holds, and everybody else's
//! events are as they were.

use super::*;

/// In every value that only this user's events have.
const PLANTED: &str = "planted-7f3a91";

fn of_user(name: &str, user: &str) -> Event {
    let json = format!(
        "{{\"type\":\"track\",\"event\":\"Paid\",\"messageId\":\"{name}-{user}\",\"userId\":\"{user}\",\"email\":\"{user}@x\"}}"
    );
    let json = Bytes::from(json);
    Event {
        kind: EventKind::Track,
        message_id: MessageId::from(format!("{name}-{user}").as_str()),
        received_ms: START_MS,
        index: scan::index_canonical(&json).unwrap(),
        json,
    }
}

async fn accept(store: &RedbStore, events: &[(&str, &str)]) {
    let new = |(name, user): &(&str, &str)| NewEvent { pipeline: pipeline("shop"), event: of_user(name, user) };
    store.append(events.iter().map(new).collect()).await.unwrap();
}

fn options() -> StoreOptions {
    StoreOptions { replan: |_| Bytes::from_static(b"planned anew"), ..TestClock::new().options() }
}

fn holds_planted(path: &Path) -> bool {
    memchr::memmem::find(&std::fs::read(path).unwrap(), PLANTED.as_bytes()).is_some()
}

fn put(id: RequestId, covers: &[&Delivery]) -> Change {
    let covers = covers.iter().map(|delivery| delivery.id).collect();
    let payload = Bytes::from(format!("a body with {PLANTED}"));
    Change::Put(StoredRequest { id, due_ms: START_MS, covers, lanes: vec![], payload })
}

fn owe(delivery: &Delivery) -> Change {
    Change::Owe { delivery: delivery.clone(), requests: 1, dead: None }
}

fn told(covers: &[&Delivery]) -> Change {
    let covers = covers.iter().map(|delivery| delivery.id).collect();
    Change::Note { covers, note: Note { request: format!("POST https://x/{PLANTED}"), ..note("retry") } }
}

async fn erase(store: &RedbStore) -> Erased {
    store.erase(UserId(PLANTED.to_owned())).await.unwrap()
}

#[tokio::test]
async fn nothing_of_the_user_is_left_in_the_file_and_others_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = RedbStore::open(&path, options()).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    let us = PLANTED;
    accept(
        &store,
        &[("delivered", us), ("dead", us), ("owed", us), ("alone", us), ("with", "other"), ("dead", "other")],
    )
    .await;
    let all = drain(&mut ga4).await;
    let [delivered, dead, owed, alone, with, others] = &all[..] else { panic!("{all:?}") };
    let (shared, own) = (ga4.new_request_id(), ga4.new_request_id());
    let died = || Outcome::Dead(Death { answer: Some(PLANTED.to_owned()), ..death("refused") });
    settle(
        &*ga4,
        vec![
            told(&[delivered, owed, with]),
            told(&[delivered]),
            finish(delivered, Outcome::Delivered),
            finish(dead, died()),
            finish(others, Outcome::Dead(death("refused"))),
            owe(owed),
            owe(alone),
            owe(with),
            put(shared, &[owed, with]),
            put(own, &[alone]),
        ],
    )
    .await;
    accept(&store, &[("waits", us), ("waits", "other")]).await;
    assert!(holds_planted(&path), "the search can find it");

    let erased = erase(&store).await;
    assert_eq!(erased, Erased { events: 5, expired: 3, dead_letters: 1, stored_requests: 2 });
    assert!(!holds_planted(&path), "in the file of the running store");
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.expired, now.owed, now.waiting, now.stored_requests), (3, 1, 1, 1));
    assert_eq!((now.counters.delivered, now.counters.dead, now.dead_letters.kept), (1, 2, 1));
    // The open feed goes on with what is left, in the file that took the place of the old one.
    assert_eq!(names(&drain(&mut ga4).await), ["waits-other"]);
    assert_eq!(ga4.erased(), [own], "who counts the requests of lanes is told");
    let due = ga4.due(START_MS, 9).await.unwrap();
    assert_eq!((due.len(), names(&due[0].1)), (1, vec!["with-other".to_owned()]));
    assert_eq!(&due[0].0.payload[..], b"planned anew");
    assert!(store.trace(&format!("delivered-{PLANTED}")).await.unwrap().is_empty());
    let steps = &store.trace("with-other").await.unwrap()[0].steps;
    assert_eq!((steps.len(), steps[0].1.step.as_str()), (1, "retry"));
    assert_eq!(erase(&store).await, Erased::default(), "safe to repeat");
    store.close().await.unwrap();
    assert!(!holds_planted(&path));

    let store = RedbStore::open(&path, options()).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    assert_eq!(names(&drain(&mut ga4).await), ["waits-other"]);
    assert_eq!(status(&store, "shop/ga4").await.counters, now.counters);
    assert_eq!(store.recent(&pipeline("shop"), 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_in_flight_meanwhile_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = RedbStore::open(&path, options()).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    accept(&store, &[("dies", PLANTED), ("fails", PLANTED), ("fails", "other"), ("alone", PLANTED)]).await;
    let all = drain(&mut ga4).await;
    assert_eq!(erase(&store).await.expired, 3);
    let (shared, own) = (ga4.new_request_id(), ga4.new_request_id());
    let died = Outcome::Dead(Death { answer: Some(PLANTED.to_owned()), ..death("refused") });
    settle(
        &*ga4,
        vec![
            told(&[&all[0], &all[1]]),
            finish(&all[0], died),
            owe(&all[1]),
            owe(&all[2]),
            owe(&all[3]),
            put(shared, &[&all[1], &all[2]]),
            put(own, &[&all[3]]),
        ],
    )
    .await;
    assert!(!holds_planted(&path));
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.owed, now.stored_requests, now.counters.dead, now.counters.expired), (1, 1, 0, 3));
    assert_eq!(&ga4.due(START_MS, 9).await.unwrap()[0].0.payload[..], b"planned anew");
    assert_eq!(ga4.erased(), [own]);
}

#[tokio::test]
async fn a_new_destination_passes_erased_events_over_and_ends_them_expired() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&folder.path().join("queue.redb"), options()).unwrap();
    let mut ga4 = feed(&store, "shop/ga4").await;
    accept(&store, &[("a", PLANTED), ("b", "other"), ("c", PLANTED)]).await;
    let all = drain(&mut ga4).await;
    settle(&*ga4, all.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect()).await;
    assert_eq!(erase(&store).await, Erased { events: 2, ..Erased::default() });
    let mut late = feed(&store, "shop/late").await;
    let handed = drain(&mut late).await;
    assert_eq!(names(&handed), ["b-other"]);
    settle(&*late, vec![finish(&handed[0], Outcome::Delivered)]).await;
    let now = status(&store, "shop/late").await;
    assert_eq!((now.waiting, now.counters.delivered, now.counters.expired), (0, 1, 2));
    assert_eq!(status(&store, "shop/ga4").await.counters.expired, 0, "they were delivered");
}

#[tokio::test]
async fn every_identity_counts_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&folder.path().join("queue.redb"), options()).unwrap();
    let new = |members: &str| {
        let json = Bytes::from(format!("{{\"type\":\"alias\",\"messageId\":\"m\",{members}}}"));
        let event = Event { index: scan::index_canonical(&json).unwrap(), json, ..event("m", 0) };
        NewEvent { pipeline: pipeline("shop"), event }
    };
    let meant = [
        "\"userId\":\"é\"".to_owned(),
        "\"anonymousId\":\"é\"".to_owned(),
        "\"previousId\":\"é\",\"userId\":\"b\"".to_owned(),
        "\"userId\":\"\\u00e9\"".to_owned(),
    ];
    let others = ["\"userId\":\"éa\"", "\"userId\":null", "\"groupId\":\"é\"", "\"properties\":{\"userId\":\"é\"}"];
    store.append(meant.iter().map(String::as_str).chain(others).map(new).collect()).await.unwrap();
    assert_eq!(store.erase(UserId("é".to_owned())).await.unwrap().events, 4);
    assert_eq!(store.recent(&pipeline("shop"), 9).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_copy_without_room_on_the_disk_is_refused_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let seen = free.clone();
    let free_bytes: FreeBytes = Arc::new(move |_| Some(seen.load(Ordering::Relaxed)));
    let options = StoreOptions { free_bytes, disk_reserve_bytes: 10, ..options() };
    let store = RedbStore::open(&folder.path().join("queue.redb"), options).unwrap();
    accept(&store, &[("a", PLANTED)]).await;
    free.store(1_000, Ordering::Relaxed);
    for refused in [store.erase(UserId(PLANTED.to_owned())).await.err(), store.backup().await.err()] {
        let told = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("free disk") && told.contains("1000"), "{told}");
    }
    accept(&store, &[("b", "other")]).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of the copies");
    free.store(u64::MAX, Ordering::Relaxed);
    erase(&store).await;
    assert!(!holds_planted(&folder.path().join("queue.redb")));
}
