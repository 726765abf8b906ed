//! The steps of a group: its company is written, or searched and then written; then its contacts; then
//! the links between them.
//!
//! Each step is judged delivered for the events that go on, and the next covers them. All steps have
//! the key of the first, so that what fails for some of the events begins anew with it. Each bears
//! repetition but one: a company that is made twice, when the answer to the first is lost, is there
//! twice. That happens only to companies that are found by their domain.

use serde_json::Value;
use switchyard_sdk::prelude::*;
use switchyard_sdk::url::percent_encode;

use crate::answer::{Outcome, id, outcomes, reason};
use crate::calls::{COMPANIES, follow_up};
use crate::contact::begin;
use crate::settings::HubSpot;
use crate::step::Step;

const NO_ID: &str = "the vendor's answer does not say which record it wrote";

/// After an upsert of companies: the contacts of those that were written.
pub fn companies(hubspot: &HubSpot, response: &Response, counts: &[u32], people: &[Option<String>]) -> Judgement {
    let outcomes = outcomes(response, counts.len());
    let of_events = counts.iter().zip(&outcomes).flat_map(|(count, outcome)| (0..*count).map(move |_| outcome));
    write_people(hubspot, response, of_events, people)
}

/// After the search of a company: it is updated where it was found, else made.
pub fn searched(hubspot: &HubSpot, response: &Response, people: Vec<Option<String>>, body: &[u8]) -> Judgement {
    let answer = response.json().unwrap_or_default();
    let found = answer.get("results").and_then(|results| results.get(0)).and_then(id);
    write_company(hubspot, response, found, people, body)
}

/// A company that was found and is not there any more is made.
pub fn make(hubspot: &HubSpot, response: &Response, people: Vec<Option<String>>, body: &[u8]) -> Judgement {
    write_company(hubspot, response, None, people, body)
}

fn write_company(
    hubspot: &HubSpot,
    response: &Response,
    found: Option<String>,
    people: Vec<Option<String>>,
    body: &[u8],
) -> Judgement {
    let mut url = format!("{}/companies", hubspot.objects_url());
    let is_update = found.is_some();
    if let Some(id) = found {
        url.push('/');
        url.push_str(&percent_encode(&id));
    }
    let call = [if is_update { "PATCH" } else { "POST" }, &url, COMPANIES];
    let step = Step::Company { is_update, people };
    // Only an update may find that it has to be made.
    let kept = if is_update { body } else { b"" };
    let follow_ups = follow_up(hubspot, call, body, response.covers.clone(), &step, kept);
    Judgement { follow_ups, ..Judgement::all(response, &Verdict::Delivered) }
}

/// After one company was written: its contacts.
pub fn company(hubspot: &HubSpot, response: &Response, people: &[Option<String>]) -> Judgement {
    let answer = response.json().unwrap_or_default();
    let outcome = Outcome::Written(id(&answer));
    write_people(hubspot, response, people.iter().map(|_| &outcome), people)
}

/// Writes the contacts of the events whose company was written: only what they are known by, so that
/// they are there. Events without a contact are done.
fn write_people<'o>(
    hubspot: &HubSpot,
    response: &Response,
    companies: impl Iterator<Item = &'o Outcome>,
    people: &[Option<String>],
) -> Judgement {
    let mut judgement = Judgement::default();
    let (mut covers, mut links, mut known) = (Vec::new(), Vec::new(), Vec::<&str>::new());
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"inputs\":[");
    for ((position, company), person) in response.covers.iter().zip(companies).zip(people) {
        let verdict = match (company, person) {
            (Outcome::Written(Some(company)), Some(person)) => {
                let number = known.iter().position(|known| known == person).unwrap_or(known.len());
                if number == known.len() {
                    known.push(person);
                    write_person(hubspot, person, number, &mut json);
                }
                covers.push(*position);
                links.push((number as u32, company.clone()));
                Verdict::Delivered
            }
            (Outcome::Written(None), Some(_)) => Verdict::Reject(NO_ID.to_string()),
            (outcome, _) => outcome.verdict(),
        };
        judgement.verdicts.push((*position, verdict));
    }
    json.verbatim(b"]}");
    if !covers.is_empty() {
        let call = ["POST", &hubspot.contacts_url, COMPANIES];
        judgement.follow_ups = follow_up(hubspot, call, json.as_bytes(), covers, &Step::People { links }, b"");
    }
    judgement
}

