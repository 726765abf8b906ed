//! Contacts: one record for each user of the batch, whatever number of identifies it has.

use switchyard_sdk::prelude::*;

use crate::calls::{CONTACTS, Inputs, fill};
use crate::field::is_placed;
use crate::identity::email;
use crate::properties::{Names, Of, Properties};
use crate::rules::{CONTACT, IDENTIFYING, RECORDS_MAX, STAGE, TAG_BODY_BYTES_MAX};
use crate::settings::{ContactId, ContactWrites, HubSpot, Stages, Unlisted};
use crate::single;
use crate::step::Step;

/// Plans the contacts of the events that are grouped by contact. Whether there are any in the lane of
/// contacts, behind which what needs them can wait.
pub fn requests(hubspot: &HubSpot, batch: &Batch, contacts: &Groups, plan: &mut Plan) -> bool {
    let mut names = Names::new();
    if hubspot.contact_writes == ContactWrites::Single {
        for (id, positions) in contacts.iter() {
            let id = std::str::from_utf8(id).unwrap_or_default();
            single::request(hubspot, batch, id, positions.collect(), &mut names, plan);
        }
        return false;
    }
    let staged = write_all(hubspot, batch, contacts, &mut names, plan);
    write_staged(hubspot, batch, &staged, &mut names, plan);
    contacts.iter().next().is_some()
}

/// A contact and its events.
type Staged<'g> = (&'g [u8], Vec<u32>);

/// Writes the contacts, but for those whose stage is to be removed first, which are returned.
fn write_all<'g>(
    hubspot: &HubSpot,
    batch: &Batch,
    contacts: &'g Groups,
    names: &mut Names,
    plan: &mut Plan,
) -> Vec<Staged<'g>> {
    let mut inputs = Inputs::with_capacity(RECORDS_MAX);
    let mut staged = Vec::new();
    for (id, positions) in contacts.iter() {
        let covers: Vec<u32> = positions.collect();
        let before = inputs.json().len();
        write(hubspot, batch, id, &covers, inputs.len(), names, inputs.json());
        if hubspot.lifecycle_stage == Stages::Any && names.has(STAGE) {
            inputs.json().truncate(before);
            staged.push((id, covers));
            continue;
        }
        inputs.add(&covers);
        if inputs.len() == RECORDS_MAX {
            finish(hubspot, &mut inputs, plan);
        }
    }
    finish(hubspot, &mut inputs, plan);
    staged
}

fn write_staged(hubspot: &HubSpot, batch: &Batch, staged: &[Staged<'_>], names: &mut Names, plan: &mut Plan) {
    let mut inputs = Inputs::with_capacity(RECORDS_MAX);
    for (id, covers) in staged {
        let before = inputs.json().len();
        write(hubspot, batch, id, covers, inputs.len(), names, inputs.json());
        if inputs.json().len() > TAG_BODY_BYTES_MAX && inputs.len() > 0 {
            inputs.json().truncate(before);
            finish_staged(hubspot, &mut inputs, plan);
            write(hubspot, batch, id, covers, 0, names, inputs.json());
        }
        inputs.add(covers);
        if inputs.len() == RECORDS_MAX {
            finish_staged(hubspot, &mut inputs, plan);
        }
    }
    finish_staged(hubspot, &mut inputs, plan);
}

fn finish(hubspot: &HubSpot, inputs: &mut Inputs, plan: &mut Plan) {
    if let Some((json, covers, counts)) = inputs.take() {
        let request = plan.post(hubspot.contacts_url.as_str());
        fill(hubspot, request, CONTACTS, json, covers).lane(CONTACTS).tag(&Step::Contacts { counts }.tag(b""));
    }
}

/// The stage of a contact moves forward only, unless it is removed before. What is written then waits
/// in the tag; a record that is too large for one goes without.
fn finish_staged(hubspot: &HubSpot, inputs: &mut Inputs, plan: &mut Plan) {
    if inputs.json().len() > TAG_BODY_BYTES_MAX {
        return finish(hubspot, inputs, plan);
    }
    if let Some((json, covers, counts)) = inputs.take() {
        let written = json.into_bytes();
        let request = plan.post(hubspot.contacts_url.as_str());
        fill(hubspot, request, CONTACTS, stages_removed(&written), covers)
            .lane(CONTACTS)
            .tag(&Step::Stages { counts }.tag(&written));
    }
}

/// The same records with nothing but an empty stage.
fn stages_removed(body: &[u8]) -> JsonWriter {
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"inputs\":[");
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    for input in body.get("inputs").and_then(serde_json::Value::as_array).into_iter().flatten() {
        let text = |key: &str| input.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        begin(text("id"), text("idProperty"), text("objectWriteTraceId"), &mut json);
        json.member_named(STAGE, "");
        json.verbatim(b"}}");
    }
    json.verbatim(b"]}");
    json
}

/// Writes a record up to the members of its properties.
pub fn begin(id: &str, id_property: &str, trace_id: &str, json: &mut JsonWriter) {
    json.begin_object();
    json.member(key!("id"), id);
    json.member(key!("idProperty"), id_property);
    json.member(key!("objectWriteTraceId"), trace_id);
    json.verbatim(b",\"properties\":{");
}

/// Writes the record of a contact. `number` is its place in the request, by which the vendor names it in
/// its answer.
fn write(
    hubspot: &HubSpot,
    batch: &Batch,
    id: &[u8],
    covers: &[u32],
    number: usize,
    names: &mut Names,
    json: &mut JsonWriter,
) {
    let id = std::str::from_utf8(id).unwrap_or_default();
    begin(id, hubspot.contact_id.property(), &number.to_string(), json);
    write_latest(hubspot, batch, id, covers, names, json);
    json.verbatim(b"}}");
}

/// Writes what the latest of the contact's events says of each property.
pub fn write_latest(
    hubspot: &HubSpot,
    batch: &Batch,
    id: &str,
    covers: &[u32],
    names: &mut Names,
    json: &mut JsonWriter,
) {
    names.clear();
    let mut properties = Properties::new(json, names, Of::Record { clears: hubspot.clear_empty_traits });
    for position in covers.iter().rev() {
        write_properties(hubspot, &batch.event(*position), &mut properties);
    }
    // A record without any property is taken by no one.
    if properties.is_empty() {
        properties.text(hubspot.contact_id.property(), id);
    }
}

fn write_properties(hubspot: &HubSpot, event: &Event<'_>, properties: &mut Properties<'_>) {
    let traits = event.user_traits();
    if let ContactId::Property(_) = hubspot.contact_id
        && let Ok(Some(email)) = email(event)
    {
        properties.text("email", email.as_str());
    }
    if let (Some(name), Some(id)) = (&hubspot.user_id_property, event.user_id()) {
        properties.text(name, &id);
    }
    for field in &hubspot.contact_fields {
        properties.field(field, traits);
    }
    for mapping in CONTACT {
        properties.mapped(mapping, traits);
    }
    if let Some(legal_basis) = &hubspot.legal_basis {
        properties.text("hs_legal_basis", legal_basis);
    }
    if hubspot.unlisted_traits == Unlisted::Send {
        let is_told = |name: &str| IDENTIFYING.contains(&name) || is_placed(name, CONTACT, &hubspot.contact_fields);
        properties.all(traits, is_told);
    }
}
