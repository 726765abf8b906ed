//! A request on its way: filled event by event, cut at the vendor's bound.

use switchyard_sdk::prelude::*;

use crate::item::Items;
use crate::rules::BODY_BYTES_MAX;
use crate::settings::CustomerIo;
use crate::tag;

/// What stands before the first item, and behind the last.
const BEGINNING: &[u8] = b"{\"batch\":[";
const ENDING: &[u8] = b"]}";

/// A request.
pub struct Body<'c> {
    customer_io: &'c CustomerIo,
    lane: String,
    json: JsonWriter,
    covers: Vec<u32>,
    /// How many items each event has.
    counts: Vec<usize>,
}

impl<'c> Body<'c> {
    /// Nothing yet, and room for the places of so many events: then only the items grow.
    pub fn new(customer_io: &'c CustomerIo, lane: String, events_len: usize) -> Body<'c> {
        Body {
            customer_io,
            lane,
            covers: Vec::with_capacity(events_len),
            counts: Vec::with_capacity(events_len),
            json: JsonWriter::new(),
        }
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
        if self.json.is_empty() {
            self.json.verbatim(BEGINNING);
        }
        let before = self.json.len();
        let mut items = Items::new(&mut self.json);
        let written = write(&mut items);
        let count = items.count();
        if let Err(refusal) = written {
            self.json.truncate(before);
            return Err(refusal);
        }
        if self.json.len() + ENDING.len() > BODY_BYTES_MAX && !self.covers.is_empty() {
            // The comma stays behind.
            let moved = self.json.as_bytes()[before + 1..].to_vec();
            self.json.truncate(before);
            self.finish(plan);
            self.json.verbatim(BEGINNING);
            self.json.verbatim(&moved);
        }
        self.covers.push(event.position());
        self.counts.push(count);
        Ok(())
    }

    /// The request of what was added, if anything was. There is nothing in it then.
    pub fn finish(&mut self, plan: &mut Plan) {
        let mut json = std::mem::take(&mut self.json);
        let covers = std::mem::take(&mut self.covers);
        let counts = std::mem::take(&mut self.counts);
        if covers.is_empty() {
            return;
        }
        json.verbatim(ENDING);
        let CustomerIo { batch_url, site_id, api_key, .. } = self.customer_io;
        let request = plan.post(batch_url).key("batch").json(json).basic(site_id, api_key);
        request.covers(covers).lane(&self.lane).tag(&tag::write(&counts));
    }
}
