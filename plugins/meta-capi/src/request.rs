//! The requests of a batch, and the fates of the events that get none.
//!
//! Events of apps go into requests of their own: a dataset to which no app is linked refuses them, and
//! with them all that is in the same request. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/app-events, prerequisites.

use switchyard_sdk::prelude::*;

use crate::choices::TokenIn;
use crate::event::Record;
use crate::settings::Meta;

/// What stands before the first event.
const BEGINNING: &[u8] = b"{\"data\":[";
/// Bytes that an event has, about: room is made for as many.
const EVENT_BYTES: usize = 2_048;

/// Plans a batch.
pub fn plan(meta: &Meta, batch: &Batch, plan: &mut Plan) {
    let mut of_apps = Vec::new();
    let mut others = Call::new(meta, "events");
    for event in batch.iter() {
        match Record::of(meta, &event, batch.now_ms()) {
            Ok(record) if record.is_of_app() => of_apps.push(event.position()),
            Ok(record) => others.add(&event, &record, batch.len(), plan),
            Err(Refusal::Skip(reason)) => plan.skip(&event, reason),
            Err(Refusal::Reject(reason)) => plan.reject(&event, reason),
        }
    }
    others.finish(plan);
    let mut apps = Call::new(meta, "app_events");
    for event in of_apps.iter().map(|position| batch.event(*position)) {
        if let Ok(record) = Record::of(meta, &event, batch.now_ms()) {
            apps.add(&event, &record, of_apps.len(), plan);
        }
    }
    apps.finish(plan);
}

/// A request as it is filled.
struct Call<'m> {
    meta: &'m Meta,
    key: &'static str,
    json: JsonWriter,
    covers: Vec<u32>,
}

impl<'m> Call<'m> {
    fn new(meta: &'m Meta, key: &'static str) -> Call<'m> {
        Call { meta, key, json: JsonWriter::new(), covers: Vec::new() }
    }

    /// Adds an event, of at most so many that are to come.
    fn add(&mut self, event: &Event<'_>, record: &Record<'_, '_>, events_len: usize, plan: &mut Plan) {
        if self.json.is_empty() {
            self.json = JsonWriter::with_capacity(events_len.min(self.meta.events_per_request) * EVENT_BYTES);
            self.json.verbatim(BEGINNING);
        }
        let before = self.json.len();
        if let Err(reason) = record.write(&mut self.json) {
            self.json.truncate(before);
            return plan.reject(event, reason);
        }
        self.covers.push(event.position());
        if self.covers.len() == self.meta.events_per_request {
            self.finish(plan);
        }
    }

    /// The request of what was added, if anything was. It is empty then.
    fn finish(&mut self, plan: &mut Plan) {
        let mut json = std::mem::take(&mut self.json);
        let covers = std::mem::take(&mut self.covers);
        if covers.is_empty() {
            return;
        }
        json.verbatim(&self.meta.ending);
        let request = plan.post(&self.meta.url).key(self.key).json(json).covers(covers);
        match self.meta.access_token_in {
            TokenIn::Header => request.bearer(&self.meta.access_token),
            TokenIn::Query => request.secret_query("access_token", &self.meta.access_token),
        };
    }
}
