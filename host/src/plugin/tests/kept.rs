//! Instances that are used for more than one call.

use std::sync::Arc;

use super::guest::{Guest, manifest_with};
use super::{HOST, NOW_MS, events};
use crate::meter::GuestMeter;
use crate::plugin::build::with_manifest;
use crate::plugin::fault::PluginFault;
use crate::plugin::kept::Kept;
use crate::queue::DestinationId;

/// The guest's calls so far, in a global of its own.
const COUNT: &str = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";

/// What ten calls come to of a guest that is used again and runs this code first, which may look at `$calls`.
fn ten_calls(code: &str) -> (Vec<Result<(), PluginFault>>, u64) {
    let honest = Guest::honest(1);
    let plan = format!("{COUNT} {code} {}", honest.plan);
    let guest = Guest { plan, more: "(global $calls (mut i32) (i32.const 0))".to_string(), ..honest };
    let manifest = manifest_with(serde_json::json!({"instances": {"calls_max": 100}}));
    let file = with_manifest(&guest.core_module(), &manifest).expect("a plugin");
    let revision = Arc::new(HOST.load(&file).expect("the plugin loads"));
    let meter = Arc::new(GuestMeter::new(&DestinationId("shop/again".to_string()), "guest"));
    let (kept, one) = (Kept::default(), events(&["m"]));
    let called = (0..10).map(|_| kept.call(&revision, "{}", &meter, |instance| instance.plan(NOW_MS, &one).map(drop)));
    let called = called.collect();
    (called, meter.counts().instances)
}

#[test]
fn one_instance_answers_all_calls() {
    let (called, instances) = ten_calls("");
    assert!(called.iter().all(Result::is_ok), "{called:?}");
    assert_eq!(instances, 1);
}

#[test]
fn a_fault_of_what_was_left_in_an_instance_costs_no_event() {
    let (called, instances) = ten_calls("(if (i32.gt_u (global.get $calls) (i32.const 3)) (then unreachable))");
    assert!(called.iter().all(Result::is_ok), "{called:?}");
    // Three calls each, and a fourth that is made again.
    assert_eq!(instances, 4);
}

#[test]
fn a_fault_in_a_fresh_instance_is_the_events_own() {
    let (called, instances) = ten_calls("unreachable");
    assert!(called.iter().all(|call| matches!(call, Err(PluginFault::Trap(_)))), "{called:?}");
    assert_eq!(instances, 10);
}

#[test]
fn an_instance_that_has_grown_is_not_kept() {
    // It has 16 pages, and 5 more with each call: in the fourth these are beyond half of 64.
    let (called, instances) = ten_calls("(drop (memory.grow (i32.const 5)))");
    assert!(called.iter().all(Result::is_ok), "{called:?}");
    assert_eq!(instances, 3);
}
