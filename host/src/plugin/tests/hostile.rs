//! Each way to misbehave is contained and named; the host and the next call are not touched.

use super::guest::{Guest, Memory, Request};
use super::{CALL_MS_MAX, HOST, MEMORY_BYTES_MAX, NOW_MS, OUTPUT_BYTES_MAX, REQUESTS_MAX, events};
use crate::plugin::fault::{BadPlan, PluginFault};
use crate::plugin::plan::{Fate, Plan};

/// Where a guest's memory holds nothing, for half a megabyte less 128 KiB.
const ZEROS: u32 = 128 << 10;

/// Plans two events with a guest, then makes sure that the host still works.
fn plan(guest: &Guest) -> Result<Plan, PluginFault> {
    let planned = guest.load(&HOST).plan("{}", NOW_MS, &events(&["a", "b"]));
    let honest = Guest::honest(2).load(&HOST).plan("{}", NOW_MS, &events(&["a", "b"])).expect("an honest guest works");
    assert_eq!((honest.requests.len(), honest.fates.len()), (1, 1));
    planned
}

fn fault(guest: &Guest) -> PluginFault {
    plan(guest).expect_err("a fault")
}

#[test]
fn an_honest_guest_is_understood() {
    let planned = plan(&Guest::honest(2)).expect("a plan");
    let request = &planned.requests[0];
    assert_eq!((request.key.as_str(), request.method.as_str(), &request.body[..]), ("key", "POST", &b"{}"[..]));
    assert_eq!((request.url.as_str(), &request.covers[..]), ("https://vendor.example/in", &[0][..]));
    assert_eq!((request.lanes.len(), request.tag.len()), (0, 0));
    assert_eq!(planned.fates, [(1, Fate::Skip("not meant for them".to_string()))]);
}

#[test]
fn a_quota_and_a_latest_time_are_understood_within_their_bounds() {
    let planned = |quota: &str| {
        let mut memory = Memory::default();
        let request =
            Request { quota: Some(quota), not_after_ms: Some(1 << 40), covers: &[0, 1], ..Request::default() };
        let requests = memory.requests(&[request]);
        plan(&memory.plan(requests, (0, 0)))
    };
    let longest = "q".repeat(HOST.limits().name_bytes_max);
    let request = planned(&longest).expect("a plan").requests.remove(0);
    assert_eq!((request.quota, request.not_after_ms), (Some(longest.clone()), Some(1 << 40)));
    let too_long = PluginFault::BadPlan(BadPlan::TooLong { request: 0, what: "quota", bytes: 513, max: 512 });
    assert_eq!(planned(&format!("{longest}q")), Err(too_long));
}

#[test]
fn a_guest_that_spins() {
    assert_eq!(fault(&Guest::planning("(loop (br 0)) unreachable")), PluginFault::Deadline { ms_max: CALL_MS_MAX });
}

#[test]
fn a_guest_that_spins_while_it_is_configured() {
    let guest = Guest { configure: "(loop (br 0)) unreachable".to_string(), ..Guest::default() };
    assert_eq!(fault(&guest), PluginFault::Deadline { ms_max: CALL_MS_MAX });
    assert!(guest.load(&HOST).try_settings("{}").is_err());
}

#[test]
fn a_guest_that_spins_at_its_start() {
    let guest = Guest { more: "(func $begin (loop (br 0))) (start $begin)".to_string(), ..Guest::honest(2) };
    assert_eq!(fault(&guest), PluginFault::Deadline { ms_max: CALL_MS_MAX });
}

#[test]
fn a_guest_that_recurses() {
    let guest = Guest::planning("(call $plan (local.get 0) (local.get 1) (local.get 2))");
    assert!(matches!(fault(&guest), PluginFault::Trap(what) if what.contains("stack")));
}

#[test]
fn a_guest_that_traps() {
    assert!(matches!(fault(&Guest::planning("unreachable")), PluginFault::Trap(_)));
}

#[test]
fn a_guest_that_reads_behind_its_memory() {
    assert!(matches!(fault(&Guest::planning("(i32.load (i32.const -8))")), PluginFault::Trap(_)));
}

#[test]
fn a_guest_that_grows_its_memory() {
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    assert_eq!(fault(&Guest::planning(grow)), PluginFault::Memory { bytes_max: MEMORY_BYTES_MAX });
}

#[test]
fn a_guest_may_have_all_of_its_memory() {
    let pages = MEMORY_BYTES_MAX / 65_536 - 16;
    let mut guest = Guest::honest(2);
    guest.plan =
        format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable)) {}", guest.plan);
    assert!(plan(&guest).is_ok());
}

#[test]
fn a_guest_that_refuses_its_settings_or_the_batch() {
    let mut memory = Memory::default();
    let at = memory.refusal("`level` must be odd");
    let configure = Guest { memory, configure: format!("i32.const {at}"), ..Guest::default() };
    assert_eq!(fault(&configure), PluginFault::ConfigureRefused("`level` must be odd".to_string()));
    let mut memory = Memory::default();
    let at = memory.refusal("no");
    let guest = Guest { memory, plan: format!("i32.const {at}"), ..Guest::default() };
    assert_eq!(fault(&guest), PluginFault::PlanRefused("no".to_string()));
}

