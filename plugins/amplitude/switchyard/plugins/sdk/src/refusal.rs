//! Why an event is not sent.

use crate::{Event, Plan};

/// Why an event gets no request. What reads an event returns it as its error, so that `?` leads to the
/// event's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not meant for this vendor: filtered, with the reason.
    Skip(&'static str),
    /// Cannot be sent: a dead letter, with the reason, which names the field.
    Reject(&'static str),
}

impl Refusal {
    /// Gives the event its fate.
    pub fn into_fate(self, event: &Event<'_>, plan: &mut Plan) {
        match self {
            Refusal::Skip(reason) => plan.skip(event, reason),
            Refusal::Reject(reason) => plan.reject(event, reason),
        }
    }
}

/// A reason alone is one to reject an event.
impl From<&'static str> for Refusal {
    fn from(reason: &'static str) -> Refusal {
        Refusal::Reject(reason)
    }
}
