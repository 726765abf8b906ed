//! Companies: one record for each group of the batch, and the contacts that belong to it.

use switchyard_sdk::prelude::*;

use crate::calls::{COMPANIES, Inputs, SEARCHES, fill};
use crate::contact::begin;
use crate::field::is_placed;
use crate::identity::write_contact_id;
use crate::properties::{Names, Of, Properties};
use crate::rules::{COMPANY, DOMAIN, IDENTIFYING, RECORDS_MAX, TAG_BODY_BYTES_MAX};
use crate::settings::{Companies, HubSpot, Unlisted};
use crate::step::Step;

/// Events of one request, and bytes of a contact's id: who belongs to the companies waits in its tag.
const COVERS_MAX: usize = 100;
const PERSON_BYTES_MAX: usize = 254;

const SKIPPED: Refusal = Refusal::Skip("type: the setting company_lookup says that groups are not sent");
const NO_GROUP: Refusal = Refusal::Reject("groupId: is missing");
const NO_DOMAIN: Refusal =
    Refusal::Skip("traits.domain: is missing or no domain, and so is website; companies are found by it");

const TOO_LARGE: &str = "traits: make a company of more than 50,000 bytes";

/// Appends what the company of a group is known by.
///
/// # Errors
/// Names the field that is missing or wrong.
pub fn write_company_id(hubspot: &HubSpot, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match hubspot.companies {
        Companies::None => Err(SKIPPED),
        Companies::Property(_) => {
            out.extend_from_slice(event.group_id().ok_or(NO_GROUP)?.trim().as_bytes());
            Ok(())
        }
        Companies::Domain => {
            out.extend_from_slice(domain(event).ok_or(NO_DOMAIN)?.as_bytes());
            Ok(())
        }
    }
}

/// Plans the companies of the events that are grouped by company.
pub fn requests(hubspot: &HubSpot, batch: &Batch, companies: &Groups, plan: &mut Plan) {
    let mut names = Names::new();
    let mut inputs = Inputs::with_capacity(RECORDS_MAX);
    let mut people = Vec::new();
    for (id, positions) in companies.iter() {
        let id = std::str::from_utf8(id).unwrap_or_default();
        let covers: Vec<u32> = positions.collect();
        for covers in covers.chunks(COVERS_MAX) {
            let own = covers.iter().map(|position| person(hubspot, &batch.event(*position)));
            let Companies::Property(property) = &hubspot.companies else {
                search(hubspot, batch, id, covers, own.collect(), &mut names, plan);
                continue;
            };
            if people.len() + covers.len() > COVERS_MAX || inputs.len() == RECORDS_MAX {
                finish(hubspot, &mut inputs, &mut people, plan);
            }
            people.extend(own);
            let number = inputs.len().to_string();
            begin(id, property, &number, inputs.json());
            write_properties(hubspot, batch, covers, &mut names, inputs.json());
            if names.len() == 0 {
                inputs.json().member_named(property, id);
            }
            inputs.json().verbatim(b"}}");
            inputs.add(covers);
        }
    }
    finish(hubspot, &mut inputs, &mut people, plan);
}

fn finish(hubspot: &HubSpot, inputs: &mut Inputs, people: &mut Vec<Option<String>>, plan: &mut Plan) {
    let people = std::mem::take(people);
    if let Some((json, covers, counts)) = inputs.take() {
        let step = Step::Companies { counts, people };
        let request = plan.post(hubspot.companies_url.as_str());
        fill(hubspot, request, COMPANIES, json, covers).lane(COMPANIES).tag(&step.tag(b""));
    }
}

/// Searches a company by its domain: the oldest, where there are several.
fn search(
    hubspot: &HubSpot,
    batch: &Batch,
    domain: &str,
    covers: &[u32],
    people: Vec<Option<String>>,
    names: &mut Names,
    plan: &mut Plan,
) {
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"filterGroups\":[{\"filters\":[{\"propertyName\":\"domain\",\"operator\":\"EQ\",\"value\":");
    json.string(domain);
    json.verbatim(b"}]}],\"sorts\":[{\"propertyName\":\"createdate\",\"direction\":\"ASCENDING\"}],");
    json.verbatim(b"\"properties\":[\"domain\"],\"limit\":1}");
    let mut written = JsonWriter::new();
    written.verbatim(b"{\"properties\":{");
    write_properties(hubspot, batch, covers, names, &mut written);
    written.verbatim(b"}}");
    if written.len() > TAG_BODY_BYTES_MAX {
        covers.iter().for_each(|position| plan.reject(&batch.event(*position), TOO_LARGE));
        return;
    }
    let request = plan.post(hubspot.company_search_url.as_str());
    fill(hubspot, request, COMPANIES, json, covers.to_vec())
        .lane(COMPANIES)
        .quota(SEARCHES)
        .tag(&Step::Search { people }.tag(written.as_bytes()));
}

/// The contact that belongs to the company, if the event says who it is.
fn person(hubspot: &HubSpot, event: &Event<'_>) -> Option<String> {
    let mut id = Vec::new();
    write_contact_id(hubspot, event, &mut id).ok()?;
    let id = String::from_utf8(id).ok()?;
    (id.len() <= PERSON_BYTES_MAX && !id.contains(char::is_control)).then_some(id)
}

/// Writes what the latest of the events says of each property.
fn write_properties(hubspot: &HubSpot, batch: &Batch, covers: &[u32], names: &mut Names, json: &mut JsonWriter) {
    names.clear();
    let mut properties = Properties::new(json, names, Of::Record { clears: hubspot.clear_empty_traits });
    for position in covers.iter().rev() {
        let event = batch.event(*position);
        let traits = event.own_traits();
        for field in &hubspot.company_fields {
            properties.field(field, traits);
        }
        if let Some(domain) = domain(&event) {
            properties.text("domain", &domain);
        }
        for mapping in COMPANY {
            properties.mapped(mapping, traits);
        }
        if hubspot.unlisted_group_traits == Unlisted::Send {
            let is_told = |name: &str| {
                IDENTIFYING.contains(&name)
                    || DOMAIN.contains(&name)
                    || is_placed(name, COMPANY, &hubspot.company_fields)
            };
            properties.all(traits, is_told);
        }
    }
}

/// `www.Example.com` of `https://www.Example.com/about` is `example.com`.
fn domain(event: &Event<'_>) -> Option<String> {
    let told = DOMAIN.iter().find_map(|key| event.own_traits().child(key).as_filled_str())?;
    let told = told.trim().to_lowercase();
    let host = told.split_once("://").map_or(told.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    };
    (host.len() <= 253 && host.contains('.') && host.split('.').all(is_label)).then(|| host.to_string())
}
