//! Contacts one by one: each is updated, and made where there is none.
//!
//! The vendor says of upserts by e-mail address that they are not partial; updates are. They cost a
//! request a contact, so they are a setting.

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::percent_encode;

use crate::calls::{CONTACTS, fill, follow_up};
use crate::contact::write_latest;
use crate::properties::Names;
use crate::rules::{CONTACT_ID_BYTES_MAX, STAGE, TAG_BODY_BYTES_MAX};
use crate::settings::{HubSpot, Stages};
use crate::step::{Contact, Step};

const TOO_LARGE: &str = "traits: make a contact of more than 50,000 bytes";
const TOO_LONG: &str = "userId: has more than 2,000 bytes, and has no room in an address";

/// Bytes of a lane's name that are the contact's; those that begin alike share a lane, which does no harm.
const LANE_BYTES_MAX: usize = 400;

/// Plans the contact of these events. Requests of a contact keep their order; contacts need none.
pub fn request(hubspot: &HubSpot, batch: &Batch, id: &str, covers: Vec<u32>, names: &mut Names, plan: &mut Plan) {
    let mut body = JsonWriter::new();
    body.verbatim(b"{\"properties\":{");
    write_latest(hubspot, batch, id, &covers, names, &mut body);
    body.verbatim(b"}}");
    let refused = match (id.len() > CONTACT_ID_BYTES_MAX, body.len() > TAG_BODY_BYTES_MAX) {
        (true, _) => Some(TOO_LONG),
        (false, true) => Some(TOO_LARGE),
        (false, false) => None,
    };
    if let Some(reason) = refused {
        covers.iter().for_each(|position| plan.reject(&batch.event(*position), reason));
        return;
    }
    let stage = hubspot.lifecycle_stage == Stages::Any && names.has(STAGE);
    let contact = if stage { Contact::EmptyStage } else { Contact::Update };
    let tag = Step::Contact { contact, id: id.to_string() }.tag(body.as_bytes());
    let request = plan.request("PATCH", url(hubspot, id));
    let body = if stage { JsonWriter::append_to(empty_stage()) } else { body };
    let lane = format!("{CONTACTS}:{}", &id[..id.floor_char_boundary(LANE_BYTES_MAX)]);
    fill(hubspot, request, CONTACTS, body, covers).lane(&lane).tag(&tag);
}

fn url(hubspot: &HubSpot, id: &str) -> String {
    let property = hubspot.contact_id.property();
    format!("{}/contacts/{}?idProperty={property}", hubspot.objects_url(), percent_encode(id))
}

fn empty_stage() -> Vec<u8> {
    format!("{{\"properties\":{{\"{STAGE}\":\"\"}}}}").into_bytes()
}

/// After 2xx: where the stage was emptied, the contact is written.
pub fn written(hubspot: &HubSpot, response: &Response, contact: Contact, id: String, body: &[u8]) -> Judgement {
    match contact {
        Contact::EmptyStage => update(hubspot, response, id, body),
        Contact::Update | Contact::Create => Judgement::all(response, &Verdict::Delivered),
    }
}

/// After 404: there is no such contact, so it is made. It has no stage either.
pub fn missing(hubspot: &HubSpot, response: &Response, id: &str, body: &[u8]) -> Judgement {
    let mut made: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    made["properties"][hubspot.contact_id.property()] = id.into();
    let url = format!("{}/contacts", hubspot.objects_url());
    let step = Step::Contact { contact: Contact::Create, id: id.to_string() };
    let call = ["POST", &url, CONTACTS];
    go_on(hubspot, response, call, made.to_string().as_bytes(), &step, body)
}

/// After 409 to a new contact: another request made it, so it is updated.
pub fn update(hubspot: &HubSpot, response: &Response, id: String, body: &[u8]) -> Judgement {
    let url = url(hubspot, &id);
    let step = Step::Contact { contact: Contact::Update, id };
    go_on(hubspot, response, ["PATCH", &url, CONTACTS], body, &step, body)
}

fn go_on(
    hubspot: &HubSpot,
    response: &Response,
    call: [&str; 3],
    body: &[u8],
    step: &Step,
    step_body: &[u8],
) -> Judgement {
    let follow_ups = follow_up(hubspot, call, body, response.covers.clone(), step, step_body);
    Judgement { follow_ups, ..Judgement::all(response, &Verdict::Delivered) }
}
