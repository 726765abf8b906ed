//! What the vendor's answers mean.
//!
//! A 2xx says that a request was read and is queued; nothing is said later. A 400 means that nothing of
//! the request was taken: records that it names are at fault, the others go again without them. What is
//! not known is left to the host: 401 is the key's, 413 is split, 5xx is tried again.
//!
//! Source: guide rate_limits_and_error_handling; where errors point to: Segment's destination.

use serde_json::Value;
use switchyard_sdk::bindings::types;
use switchyard_sdk::prelude::{Batch, Judgement, Plan, Response, Verdict};
use switchyard_sdk::text::cut;

use crate::profile::PROFILE;
use crate::rules::WAIT_MS_MAX;
use crate::settings::Klaviyo;

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// What stands before a record's number in the pointer of an error.
const RECORDS: [&str; 2] = ["/data/attributes/events-bulk-create/data/", "/data/attributes/profiles/data/"];

/// Reads an answer.
pub fn judge(klaviyo: &Klaviyo, now_ms: u64, response: &Response) -> Judgement {
    match response.status {
        200..=299 => {
            let taken = Judgement::all(response, &Verdict::Delivered);
            Judgement { slow_quota_until_ms: window_end_ms(now_ms, response), ..taken }
        }
        400 => refused(response),
        403 => Judgement::pause(response, words(response)),
        404 => not_found(response),
        409 => conflict(klaviyo, response),
        410 => Judgement::pause(response, "the vendor no longer serves this revision: set a later one"),
        415 | 422 if response.covers.len() == 1 => reject(response),
        429 => {
            let wait_ms = asked_ms(response, "retry-after");
            let retry = Judgement::all(response, &Verdict::RetryAfterMs(wait_ms));
            // Other requests to the same path would be refused, too; those to others have limits of their own.
            Judgement { slow_quota_until_ms: wait_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)), ..retry }
        }
        _ => Judgement::default(),
    }
}

/// The seconds that a header asks to wait, in milliseconds and within what is worth waiting for.
fn asked_ms(response: &Response, header: &str) -> Option<u64> {
    let seconds: u64 = response.header(header)?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1_000).min(WAIT_MS_MAX))
}

/// The end of a minute in which no request is left.
fn window_end_ms(now_ms: u64, response: &Response) -> Option<u64> {
    let left = response.header("ratelimit-remaining")?.trim();
    asked_ms(response, "ratelimit-reset").filter(|_| left == "0").map(|wait_ms| now_ms.saturating_add(wait_ms))
}

/// Nothing was taken, for the records that the errors name or for all.
fn refused(response: &Response) -> Judgement {
    let mut reasons: Vec<Option<Reason>> = response.covers.iter().map(|_| None).collect();
    let mut is_named = false;
    for error in errors(response) {
        let place = record(&error).and_then(|record| reasons.get_mut(record));
        if let Some(reason) = place {
            is_named = true;
            reason.get_or_insert(Reason { words: words_of(&error), is_repeated: is_repeated(&error) });
        }
    }
    match (is_named, response.covers.len()) {
        (true, _) => {}
        (false, 1) => return reject(response),
        // The host finds the one at fault by splitting.
        (false, _) => return Judgement::default(),
    }
    let verdict = |reason: Option<Reason>| match reason {
        Some(reason) if reason.is_repeated => Verdict::Delivered,
        Some(reason) => Verdict::Reject(reason.words),
        None => Verdict::RetryAfterMs(None),
    };
    let verdicts = response.covers.iter().zip(reasons).map(|(position, reason)| (*position, verdict(reason)));
    Judgement { verdicts: verdicts.collect(), ..Judgement::default() }
}

/// Why an event is refused.
struct Reason {
    words: String,
    /// The vendor has the event already.
    is_repeated: bool,
}

/// Whether an error is about an event that the vendor has already: no job has the same one twice, so
/// that one which is repeated was taken before.
fn is_repeated(error: &Value) -> bool {
    pointer(error).ends_with("/unique_id")
}

/// Which record of a job an error is about.
fn record(error: &Value) -> Option<usize> {
    let rest = RECORDS.iter().find_map(|before| pointer(error).strip_prefix(before))?;
    rest.split('/').next()?.parse().ok()
}

fn pointer(error: &Value) -> &str {
    error.pointer("/source/pointer").and_then(Value::as_str).unwrap_or_default()
}

/// A list that is not there is the event's fault. An address at which nothing is is not.
fn not_found(response: &Response) -> Judgement {
    if errors(response).is_empty() {
        return Judgement::pause(response, "there is nothing at that address: check the endpoint and the revision");
    }
    reject(response)
}

/// One of the identifiers is another profile's: the same goes again with the first of them only, as
/// the request's tag has it.
fn conflict(klaviyo: &Klaviyo, response: &Response) -> Judgement {
    if response.tag.is_empty() {
        return reject(response);
    }
    let follow_ups = follow_up(klaviyo, response);
    Judgement { follow_ups, ..Judgement::all(response, &Verdict::Delivered) }
}

fn follow_up(klaviyo: &Klaviyo, response: &Response) -> Vec<types::Request> {
    let mut plan = Plan::new();
    let request = klaviyo.post(&mut plan, PROFILE, response.tag.clone());
    request.key("profile").covers(response.covers.clone());
    plan.finish(Batch::new(0, Vec::new(), Vec::new())).requests
}

fn reject(response: &Response) -> Judgement {
    Judgement::all(response, &Verdict::Reject(words(response)))
}

fn errors(response: &Response) -> Vec<Value> {
    match response.json().as_mut().and_then(|answer| answer.get_mut("errors")).map(Value::take) {
        Some(Value::Array(errors)) => errors,
        _ => Vec::new(),
    }
}

/// The vendor's words on the request.
fn words(response: &Response) -> String {
    match errors(response).first() {
        Some(error) => words_of(error),
        None => format!("{}: {}", response.status, response.text(REASON_CHARACTERS_MAX)),
    }
}

/// The vendor's words on an error, with the field that they are about.
fn words_of(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let detail = text("detail").or(text("title")).or(text("code"));
    let detail = detail.map_or_else(|| error.to_string(), str::to_string);
    let field = pointer(error).rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let is_said = field.is_empty() || detail.contains(field);
    let words = if is_said { detail } else { format!("{field}: {detail}") };
    cut(&words, REASON_CHARACTERS_MAX).to_string()
}
