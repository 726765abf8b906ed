//! What crosses the boundary, both ways, and the threads that calls run on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::guest::{Guest, Memory, Request};
use super::{HOST, NOW_MS, events};
use crate::event::Event;
use crate::meter::{FaultKind, GuestMeter};
use crate::plugin::fair::Conduct;
use crate::plugin::fault::{BadPlan, PluginFault};
use crate::plugin::plan::{Judgement, Response, Verdict};
use crate::plugin::split::{Search, plan_splitting};
use crate::plugin::workers::Workers;
use crate::queue::DestinationId;
use crate::validate::event_from_line;

/// Traps unless this condition holds.
fn expect(condition: &str) -> String {
    format!("(if (i32.eqz {condition}) (then unreachable))")
}

fn one_event() -> Event {
    let line = r#"{"type":"track","event":"x","messageId":"m","context":{"consent":{"categoryPreferences":{"ads":false,"all":true}}}}"#;
    event_from_line(line.as_bytes(), "m", NOW_MS).unwrap()
}

#[test]
fn an_event_crosses_whole() {
    let mut guest = Guest::honest(1);
    let field = |offset: u32| format!("(i32.load offset={offset} (local.get $events))");
    let checks = [
        "(i64.eq (local.get $now) (i64.const 1700000000000))".to_string(),
        "(i32.eq (local.get $events_len) (i32.const 1))".to_string(),
        // kind, message id, received, consent, JSON: in this order.
        format!("(i32.eq (i32.load8_u {}) (i32.const 0x74))", field(0)),
        format!("(i32.eq {} (i32.const 5))", field(4)),
        format!("(i32.eq (i32.load8_u {}) (i32.const 0x6d))", field(8)),
        "(i64.eq (i64.load offset=16 (local.get $events)) (i64.const 1700000000000))".to_string(),
        format!("(i32.and {} (i32.eq {} (i32.const 2)))", field(24), field(32)),
        format!("(i32.eq (i32.load8_u {}) (i32.const 0x7b))", field(36)),
        format!("(i32.eq {} (i32.const {}))", field(40), one_event().json.len()),
    ];
    guest.plan = format!("{} {}", checks.iter().map(|check| expect(check)).collect::<String>(), guest.plan);
    guest.load(&HOST).plan("{}", NOW_MS, &[one_event()]).expect("each field is where the contract says");
}

#[test]
fn an_indexed_guest_gets_the_index_beside_the_events() {
    let mut guest = Guest { indexed: true, ..Guest::honest(1) };
    let layout = expect("(i32.eq (i32.load8_u (i32.load (local.get $index))) (i32.const 1))");
    let count = expect("(i32.eq (local.get $index_len) (local.get $events_len))");
    guest.plan = format!("{layout} {count} {}", guest.plan);
    let revision = guest.load(&HOST);
    assert!(revision.is_indexed() && !revision.has_judge());
    revision.plan("{}", NOW_MS, &[one_event()]).expect("the index is there");
}

