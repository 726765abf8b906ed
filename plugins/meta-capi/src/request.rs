//! The requests of a batch, and the fates of the events that get none.
//!
//! Events of apps go into requests of their own: a dataset to which no app is linked refuses them, and
//! with them all that is in the same request. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/app-events, prerequisites.

use switchyard_sdk::body::{Body, Bounds, Filled};
use switchyard_sdk::prelude::*;

use crate::choices::TokenIn;
use crate::event::Record;
use crate::settings::Meta;

/// Bytes that an event has, about: room is made for as many.
const EVENT_BYTES: usize = 2_048;

/// Plans a batch.
pub fn plan(meta: &Meta, batch: &Batch, plan: &mut Plan) {
    let mut of_apps = Vec::new();
    let mut others = Call::new(meta, "events", batch.len());
    for event in batch.iter() {
        match Record::of(meta, &event, batch.now_ms()) {
            Ok(record) if record.is_of_app() => of_apps.push(event.position()),
            Ok(record) => others.add(&event, &record, plan),
            Err(refusal) => refusal.into_fate(&event, plan),
        }
    }
    others.finish(plan);
    let mut apps = Call::new(meta, "app_events", of_apps.len());
    for event in of_apps.iter().map(|position| batch.event(*position)) {
        if let Ok(record) = Record::of(meta, &event, batch.now_ms()) {
            apps.add(&event, &record, plan);
        }
    }
    apps.finish(plan);
}

/// The requests of one kind as they are filled.
struct Call<'m> {
    meta: &'m Meta,
    key: &'static str,
    body: Body<'m>,
    /// When the oldest event in the body is too old: the vendor then refuses them all.
    not_after_ms: u64,
}

impl<'m> Call<'m> {
    /// Nothing yet, and room for so many events.
    fn new(meta: &'m Meta, key: &'static str, events_len: usize) -> Call<'m> {
        let bounds = Bounds {
            beginning: b"{\"data\":[",
            ending: &meta.ending,
            records_max: meta.events_per_request,
            // The vendor names none.
            bytes_max: usize::MAX,
            too_large: "",
        };
        let events_max = events_len.min(meta.events_per_request);
        let body = Body::new(bounds, events_max).with_room(events_max * EVENT_BYTES);
        Call { meta, key, body, not_after_ms: u64::MAX }
    }

    fn add(&mut self, event: &Event<'_>, record: &Record<'_, '_>, plan: &mut Plan) {
        match self.body.add(event, |json| record.write(json).map(|()| 1)) {
            Ok(filled) => {
                self.request(filled, plan);
                self.not_after_ms = self.not_after_ms.min(record.not_after_ms());
            }
            Err(reason) => plan.reject(event, reason),
        }
    }

    /// The request of what was added, if anything was.
    fn finish(&mut self, plan: &mut Plan) {
        let filled = self.body.finish();
        self.request(filled, plan);
    }

    fn request(&mut self, filled: Option<Filled>, plan: &mut Plan) {
        let Some(Filled { json, covers }) = filled else { return };
        let not_after_ms = std::mem::replace(&mut self.not_after_ms, u64::MAX);
        let request = plan.post(&self.meta.url).key(self.key).json(json).covers(covers).not_after(not_after_ms);
        match self.meta.access_token_in {
            TokenIn::Header => request.bearer(&self.meta.access_token),
            TokenIn::Query => request.secret_query("access_token", &self.meta.access_token),
        };
    }
}
