//! Guests made by hand, from the simplest one to those that misbehave, through the whole host.

mod calls;
mod guest;
mod hostile;
mod kept;
mod loading;
mod project;

use std::sync::LazyLock;

use crate::event::Event;
use crate::plugin::host::{Limits, PluginHost};
use crate::validate::event_from_line;

/// The time of all calls.
const NOW_MS: u64 = 1_700_000_000_000;

/// Time for one call. Long enough for a guest that behaves, on whatever machine.
const CALL_MS_MAX: u64 = 300;

/// Memory of one guest: small, so that a guest that takes all of it takes little.
const MEMORY_BYTES_MAX: usize = 4 << 20;

/// Bytes that one guest may answer with.
const OUTPUT_BYTES_MAX: usize = 512 << 10;

/// Requests in one plan.
const REQUESTS_MAX: usize = 50;

/// A host with small limits, shared: setting one up reserves address space.
static HOST: LazyLock<PluginHost> = LazyLock::new(|| {
    let limits = Limits {
        call_ms_max: CALL_MS_MAX,
        memory_bytes_max: MEMORY_BYTES_MAX,
        output_bytes_max: OUTPUT_BYTES_MAX,
        requests_max: REQUESTS_MAX,
        instances_max: 8,
        ..Limits::default()
    };
    PluginHost::new(limits, None).expect("a sandbox")
});

/// Events with these message ids.
fn events(ids: &[&str]) -> Vec<Event> {
    let event = |id: &&str| {
        let line = format!(r#"{{"type":"track","event":"Signed Up","messageId":"{id}"}}"#);
        event_from_line(line.as_bytes(), id, NOW_MS).expect("an event")
    };
    ids.iter().map(event).collect()
}
