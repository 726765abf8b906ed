//! Requests: a list of inputs that is filled one by one, and how each call is addressed and signed.

use switchyard_sdk::bindings::types;
use switchyard_sdk::prelude::*;

use crate::settings::HubSpot;
use crate::step::Step;

/// Requests of a lane go one after the other: of a contact the last write wins, and so it keeps its
/// order.
pub const CONTACTS: &str = "contacts";
/// The same for companies; besides, two searches at once would find none and make two.
pub const COMPANIES: &str = "companies";
/// The limit that searches have beside the app's: five a second. Source: usage guidelines.
pub const SEARCHES: &str = "searches";
/// The key of requests with events.
pub const EVENTS: &str = "events";

/// Inputs on their way to one address. Only the list itself grows: then it is never copied.
pub struct Inputs {
    json: JsonWriter,
    covers: Vec<u32>,
    /// How many events each input is of.
    counts: Vec<u32>,
}

impl Inputs {
    /// None, with room for so many events.
    pub fn with_capacity(events: usize) -> Inputs {
        let (covers, counts) = (Vec::with_capacity(events), Vec::with_capacity(events));
        Inputs { json: JsonWriter::new(), covers, counts }
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// The list as it is written; open it by this.
    pub fn json(&mut self) -> &mut JsonWriter {
        if self.json.is_empty() {
            self.json.verbatim(b"{\"inputs\":[");
        }
        &mut self.json
    }

    /// What was written since the last call is the input of these events.
    pub fn add(&mut self, covers: &[u32]) {
        self.covers.extend_from_slice(covers);
        self.counts.push(covers.len() as u32);
    }

    /// The body, the events and how many each input is of; None where there are none. The list is
    /// empty then.
    pub fn take(&mut self) -> Option<(JsonWriter, Vec<u32>, Vec<u32>)> {
        let empty = Inputs { json: JsonWriter::new(), covers: Vec::new(), counts: Vec::new() };
        let Inputs { mut json, covers, counts } = std::mem::replace(self, empty);
        if covers.is_empty() {
            return None;
        }
        json.verbatim(b"]}");
        Some((json, covers, counts))
    }
}

/// Adds what all requests have: the key, the signature, the body and the events.
pub fn fill<'r>(
    hubspot: &HubSpot,
    request: &'r mut Request,
    key: &str,
    json: JsonWriter,
    covers: Vec<u32>,
) -> &'r mut Request {
    request.key(key).json(json).covers(covers);
    hubspot.sign(request);
    request
}

/// The request that follows from an answer, as a judgement takes it.
pub fn follow_up(
    hubspot: &HubSpot,
    [method, url, key]: [&str; 3],
    body: &[u8],
    covers: Vec<u32>,
    step: &Step,
    step_body: &[u8],
) -> Vec<types::Request> {
    let mut plan = Plan::new();
    let json = JsonWriter::append_to(body.to_vec());
    fill(hubspot, plan.request(method, url), key, json, covers).lane(key).tag(&step.tag(step_body));
    plan.finish(Batch::new(0, Vec::new(), Vec::new())).requests
}
