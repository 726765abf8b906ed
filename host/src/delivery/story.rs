//! What is said of attempts: to the history that `trace` shows, to whoever watches, and in dead
//! letters. Nothing of it holds a secret.

use super::attempt::{Attempts, Work, positions};
use super::end::End;
use super::live::Step;
use super::retry;
use crate::plugin::check::cut;
use crate::plugin::plan::Request;
use crate::queue::{Death, Delivery, Note, Outcome};
use crate::send::client::Answer;

/// Bytes of an answer that are kept with a dead letter or a note.
const ANSWER_SHOWN_BYTES: usize = 1_024;

impl Attempts {
    pub(super) fn dead(&self, deliveries: &[Delivery], work: &Work, death: Death) -> End {
        self.dead_of(deliveries, work, positions(&work.request), death)
    }

    pub(super) fn dead_of(&self, deliveries: &[Delivery], work: &Work, covers: Vec<usize>, death: Death) -> End {
        let detail = format!("{}: {}", death.reason, death.detail);
        let note = self.note("dead", work, None, detail.clone());
        self.tell(deliveries, covers.clone(), "dead", work, None, detail);
        let mut end = End::all(covers.clone(), Outcome::Dead(death));
        end.notes.push((covers, note));
        end
    }

    pub(super) fn death(&self, reason: &str, detail: String, work: &Work, answer: Option<&Answer>) -> Death {
        Death {
            reason: reason.to_string(),
            detail: self.without_secrets(detail),
            attempts: work.tries.attempts + 1,
            revision: self.revision(),
            request: Some(self.request_line(&work.request)),
            answer: answer.map(|answer| self.without_secrets(shown(answer))),
        }
    }

    pub(super) fn note(&self, step: &str, work: &Work, answer: Option<&Answer>, detail: String) -> Note {
        Note {
            request: self.request_line(&work.request),
            status: answer.map_or(0, |answer| answer.status),
            took_ms: answer.map_or(0, |answer| answer.took_ms),
            ..self.plain_note(step, detail)
        }
    }

    pub(super) fn plain_note(&self, step: &str, detail: String) -> Note {
        Note {
            at_ms: (self.now)(),
            step: step.to_string(),
            revision: self.guest.revision.short_digest().to_string(),
            request: String::new(),
            status: 0,
            took_ms: 0,
            detail: self.without_secrets(detail),
        }
    }

    pub(super) fn tell(
        &self,
        deliveries: &[Delivery],
        covers: Vec<usize>,
        step: &'static str,
        work: &Work,
        answer: Option<&Answer>,
        detail: String,
    ) {
        let told = covers.iter().map(|at| &deliveries[*at].event.message_id);
        self.live.tell(told, || Step {
            at_ms: (self.now)(),
            destination: self.active.destination.id.0.clone(),
            message_ids: covers.iter().map(|at| deliveries[*at].event.message_id.to_string()).collect(),
            step,
            request: self.request_line(&work.request),
            status: answer.map_or(0, |answer| answer.status),
            took_ms: answer.map_or(0, |answer| answer.took_ms),
            detail: self.without_secrets(detail),
        });
    }

    pub(super) fn tell_plain(&self, deliveries: &[Delivery], at: usize, step: &'static str, detail: &str) {
        self.live.tell([&deliveries[at].event.message_id], || Step {
            at_ms: (self.now)(),
            destination: self.active.destination.id.0.clone(),
            message_ids: vec![deliveries[at].event.message_id.to_string()],
            step,
            request: String::new(),
            status: 0,
            took_ms: 0,
            detail: self.without_secrets(detail.to_string()),
        });
    }

    /// Method and URL as the plugin gave them: handles, never secrets.
    fn request_line(&self, request: &Request) -> String {
        format!("{} {}", request.method, request.url)
    }

    /// A vendor may repeat a secret in its answer.
    pub(super) fn without_secrets(&self, text: String) -> String {
        self.guest.handles.hide_values(text)
    }

    pub(super) fn revision(&self) -> String {
        self.guest.revision.digest().to_string()
    }
}

/// Bytes of the place that a redirect names that are shown.
const LOCATION_SHOWN_BYTES: usize = 200;

/// What a redirect says of the address.
pub(super) fn moved(answer: &Answer) -> String {
    let mut location = retry::header(&answer.headers, "location").unwrap_or("another place").to_string();
    cut(&mut location, LOCATION_SHOWN_BYTES);
    format!("the vendor answered {} and names {location}: check the address", answer.status)
}

/// An answer in one line.
pub(super) fn shown(answer: &Answer) -> String {
    let mut end = answer.body.len().min(ANSWER_SHOWN_BYTES);
    while end > 0 && end < answer.body.len() && (answer.body[end] & 0xc0) == 0x80 {
        end -= 1;
    }
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body[..end]).replace(['\n', '\r'], " "))
}
