//! The steps of a delivery before its first request: what its story keeps of them, and what is told to who
//! watches.

use super::attempt::Attempts;
use super::guest::Planned;
use super::live::Step;
use crate::queue::{Delivery, Note};

/// What is said of an event that a rule kept back.
fn by_rule(rule: &str) -> String {
    match rule.split_once(": ") {
        Some(("rule", name)) => format!("by the rule {name}"),
        Some(("pipeline rule", name)) => format!("by the pipeline's rule {name}"),
        Some(("consent", purpose)) => format!("for lack of consent to {purpose}"),
        _ => format!("by the rule {rule}"),
    }
}

/// What the story of a delivery that a rule filtered says.
pub(super) fn filtered_note(now_ms: u64, rule: &str) -> Note {
    Note {
        at_ms: now_ms,
        step: "filtered".to_string(),
        revision: String::new(),
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: by_rule(rule),
    }
}

/// A rule filtered a delivery.
pub(super) fn filtered_step(attempts: &Attempts, delivery: &Delivery, rule: &str) -> Step {
    Step {
        at_ms: (attempts.now)(),
        destination: attempts.active.destination.id.0.clone(),
        message_ids: vec![delivery.event.message_id.to_string()],
        step: "filtered",
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: by_rule(rule),
    }
}

/// A batch was planned.
pub(super) fn planned_step(attempts: &Attempts, deliveries: &[Delivery], planned: &Planned) -> Step {
    Step {
        at_ms: (attempts.now)(),
        destination: attempts.active.destination.id.0.clone(),
        message_ids: deliveries.iter().map(|delivery| delivery.event.message_id.to_string()).collect(),
        step: "planned",
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: format!(
            "{} {}: {} events, {} requests",
            attempts.active.destination.plugin,
            attempts.guest.revision.short_digest(),
            deliveries.len(),
            planned.requests.len()
        ),
    }
}
