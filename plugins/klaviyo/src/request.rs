//! The requests of a batch, and the fates of the events that get none.

use switchyard_sdk::prelude::*;

use crate::draft::Draft;
use crate::settings::Klaviyo;
use crate::{events, people};

/// Plans a batch.
pub fn plan(klaviyo: &Klaviyo, batch: &Batch, plan: &mut Plan) {
    let mut drafts = Vec::with_capacity(batch.len());
    let mut others = Vec::new();
    for event in batch.iter() {
        match event.kind() {
            Kind::Track | Kind::Page | Kind::Screen => match Draft::of(klaviyo, &event, batch.now_ms()) {
                Ok(draft) => drafts.push((event, draft)),
                Err(refusal) => refusal.into_fate(&event, plan),
            },
            Kind::Identify | Kind::Group => others.push(event.position()),
            Kind::Alias => plan.skip(&event, "type: the vendor joins profiles by its own ids only"),
            Kind::Other => plan.skip(&event, "type: the vendor has nothing for it"),
        }
    }
    without_repeats(&mut drafts, plan);
    events::requests(klaviyo, &drafts, plan);
    people::requests(klaviyo, batch, &others, plan);
}

/// Takes out the drafts that repeat an earlier one: a job must not have the same event twice. Source:
/// reference/bulk_create_events, unique_id.
fn without_repeats(drafts: &mut Vec<(Event<'_>, Draft<'_>)>, plan: &mut Plan) {
    let mut same = Groups::with_capacity(drafts.len());
    for (place, (_, draft)) in drafts.iter().enumerate() {
        same.add(place as u32, |key| draft.write_key(key));
    }
    let mut repeats: Vec<usize> =
        same.iter().flat_map(|(_, places)| places.skip(1)).map(|place| place as usize).collect();
    repeats.sort_unstable();
    for place in repeats.into_iter().rev() {
        let (event, _) = drafts.remove(place);
        plan.skip(&event, "messageId: the event is in the batch already");
    }
}
