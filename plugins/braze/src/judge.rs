//! What the vendor's answers mean.
//!
//! A 201 may name objects that were refused; all others were taken. Where the message is another than
//! success nothing was taken, and what was not named may go again without the rest. A status that says
//! all is left to the host: 401 and 403 are the key's, 413 is split, 5xx is tried again later.

use serde_json::Value;
use switchyard_sdk::prelude::{Judgement, Response, Verdict};

use crate::rules::WAIT_MS_MAX;
use crate::settings::Braze;
use crate::tag::{self, Counts};

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 300;

/// Numbers above are seconds since 1970, others seconds from now.
const SECONDS_FROM_NOW_MAX: u64 = 1_000_000_000;

/// Reads an answer.
pub fn judge(_braze: &Braze, now_ms: u64, response: &Response) -> Judgement {
    match response.status {
        200..=299 => {
            let judgement = accepted(response);
            Judgement { slow_until_ms: window_end_ms(now_ms, response), ..judgement }
        }
        400 => refused(response),
        404 => Judgement::pause(response, "there is nothing at that address: check the instance and the endpoint"),
        429 => {
            let until_ms = asked_ms(now_ms, response);
            let wait_ms = until_ms.map(|until_ms| until_ms.saturating_sub(now_ms));
            let retry = Judgement::all(response, &Verdict::RetryAfterMs(wait_ms));
            // The bound is on the workspace, so that other requests would meet it too.
            Judgement { slow_until_ms: until_ms, ..retry }
        }
        _ => Judgement::default(),
    }
}

/// When the vendor wants to be asked again. Source: api_limits, and post_user_track for contracts by
/// monthly active users.
fn asked_ms(now_ms: u64, response: &Response) -> Option<u64> {
    ["retry-after", "x-ratelimit-retry-after", "x-ratelimit-reset"]
        .iter()
        .find_map(|name| time_ms(now_ms, response.header(name)?))
}

/// The end of a window in which no request is left.
fn window_end_ms(now_ms: u64, response: &Response) -> Option<u64> {
    let left = response.header("x-ratelimit-remaining")?.trim();
    time_ms(now_ms, response.header("x-ratelimit-reset")?).filter(|_| left == "0")
}

/// A time that a header gives in seconds, within what is worth waiting for.
fn time_ms(now_ms: u64, header: &str) -> Option<u64> {
    let seconds: u64 = header.trim().parse().ok()?;
    let ms = seconds.saturating_mul(1_000);
    let at_ms = if seconds > SECONDS_FROM_NOW_MAX { ms } else { now_ms.saturating_add(ms) };
    Some(at_ms.clamp(now_ms, now_ms.saturating_add(WAIT_MS_MAX)))
}

/// A 2xx says only that the request was read: the body says what was taken.
fn accepted(response: &Response) -> Judgement {
    let Some(answer) = response.json() else { return Judgement::default() };
    let message = answer.get("message").and_then(Value::as_str).unwrap_or("success");
    // Queued: the vendor is being maintained, and takes it later.
    if !matches!(message, "success" | "queued") {
        return refused(response);
    }
    let errors = Errors::of(response, &answer);
    match errors.reasons {
        Some(reasons) => verdicts(response, reasons, Verdict::Delivered, |reason| Verdict::Reject(reason.partial())),
        None if errors.any => reject_the_only_one(response, &answer),
        None => Judgement::all(response, &Verdict::Delivered),
    }
}

/// Nothing was taken. Objects that are named are at fault; the others go again without them.
fn refused(response: &Response) -> Judgement {
    let Some(answer) = response.json() else { return Judgement::default() };
    let errors = Errors::of(response, &answer);
    match errors.reasons {
        Some(reasons) => {
            verdicts(response, reasons, Verdict::RetryAfterMs(None), |reason| Verdict::Reject(reason.whole()))
        }
        // The host finds the one at fault by splitting.
        None if response.status == 400 => Judgement::default(),
        None => Judgement::all(response, &Verdict::Reject(words(&answer))),
    }
}

/// An error without a place is the event's where there is only one; among others nobody can tell, and
/// what the vendor took must not be sent again.
fn reject_the_only_one(response: &Response, answer: &Value) -> Judgement {
    let verdict = if response.covers.len() == 1 { Verdict::Reject(words(answer)) } else { Verdict::Delivered };
    Judgement::all(response, &verdict)
}

fn verdicts(
    response: &Response,
    reasons: Vec<Option<Reason>>,
    otherwise: Verdict,
    verdict: impl Fn(Reason) -> Verdict,
) -> Judgement {
    let of = |reason: Option<Reason>| reason.map_or_else(|| otherwise.clone(), &verdict);
    let verdicts = response.covers.iter().zip(reasons).map(|(position, reason)| (*position, of(reason))).collect();
    Judgement { verdicts, ..Judgement::default() }
}

/// Why an event is refused.
struct Reason {
    /// The vendor's words on its first object that is at fault.
    words: String,
    /// How many of its objects are at fault, and how many it has.
    failed: usize,
    objects: usize,
}

impl Reason {
    fn whole(&self) -> String {
        cut(&self.words)
    }

    /// Where the event's other objects were taken.
    fn partial(&self) -> String {
        let taken = self.objects.saturating_sub(self.failed);
        if taken == 0 {
            self.whole()
        } else {
            format!("{} ({taken} of {} objects were taken)", cut(&self.words), self.objects)
        }
    }
}

/// The errors of an answer.
struct Errors {
    /// Whether there are any.
    any: bool,
    /// For each event why it is refused; None where no error says whose it is.
    reasons: Option<Vec<Option<Reason>>>,
}

impl Errors {
    fn of(response: &Response, answer: &Value) -> Errors {
        let errors = answer.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let counts = tag::read(&response.tag);
        let mut reasons: Vec<Option<Reason>> = response.covers.iter().map(|_| None).collect();
        let mut is_placed = false;
        for error in errors {
            let Some(event) = owner(&counts, error) else { continue };
            let Some(reason) = reasons.get_mut(event) else { continue };
            is_placed = true;
            let objects = counts.get(event).map_or(1, |counts| counts.sum());
            reason.get_or_insert_with(|| Reason { words: error_words(error), failed: 0, objects }).failed += 1;
        }
        Errors { any: !errors.is_empty(), reasons: is_placed.then_some(reasons) }
    }
}

/// Which event an error is about, by its place in the covers.
fn owner(counts: &[Counts], error: &Value) -> Option<usize> {
    let index = usize::try_from(error.get("index")?.as_u64()?).ok()?;
    tag::owner(counts, error.get("input_array").and_then(Value::as_str).unwrap_or_default(), index)
}

/// An error's list and place, and what is wrong.
fn error_words(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    match (text("input_array"), error.get("index"), text("type")) {
        (Some(list), Some(index), Some(words)) => format!("{list} {index}: {words}"),
        (_, _, Some(words)) => words.to_string(),
        _ => error.to_string(),
    }
}

/// The vendor's words on the request.
fn words(answer: &Value) -> String {
    let message = answer.get("message").and_then(Value::as_str).filter(|message| *message != "success");
    let first = answer.get("errors").and_then(|errors| errors.get(0));
    let words = match (message, first) {
        (Some(message), _) => message.to_string(),
        (None, Some(Value::String(words))) => words.clone(),
        (None, Some(error)) => error_words(error),
        (None, None) => answer.to_string(),
    };
    cut(&words)
}

fn cut(text: &str) -> String {
    switchyard_sdk::text::cut(text, REASON_CHARACTERS_MAX).to_string()
}
