//! Values as the vendor takes them: ids and texts.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

/// An id as it stands between quotes in JSON: it is copied, never unescaped.
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// The bytes between the quotes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, without escapes.
    pub fn text(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => Cow::Owned(switchyard_sdk::text::unescape(self.0)),
        }
    }

    /// Whether its text has more characters than that.
    pub fn is_longer_than(self, characters_max: usize) -> bool {
        self.0.len() > characters_max && self.text().chars().count() > characters_max
    }
}

/// Writes it as a string.
impl Json for Id<'_> {
    #[inline]
    fn write(self, json: &mut JsonWriter) {
        // The quote comes with the comma where one is due.
        json.raw(b"\"");
        json.verbatim(self.0);
        json.verbatim(b"\"");
    }
}

/// The code of a currency, in upper case; None for what cannot be one.
pub fn currency(value: Value<'_>) -> Option<[u8; 3]> {
    let mut letters: [u8; 3] = value.quoted()?.trim_ascii().try_into().ok()?;
    letters.make_ascii_uppercase();
    letters.iter().all(u8::is_ascii_uppercase).then_some(letters)
}

/// The text of a text or number that is not blank, without what is blank around it.
pub fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    if value.is_number() {
        return value.as_text();
    }
    let text = match value.as_filled_str()? {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
    };
    (!text.is_empty()).then_some(text)
}

/// A language tag, `de-DE`; also from `de_DE`.
pub fn locale(value: Value<'_>) -> Option<String> {
    let tag = text(value)?.replace('_', "-");
    let mut parts = tag.split('-');
    let is_language = parts.next().is_some_and(|language| {
        matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_language && parts.all(is_subtag)).then_some(tag)
}
