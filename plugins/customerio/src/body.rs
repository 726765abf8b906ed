//! A request on its way: filled event by event, cut at the vendor's bound.

use switchyard_sdk::body::{self, Bounds, Filled};
use switchyard_sdk::prelude::*;

use crate::item::Items;
use crate::rules::BODY_BYTES_MAX;
use crate::settings::CustomerIo;
use crate::tag;

const BOUNDS: Bounds<'_> = Bounds {
    beginning: b"{\"batch\":[",
    ending: b"]}",
    records_max: usize::MAX,
    bytes_max: BODY_BYTES_MAX,
    too_large: "properties: make the event larger than the 500 KB of a request",
};

/// A request.
pub struct Body<'c> {
    customer_io: &'c CustomerIo,
    lane: String,
    body: body::Body<'static>,
    /// How many items each event has.
    counts: Vec<usize>,
}

impl<'c> Body<'c> {
    /// Nothing yet, and room for the places of so many events.
    pub fn new(customer_io: &'c CustomerIo, lane: String, events_len: usize) -> Body<'c> {
        let counts = Vec::with_capacity(events_len);
        Body { customer_io, lane, counts, body: body::Body::new(BOUNDS, events_len) }
    }

    /// Adds the items of an event, which `write` writes. They stay in one request.
    ///
    /// # Errors
    /// What `write` says. Then nothing is added.
    pub fn add(
        &mut self,
        event: &Event<'_>,
        plan: &mut Plan,
        write: impl FnOnce(&mut Items<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut count = 0;
        let filled = self.body.add(event, |json| {
            let mut items = Items::new(json);
            write(&mut items)?;
            count = items.count();
            Ok::<usize, Refusal>(count)
        })?;
        if let Some(filled) = filled {
            self.request(filled, plan);
        }
        self.counts.push(count);
        Ok(())
    }

    /// The request of what was added, if anything was. There is nothing in it then.
    pub fn finish(&mut self, plan: &mut Plan) {
        if let Some(filled) = self.body.finish() {
            self.request(filled, plan);
        }
    }

    fn request(&mut self, filled: Filled, plan: &mut Plan) {
        let counts = std::mem::take(&mut self.counts);
        let CustomerIo { batch_url, site_id, api_key, .. } = self.customer_io;
        let request = plan.post(batch_url).key("batch").json(filled.json).basic(site_id, api_key);
        request.covers(filled.covers).lane(&self.lane).tag(&tag::write(&counts));
    }
}