fn judge(verdicts: &[(u32, u8)], follow_ups: &[Request<'_>]) -> Result<Judgement, PluginFault> {
    let mut memory = Memory::default();
    let at = memory.judgement(verdicts, follow_ups, 77);
    let status = expect("(i32.eq (local.get $status) (i32.const 207))");
    let guest = Guest { memory, judge: Some(format!("{status} i32.const {at}")), ..Guest::default() };
    let revision = guest.load(&HOST);
    assert!(revision.has_judge());
    let response = Response {
        tag: Bytes::from_static(b"t"),
        covers: vec![3, 5],
        status: 207,
        headers: vec![("retry-after".to_string(), "1".to_string())],
        body: Bytes::from_static(b"{}"),
    };
    revision.judge("{}", NOW_MS, &response)
}

#[test]
fn a_judge_speaks_for_the_events_of_its_answer_only() {
    let judgement = judge(&[(5, 0), (3, 5)], &[Request { covers: &[3], ..Request::default() }]).expect("a judgement");
    assert_eq!(judgement.verdicts, [(5, Verdict::Delivered), (3, Verdict::AuthExpired)]);
    assert_eq!((judgement.follow_ups.len(), judgement.slow_until_ms, judgement.pause), (1, Some(77), None));
    let check = |verdicts: &[(u32, u8)], follow_ups: &[Request<'_>], expected: BadPlan| {
        assert_eq!(judge(verdicts, follow_ups), Err(PluginFault::BadJudgement(expected)));
    };
    check(&[(4, 0)], &[], BadPlan::NotCovered { event: 4 });
    check(&[(3, 0), (3, 5)], &[], BadPlan::TwoFates { event: 3 });
    check(&[], &[Request { covers: &[0], ..Request::default() }], BadPlan::NotCovered { event: 0 });
    check(&[], &[Request { covers: &[], ..Request::default() }], BadPlan::CoversNothing { request: 0 });
    assert!(matches!(judge(&[(3, 9)], &[]), Err(PluginFault::Output(_))));
}

#[test]
fn a_plugin_without_a_judge_says_nothing() {
    let response = Response { tag: Bytes::new(), covers: vec![0], status: 500, headers: vec![], body: Bytes::new() };
    let judged = Guest::honest(1).load(&HOST).judge("{}", NOW_MS, &response);
    assert_eq!(judged, Ok(Judgement::default()));
}

/// Traps at an event whose message id begins with `!`, and skips all others.
fn picky() -> Guest {
    let mut memory = Memory::default();
    // Fates of up to 16 events; the answer names as many as the batch has.
    let fates: Vec<_> = (0..16).map(|event| (event, 0, (0, 0))).collect();
    let (fates, _) = memory.fates(&fates);
    let at = memory.put(&[0u32, 0, 0, fates, 0].map(u32::to_le_bytes).concat());
    let plan = format!(
        "(i32.store (i32.const {count}) (local.get $events_len))
        (loop $next
            (if (i32.eq (i32.load8_u (i32.load offset=8 (local.get $events))) (i32.const 0x21)) (then unreachable))
            (local.set $events (i32.add (local.get $events) (i32.const 48)))
            (local.set $events_len (i32.sub (local.get $events_len) (i32.const 1)))
            (br_if $next (local.get $events_len)))
        i32.const {at}",
        count = at + 16,
    );
    Guest { memory, plan, ..Guest::default() }
}

#[test]
fn a_failing_batch_is_halved_down_to_its_culprits() {
    let revision = Arc::new(picky().load(&HOST));
    let ids = ["a", "!b", "c", "d", "e", "f", "!g", "!h", "i", "j"];
    let check = |split: crate::plugin::split::Split| {
        let faults: Vec<u32> = split.faults.iter().map(|(event, _)| *event).collect();
        let planned: Vec<u32> = split.plan.fates.iter().map(|(event, _)| *event).collect();
        assert_eq!((faults, planned), (vec![1, 6, 7], vec![0, 2, 3, 4, 5, 8, 9]));
        assert!(split.faults.iter().all(|(_, fault)| matches!(fault, PluginFault::Trap(_))));
    };
    check(plan_splitting(&revision, "{}", NOW_MS, &events(&ids)));
    let workers = Workers::start(2).expect("threads");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let meter = Arc::new(GuestMeter::new(&DestinationId("shop/picky".to_string()), "picky"));
    check(runtime.block_on(workers.plan(Search::Full, &revision, &"{}".into(), NOW_MS, events(&ids), &meter)));
    let counts = meter.counts();
    let traps = counts.faults.iter().find(|(kind, _)| *kind == FaultKind::Trap).map_or(0, |(_, count)| *count);
    assert!(traps >= 3 && counts.plan_calls > traps, "{counts:?}");
    assert_eq!((counts.instances, counts.instances_live), (counts.plan_calls, 0), "each call has its own");
    assert!(counts.memory_peak_bytes >= 65_536, "a guest has at least one page: {counts:?}");
}

fn destination(name: &str) -> DestinationId {
    DestinationId(format!("shop/{name}"))
}

/// Jobs that run until they are released.
struct Held {
    release: std::sync::mpsc::Sender<()>,
    held: Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>,
}

impl Held {
    fn new() -> Held {
        let (release, held) = std::sync::mpsc::channel();
        Held { release, held: Arc::new(std::sync::Mutex::new(held)) }
    }

    fn job(&self) -> impl FnOnce() -> (Conduct, bool) + Send + 'static {
        let held = self.held.clone();
        move || (Conduct::InTime, held.lock().unwrap().recv().is_ok())
    }
}

