//! The ways of a delivery, each across a restart.

use super::*;

#[tokio::test]
async fn events_come_back_in_order_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b"]).await;
    append(&store, "blog", &["x"]).await;
    append(&store, "shop", &["c"]).await;
    let before = drain(&mut feed(&store, "shop/ga4").await).await;
    assert_eq!(names(&before), ["a", "b", "c"]);
    store.close().await.unwrap();
    assert!(matches!(store.append(vec![new_event("shop", "d")]).await, Err(AppendError::Closed)));

    let store = open(&path);
    let after = drain(&mut feed(&store, "shop/ga4").await).await;
    assert_eq!(names(&after), ["a", "b", "c"]);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.id, &before.event.json), (after.id, &after.event.json));
        assert_eq!(before.event.index, after.event.index);
        assert_eq!(before.event.received_ms, after.event.received_ms);
    }
    assert_eq!(names(&drain(&mut feed(&store, "blog/ga4").await).await), ["x"]);
    assert_eq!(store.status().accepted, 4);
}

#[tokio::test]
async fn settled_out_of_order_is_not_handed_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b", "c", "d", "e", "f"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let filtered = Outcome::Filtered { reason: "kind".to_owned() };
    settle(&*ga4, vec![finish(&all[4], Outcome::Delivered), finish(&all[1], filtered)]).await;
    settle(&*ga4, vec![finish(&all[2], Outcome::Delivered), finish(&all[2], Outcome::Delivered)]).await;
    store.close().await.unwrap();

    let store = open(&path);
    let mut ga4 = feed(&store, "shop/ga4").await;
    let left = drain(&mut ga4).await;
    assert_eq!(names(&left), ["a", "d", "f"]);
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.waiting, now.counters.delivered, now.counters.filtered), (3, 2, 1));
    assert_eq!(now.counters.filtered_by["kind"], 1);
    settle(&*ga4, left.iter().map(|delivery| finish(delivery, Outcome::Delivered)).collect()).await;
    assert_eq!(status(&store, "shop/ga4").await.waiting, 0);
    assert!(!ga4.has_next());
}

#[tokio::test]
async fn a_lazy_settlement_is_committed_with_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    append(&store, "shop", &["a"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let changes = vec![finish(&all[0], Outcome::Delivered)];
    ga4.settler().settle(Settlement { changes }).await.unwrap();
    assert_eq!(status(&store, "shop/ga4").await.waiting, 0);
}

#[tokio::test]
async fn next_waits_for_an_event_and_ends_with_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let mut ga4 = feed(&store, "shop/ga4").await;
    let waiting = tokio::spawn(async move {
        let first = ga4.next(10, 1_000).await.map(|all| names(&all));
        (first, ga4.next(10, 1_000).await.map(|all| names(&all)))
    });
    append(&store, "shop", &["a"]).await;
    store.close().await.unwrap();
    let (first, second) = waiting.await.unwrap();
    // The store may have closed before the feed saw the event.
    assert!(matches!(first.as_deref(), Ok([name]) if name == "a") || matches!(first, Err(StoreError::Closed)));
    assert!(matches!(second, Err(StoreError::Closed)));
}

