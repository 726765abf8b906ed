//! What the vendor's answers mean.
//!
//! What concerns the account or the vendor as a whole is read by the status, whatever the call; the
//! rest by the call, which the tag names. A 400 for several events is left to the host, which halves
//! the request down to the culprit.

use switchyard_sdk::prelude::{Judgement, Response, Verdict};

use crate::answer::{asked_ms, outcomes, rate_wait_ms, reason};
use crate::calls::{CONTACTS, follow_up};
use crate::rules::{CONFLICT_MS, LOCK_MS, MIGRATION_MS, NO_REQUEST_LEFT_MS, SEARCH_WAIT_MS, UNWELL_MS};
use crate::settings::HubSpot;
use crate::step::{Contact, Step};
use crate::{chain, single};

/// Reads an answer.
pub fn judge(hubspot: &HubSpot, now_ms: u64, response: &Response) -> Judgement {
    match response.status {
        200..=299 => unless_none_is_left(now_ms, response, taken(hubspot, response)),
        401 => Judgement::all(response, &Verdict::AuthExpired),
        // The token is good, and lacks a scope, or the account the product.
        403 => Judgement::pause(response, reason(response)),
        409 => conflict(hubspot, response),
        423 => slow(now_ms, response, LOCK_MS),
        429 => rate_limited(now_ms, response),
        477 => slow(now_ms, response, asked_ms(response).unwrap_or(MIGRATION_MS)),
        502..=504 | 521..=526 => {
            let wait_ms = UNWELL_MS.max(asked_ms(response).unwrap_or(0));
            Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)))
        }
        404 => not_found(hubspot, response),
        400 | 413 if response.covers.len() > 1 => Judgement::default(),
        400..=499 if response.status != 408 && response.status != 425 => refused(response),
        _ => Judgement::default(),
    }
}

/// What is updated and not there is made.
fn not_found(hubspot: &HubSpot, response: &Response) -> Judgement {
    match Step::read(&response.tag) {
        (Step::Contact { contact: Contact::Update | Contact::EmptyStage, id }, body) => {
            single::missing(hubspot, response, &id, body)
        }
        (Step::Company { is_update: true, people }, body) => chain::make(hubspot, response, people, body),
        _ => refused(response),
    }
}

/// Somebody else made the record in the meantime: an upsert will find it, and so will an update.
fn conflict(hubspot: &HubSpot, response: &Response) -> Judgement {
    match Step::read(&response.tag) {
        (Step::Contact { contact: Contact::Create, id }, body) => single::update(hubspot, response, id, body),
        _ => Judgement::all(response, &Verdict::RetryAfterMs(Some(CONFLICT_MS))),
    }
}

fn refused(response: &Response) -> Judgement {
    Judgement::all(response, &Verdict::Reject(reason(response)))
}

/// The limits hold for all requests of the app, so that other requests would meet them too.
fn slow(now_ms: u64, response: &Response, wait_ms: u64) -> Judgement {
    let retry = Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)));
    Judgement { slow_until_ms: Some(now_ms.saturating_add(wait_ms)), ..retry }
}

/// Searches have a limit of their own beside the app's.
fn rate_limited(now_ms: u64, response: &Response) -> Judgement {
    let wait_ms = rate_wait_ms(response);
    let slowed = slow(now_ms, response, wait_ms);
    if wait_ms > SEARCH_WAIT_MS || !matches!(Step::read(&response.tag), (Step::Search { .. }, _)) {
        return slowed;
    }
    Judgement { slow_quota_until_ms: slowed.slow_until_ms, slow_until_ms: None, ..slowed }
}

/// An answer says how many requests are left of the ten seconds. The next one after none is refused.
fn unless_none_is_left(now_ms: u64, response: &Response, judgement: Judgement) -> Judgement {
    let is_last = response.header("x-hubspot-ratelimit-remaining").is_some_and(|left| left.trim() == "0");
    let slow_until_ms = is_last.then(|| now_ms.saturating_add(NO_REQUEST_LEFT_MS));
    Judgement { slow_until_ms, ..judgement }
}

/// A 2xx: what it says depends on the call.
fn taken(hubspot: &HubSpot, response: &Response) -> Judgement {
    match Step::read(&response.tag) {
        // 204 and no body.
        (Step::Events, _) => Judgement::all(response, &Verdict::Delivered),
        (Step::Contacts { counts }, _) => records(response, &counts),
        (Step::Stages { counts }, body) => {
            // What could not be emptied cannot be written either, and that answer says why.
            let (call, covers) = (["POST", &hubspot.contacts_url, CONTACTS], response.covers.clone());
            let follow_ups = follow_up(hubspot, call, body, covers, &Step::Contacts { counts }, b"");
            Judgement { follow_ups, ..Judgement::all(response, &Verdict::Delivered) }
        }
        (Step::Contact { contact, id }, body) => single::written(hubspot, response, contact, id, body),
        (Step::Companies { counts, people }, _) => chain::companies(hubspot, response, &counts, &people),
        (Step::Search { people }, body) => chain::searched(hubspot, response, people, body),
        (Step::Company { people, .. }, _) => chain::company(hubspot, response, &people),
        (Step::People { links }, _) => chain::people(hubspot, response, &links),
        (Step::Links { links }, _) => chain::links(response, &links),
    }
}

/// The events of records that were written and of those that were not.
fn records(response: &Response, counts: &[u32]) -> Judgement {
    let outcomes = outcomes(response, counts.len());
    let of_events = counts.iter().zip(&outcomes).flat_map(|(count, outcome)| (0..*count).map(move |_| outcome));
    let verdicts = response.covers.iter().zip(of_events);
    let verdicts = verdicts.map(|(position, outcome)| (*position, outcome.verdict())).collect();
    Judgement { verdicts, ..Judgement::default() }
}
