//! What a receiver's answer means.
//!
//! No receiver says which events of a batch it took, so the verdict is for all. 408, 425, 429 and 5xx
//! with Retry-After, 413 and 400 to a batch, and a credential that is refused, are the host's to read.

use switchyard_sdk::prelude::*;

use crate::webhook::Webhook;

/// Characters of the receiver's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 200;

/// Reads an answer.
pub fn judge(webhook: &Webhook, _now_ms: u64, response: &Response) -> Judgement {
    let status = response.status;
    if webhook.retry_statuses.contains(&status) {
        // The host waits as long as Retry-After asks for.
        return Judgement::all(response, &Verdict::RetryAfterMs(None));
    }
    match status {
        200..=299 if webhook.says_success(response) => Judgement::all(response, &Verdict::Delivered),
        200..=299 => reject(response, "the answer does not have what success_pointer names"),
        410 => Judgement::pause(response, "the receiver answered 410 Gone: it wants no more events"),
        401 | 403 if !webhook.has_credential() => reject(response, "the receiver wants a credential: set auth"),
        408 | 425 | 429 | 401 | 403 => Judgement::default(),
        400 | 413 if response.covers.len() > 1 => Judgement::default(),
        400..=499 => reject(response, "the receiver refuses it"),
        // Of a redirect, too: the address is wrong, not the event, so the host pauses until one request works.
        _ => Judgement::default(),
    }
}

fn reject(response: &Response, why: &str) -> Judgement {
    let words = response.text(REASON_CHARACTERS_MAX);
    let separator = if words.is_empty() { "" } else { ": " };
    Judgement::all(response, &Verdict::Reject(format!("{}: {why}{separator}{words}", response.status)))
}
