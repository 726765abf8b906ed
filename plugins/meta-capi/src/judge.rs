//! What the vendor's answers mean.
//!
//! A request is taken whole or not at all, and the vendor does not say which event it minds: the host
//! halves the request down to the culprit, which is all that is lost. The vendor's code decides, then
//! the status. Any answer may tell how much of the rate limit is used up.
//!
//! Sources: developers.facebook.com/documentation/ads-commerce/conversions-api (using-the-api, support).

use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::error::{Class, Error};
use crate::settings::Meta;
use crate::usage;

/// Characters of the vendor's words that a warning holds.
const WARNING_CHARACTERS_MAX: usize = 300;

/// Reads an answer.
pub fn judge(_meta: &Meta, now_ms: u64, response: &Response) -> Judgement {
    let error = Error::of(response);
    let class = error.as_ref().and_then(Error::class);
    let judgement = match &error {
        Some(error) => refused(response, error, class),
        None => without_error(response),
    };
    let wait_ms = usage::wait_ms(response, class == Some(Class::RateLimit));
    Judgement { slow_until_ms: wait_ms.map(|wait_ms| now_ms.saturating_add(wait_ms)), ..judgement }
}

fn refused(response: &Response, error: &Error, class: Option<Class>) -> Judgement {
    match class {
        Some(Class::Transient | Class::RateLimit) => Judgement::all(response, &Verdict::RetryAfterMs(None)),
        Some(Class::Token) => Judgement::all(response, &Verdict::AuthExpired),
        Some(Class::Configuration) => Judgement::pause(response, error.reason()),
        Some(Class::Data) | None => data(response, error),
    }
}

/// An error about one event is that event's. Of several the host finds the one, as the status asks for.
fn data(response: &Response, error: &Error) -> Judgement {
    match response.status {
        200..=299 => Judgement::all(response, &Verdict::RetryAfterMs(None)),
        400..=499 if response.covers.len() == 1 => Judgement::all(response, &Verdict::Reject(error.reason())),
        _ => Judgement::default(),
    }
}

/// Pages are of something that stands before the vendor's API, and say nothing of the events.
fn without_error(response: &Response) -> Judgement {
    let is_page = response.body.trim_ascii().starts_with(b"<");
    if is_page && response.status != 413 {
        return Judgement::all(response, &Verdict::RetryAfterMs(None));
    }
    match messages(response) {
        Some(messages) if (200..=299).contains(&response.status) => {
            Judgement::all(response, &Verdict::Warned(messages))
        }
        _ => Judgement::default(),
    }
}

/// What the vendor says of events that it took. It does not say of which.
fn messages(response: &Response) -> Option<String> {
    let answer = response.json()?;
    let texts: Vec<&str> = answer.get("messages")?.as_array()?.iter().filter_map(|message| message.as_str()).collect();
    let joined = texts.join("; ");
    (!joined.is_empty()).then(|| cut(&joined, WARNING_CHARACTERS_MAX).to_string())
}