#[test]
fn calls_after_a_deadline_never_have_all_threads() {
    let workers = Arc::new(Workers::start(2).expect("threads"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    // Two destinations that ran into their deadline, without having used any time to speak of.
    for name in ["spins", "loops"] {
        assert_eq!(runtime.block_on(workers.run(&destination(name), || (Conduct::OutOfTime, ()))), Ok(()));
    }
    let held = Held::new();
    let stuck = ["spins", "loops", "spins"].map(|name| {
        let (workers, job) = (workers.clone(), held.job());
        runtime.spawn(async move { workers.run(&destination(name), job).await })
    });
    // These would wait for ever, if the three had both threads.
    for number in 0..40 {
        let answer = runtime.block_on(workers.run(&destination("healthy"), move || (Conduct::InTime, number)));
        assert_eq!(answer, Ok(number));
    }
    stuck.iter().for_each(|_| held.release.send(()).unwrap());
    for call in stuck {
        assert_eq!(runtime.block_on(call).unwrap(), Ok(true));
    }
}

#[test]
fn a_destination_with_many_calls_leaves_the_next_thread_to_another() {
    let workers = Arc::new(Workers::start(2).expect("threads"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (order, taken) = std::sync::mpsc::channel();
    let held = Held::new();
    let spawn = |name: &'static str, job: Box<dyn FnOnce() + Send>| {
        let (workers, order) = (workers.clone(), order.clone());
        let job = move || {
            order.send(name).unwrap();
            job();
            (Conduct::InTime, ())
        };
        runtime.spawn(async move { workers.run(&destination(name), job).await })
    };
    // Both threads are taken, so that what comes now waits.
    let mut calls = Vec::new();
    for _ in 0..2 {
        let job = held.job();
        calls.push(spawn("busy", Box::new(move || assert!(job().1))));
        assert_eq!(taken.recv(), Ok("busy"));
    }
    for _ in 0..5 {
        calls.push(spawn("busy", Box::new(|| {})));
    }
    calls.push(spawn("other", Box::new(|| {})));
    // One thread is free: whichever of the six came first, `other` has none yet, and is next.
    runtime.block_on(async {
        while workers.waiting() < 6 {
            tokio::task::yield_now().await;
        }
    });
    held.release.send(()).unwrap();
    assert_eq!(taken.recv(), Ok("other"));
    held.release.send(()).unwrap();
    for call in calls {
        assert_eq!(runtime.block_on(call).unwrap(), Ok(()));
    }
}

#[test]
fn a_call_that_takes_long_leaves_its_thread_to_others() {
    let workers = Arc::new(Workers::start(2).expect("threads"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    assert_eq!(workers.threads(), 3);
    let spins = Arc::new(Guest::planning("(loop $l (br $l)) unreachable").load(&HOST));
    let meter = Arc::new(GuestMeter::new(&destination("spins"), "guest"));
    let split = runtime.block_on(workers.plan(Search::Full, &spins, &"{}".into(), NOW_MS, vec![one_event()], &meter));
    assert!(matches!(split.faults[..], [(0, PluginFault::Deadline { .. })]), "{:?}", split.faults);
    assert_eq!(workers.threads(), 4, "another one took its place");
    // There are two again: these run at the same time, or wait for ever.
    let both = Arc::new(std::sync::Barrier::new(2));
    let calls = ["one", "other"].map(|name| {
        let (workers, both) = (workers.clone(), both.clone());
        let job = move || (Conduct::InTime, both.wait().is_leader());
        runtime.spawn(async move { workers.run(&destination(name), job).await })
    });
    let leads = calls.map(|call| runtime.block_on(call).unwrap().unwrap());
    assert_ne!(leads[0], leads[1]);
}

/// Has answers of these statuses judged, which all wait while both threads are taken, by a judge that traps at
/// a 500. Returns which were judged, and how many instances that took.
fn judged_together(statuses: &'static [u16]) -> (Vec<bool>, u64) {
    let workers = Arc::new(Workers::start(2).expect("threads"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut memory = Memory::default();
    let at = memory.judgement(&[], &[], 77);
    let trap = expect("(i32.ne (local.get $status) (i32.const 500))");
    let guest = Guest { memory, judge: Some(format!("{trap} i32.const {at}")), ..Guest::default() };
    let (revision, meter) = (Arc::new(guest.load(&HOST)), Arc::new(GuestMeter::new(&destination("judged"), "guest")));
    let held = Held::new();
    let (started, taken) = std::sync::mpsc::channel();
    let held_calls = [0, 1].map(|_| {
        let (workers, started, job) = (workers.clone(), started.clone(), held.job());
        let job = move || {
            started.send(()).unwrap();
            job()
        };
        runtime.spawn(async move { workers.run(&destination("busy"), job).await })
    });
    held_calls.iter().for_each(|_| taken.recv().unwrap());
    let spawn = |status: &u16| {
        let (workers, revision, meter) = (workers.clone(), revision.clone(), meter.clone());
        let response =
            Response { tag: Bytes::new(), covers: vec![0], status: *status, headers: vec![], body: Bytes::new() };
        runtime.spawn(async move {
            workers.judge(&revision, &"{}".into(), NOW_MS, response, &meter, Duration::ZERO).await.is_ok()
        })
    };
    let calls: Vec<_> = statuses.iter().map(spawn).collect();
    runtime.block_on(async {
        while workers.answers() < statuses.len() {
            tokio::task::yield_now().await;
        }
    });
    held_calls.iter().for_each(|_| held.release.send(()).unwrap());
    let judged = calls.into_iter().map(|call| runtime.block_on(call).unwrap()).collect();
    held_calls.into_iter().for_each(|call| assert_eq!(runtime.block_on(call).unwrap(), Ok(true)));
    (judged, meter.counts().instances)
}

#[test]
fn answers_that_wait_together_are_judged_in_one_instance() {
    assert_eq!(judged_together(&[200; 5]), (vec![true; 5], 1));
    // More than one instance takes.
    assert_eq!(judged_together(&[200; 70]), (vec![true; 70], 2));
    // The third fails in the first instance and in one of its own; nothing of that reaches the others.
    assert_eq!(judged_together(&[500, 200, 200]).0, [false, true, true]);
    assert_eq!(judged_together(&[500]), (vec![false], 1));
}

#[test]
fn the_first_answer_waits_for_those_that_come_soon() {
    const LONG: Duration = Duration::from_secs(3_600);
    let workers = Arc::new(Workers::start(2).expect("threads"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let mut memory = Memory::default();
    let at = memory.judgement(&[], &[], 77);
    let guest = Guest { memory, judge: Some(format!("i32.const {at}")), ..Guest::default() };
    let (revision, meter) = (Arc::new(guest.load(&HOST)), Arc::new(GuestMeter::new(&destination("judged"), "guest")));
    let ask = |patience: Duration| {
        let (asking, revision, meter) = (workers.clone(), revision.clone(), meter.clone());
        let response =
            Response { tag: Bytes::new(), covers: vec![0], status: 200, headers: vec![], body: Bytes::new() };
        runtime.spawn(async move { asking.judge(&revision, &"{}".into(), NOW_MS, response, &meter, patience).await })
    };
    // One after the other. Nobody comes for them: once they wait, they stay.
    let two_wait = || {
        [1, 2].map(|waiting| {
            let call = ask(LONG);
            while workers.answers() < waiting {
                std::thread::yield_now();
            }
            call
        })
    };
    let judged = |call| matches!(runtime.block_on(call), Ok(Ok(Judgement { .. })));
    let [first, second] = two_wait();
    let last = ask(Duration::ZERO);
    assert!([last, first, second].into_iter().all(judged), "no others are on their way: all are judged");
    assert_eq!(meter.counts().instances, 1);
    assert!(judged(ask(Duration::from_millis(1))), "none has come");
    let [gone, left] = two_wait();
    gone.abort();
    assert!(judged(left), "its call comes although the first one goes");
    assert_eq!(meter.counts().instances, 3);
}

#[test]
fn a_job_that_panics_is_an_error_and_the_thread_lives_on() {
    let workers = Workers::start(2).expect("threads");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let own = destination("panics");
    for _ in 0..4 {
        let answer = runtime.block_on(workers.run(&own, || -> (Conduct, u8) { panic!("on purpose") }));
        assert!(matches!(answer, Err(PluginFault::Host(_))));
    }
    assert_eq!(runtime.block_on(workers.run(&own, || (Conduct::InTime, 1))), Ok(1));
}
