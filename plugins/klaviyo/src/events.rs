//! The requests of events, and of the products of orders, which are events of their own.

use switchyard_sdk::prelude::*;

use crate::draft::Draft;
use crate::items::Item;
use crate::job::{Job, Target};
use crate::occurrence::{self, Common};
use crate::profile::write_of_event;
use crate::rules::{BODY_BYTES_MAX, EVENTS_MAX};
use crate::settings::{Klaviyo, Requests};

const TOO_LARGE: Refusal = Refusal::Reject("properties: the event has more than 5 MB, and the vendor takes less");

/// Where single events go.
const EVENTS: &str = "/events";

/// What an event begins with.
const EVENT: &[u8] = b"\"type\":\"event\",\"attributes\":{";

/// What stands behind the events of a record.
const RECORD_END: &[u8] = b"]}}}";

/// Plans the requests of some drafts.
pub fn requests<'a>(klaviyo: &Klaviyo, drafts: &[(Event<'a>, Draft<'a>)], plan: &mut Plan) {
    match klaviyo.event_requests {
        Requests::Bulk => jobs(klaviyo, drafts, plan),
        Requests::Single => drafts.iter().for_each(|(event, draft)| singles(klaviyo, event, draft, plan)),
    }
}

/// A job of the events, and one of their products: a product at fault does not cost the order.
fn jobs<'a>(klaviyo: &Klaviyo, drafts: &[(Event<'a>, Draft<'a>)], plan: &mut Plan) {
    let capacity = drafts.iter().map(|(event, _)| event.json().len()).sum();
    let mut events = Job::new(klaviyo, Target::Events, capacity);
    let mut products = Job::new(klaviyo, Target::Products, capacity);
    let mut items = Vec::new();
    for (event, draft) in drafts {
        items.clear();
        let mut beginning_bytes = 0;
        let common = Common::of(klaviyo, draft, event.properties());
        let added = events.add(event, 1, plan, |json| {
            let start = begin_record(klaviyo, event, draft, json);
            beginning_bytes = json.len() - start;
            json.begin_object();
            json.verbatim(EVENT);
            occurrence::write(klaviyo, event, draft, &common, start, &mut items, json);
            json.verbatim(b"}}");
            json.verbatim(RECORD_END);
        });
        let Ok(start) = added else {
            TOO_LARGE.into_fate(event, plan);
            continue;
        };
        let bought = bought(klaviyo, draft, &items);
        if bought.is_empty() {
            continue;
        }
        let record = events.written(start);
        let added = products.add(event, bought.len(), plan, |json| {
            json.raw(&record[..beginning_bytes]);
            for item in bought {
                json.begin_object();
                json.verbatim(EVENT);
                occurrence::write_product(klaviyo, draft, &common, item, record, json);
                json.verbatim(b"}}");
            }
            json.verbatim(RECORD_END);
        });
        debug_assert!(added.is_ok(), "an order's products are not much larger than the order");
    }
    events.finish(plan);
    products.finish(plan);
}

/// The products that become events, as many as a job takes.
fn bought<'i, 'a>(klaviyo: &Klaviyo, draft: &Draft<'_>, items: &'i [Item<'a>]) -> &'i [Item<'a>] {
    let is_wanted = klaviyo.ordered_products && draft.is_purchase();
    if is_wanted { &items[..items.len().min(EVENTS_MAX)] } else { &[] }
}

/// Writes a record up to its events: whose they are. Returns where it begins.
fn begin_record(klaviyo: &Klaviyo, event: &Event<'_>, draft: &Draft<'_>, json: &mut JsonWriter) -> usize {
    json.begin_object();
    let start = json.len() - 1;
    json.verbatim(b"\"type\":\"event-bulk-create\",\"attributes\":{\"profile\":");
    write_of_event(klaviyo, event, &draft.who, json);
    json.verbatim(b",\"events\":{\"data\":[");
    start
}

/// A request for the event, and one for each of its products.
fn singles<'a>(klaviyo: &Klaviyo, event: &Event<'a>, draft: &Draft<'a>, plan: &mut Plan) {
    let mut items = Vec::new();
    let common = Common::of(klaviyo, draft, event.properties());
    let write = |json: &mut JsonWriter| occurrence::write(klaviyo, event, draft, &common, 0, &mut items, json);
    let order = single(klaviyo, event, draft, write);
    if order.len() > BODY_BYTES_MAX {
        return TOO_LARGE.into_fate(event, plan);
    }
    let bodies = bought(klaviyo, draft, &items).iter().map(|item| {
        let write = |json: &mut JsonWriter| occurrence::write_product(klaviyo, draft, &common, item, &order, json);
        (format!("product-{}", item.number), single(klaviyo, event, draft, write))
    });
    let bodies: Vec<(String, Vec<u8>)> = bodies.collect();
    klaviyo.post(plan, EVENTS, order).key("event").cover(event);
    for (key, body) in bodies {
        klaviyo.post(plan, EVENTS, body).key(&key).cover(event);
    }
}

/// The body of a request for one event, whose attributes `write` writes.
fn single(klaviyo: &Klaviyo, event: &Event<'_>, draft: &Draft<'_>, write: impl FnOnce(&mut JsonWriter)) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"data\":{\"type\":\"event\",\"attributes\":{");
    write(&mut json);
    json.member_key(key!("profile"));
    write_of_event(klaviyo, event, &draft.who, &mut json);
    json.verbatim(b"}}}");
    json.into_bytes()
}
