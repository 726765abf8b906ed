//! What the vendor's answers mean.
//!
//! The vendor takes a request whole or not at all, and names the events for which it did not: by their
//! place among the records, or by user and device, which the request's tag has. Those end or wait, and
//! the rest is sent again. Where it names nothing, the host halves the request down to the culprit.

use serde::Deserialize;
use serde_json::Value;
use switchyard_sdk::prelude::{Judgement, Response, Verdict};

use crate::call::Address;
use crate::rules::{THROTTLED_MS, THROTTLED_OTHERS_MS};
use crate::settings::{Amplitude, Silenced};
use crate::tag::{Person, Tag};

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// What an answer may have; what is not as it should be says nothing. Source: http-v2 and
/// batch-event-upload, responses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: Value,
    error: Value,
    missing_field: Value,
    /// Objects: by field the places of records.
    events_with_invalid_fields: Value,
    events_with_missing_fields: Value,
    events_with_invalid_id_lengths: Value,
    /// Lists: places of records.
    silenced_events: Value,
    throttled_events: Value,
    /// Lists of ids.
    silenced_devices: Value,
    silenced_users: Value,
    /// Objects: by id how much it sends.
    throttled_devices: Value,
    throttled_users: Value,
    exceeded_daily_quota_devices: Value,
    exceeded_daily_quota_users: Value,
}

/// Reads an answer.
pub fn judge(amplitude: &Amplitude, now_ms: u64, response: &Response) -> Judgement {
    let answer = Answer::of(response);
    // A proxy of the vendor's may answer 200 and say in the body what it means.
    let status = match answer.code.as_u64().and_then(|code| u16::try_from(code).ok()) {
        Some(code) if code >= 400 && response.status < 300 => code,
        _ => response.status,
    };
    match status {
        200..=299 => Judgement::all(response, &Verdict::Delivered),
        400 if answer.is_about_the_key() => Judgement::all(response, &Verdict::AuthExpired),
        400 => by_event(amplitude, response, &answer).unwrap_or_else(|| unnamed(status, response, &answer)),
        // The vendor's firewall, which no other credential would pass.
        403 => Judgement::all(response, &Verdict::RetryAfterMs(None)),
        429 => throttled(amplitude, now_ms, response, &answer),
        _ => unnamed(status, response, &answer),
    }
}

/// A refusal that names no event. The host reads the status itself, unless only the body has it.
fn unnamed(status: u16, response: &Response, answer: &Answer) -> Judgement {
    match status {
        _ if status == response.status => Judgement::default(),
        500.. => Judgement::all(response, &Verdict::RetryAfterMs(None)),
        _ => Judgement::all(response, &Verdict::Reject(format!("{status}: {}", answer.error()))),
    }
}

impl Answer {
    /// Reads a body; the addresses that take forms may answer with a plain word, such as
    /// `invalid_api_key`.
    fn of(response: &Response) -> Answer {
        serde_json::from_slice(&response.body).unwrap_or_else(|_| {
            let error = Value::String(response.text(REASON_CHARACTERS_MAX));
            Answer { error, ..Answer::default() }
        })
    }

    fn is_about_the_key(&self) -> bool {
        let is_key = |text: &str| text.to_ascii_lowercase().replace('_', " ").contains("api key");
        self.missing_field.as_str().is_some_and(is_key) || self.error.as_str().is_some_and(is_key)
    }

    fn error(&self) -> String {
        let words = self.error.as_str().filter(|words| !words.is_empty()).unwrap_or("the vendor refuses it");
        switchyard_sdk::text::cut(words, REASON_CHARACTERS_MAX).to_string()
    }
}

/// A 429 that names nobody is for all.
fn throttled(amplitude: &Amplitude, now_ms: u64, response: &Response, answer: &Answer) -> Judgement {
    if let Some(judgement) = by_event(amplitude, response, answer) {
        return judgement;
    }
    let address = Tag::read(&response.tag).address;
    let wait_ms = throttled_ms(address);
    let retry = Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)));
    // The bound is the project's for this address: other requests to it would meet it, too.
    Judgement { slow_quota_until_ms: Some(now_ms.saturating_add(wait_ms)), ..retry }
}

