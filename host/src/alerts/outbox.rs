//! Notices that wait for their message: pure. One message holds all that wait, and the next one
//! comes not before the configured time, so that no storm of troubles becomes a storm of messages.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::watch::{Edge, Notice};

/// Notices that wait, for a webhook that does not answer; beyond, the oldest are dropped and counted.
const NOTICES_MAX: usize = 200;

/// Notices of one message that are written out in its text: what a person reads.
const LINES_MAX: usize = 20;

/// Notices that wait.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Notice>,
    dropped: u64,
    /// No message before this: milliseconds since 1970.
    not_before_ms: u64,
}

impl Outbox {
    /// Adds notices.
    pub fn add(&mut self, notices: Vec<Notice>) {
        self.waiting.extend(notices);
        while self.waiting.len() > NOTICES_MAX {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    /// When the next message may be sent, if there is one.
    pub fn due_ms(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.not_before_ms)
    }

    /// The message with all that waits.
    pub fn message(&self) -> Value {
        let mut lines: Vec<&str> = self.waiting.iter().take(LINES_MAX).map(|notice| notice.text.as_str()).collect();
        let more = self.waiting.len() - lines.len();
        let rest = format!("and {more} more");
        if more > 0 {
            lines.push(&rest);
        }
        let alerts: Vec<Value> = self.waiting.iter().map(shown).collect();
        json!({"text": format!("switchyard: {}", lines.join("\n")), "alerts": alerts, "dropped": self.dropped})
    }

    /// A message was tried at `now_ms`; the next comes not before `gap_ms` later. What was sent no
    /// longer waits.
    pub fn tried(&mut self, now_ms: u64, gap_ms: u64, outcome: Tried) {
        self.not_before_ms = now_ms.saturating_add(gap_ms);
        if outcome == Tried::Sent {
            self.waiting.clear();
            self.dropped = 0;
        }
    }
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The webhook took it.
    Sent,
    /// It did not; the notices go with the next one.
    Failed,
}

fn shown(notice: &Notice) -> Value {
    let state = match notice.edge {
        Edge::Begins => "begins",
        Edge::Ends => "ends",
    };
    json!({
        "alert": notice.trouble.kind(), "subject": notice.trouble.subject(), "state": state,
        "at_ms": notice.at_ms, "text": notice.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::watch::Trouble;

    fn notices(count: usize) -> Vec<Notice> {
        let notice = |at| Notice {
            trouble: Trouble::DiskReserve,
            edge: Edge::Begins,
            at_ms: at as u64,
            text: format!("notice {at}"),
        };
        (0..count).map(notice).collect()
    }

    #[test]
    fn one_message_holds_all_that_waits_and_the_next_one_keeps_its_distance() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.due_ms(), None);
        outbox.add(notices(2));
        assert_eq!(outbox.due_ms(), Some(0));
        assert_eq!(outbox.message()["text"], "switchyard: notice 0\nnotice 1");
        assert_eq!(outbox.message()["alerts"][1]["at_ms"], 1);
        outbox.tried(5_000, 1_000, Tried::Sent);
        assert_eq!(outbox.due_ms(), None);
        outbox.add(notices(1));
        assert_eq!(outbox.due_ms(), Some(6_000));
    }

    #[test]
    fn what_was_not_taken_goes_with_the_next_message() {
        let mut outbox = Outbox::default();
        outbox.add(notices(1));
        outbox.tried(5_000, 1_000, Tried::Failed);
        outbox.add(notices(1));
        assert_eq!(outbox.due_ms(), Some(6_000));
        assert_eq!(outbox.message()["alerts"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn the_lines_and_the_waiting_are_bounded() {
        let mut outbox = Outbox::default();
        outbox.add(notices(LINES_MAX));
        assert!(!outbox.message()["text"].as_str().unwrap().contains("more"));
        outbox.add(notices(NOTICES_MAX - LINES_MAX));
        assert_eq!(outbox.message()["dropped"], 0);
        assert!(outbox.message()["text"].as_str().unwrap().ends_with("and 180 more"));
        outbox.add(notices(1));
        assert_eq!(outbox.message()["dropped"], 1);
    }
}
