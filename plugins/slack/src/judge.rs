//! What the vendor's answers mean.
//!
//! An answer is one word, `ok` or an error's. One message may carry several events, and the vendor does
//! not say which spoils it: then the host halves it. After every answer the destination pauses, for the
//! vendor's pace.

use switchyard_sdk::judge::{Judgement, Response, Verdict};

use crate::rules::{About, ERRORS, RETRY_AFTER_MS};
use crate::slack::Slack;

/// Characters of an answer that is no known word that a reason holds.
const REASON_CHARACTERS_MAX: usize = 200;

/// Reads an answer.
pub fn judge(slack: &Slack, now_ms: u64, response: &Response) -> Judgement {
    let word = word(response);
    let known = ERRORS.iter().find(|(error, ..)| *error == word);
    let judgement = match (known, response.status) {
        (None, 200..=299) => accepted(response, &word),
        (_, 429) | (Some((_, About::Moment, _)), 200..=499) => later(slack, now_ms, response),
        (Some((_, About::Moment, _)), _) => Judgement::default(),
        (Some((error, About::Webhook, meaning)), status) => pause(response, &format!("{status} {error}: {meaning}")),
        (Some(_), 400) if response.covers.len() > 1 => Judgement::default(),
        (Some((error, About::Message, meaning)), status) => reject(response, format!("{status} {error}: {meaning}")),
        (None, 400) if response.covers.len() > 1 => Judgement::default(),
        (None, status @ 300..=399) => pause(response, &format!("{status}: redirects, so it is no webhook's URL")),
        (None, status @ (401 | 403 | 404 | 405 | 410)) => pause(response, &joined(status, &word)),
        (None, _) => Judgement::default(),
    };
    let pause_until_ms = (slack.pause_ms > 0).then(|| now_ms.saturating_add(slack.pause_ms));
    Judgement { slow_quota_until_ms: judgement.slow_quota_until_ms.max(pause_until_ms), ..judgement }
}

/// The answer's word: the body, or its member `error` where it is JSON.
fn word(response: &Response) -> String {
    let text = response.text(REASON_CHARACTERS_MAX);
    let Some(answer) = response.json().filter(|answer| answer.is_object()) else { return text };
    if answer.get("ok").and_then(|ok| ok.as_bool()) == Some(true) {
        return "ok".to_string();
    }
    answer.get("error").and_then(|error| error.as_str()).map_or(text, str::to_string)
}

/// Anything but `ok` comes from something else than the vendor's webhooks.
fn accepted(response: &Response, word: &str) -> Judgement {
    if word.is_empty() || word.eq_ignore_ascii_case("ok") {
        return Judgement::all(response, &Verdict::Delivered);
    }
    reject(response, format!("{}: the answer is not `ok`: {word}", response.status))
}

/// The vendor says how long, in whole seconds; it counts the messages of each webhook. Source: apis/web-api/rate-limits.
fn later(slack: &Slack, now_ms: u64, response: &Response) -> Judgement {
    let said_s = response.header("retry-after").and_then(|value| value.trim().parse::<u64>().ok());
    let wait_ms = said_s.map_or(RETRY_AFTER_MS, |seconds| seconds.saturating_mul(1_000)).max(slack.pause_ms);
    let retry = Judgement::all(response, &Verdict::RetryAfterMs(Some(wait_ms)));
    Judgement { slow_quota_until_ms: Some(now_ms.saturating_add(wait_ms)), ..retry }
}

fn reject(response: &Response, reason: String) -> Judgement {
    Judgement::all(response, &Verdict::Reject(reason))
}

/// Nothing more passes until somebody mends the webhook, which the request's tag names.
fn pause(response: &Response, why: &str) -> Judgement {
    Judgement::pause(response, format!("{}: {why}", String::from_utf8_lossy(&response.tag)))
}

fn joined(status: u16, word: &str) -> String {
    let separator = if word.is_empty() { "" } else { ": " };
    format!("{status}{separator}{word}")
}
