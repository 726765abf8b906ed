//! What the vendor's answers mean.
//!
//! The status is 200 nearly always; `code` says what it means. The vendor refuses a whole request for
//! one field of one event. Where its message names the event, that one ends and the others are sent
//! again; else the host halves the request down to the event. A request's tag is the id of its event
//! source, when an event named one that no setting has; else it is empty.

use serde::Deserialize;
use switchyard_sdk::prelude::{Judgement, Response, Verdict};
use switchyard_sdk::text::cut;

use crate::rules::{Meaning, THROTTLED_MS, meaning};
use crate::settings::TikTok;

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// What an answer has. Source: portal/docs?id=1771100865818625, response.
#[derive(Debug, Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    message: serde_json::Value,
}

impl Answer {
    fn message(&self) -> &str {
        self.message.as_str().filter(|message| !message.is_empty()).unwrap_or("the vendor refuses it")
    }

    fn reason(&self) -> String {
        format!("{}: {}", self.code, cut(self.message(), REASON_CHARACTERS_MAX))
    }

    /// The place of the event that the message names: `data.3.event_time: Not a valid integer.`
    fn place(&self) -> Option<usize> {
        let mut parts = self.message().split(['.', '[', ']']);
        let list = parts.next()?.trim();
        let names_list = ["data", "batch"].iter().any(|name| list.eq_ignore_ascii_case(name));
        parts.next()?.parse().ok().filter(|_| names_list)
    }
}

/// Reads an answer.
pub fn judge(_: &TikTok, now_ms: u64, response: &Response) -> Judgement {
    let is_ok = (200..300).contains(&response.status);
    let Ok(answer) = serde_json::from_slice::<Answer>(&response.body) else {
        return match response.status {
            429 => throttled(now_ms, response),
            // Not the vendor's: it answers with a code, whatever the status.
            200..=299 => Judgement::all(response, &Verdict::RetryAfterMs(None)),
            _ => Judgement::default(),
        };
    };
    match meaning(answer.code) {
        Meaning::Taken if is_ok => Judgement::all(response, &Verdict::Delivered),
        Meaning::Credential => credential(response, &answer),
        Meaning::Throttled => throttled(now_ms, response),
        _ if response.status == 429 => throttled(now_ms, response),
        Meaning::Refused => named(response, &answer).unwrap_or_else(|| refused(response, &answer)),
        Meaning::Trouble => Judgement::all(response, &Verdict::RetryAfterMs(None)),
        Meaning::Taken => Judgement::default(),
    }
}

/// The token is no good for an event source. One that only an event named stops that event only.
fn credential(response: &Response, answer: &Answer) -> Judgement {
    let verdict = if response.tag.is_empty() {
        Verdict::AuthExpired
    } else {
        Verdict::Reject(format!("{}, for the event_source_id of the event", answer.reason()))
    };
    Judgement::all(response, &verdict)
}

/// The bound is on the token, so that other requests would meet it too.
fn throttled(now_ms: u64, response: &Response) -> Judgement {
    let said_s = response.header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
    let wait_ms = said_s.map_or(THROTTLED_MS, |seconds| seconds.saturating_mul(1_000));
    let retry = Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)));
    Judgement { slow_until_ms: Some(now_ms.saturating_add(wait_ms)), ..retry }
}

/// The verdicts where the message names one of several events. None where it names none.
fn named(response: &Response, answer: &Answer) -> Option<Judgement> {
    let place = answer.place().filter(|place| *place < response.covers.len())?;
    let verdict = |(record, position): (usize, &u32)| match record == place {
        true => (*position, Verdict::Reject(answer.reason())),
        false => (*position, Verdict::RetryAfterMs(None)),
    };
    let verdicts = response.covers.iter().enumerate().map(verdict).collect();
    Some(Judgement { verdicts, ..Judgement::default() })
}

/// One event ends; of several the host finds the culprit, by sending them in halves.
fn refused(response: &Response, answer: &Answer) -> Judgement {
    if response.covers.len() > 1 {
        return Judgement::split();
    }
    Judgement::all(response, &Verdict::Reject(answer.reason()))
}