fn throttled_ms(address: Address) -> u64 {
    if address == Address::Events { THROTTLED_MS } else { THROTTLED_OTHERS_MS }
}

/// The verdicts where the answer names events; None where it names none that the request has.
fn by_event(amplitude: &Amplitude, response: &Response, answer: &Answer) -> Option<Judgement> {
    let tag = Tag::read(&response.tag);
    let mut found = Found { verdicts: vec![None; response.covers.len()], tag: &tag };
    found.refused(answer);
    found.silenced(amplitude, answer);
    found.exceeding(answer);
    found.throttled(answer);
    if found.verdicts.iter().all(Option::is_none) {
        return None;
    }
    let verdicts = found.verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::RetryAfterMs(None)));
    Some(Judgement { verdicts: response.covers.iter().copied().zip(verdicts).collect(), ..Judgement::default() })
}

/// The verdicts on the events that an answer names, by their place in the covers. The first one holds.
struct Found<'t> {
    verdicts: Vec<Option<Verdict>>,
    tag: &'t Tag,
}

impl Found<'_> {
    /// Events with a field that the vendor does not take. It names the first of them for each field;
    /// the next come to light when the rest is sent again.
    fn refused(&mut self, answer: &Answer) {
        let lists = [
            (&answer.events_with_invalid_fields, "invalid"),
            (&answer.events_with_missing_fields, "missing"),
            (&answer.events_with_invalid_id_lengths, "too short"),
        ];
        for (fields, what) in lists {
            for (field, records) in fields.as_object().into_iter().flatten() {
                self.records(records, &Verdict::Reject(format!("400: {field}: {what}: {}", answer.error())));
            }
        }
    }

    /// Events of those whom the vendor does not hear any more.
    fn silenced(&mut self, amplitude: &Amplitude, answer: &Answer) {
        let verdict = |what: &str| {
            let reason = format!("the vendor has silenced this {what}");
            match amplitude.silenced {
                Silenced::Reject => Verdict::Reject(reason),
                Silenced::Skip => Verdict::Skip(reason),
            }
        };
        self.people(&verdict("device"), |person| lists(&answer.silenced_devices, &person.device));
        self.people(&verdict("user"), |person| lists(&answer.silenced_users, &person.user));
        self.records(&answer.silenced_events, &verdict("user or device"));
    }

    /// Events of those who have sent all that they may on a day. They would hold up the others.
    fn exceeding(&mut self, answer: &Answer) {
        let reason = "the vendor has as many events of this user or device as it takes in 24 hours";
        self.people(&Verdict::Reject(reason.to_string()), |person| {
            lists(&answer.exceeded_daily_quota_devices, &person.device)
                || lists(&answer.exceeded_daily_quota_users, &person.user)
        });
    }

    /// Events of those who send too fast.
    fn throttled(&mut self, answer: &Answer) {
        let verdict = Verdict::RetryAfterMs(Some(throttled_ms(self.tag.address)));
        self.records(&answer.throttled_events, &verdict);
        self.people(&verdict, |person| {
            lists(&answer.throttled_devices, &person.device) || lists(&answer.throttled_users, &person.user)
        });
    }

    fn records(&mut self, places: &Value, verdict: &Verdict) {
        let places = places.as_array().into_iter().flatten().filter_map(Value::as_u64);
        for place in places.filter_map(|place| usize::try_from(place).ok()) {
            self.note(self.tag.event(place), verdict);
        }
    }

    fn people(&mut self, verdict: &Verdict, is_meant: impl Fn(&Person) -> bool) {
        for place in 0..self.verdicts.len() {
            if self.tag.person(place).is_some_and(&is_meant) {
                self.note(place, verdict);
            }
        }
    }

    fn note(&mut self, place: usize, verdict: &Verdict) {
        if let Some(noted) = self.verdicts.get_mut(place) {
            noted.get_or_insert_with(|| verdict.clone());
        }
    }
}

/// Whether a list has an id, or an object has it for a key.
fn lists(ids: &Value, id: &str) -> bool {
    match ids {
        Value::Array(ids) => ids.iter().any(|listed| listed.as_str() == Some(id)),
        Value::Object(ids) => ids.contains_key(id),
        _ => false,
    }
}
