//! The messages to one webhook: filled event by event, posted when the next would not fit.

use std::ops::Range;

use switchyard_sdk::prelude::*;

use crate::mrkdwn::cut;
use crate::rules::{
    BLOCK_CHARACTERS_MAX, BLOCKS_JOINED_BYTES_MAX, BLOCKS_MAX, TEXT_CHARACTERS_MAX, TEXT_JOINED_BYTES_MAX,
};
use crate::settings::Layout;
use crate::slack::{Slack, Target};
use crate::template::Template;

const SECTION: &[u8] = br#"{"type":"section","text":{"type":"mrkdwn","text":""#;
const CONTEXT: &[u8] = br#"{"type":"context","elements":[{"type":"mrkdwn","text":""#;

/// The message that is being filled.
pub struct Message<'s> {
    slack: &'s Slack,
    target: &'s Target,
    body: Vec<u8>,
    /// Where the texts of the events stand in the body.
    texts: Vec<Range<usize>>,
    /// Bytes of all that is shown.
    shown_bytes: usize,
    blocks: usize,
    covers: Vec<u32>,
}

/// One event in a body.
struct Added {
    text: Range<usize>,
    shown_bytes: usize,
    blocks: usize,
}

impl<'s> Message<'s> {
    /// Nothing said yet.
    pub fn new(slack: &'s Slack, target: &'s Target) -> Message<'s> {
        Message { slack, target, body: Vec::new(), texts: Vec::new(), shown_bytes: 0, blocks: 0, covers: Vec::new() }
    }

    /// Adds what a text says of an event.
    ///
    /// # Errors
    /// That it says nothing. Then nothing is added.
    pub fn add(&mut self, event: &Event<'_>, text: &Template, plan: &mut Plan) -> Result<(), String> {
        let blocks_each = 1 + usize::from(self.slack.footer.is_some());
        if self.covers.len() == self.slack.events_per_message || self.blocks + blocks_each > BLOCKS_MAX {
            self.finish(plan);
        }
        let start = self.begin();
        let Some(mut added) = self.write(event, text) else {
            self.body.truncate(start);
            return Err(format!("{}: is missing, and the message would be empty", text.first_place()));
        };
        let joined_max = match self.slack.layout {
            Layout::Blocks => BLOCKS_JOINED_BYTES_MAX,
            Layout::Text => TEXT_JOINED_BYTES_MAX,
        };
        if !self.covers.is_empty() && self.shown_bytes + added.shown_bytes > joined_max {
            let moved = self.body.split_off(start);
            self.finish(plan);
            let separator = self.separator().len();
            let begins = self.begin();
            self.body.extend_from_slice(&moved[separator..]);
            let place = |at: usize| at - start - separator + begins;
            added.text = place(added.text.start)..place(added.text.end);
        }
        self.texts.push(added.text);
        self.shown_bytes += added.shown_bytes;
        self.blocks += added.blocks;
        self.covers.push(event.position());
        Ok(())
    }

    /// The message of what was added, if anything was. It is empty then.
    pub fn finish(&mut self, plan: &mut Plan) {
        let mut body = std::mem::take(&mut self.body);
        let texts = std::mem::take(&mut self.texts);
        let covers = std::mem::take(&mut self.covers);
        (self.shown_bytes, self.blocks) = (0, 0);
        if covers.is_empty() {
            return;
        }
        if self.slack.layout == Layout::Blocks {
            // Notifications show it instead of the blocks.
            body.extend_from_slice(br#"],"text":""#);
            for (number, text) in texts.into_iter().enumerate() {
                if number > 0 {
                    body.extend_from_slice(b"\\n");
                }
                body.extend_from_within(text);
            }
        }
        body.push(b'"');
        body.extend_from_slice(&self.target.ending);
        plan.post(self.target.url.as_str())
            .key("message")
            .body("application/json", body)
            .covers(covers)
            .lane(&self.target.webhook)
            .quota(&self.target.webhook)
            .tag(self.target.webhook.as_bytes());
    }

    /// Begins the body, and returns where it ends then.
    fn begin(&mut self) -> usize {
        if self.body.is_empty() {
            self.body.extend_from_slice(match self.slack.layout {
                Layout::Blocks => br#"{"blocks":["#,
                Layout::Text => br#"{"text":""#,
            });
        }
        self.body.len()
    }

    /// What stands between two events.
    fn separator(&self) -> &'static [u8] {
        match self.slack.layout {
            Layout::Blocks => b",",
            Layout::Text => b"\\n",
        }
    }

    /// Writes one event. None where the text says nothing.
    fn write(&mut self, event: &Event<'_>, text: &Template) -> Option<Added> {
        if !self.covers.is_empty() {
            self.body.extend_from_slice(self.separator());
        }
        if self.slack.layout == Layout::Text {
            let text = self.write_text(event, text, TEXT_CHARACTERS_MAX)?;
            return Some(Added { shown_bytes: text.len(), text, blocks: 0 });
        }
        self.body.extend_from_slice(SECTION);
        let text = self.write_text(event, text, BLOCK_CHARACTERS_MAX)?;
        self.end_text();
        self.body.extend_from_slice(b"}}");
        let mut added = Added { shown_bytes: text.len(), text, blocks: 1 };
        if let Some(footer) = &self.slack.footer {
            let before = self.body.len();
            self.body.push(b',');
            self.body.extend_from_slice(CONTEXT);
            match self.write_text(event, footer, BLOCK_CHARACTERS_MAX) {
                Some(footer) => {
                    self.end_text();
                    self.body.extend_from_slice(b"}]}");
                    added.shown_bytes += footer.len();
                    added.blocks += 1;
                }
                None => self.body.truncate(before),
            }
        }
        Some(added)
    }

    fn write_text(&mut self, event: &Event<'_>, text: &Template, characters_max: usize) -> Option<Range<usize>> {
        let start = self.body.len();
        if !text.fill(self.slack, event, &mut self.body) {
            return None;
        }
        cut(&mut self.body, start, characters_max);
        Some(start..self.body.len())
    }

    /// With `verbatim` the vendor leaves what looks like an address or a mention as it is. Source:
    /// reference/block-kit/composition-objects/text-object.
    fn end_text(&mut self) {
        let ending: &[u8] = if self.slack.link_plain_text { b"\"" } else { br#"","verbatim":true"# };
        self.body.extend_from_slice(ending);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_sdk::native;

    use crate::rules::TEXT_CHARACTERS_MAX;
    use crate::{Slack, plan};

    /// The text of the message that says `text` of an event.
    fn message(layout: &str, text: &str) -> Value {
        let settings = json!({
            "webhook_url": "https://hooks.slack.com/services/T0/B0/X", "messages": [{"text": "{{properties.text}}"}],
            "include_unmatched": false, "order_value": "total", "layout": layout, "footer": "",
            "link_plain_text": false, "unfurl": false, "events_per_message": 20, "pause_ms": 0, "max_age_minutes": 0,
        });
        let slack = Slack::new(serde_json::from_value(settings).unwrap()).unwrap();
        let event = json!({"type": "track", "messageId": "m-1", "event": "A", "properties": {"text": text}});
        native::plan(&slack, plan, 0, &[event])["requests"][0]["body_json"]["text"].take()
    }

    #[test]
    fn a_text_is_cut_just_beyond_what_the_vendor_takes() {
        let check = |characters: usize, ending: &str| {
            let said = message("text", &"é".repeat(characters));
            let said = said.as_str().unwrap();
            assert_eq!(said.chars().count(), TEXT_CHARACTERS_MAX);
            assert!(said.ends_with(ending));
        };
        check(TEXT_CHARACTERS_MAX, "éé");
        check(TEXT_CHARACTERS_MAX + 1, "é…");
    }
}
