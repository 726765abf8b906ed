//! The yardstick: serde_json parsing an event into Value. It is measured in this program, which has the
//! platform's allocator, so that it stays the same whatever allocator the daemon has.

use std::hint::black_box;

use serde_json::Value;

use crate::processor;

const EVENTS: u32 = 4_000;

/// Processor time of one parse, in microseconds.
pub fn us(event: &[u8]) -> f64 {
    us_of(|| {
        let value: Value = serde_json::from_slice(black_box(event)).expect("the fixture is JSON");
        black_box(value);
    })
}

/// Processor time of what is done to one event, in microseconds.
pub fn us_of(mut once: impl FnMut()) -> f64 {
    let before_us = processor::thread_used_us();
    for _ in 0..EVENTS {
        once();
    }
    (processor::thread_used_us() - before_us) / f64::from(EVENTS)
}
