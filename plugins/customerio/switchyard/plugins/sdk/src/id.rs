//! Ids as they stand in an event's JSON: copied, never unescaped.

use std::borrow::Cow;

use crate::event::Event;
use crate::json::{Json, JsonWriter};
use crate::text::unescape;
use crate::value::Value;

/// An id as it stands between quotes in JSON. What the Segment specification calls an id may arrive as a
/// text or a number; it is written as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<'a>(&'a [u8]);

impl<'a> Id<'a> {
    /// A text that is not blank, or a number.
    #[inline]
    pub fn of(value: Value<'a>) -> Option<Id<'a>> {
        let quoted = match value.quoted() {
            Some(quoted) => quoted,
            None if value.is_number() => value.raw(),
            None => return None,
        };
        (!quoted.trim_ascii().is_empty()).then_some(Id(quoted))
    }

    /// The event's own id.
    pub fn message(event: &Event<'a>) -> Id<'a> {
        let id = event.message_id().as_bytes();
        let is_plain = id.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\'));
        if is_plain { Id(id) } else { Id(event.get("messageId").quoted().unwrap_or_default()) }
    }

    /// The same without the blanks around it.
    #[inline]
    pub fn trimmed(self) -> Id<'a> {
        Id(self.0.trim_ascii())
    }

    /// What stands behind a prefix, which has no character that JSON escapes; None where it has another
    /// beginning, or nothing is left.
    pub fn strip_prefix(self, prefix: &str) -> Option<Id<'a>> {
        self.0.strip_prefix(prefix.as_bytes()).filter(|rest| !rest.is_empty()).map(Id)
    }

    /// The bytes between the quotes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, without escapes.
    pub fn text(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => Cow::Owned(unescape(self.0)),
        }
    }

    /// Whether its text has more bytes than that.
    pub fn has_more_bytes_than(self, bytes_max: usize) -> bool {
        self.0.len() > bytes_max && self.text().len() > bytes_max
    }

    /// Whether its text has more characters than that.
    pub fn has_more_characters_than(self, characters_max: usize) -> bool {
        self.0.len() > characters_max && self.text().chars().count() > characters_max
    }
}

/// Writes it as a string.
impl Json for Id<'_> {
    #[inline]
    fn write(self, json: &mut JsonWriter) {
        json.quoted(self.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Id;
    use crate::{JsonWriter, native};

    #[test]
    fn what_can_be_an_id_is_copied() {
        let check = |value: Value, wanted: Option<&str>, text: &str| {
            let batch = native::batch(0, &[json!({"type": "track", "messageId": "m", "v": value})]);
            let event = batch.event(0);
            let written = Id::of(event.get("v")).map(|id| {
                let mut json = JsonWriter::new();
                json.value(id);
                assert_eq!(id.text(), text);
                String::from_utf8(json.into_bytes()).unwrap()
            });
            assert_eq!(written.as_deref(), wanted, "{value}");
        };
        check(json!(" u-1 "), Some("\" u-1 \""), " u-1 ");
        check(json!("a\"é"), Some(r#""a\"é""#), "a\"é");
        check(json!(17), Some("\"17\""), "17");
        check(json!(" \t"), Some(r#"" \t""#), " \t");
        for none in [json!(""), json!("  "), json!(null), json!(true), json!([1]), json!({})] {
            check(none, None, "");
        }
    }

    #[test]
    fn ids_are_measured_without_their_escapes() {
        let batch = native::batch(0, &[json!({"type": "track", "messageId": "m\"\\", "v": "\"éa", "w": " x "})]);
        let event = batch.event(0);
        let id = Id::of(event.get("v")).unwrap();
        assert!(!id.has_more_characters_than(3) && id.has_more_characters_than(2));
        assert!(!id.has_more_bytes_than(4) && id.has_more_bytes_than(3));
        assert_eq!(Id::of(event.get("w")).unwrap().trimmed().bytes(), b"x");
        assert_eq!(Id::message(&event).text(), "m\"\\");
        let id = Id::of(event.get("w")).unwrap();
        assert_eq!(id.strip_prefix(" x").map(Id::bytes), Some(&b" "[..]));
        assert_eq!((id.strip_prefix("x"), id.strip_prefix(" x ")), (None, None));
    }
}