fn write_person(hubspot: &HubSpot, person: &str, number: usize, json: &mut JsonWriter) {
    let property = hubspot.contact_id.property();
    begin(person, property, &number.to_string(), json);
    json.member_named(property, person);
    json.verbatim(b"}}");
}

/// After the contacts were written: the links between them and their companies.
pub fn people(hubspot: &HubSpot, response: &Response, links: &[(u32, String)]) -> Judgement {
    let count = links.iter().map(|(number, _)| *number as usize + 1).max().unwrap_or(0);
    let outcomes = outcomes(response, count);
    let mut judgement = Judgement::default();
    let (mut covers, mut pairs) = (Vec::new(), Vec::new());
    for (position, (number, company)) in response.covers.iter().zip(links) {
        let verdict = match &outcomes[*number as usize] {
            Outcome::Written(Some(contact)) => {
                covers.push(*position);
                pairs.push((contact.clone(), company.clone()));
                Verdict::Delivered
            }
            Outcome::Written(None) => Verdict::Reject(NO_ID.to_string()),
            outcome => outcome.verdict(),
        };
        judgement.verdicts.push((*position, verdict));
    }
    if !covers.is_empty() {
        judgement.follow_ups = link(hubspot, covers, pairs);
    }
    judgement
}

/// Links contacts and companies, without a label: one pair by a PUT, several by a batch.
fn link(
    hubspot: &HubSpot,
    covers: Vec<u32>,
    links: Vec<(String, String)>,
) -> Vec<switchyard_sdk::bindings::types::Request> {
    let mut distinct: Vec<&(String, String)> = Vec::new();
    for pair in &links {
        if !distinct.contains(&pair) {
            distinct.push(pair);
        }
    }
    let step = Step::Links { links: links.clone() };
    if let [(contact, company)] = distinct[..] {
        let url = hubspot.link_url(&percent_encode(contact), &percent_encode(company));
        return follow_up(hubspot, ["PUT", &url, COMPANIES], b"", covers, &step, b"");
    }
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"inputs\":[");
    for (contact, company) in distinct {
        json.raw(b"{\"from\":{\"id\":");
        json.string(contact);
        json.verbatim(b"},\"to\":{\"id\":");
        json.string(company);
        json.verbatim(b"}}");
    }
    json.verbatim(b"]}");
    follow_up(hubspot, ["POST", &hubspot.links_url(), COMPANIES], json.as_bytes(), covers, &step, b"")
}