#[tokio::test]
async fn next_obeys_both_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    append(&store, "shop", &["a", "b", "c", "d"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let bytes = event("a", 0).json.len();
    assert_eq!(names(&ga4.next(10, 1).await.unwrap()), ["a"]);
    assert_eq!(names(&ga4.next(10, 2 * bytes).await.unwrap()), ["b", "c"]);
    assert_eq!(names(&ga4.next(10, 2 * bytes).await.unwrap()), ["d"]);
}

#[tokio::test]
async fn an_owed_delivery_ends_with_its_last_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b", "c"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let owe = |delivery: &Delivery, requests| Change::Owe { delivery: delivery.clone(), requests, dead: None };
    let put = |id, due_ms, covers: &[&Delivery]| {
        let covers = covers.iter().map(|delivery| delivery.id).collect();
        Change::Put(StoredRequest { id, due_ms, covers, lanes: vec![], payload: Bytes::from(format!("due {due_ms}")) })
    };
    let ids: Vec<RequestId> = (0..3).map(|_| ga4.new_request_id()).collect();
    settle(
        &*ga4,
        vec![
            owe(&all[0], 2),
            owe(&all[1], 1),
            owe(&all[2], 1),
            put(ids[0], 300, &[&all[0]]),
            put(ids[1], 100, &[&all[0], &all[1]]),
            put(ids[2], 200, &[&all[2]]),
        ],
    )
    .await;
    assert_eq!(ga4.next_due_ms(), Some(100));
    store.close().await.unwrap();

    let store = open(&path);
    let mut ga4 = feed(&store, "shop/ga4").await;
    assert!(!ga4.has_next());
    assert_eq!((ga4.next_due_ms(), ga4.due(99, 10).await.unwrap().len()), (Some(100), 0));
    let due = ga4.due(250, 10).await.unwrap();
    assert_eq!(due.iter().map(|(request, _)| request.id).collect::<Vec<_>>(), [ids[1], ids[2]]);
    assert_eq!((names(&due[0].1), &due[0].0.payload[..]), (vec!["a".into(), "b".into()], &b"due 100"[..]));
    assert_eq!(due[0].1[0].event.index, all[0].event.index);
    assert_eq!((ga4.next_due_ms(), ga4.due(250, 10).await.unwrap().len()), (Some(300), 0));

    // a: one part dies, one is delivered. b: a follow-up, then delivered. c: put again.
    let follow_up = ga4.new_request_id();
    assert!(!ids.contains(&follow_up));
    settle(
        &*ga4,
        vec![
            Change::Delete(ids[1]),
            part(all[0].id, Outcome::Dead(death("refused")), 0),
            part(all[1].id, Outcome::Delivered, 1),
            put(follow_up, 400, &[&all[1]]),
            put(ids[2], 150, &[&all[2]]),
        ],
    )
    .await;
    assert_eq!(ga4.due(250, 10).await.unwrap()[0].0.id, ids[2]);
    assert_eq!(status(&store, "shop/ga4").await.owed, 3);
    let filtered = Outcome::Filtered { reason: "late".to_owned() };
    settle(
        &*ga4,
        vec![
            Change::Delete(ids[0]),
            part(all[0].id, Outcome::Delivered, 0),
            Change::Delete(follow_up),
            part(all[1].id, Outcome::Delivered, 0),
            Change::Delete(ids[2]),
            part(all[2].id, filtered, 0),
        ],
    )
    .await;
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.owed, now.stored_requests, now.waiting), (0, 0, 0));
    assert_eq!((now.counters.dead, now.counters.delivered, now.counters.filtered), (1, 1, 1));
    assert_eq!((now.counters.dead_by["refused"], ga4.next_due_ms()), (1, None));
    assert_eq!(store.status().pending_bytes, 0);
}

#[tokio::test]
async fn a_replay_is_a_new_delivery_that_the_open_feed_learns_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let die = |delivery, reason| finish(delivery, Outcome::Dead(death(reason)));
    settle(&*ga4, vec![die(&all[0], "refused"), die(&all[1], "exhausted")]).await;

    let letters = dead_letters(&store, DeadFilter::default()).await;
    assert_eq!(letters.len(), 2);
    let of_reason = DeadFilter { reason: Some("refused".to_owned()), ..DeadFilter::default() };
    let listed = dead_letters(&store, of_reason.clone()).await;
    assert_eq!((listed[0].message_id.as_str(), listed[0].event.as_str()), ("a", "Paid"));
    assert!(listed[0].json.is_empty());
    let one = DeadFilter { ids: Some(vec![listed[0].id]), ..DeadFilter::default() };
    assert_eq!(dead_letters(&store, one).await[0].json, all[0].event.json);

    assert_eq!(replay(&store, of_reason.clone(), b"again").await, 1);
    assert_eq!(replay(&store, of_reason, b"").await, 0);
    ga4.changed(true).await;
    let due = ga4.due(START_MS, 10).await.unwrap();
    let (request, deliveries) = &due[0];
    assert_eq!((&request.payload[..], names(deliveries)), (&b"again"[..], vec!["a".to_owned()]));
    assert!(all.iter().all(|delivery| delivery.id != deliveries[0].id));
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.replayed, now.owed, now.counters.dead), (1, 1, 2));
    let delivered = Change::Note { covers: vec![deliveries[0].id], note: note("delivered") };
    let end = part(deliveries[0].id, Outcome::Delivered, 0);
    settle(&*ga4, vec![Change::Delete(request.id), end, delivered]).await;
    store.close().await.unwrap();

    let store = open(&path);
    let now = status(&store, "shop/ga4").await;
    assert_eq!((now.counters.delivered, now.owed, now.stored_requests), (1, 0, 0));
    let story = &store.trace("a").await.unwrap()[0];
    let steps: Vec<&str> = story.steps.iter().map(|(_, note)| note.step.as_str()).collect();
    assert_eq!(steps, ["replayed", "delivered"]);
}

