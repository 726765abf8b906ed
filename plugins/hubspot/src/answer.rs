//! What the vendor's answers say: of each record of a batch, and why something was refused.

use serde_json::Value;
use switchyard_sdk::prelude::{Response, Verdict};
use switchyard_sdk::text::cut;

use crate::rules::{PASSING, RATE_WAIT_MS, WAITS_MS};

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// What became of one record of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is written; with its id, where the answer says it.
    Written(Option<String>),
    /// The vendor does not want it.
    Refused(String),
    /// The vendor did not come to it, or does not say.
    Open,
}

impl Outcome {
    /// What that means for the events of the record.
    pub fn verdict(&self) -> Verdict {
        match self {
            Outcome::Written(_) => Verdict::Delivered,
            Outcome::Refused(reason) => Verdict::Reject(reason.clone()),
            Outcome::Open => Verdict::RetryAfterMs(None),
        }
    }
}

/// The outcomes of `count` records that an upsert carried. The vendor lists the records that it wrote
/// in any order, and those that it refused beside them; each has the number that the request gave it.
pub fn outcomes(response: &Response, count: usize) -> Vec<Outcome> {
    let answer = response.json().unwrap_or_default();
    let list = |name: &str| answer.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (results, errors) = (list("results"), list("errors"));
    if results.is_empty() && errors.is_empty() {
        let reason = format!("{}: the vendor wrote nothing, and gave no reason", response.status);
        return vec![Outcome::Refused(reason); count];
    }
    let mut outcomes = vec![Outcome::Open; count];
    let refused: usize = errors.iter().map(|error| note_error(error, results.is_empty(), &mut outcomes)).sum();
    let named = results.iter().filter(|result| note_result(result, &mut outcomes)).count();
    // Without numbers, as many as there are: all that are not refused.
    if named == 0 && results.len() + refused >= count {
        let id = if count == 1 { results.first().and_then(id) } else { None };
        let open = outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Open);
        open.for_each(|outcome| *outcome = Outcome::Written(id.clone()));
    }
    outcomes
}

/// Notes an error at the records that it names; at all, where it names none and none was written.
/// Returns how many it names.
fn note_error(error: &Value, none_is_written: bool, outcomes: &mut [Outcome]) -> usize {
    let outcome = match error.get("category").and_then(Value::as_str) {
        Some(category) if PASSING.contains(&category) => Outcome::Open,
        _ => Outcome::Refused(reason_of(error)),
    };
    let numbers = error.pointer("/context/objectWriteTraceId").map(numbers).unwrap_or_default();
    if numbers.is_empty() && none_is_written {
        outcomes.fill(outcome);
        return outcomes.len();
    }
    for number in &numbers {
        if let Some(slot) = outcomes.get_mut(*number) {
            slot.clone_from(&outcome);
        }
    }
    numbers.len()
}

/// Notes a record that was written. Whether the answer says which one it is.
fn note_result(result: &Value, outcomes: &mut [Outcome]) -> bool {
    let slot = result.get("objectWriteTraceId").and_then(number).and_then(|number| outcomes.get_mut(number));
    match slot {
        Some(slot) => {
            *slot = Outcome::Written(id(result));
            true
        }
        None => false,
    }
}

fn numbers(value: &Value) -> Vec<usize> {
    match value {
        Value::Array(values) => values.iter().filter_map(number).collect(),
        value => number(value).into_iter().collect(),
    }
}

fn number(value: &Value) -> Option<usize> {
    value.as_str()?.parse().ok()
}

/// The id of a record.
pub fn id(record: &Value) -> Option<String> {
    match record.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The vendor's words, with the scopes that are missing where it names them.
pub fn reason(response: &Response) -> String {
    let words = match response.json() {
        Some(answer) if answer.get("message").is_some() => reason_of(&answer),
        _ => response.text(REASON_CHARACTERS_MAX),
    };
    let words = if words.is_empty() { "the vendor refuses it".to_string() } else { words };
    format!("{}: {words}", response.status)
}

/// The message of an error. Messages about properties hold a list of what is wrong with which, as JSON
/// in the text: from that, only what is wrong.
fn reason_of(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let listed = message.find('[').and_then(|at| serde_json::from_str::<Value>(&message[at..]).ok());
    let inner = listed.as_ref().or(error.get("errors")).and_then(Value::as_array);
    let texts: Vec<&str> = inner
        .map(|inner| inner.iter().filter_map(|each| each.get("message").and_then(Value::as_str)).collect())
        .unwrap_or_default();
    let told = match (listed.is_some(), texts.is_empty()) {
        (_, true) if message.is_empty() => error.to_string(),
        (_, true) => message.to_string(),
        (true, false) => texts.join("; "),
        (false, false) => format!("{message} ({})", texts.join("; ")),
    };
    cut(&told, REASON_CHARACTERS_MAX).to_string()
}

/// How long to wait after 429: by the limit that was hit, or longer where a header says so.
pub fn rate_wait_ms(response: &Response) -> u64 {
    let answer = response.json().unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase();
    let (policy, message) = (text("policyName"), text("message"));
    let is_used_up = response.header("x-hubspot-ratelimit-daily-remaining") == Some("0");
    let named = WAITS_MS.iter().find(|(limit, _)| *limit == policy);
    let told = || WAITS_MS.iter().find(|(limit, _)| message.contains(limit));
    let by_limit = named.or_else(told).map(|(_, wait_ms)| *wait_ms);
    let by_limit = by_limit.unwrap_or(if is_used_up { WAITS_MS[0].1 } else { RATE_WAIT_MS });
    by_limit.max(asked_ms(response).unwrap_or(0))
}

/// The wait that `Retry-After` asks for, in milliseconds. Source: error handling, 477: seconds.
pub fn asked_ms(response: &Response) -> Option<u64> {
    Some(response.header("retry-after")?.trim().parse::<u64>().ok()?.saturating_mul(1_000))
}