/// After the links: those that an error names were not made; all, where none is named.
pub fn links(response: &Response, links: &[(String, String)]) -> Judgement {
    let answer = response.json().unwrap_or_default();
    let errors = answer.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if errors.is_empty() {
        return Judgement::all(response, &Verdict::Delivered);
    }
    let errors: Vec<String> = errors.iter().map(Value::to_string).collect();
    let names = |(contact, company): &(String, String)| {
        let quoted = [format!("\"{contact}\""), format!("\"{company}\"")];
        errors.iter().any(|error| quoted.iter().any(|id| error.contains(id)))
    };
    let is_told = links.iter().any(names);
    let refused = Verdict::Reject(reason(response));
    let verdicts = response.covers.iter().zip(links).map(|(position, pair)| {
        let is_refused = !is_told || names(pair);
        (*position, if is_refused { refused.clone() } else { Verdict::Delivered })
    });
    Judgement { verdicts: verdicts.collect(), ..Judgement::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_sdk::bindings::types::Request;
    use switchyard_sdk::native::{batch, response};
    use switchyard_sdk::{Batch, Plan};

    use crate::settings::HubSpot;
    use crate::{judge, plan};

    fn hubspot(more: Value) -> HubSpot {
        let mut settings = json!({"access_token": "sw_token"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        HubSpot::new(serde_json::from_value(settings).unwrap()).unwrap()
    }

    fn group(email: &str, traits: Value) -> Value {
        json!({"type": "group", "messageId": "m", "userId": "u", "groupId": "g", "traits": traits,
               "context": {"traits": {"email": email}}})
    }

    fn planned(hubspot: &HubSpot, batch: Batch) -> Vec<Request> {
        let mut planned = Plan::new();
        plan(hubspot, &batch, &mut planned);
        planned.finish(batch).requests
    }

    /// Answers each request by what the vendor says to it, and returns the requests.
    fn follow(hubspot: &HubSpot, first: Request, answers: &[(u16, Value)]) -> Vec<String> {
        let mut shown = Vec::new();
        let mut requests = vec![first];
        for (status, body) in answers {
            let request = requests.pop().unwrap();
            shown.push(format!("{} {}", request.method, request.url.replace("https://api.hubapi.com", "")));
            assert!(request.tag.len() < 64 << 10, "{}", request.tag.len());
            let judgement = judge(hubspot, 0, &response(*status, &body.to_string(), &request.covers, &request.tag));
            requests = judgement.follow_ups;
        }
        assert!(requests.is_empty());
        shown
    }

    #[test]
    fn each_step_finds_its_way_by_the_tag_of_the_one_before() {
        let taken = |ids: &[&str]| {
            let result = |(number, id): (usize, &&str)| json!({"id": id, "objectWriteTraceId": number.to_string()});
            (200, json!({"results": ids.iter().enumerate().map(result).collect::<Vec<Value>>()}))
        };
        let events = [group("a@b.de", json!({"domain": "b.de"})), group("c@b.de", json!({"website": "b.de"}))];
        let by_id = hubspot(json!({"company_lookup": "property", "company_id_property": "gid"}));
        let first = planned(&by_id, batch(0, &events)).remove(0);
        let shown = follow(&by_id, first, &[taken(&["900"]), taken(&["1", "2"]), (200, json!({}))]);
        let last = "POST /crm/v4/associations/contacts/companies/batch/associate/default";
        assert_eq!(shown[2], last);
        let by_domain = hubspot(json!({}));
        let first = planned(&by_domain, batch(0, &events)).remove(0);
        let found = (200, json!({"results": [{"id": "900"}]}));
        let gone = (404, json!({}));
        let made = (201, json!({"id": "901"}));
        let shown = follow(&by_domain, first, &[found, gone, made, taken(&["1", "2"]), (200, json!({}))]);
        let wanted = [
            "POST /crm/v3/objects/companies/search",
            "PATCH /crm/v3/objects/companies/900",
            "POST /crm/v3/objects/companies",
            "POST /crm/v3/objects/contacts/batch/upsert",
            last,
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_company_that_has_no_room_in_a_tag_is_rejected() {
        let check = |bytes: usize, requests: usize| {
            let events = [group("a@b.de", json!({"domain": "b.de", "description": "x".repeat(bytes)}))];
            assert_eq!(planned(&hubspot(json!({})), batch(0, &events)).len(), requests, "{bytes}");
        };
        let around = r#"{"properties":{"domain":"b.de","description":""}}"#.len();
        check(50_000 - around, 1);
        check(50_001 - around, 0);
    }

    #[test]
    fn the_stage_is_emptied_and_then_written() {
        let hubspot = hubspot(json!({"lifecycle_stage": "any"}));
        let identify = |number: usize, stage: &str| {
            json!({"type": "identify", "messageId": "m", "userId": "u", "traits":
                   {"email": format!("u{number}@b.de"), "lifecycleStage": stage, "city": "x".repeat(15_000)}})
        };
        let events: Vec<Value> = (0..4).map(|number| identify(number, "lead")).collect();
        let requests = planned(&hubspot, batch(0, &events));
        let covers: Vec<&[u32]> = requests.iter().map(|request| &request.covers[..]).collect();
        assert_eq!(covers, [&[0, 1, 2][..], &[3]]);
        for request in requests {
            assert!(!String::from_utf8_lossy(&request.body).contains("lead"));
            let answer = response(200, r#"{"results":[{}]}"#, &request.covers, &request.tag);
            let next = judge(&hubspot, 0, &answer).follow_ups.remove(0);
            assert_eq!(String::from_utf8_lossy(&next.body).matches("lead").count(), request.covers.len());
            assert_eq!(next.covers, request.covers);
        }
    }
}
