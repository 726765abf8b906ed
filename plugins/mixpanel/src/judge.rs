//! What the vendor's answers mean.
//!
//! /import answers 400 when it took only a part, and names the records that it did not take. /engage
//! and /groups answer 200 even then. A status that says all is left to the host: 413 is split, and
//! what is not known is read by its class.

use serde_json::Value;
use switchyard_sdk::prelude::{Judgement, Response, Verdict};

use crate::rules::{BACK_OFF_MS, JITTER_MS};
use crate::settings::Mixpanel;

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// Reads an answer.
pub fn judge(_mixpanel: &Mixpanel, now_ms: u64, response: &Response) -> Judgement {
    match response.status {
        200..=299 => accepted(response),
        400 => refused(response),
        401 | 403 => Judgement::all(response, &Verdict::AuthExpired),
        429 => {
            let wait_ms = wait_ms(now_ms, response);
            let retry = Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)));
            // The bound is on the project, so that other requests would meet it too.
            Judgement { slow_until_ms: Some(now_ms.saturating_add(wait_ms)), ..retry }
        }
        502 | 503 => Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms(now_ms, response)))),
        _ => Judgement::default(),
    }
}

/// The shortest wait and what keeps clients apart; longer where the vendor says so. Further tries
/// wait longer by the host's own rule.
fn wait_ms(now_ms: u64, response: &Response) -> u64 {
    let jitter_ms = JITTER_MS.start() + now_ms % (JITTER_MS.end() - JITTER_MS.start() + 1);
    let said_s = response.header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
    (BACK_OFF_MS + jitter_ms).max(said_s.unwrap_or(0).saturating_mul(1_000))
}

/// A 2xx says nothing yet: the body does.
fn accepted(response: &Response) -> Judgement {
    let failed = Failed::of(response);
    if !failed.records.is_empty() {
        return partial(response, &failed).unwrap_or_else(|| reject_all(response));
    }
    let says_no = response.json().is_some_and(|answer| says_no(&answer));
    if says_no { reject_all(response) } else { Judgement::all(response, &Verdict::Delivered) }
}

/// Whether the body of a 2xx says that nothing was taken: `0`, a status of 0, a code of an error, or an
/// error and no status.
fn says_no(answer: &Value) -> bool {
    let is_no = |value: &Value| value.as_i64() == Some(0) || value.as_bool() == Some(false);
    let has_error = answer.get("error").and_then(Value::as_str).is_some_and(|error| !error.is_empty());
    is_no(answer)
        || answer.get("status").map_or(has_error, is_no)
        || answer.get("code").and_then(Value::as_i64).is_some_and(|code| code >= 400)
}

/// A 400 is final, for the records that it names or for all.
fn refused(response: &Response) -> Judgement {
    let failed = Failed::of(response);
    match partial(response, &failed) {
        Some(judgement) => judgement,
        // Records are named, and not where they stand: the host finds them by splitting the batch.
        None if failed.is_cut || !failed.records.is_empty() => Judgement::default(),
        None => reject_all(response),
    }
}

fn reject_all(response: &Response) -> Judgement {
    let answer = response.json();
    let error = answer.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str);
    let words = error.map_or_else(|| response.text(REASON_CHARACTERS_MAX), str::to_string);
    let reason = if words.is_empty() || words == "0" { "the vendor refuses it".to_string() } else { words };
    Judgement::all(response, &Verdict::Reject(format!("{}: {}", response.status, cut(&reason))))
}

/// The verdicts where the answer says which records failed; None where it does not.
fn partial(response: &Response, failed: &Failed) -> Option<Judgement> {
    if failed.records.is_empty() {
        return None;
    }
    let owners = Owners::of(response);
    let mut reasons: Vec<Option<String>> = vec![None; response.covers.len()];
    for record in &failed.records {
        let reason = reasons.get_mut(owners.event(place(record)?)?)?;
        reason.get_or_insert_with(|| reason_of(record));
    }
    let verdicts = response.covers.iter().zip(reasons).map(|(position, reason)| match reason {
        Some(reason) => (*position, Verdict::Reject(reason)),
        // More may have been named behind the cut. Events that were taken are known by their $insert_id.
        None if failed.is_cut => (*position, Verdict::RetryAfterMs(None)),
        None => (*position, Verdict::Delivered),
    });
    Some(Judgement { verdicts: verdicts.collect(), ..Judgement::default() })
}

fn place(record: &Value) -> Option<usize> {
    usize::try_from(record.get("index")?.as_u64()?).ok()
}

/// The vendor's words on a record, with the field that they are about.
fn reason_of(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("field"), text("message")) {
        (_, "") => cut(&record.to_string()),
        (field, message) if message.contains(field) => cut(message),
        (field, message) => cut(&format!("{field}: {message}")),
    }
}

fn cut(text: &str) -> String {
    switchyard_sdk::text::cut(text, REASON_CHARACTERS_MAX).to_string()
}

/// Which event a record is of.
struct Owners(Option<Vec<usize>>);

impl Owners {
    /// The request's tag counts the records of each event; without one each event has one.
    fn of(response: &Response) -> Owners {
        if response.tag.is_empty() {
            return Owners(None);
        }
        let tag = String::from_utf8_lossy(&response.tag);
        Owners(Some(tag.split(',').map(|count| count.parse().unwrap_or(1)).collect()))
    }

    /// The event, by its place in the covers.
    fn event(&self, record: usize) -> Option<usize> {
        let Some(counts) = &self.0 else { return Some(record) };
        let mut end = 0;
        counts.iter().position(|count| {
            end += count;
            record < end
        })
    }
}

/// The records that an answer names.
struct Failed {
    records: Vec<Value>,
    /// The answer was too long, and its end is missing.
    is_cut: bool,
}

impl Failed {
    fn of(response: &Response) -> Failed {
        if let Some(mut answer) = response.json() {
            let records = match answer.get_mut("failed_records").map(Value::take) {
                Some(Value::Array(records)) => records,
                _ => Vec::new(),
            };
            return Failed { records, is_cut: false };
        }
        match list_of_cut(&response.body) {
            Some(list) => Failed { records: complete_values(list), is_cut: true },
            None => Failed { records: Vec::new(), is_cut: false },
        }
    }
}

/// What follows the opening of the list in an answer that is no whole JSON.
fn list_of_cut(body: &[u8]) -> Option<&[u8]> {
    const LIST: &[u8] = b"\"failed_records\"";
    let at = body.windows(LIST.len()).position(|window| window == LIST)?;
    let rest = &body[at + LIST.len()..];
    let opening = rest.iter().position(|byte| *byte == b'[')?;
    Some(&rest[opening + 1..])
}

/// The values of a list up to the one that is cut.
fn complete_values(mut list: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    loop {
        let skipped = list.iter().take_while(|byte| **byte == b',' || byte.is_ascii_whitespace()).count();
        list = &list[skipped..];
        let mut parser = serde_json::Deserializer::from_slice(list).into_iter::<Value>();
        match parser.next() {
            Some(Ok(value)) => values.push(value),
            _ => return values,
        }
        list = &list[parser.byte_offset()..];
    }
}