#[test]
fn an_answer_that_is_too_large() {
    // Each of a thousand fates names the same 256 KiB: the guest pays once, the host would pay a
    // thousand times.
    let guest = |bytes: u32, count: usize| {
        let mut memory = Memory::default();
        let fates: Vec<_> = (0..count as u32).map(|event| (event, 1, (ZEROS, bytes))).collect();
        let fates = memory.fates(&fates);
        memory.plan((0, 0), fates)
    };
    let error = fault(&guest(1 << 18, 1_000)).to_string();
    assert!(error.contains("too much data"), "{error}");
    let half = OUTPUT_BYTES_MAX as u32 / 2;
    assert!(plan(&guest(half - 1_000, 2)).is_ok());
    assert!(matches!(fault(&guest(half, 2)), PluginFault::Output(_)));
}

#[test]
fn a_reason_is_cut() {
    let mut memory = Memory::default();
    let reason = memory.text(&"ä".repeat(5_000));
    let fates = memory.fates(&[(0, 1, reason), (1, 0, (0, 0))]);
    let planned = plan(&memory.plan((0, 0), fates)).expect("a plan");
    assert!(matches!(&planned.fates[0].1, Fate::Reject(reason) if reason.len() == 1_024));
}

#[test]
fn a_plan_of_very_many_requests() {
    let requests = |count: usize| {
        let mut memory = Memory::default();
        let list = vec![Request { covers: &[0, 1], ..Request::default() }; count];
        let requests = memory.requests(&list);
        memory.plan(requests, (0, 0))
    };
    assert!(plan(&requests(REQUESTS_MAX)).is_ok());
    let too_many = BadPlan::TooMany { what: "requests", count: REQUESTS_MAX + 1, max: REQUESTS_MAX };
    assert_eq!(fault(&requests(REQUESTS_MAX + 1)), PluginFault::BadPlan(too_many));
    // A list that stands in memory only on paper.
    assert!(matches!(fault(&Memory::default().plan((4096, 1_000_000), (0, 0))), PluginFault::Output(_)));
}

#[test]
fn texts_that_are_none() {
    let mut memory = Memory::default();
    let pointer = memory.put(&[0xff, 0xfe]);
    let fates = memory.fates(&[(0, 0, (pointer, 2)), (1, 0, (0, 0))]);
    assert!(matches!(fault(&memory.plan((0, 0), fates)), PluginFault::Output(_)));
    let mut memory = Memory::default();
    let fates = memory.fates(&[(0, 0, (u32::MAX - 3, 8)), (1, 0, (0, 0))]);
    assert!(matches!(fault(&memory.plan((0, 0), fates)), PluginFault::Output(_)));
    let mut memory = Memory::default();
    let fates = memory.fates(&[(0, 9, (0, 0)), (1, 0, (0, 0))]);
    assert!(
        matches!(fault(&memory.plan((0, 0), fates)), PluginFault::Output(_)),
        "a case that the contract does not have"
    );
}

#[test]
fn a_plan_that_breaks_a_rule() {
    let check = |requests: &[Request<'_>], fates: &[u32], expected: BadPlan| {
        let mut memory = Memory::default();
        let requests = memory.requests(requests);
        let fates: Vec<_> = fates.iter().map(|event| (*event, 0, (0, 0))).collect();
        let fates = memory.fates(&fates);
        assert_eq!(fault(&memory.plan(requests, fates)), PluginFault::BadPlan(expected));
    };
    let request = Request::default();
    let covering = |covers: &'static [u32]| Request { covers, ..request };
    check(&[request], &[], BadPlan::LeftOut { event: 1 });
    check(&[request], &[0, 1], BadPlan::Both { event: 0 });
    check(&[request], &[1, 1], BadPlan::TwoFates { event: 1 });
    check(&[covering(&[0, 1, 2])], &[], BadPlan::OutOfRange { event: 2, events_len: 2 });
    check(&[request], &[1, 7], BadPlan::OutOfRange { event: 7, events_len: 2 });
    check(&[covering(&[0, 1, 0])], &[], BadPlan::CoveredTwice { request: 0, event: 0 });
    check(&[covering(&[])], &[0, 1], BadPlan::CoversNothing { request: 0 });
    let method = BadPlan::Method { request: 0, method: "CONNECT".to_string() };
    check(&[Request { method: "CONNECT", ..covering(&[0, 1]) }], &[], method);
}

#[test]
fn an_instance_forgets_its_batch() {
    // Counts its calls in memory, and traps at the second one.
    let mut guest = Guest::honest(1);
    guest.plan = format!(
        "(if (i32.load (i32.const 64)) (then unreachable)) (i32.store (i32.const 64) (i32.const 1)) {}",
        guest.plan
    );
    let revision = guest.load(&HOST);
    for _ in 0..20 {
        revision.plan("{}", NOW_MS, &events(&["a"])).expect("a fresh instance");
    }
}
