//! The requests of a batch, in the order in which they must arrive, and the fates of the events that get
//! none.
//!
//! What is known of somebody holds for what they do afterwards, so the items of a batch keep the order of
//! its events, and of the requests of a lane one is on its way at a time.

use switchyard_sdk::prelude::*;

use crate::body::Body;
use crate::identity::Who;
use crate::item::Items;
use crate::settings::CustomerIo;
use crate::{commands, object, person};

/// Plans a batch.
pub fn plan(customer_io: &CustomerIo, batch: &Batch, plan: &mut Plan) {
    let lane = |number| if customer_io.lanes == 1 { "people".to_string() } else { format!("people-{number}") };
    let mut bodies: Vec<Body<'_>> =
        (0..customer_io.lanes).map(|number| Body::new(customer_io, lane(number), batch.len())).collect();
    for event in batch.iter() {
        let body = &mut bodies[lane_of(customer_io, &event)];
        if let Err(refusal) = body.add(&event, plan, |items| write(customer_io, &event, batch.now_ms(), items)) {
            refusal.into_fate(&event, plan);
        }
    }
    bodies.iter_mut().for_each(|body| body.finish(plan));
}

/// Writes the items of an event.
fn write(customer_io: &CustomerIo, event: &Event<'_>, now_ms: u64, items: &mut Items<'_>) -> Result<(), Refusal> {
    match event.kind() {
        Kind::Track => commands::write_track(customer_io, event, now_ms, items),
        Kind::Page | Kind::Screen => commands::write_event(customer_io, event, now_ms, items),
        Kind::Identify => person::write_identify(customer_io, event, now_ms, items),
        Kind::Group => object::write_group(customer_io, event, items),
        Kind::Alias => person::write_alias(customer_io, event, items),
        Kind::Other => Err(Refusal::Skip("type: the vendor has nothing for it")),
    }
}

/// The number of an event's lane. Somebody is always in the same one.
fn lane_of(customer_io: &CustomerIo, event: &Event<'_>) -> usize {
    if customer_io.lanes == 1 {
        return 0;
    }
    let hash = Who::of(customer_io, event).map_or(0, |who| hash(who.bytes()));
    (hash % u32::from(customer_io.lanes)) as usize
}

/// The hash of Fowler, Noll and Vo.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
