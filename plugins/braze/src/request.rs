//! The requests of a batch, in their order, and the fates of the events that get none.

use switchyard_sdk::prelude::*;

use crate::body::{Body, Track};
use crate::draft::{Draft, Store};
use crate::join::{self, Join};
use crate::settings::Braze;
use crate::steps::steps;
use crate::tag::Counts;

/// Plans a batch.
pub fn plan(braze: &Braze, batch: &Batch, plan: &mut Plan) {
    let mut drafts = Vec::with_capacity(batch.len());
    let mut store = Store::new(batch.len());
    for event in batch.iter() {
        match Draft::of(braze, &event, &mut store) {
            Ok(draft) => drafts.push(draft),
            Err(refusal) => refusal.into_fate(&event, plan),
        }
    }
    for number in 0..braze.lanes {
        let (lane, places) = lane(braze, &drafts, number);
        for step in steps(&drafts, &places) {
            join::requests(braze, &joins(&drafts, &step.joins), &lane, plan);
            objects(Track { braze, batch, drafts: &drafts, store: &store, lane: &lane }, &step.objects, plan);
        }
    }
}

/// The name of a lane and the drafts in it. Somebody is always in the same one.
fn lane(braze: &Braze, drafts: &[Draft<'_>], number: u8) -> (String, Vec<usize>) {
    if braze.lanes == 1 {
        return ("users".to_string(), (0..drafts.len()).collect());
    }
    let mut key = Vec::new();
    let places = drafts.iter().enumerate().filter(|(_, draft)| {
        key.clear();
        draft.who.write_key(&mut key);
        hash(&key) % u32::from(braze.lanes) == u32::from(number)
    });
    let places = places.map(|(place, _)| place).collect();
    (format!("users-{number}"), places)
}

/// The hash of Fowler, Noll and Vo.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The joins of some drafts, with the positions of their events.
fn joins<'d, 'a>(drafts: &'d [Draft<'a>], places: &[usize]) -> Vec<(u32, &'d Join<'a>)> {
    places.iter().filter_map(|place| Some((drafts[*place].position, drafts[*place].join.as_deref()?))).collect()
}

/// The requests of some drafts' objects. Those of one user are kept together.
fn objects(track: Track<'_, '_>, places: &[usize], plan: &mut Plan) {
    let drafts = track.drafts;
    let mut users = Groups::with_capacity(places.len());
    for place in places.iter().filter(|place| drafts[**place].counts.sum() > 0) {
        users.add(*place as u32, |key| drafts[*place].who.write_key(key));
    }
    let mut body = Body::new(track);
    for (_, places) in users.iter() {
        let counts = places.clone().map(|place| drafts[place as usize].counts);
        body.make_room(counts.fold(Counts::default(), Counts::plus), plan);
        places.for_each(|place| body.add(place as usize, plan));
    }
    body.finish(plan);
}