#[tokio::test]
async fn trace_finds_an_event_and_its_steps_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b"]).await;
    append(&store, "blog", &["b"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let covers: Vec<DeliveryId> = all.iter().map(|delivery| delivery.id).collect();
    let about = |covers: &[DeliveryId], step| Change::Note { covers: covers.to_vec(), note: note(step) };
    settle(&*ga4, vec![about(&covers, "planned"), about(&covers[..1], "sent"), about(&covers[1..], "retry")]).await;
    store.close().await.unwrap();

    let store = open(&path);
    let stories = store.trace("b").await.unwrap();
    assert_eq!(stories.len(), 2);
    let story = stories.iter().find(|story| story.pipeline == "shop").unwrap();
    assert_eq!((story.kind.as_str(), &story.json), ("track", &all[1].event.json));
    let steps: Vec<(&str, &str)> =
        story.steps.iter().map(|(destination, note)| (destination.0.as_str(), note.step.as_str())).collect();
    assert_eq!(steps, [("shop/ga4", "planned"), ("shop/ga4", "retry")]);
    assert!(store.trace("nobody").await.unwrap().is_empty());
}

#[tokio::test]
async fn recent_answers_the_last_events_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    append(&store, "shop", &["a", "b", "c"]).await;
    append(&store, "shop", &["d", "e"]).await;
    let last = |count| {
        let store = &store;
        async move {
            let events = store.recent(&pipeline("shop"), count).await.unwrap();
            events.iter().map(|event| event.message_id.to_string()).collect::<String>()
        }
    };
    assert_eq!([last(1).await, last(3).await, last(9).await], ["e", "cde", "abcde"]);
    assert!(store.recent(&pipeline("nobody"), 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn start_says_where_a_new_destination_begins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    append(&store, "shop", &["a"]).await;
    let mut late = store.open(&destination("shop/late"), &pipeline("shop"), Start::Now).await.unwrap();
    let mut early = feed(&store, "shop/early").await;
    append(&store, "shop", &["b"]).await;
    assert_eq!(names(&drain(&mut late).await), ["b"]);
    assert_eq!(names(&drain(&mut early).await), ["a", "b"]);
    assert_eq!(status(&store, "shop/late").await.counters.accepted, 1);
    assert_eq!(status(&store, "shop/early").await.counters.accepted, 2);
}

#[tokio::test]
async fn a_destination_has_one_feed_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("queue.redb"));
    let first = feed(&store, "shop/ga4").await;
    let second = store.open(&destination("shop/ga4"), &pipeline("shop"), Start::Now).await;
    assert!(matches!(second, Err(StoreError::Failed(_))));
    drop(first);
    feed(&store, "shop/ga4").await;
}

#[tokio::test]
async fn a_removed_destination_begins_anew_and_keeps_its_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let store = open(&path);
    append(&store, "shop", &["a", "b", "c"]).await;
    let mut ga4 = feed(&store, "shop/ga4").await;
    let all = drain(&mut ga4).await;
    let owe = Change::Owe { delivery: all[1].clone(), requests: 1, dead: None };
    settle(&*ga4, vec![finish(&all[0], Outcome::Dead(death("refused"))), owe]).await;
    drop(ga4);
    assert_eq!(store.remove(&destination("shop/ga4")).await.unwrap(), 2);
    assert_eq!(store.remove(&destination("shop/ga4")).await.unwrap(), 0);
    assert!(store.destinations().await.unwrap().is_empty());
    assert_eq!(replay(&store, DeadFilter::default(), b"").await, 0);
    store.close().await.unwrap();

    let store = open(&path);
    assert_eq!(dead_letters(&store, DeadFilter::default()).await[0].destination, destination("shop/ga4"));
    let mut again = feed(&store, "shop/ga4").await;
    assert_eq!(names(&drain(&mut again).await), ["a", "b", "c"]);
    assert_eq!(status(&store, "shop/ga4").await.counters, Counters { accepted: 3, ..Counters::default() });
}
