//! What the vendor's answers mean.
//!
//! A 207 names the items that were refused; all others were taken. At a 400 nothing was taken: what is
//! named is at fault, and the rest may go again without it. A status that says all is left to the host:
//! 401 is the key's, 413 is split, 5xx is tried again later. Source: journeys-track.json, batch, responses.

use serde_json::Value;
use switchyard_sdk::prelude::{Judgement, Response, Verdict};
use switchyard_sdk::text::cut;

use crate::rules::{THROTTLED_MS, WAIT_MS_MAX};
use crate::settings::CustomerIo;
use crate::tag;

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// Reads an answer.
pub fn judge(_customer_io: &CustomerIo, now_ms: u64, response: &Response) -> Judgement {
    match response.status {
        200..=299 => accepted(response),
        300..=399 => Judgement::pause(response, "the account is in another region: check the region and the endpoint"),
        400 => refused(response),
        404 => Judgement::pause(response, "there is nothing at that address: check the region and the endpoint"),
        429 => throttled(now_ms, response),
        _ => Judgement::default(),
    }
}

/// A 2xx says only that the request was read: the body says what was taken.
fn accepted(response: &Response) -> Judgement {
    let errors = Errors::of(response);
    match errors.reasons {
        Some(reasons) => verdicts(response, reasons, &Verdict::Delivered),
        // An error without a place is the event's where there is only one; among others nobody can tell, and
        // what the vendor took must not be sent again.
        None => match (errors.words, response.covers.len()) {
            (Some(words), 1) => Judgement::all(response, &Verdict::Reject(words)),
            _ => Judgement::all(response, &Verdict::Delivered),
        },
    }
}

/// Nothing was taken. Where no event is named the host finds the one at fault by splitting.
fn refused(response: &Response) -> Judgement {
    let errors = Errors::of(response);
    match (errors.reasons, errors.words) {
        (Some(reasons), _) => verdicts(response, reasons, &Verdict::RetryAfterMs(None)),
        (None, Some(words)) if response.covers.len() == 1 => Judgement::all(response, &Verdict::Reject(words)),
        _ => Judgement::default(),
    }
}

/// The bound is on the workspace, so that other requests would meet it too.
fn throttled(now_ms: u64, response: &Response) -> Judgement {
    let said_s = response.header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
    let said_ms = said_s.map(|seconds| seconds.saturating_mul(1_000).min(WAIT_MS_MAX));
    let until_ms = now_ms.saturating_add(said_ms.unwrap_or(THROTTLED_MS));
    Judgement { slow_until_ms: Some(until_ms), ..Judgement::all(response, &Verdict::RetryAfterMs(said_ms)) }
}

fn verdicts(response: &Response, reasons: Vec<Option<String>>, otherwise: &Verdict) -> Judgement {
    let verdict = |reason: Option<String>| reason.map_or_else(|| otherwise.clone(), Verdict::Reject);
    let verdicts = response.covers.iter().copied().zip(reasons.into_iter().map(verdict)).collect();
    Judgement { verdicts, ..Judgement::default() }
}

/// The errors of an answer.
struct Errors {
    /// For each event why it is refused; None where no error says whose it is.
    reasons: Option<Vec<Option<String>>>,
    /// What the vendor says of the request; None where it says nothing.
    words: Option<String>,
}

impl Errors {
    fn of(response: &Response) -> Errors {
        let Some(answer) = response.json() else { return Errors { reasons: None, words: None } };
        let errors = answer.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let counts = tag::read(&response.tag, response.covers.len());
        let mut reasons = vec![None; response.covers.len()];
        for error in errors {
            let Some(event) = item(error).and_then(|item| tag::owner(&counts, item)) else { continue };
            reasons[event].get_or_insert_with(|| reason(error, counts[event]));
        }
        let is_placed = reasons.iter().any(Option::is_some);
        Errors { reasons: is_placed.then_some(reasons), words: words(&answer, errors) }
    }
}

/// The place of the item that an error is about.
fn item(error: &Value) -> Option<usize> {
    usize::try_from(error.get("batch_index")?.as_u64()?).ok()
}

/// The vendor's words on an item. An event that has several may have arrived in part.
fn reason(error: &Value, items: usize) -> String {
    let which = if items == 1 { String::new() } else { format!(" (one of {items} items of the event)") };
    format!("{}{which}", error_words(error))
}

/// An error's field, what is wrong with it, and of what kind it is.
fn error_words(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let words = match (text("field"), text("message").or(text("reason"))) {
        (Some(field), Some(words)) => format!("{field}: {words}"),
        (None, Some(words)) => words.to_string(),
        (Some(field), None) => format!("{field}: is refused"),
        (None, None) => error.as_str().map_or_else(|| error.to_string(), str::to_string),
    };
    cut(&words, REASON_CHARACTERS_MAX).to_string()
}

/// The vendor's words on the request, in any of its forms. Source: invalid-api-requests, and
/// journeys-track.json, the answers of the other addresses.
fn words(answer: &Value, errors: &[Value]) -> Option<String> {
    let meta = answer.get("meta");
    let first = errors.first().or_else(|| meta?.get("errors")?.get(0)).or_else(|| meta?.get("error"));
    let words = first.or_else(|| answer.get("message")).or_else(|| answer.get("error"))?;
    Some(error_words(words))
}
