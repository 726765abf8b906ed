//! A value of an event, found through the host's index and never parsed.
//!
//! Invariants: nothing here panics, whatever the bytes are; a damaged index shows fewer values.
//! Texts are unescaped only where the index says that there is an escape.

use std::borrow::Cow;

use crate::bytes;
use crate::text;

/// Bytes before the first entry of an index. Source: wit/1.0.0/index.md.
const HEADER_BYTES: usize = 16;
/// Bytes that a number without exponent may have to be one that a double holds.
const FINITE_BYTES_MAX: usize = 300;
/// The layout that this SDK reads.
const LAYOUT: u8 = 1;
const FLAG_ESCAPED: u8 = 1;
const FLAG_KEY_ESCAPED: u8 = 2;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `null`, or a value that is not there.
    Null,
    /// `false`
    False,
    /// `true`
    True,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl ValueKind {
    #[inline(always)]
    fn from_code(code: u8) -> ValueKind {
        match code {
            1 => ValueKind::False,
            2 => ValueKind::True,
            3 => ValueKind::Number,
            4 => ValueKind::String,
            5 => ValueKind::Array,
            6 => ValueKind::Object,
            _ => ValueKind::Null,
        }
    }
}

/// One entry of the index.
#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    end: u32,
    next: u32,
    key_len: u16,
    kind: u8,
    flags: u8,
}

const NOTHING: Entry = Entry { start: 0, end: 0, next: 0, key_len: 0, kind: 0, flags: 0 };

fn parsed(number: &[u8]) -> Option<f64> {
    std::str::from_utf8(number).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// An event's bytes and its index.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    json: &'a [u8],
    entries: &'a [[u8; 16]],
}

impl<'a> Source<'a> {
    /// An index of another layout, or a cut one, shows nothing.
    pub(crate) fn new(json: &'a [u8], index: &'a [u8]) -> Source<'a> {
        let entries = match index.split_at_checked(HEADER_BYTES) {
            Some((header, entries)) if header[0] == LAYOUT => entries.as_chunks::<16>().0,
            _ => &[],
        };
        Source { json, entries }
    }

    #[inline(always)]
    fn entry(self, number: u32) -> Option<Entry> {
        let both = u128::from_le_bytes(*self.entries.get(number as usize)?);
        let (span, rest) = (both as u64, (both >> 64) as u64);
        Some(Entry {
            start: span as u32,
            end: (span >> 32) as u32,
            next: rest as u32,
            key_len: (rest >> 32) as u16,
            kind: (rest >> 48) as u8,
            flags: (rest >> 56) as u8,
        })
    }

    /// The key of a member as it stands in the JSON: it ends two bytes before the value.
    #[inline(always)]
    fn key(self, entry: &Entry) -> &'a [u8] {
        let end = (entry.start as usize).saturating_sub(2);
        self.json.get(end.saturating_sub(usize::from(entry.key_len))..end).unwrap_or_default()
    }

    /// The value of that number; null when there is none.
    #[inline]
    pub(crate) fn value(self, number: u32) -> Value<'a> {
        match self.entry(number) {
            Some(entry) => Value { source: self, number, entry },
            None => Value { source: self, number: 0, entry: NOTHING },
        }
    }
}

/// A value of an event. Cheap to copy. A value that is not there reads as null.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    source: Source<'a>,
    number: u32,
    entry: Entry,
}

impl<'a> Value<'a> {
    /// What it is.
    #[inline]
    pub fn kind(&self) -> ValueKind {
        ValueKind::from_code(self.entry.kind)
    }

    /// Whether it is null or not there.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.entry.kind == 0
    }

    /// Whether it is a string.
    #[inline]
    pub fn is_string(&self) -> bool {
        self.entry.kind == 4
    }

    /// Whether it is a number.
    #[inline]
    pub fn is_number(&self) -> bool {
        self.entry.kind == 3
    }

    /// Whether it is an object.
    #[inline]
    pub fn is_object(&self) -> bool {
        self.entry.kind == 6
    }

    /// Whether it is an array.
    #[inline]
    pub fn is_array(&self) -> bool {
        self.entry.kind == 5
    }

    /// Whether it is a string, a number or a boolean.
    #[inline]
    pub fn is_scalar(&self) -> bool {
        matches!(self.entry.kind, 1..=4)
    }

    /// The value's bytes as they stand in the JSON; `null` when it is not there.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.source
            .json
            .get(self.entry.start as usize..self.entry.end as usize)
            .filter(|raw| !raw.is_empty())
            .unwrap_or(b"null")
    }

    /// Whether the string, or a text in the value, can be copied as it is: no escape in it.
    #[inline]
    pub fn is_escaped(&self) -> bool {
        self.entry.flags & FLAG_ESCAPED != 0
    }

    /// The text between the quotes as it stands in the JSON, when it is a string.
    #[inline]
    pub fn quoted(&self) -> Option<&'a [u8]> {
        if self.entry.kind != 4 {
            return None;
        }
        let (start, end) = (self.entry.start as usize + 1, (self.entry.end as usize).saturating_sub(1));
        self.source.json.get(start..end)
    }

    /// The text, when it is a string.
    #[inline]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let quoted = self.quoted()?;
        if self.is_escaped() {
            return Some(Cow::Owned(text::unescape(quoted)));
        }
        std::str::from_utf8(quoted).ok().map(Cow::Borrowed)
    }

    /// The text, when it is a string that is not blank.
    #[inline]
    pub fn as_filled_str(&self) -> Option<Cow<'a, str>> {
        self.as_str().filter(|text| !text.bytes().all(|byte| byte.is_ascii_whitespace()))
    }

    /// The text of a string that is not blank, or of a number: what the Segment specification calls an id.
    pub fn as_filled_text(&self) -> Option<Cow<'a, str>> {
        if self.is_number() { self.as_text() } else { self.as_filled_str() }
    }

    /// The text without what is blank around it, when it is a string of which something is left.
    pub fn as_trimmed_str(&self) -> Option<Cow<'a, str>> {
        let text = match self.as_filled_str()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The same of a string, or a number's text: what an id or a name may arrive as.
    pub fn as_trimmed_text(&self) -> Option<Cow<'a, str>> {
        if self.is_number() { self.as_text() } else { self.as_trimmed_str() }
    }

    /// The text of a string, a number or a boolean. What the Segment specification calls an id may
    /// arrive as any of the first two.
    pub fn as_text(&self) -> Option<Cow<'a, str>> {
        match self.kind() {
            ValueKind::String => self.as_str(),
            ValueKind::Number | ValueKind::True | ValueKind::False => {
                std::str::from_utf8(self.raw()).ok().map(Cow::Borrowed)
            }
            _ => None,
        }
    }

    /// The number, when it is one that a double holds.
    pub fn as_f64(&self) -> Option<f64> {
        if !self.is_number() {
            return None;
        }
        std::str::from_utf8(self.raw()).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The number, when it is a whole one of 64 bits. `5.0` is 5.
    pub fn as_i64(&self) -> Option<i64> {
        if !self.is_number() {
            return None;
        }
        let text = std::str::from_utf8(self.raw()).ok()?;
        text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok()?;
            (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
        })
    }

    /// The number's text, when it is a number or a string that is nothing but a JSON number.
    pub fn number_text(&self) -> Option<&'a [u8]> {
        match self.kind() {
            ValueKind::Number => Some(self.raw()),
            ValueKind::String => self.quoted().map(<[u8]>::trim_ascii).filter(|quoted| text::is_number(quoted)),
            _ => None,
        }
    }

    /// The text of a number, or of a string that is nothing but one, when a double holds it. Copy it: it
    /// is what the sender wrote.
    pub fn finite_number_text(&self) -> Option<&'a [u8]> {
        let text = self.number_text()?;
        // All are that have no exponent and are not very long.
        let is_plain = text.len() <= FINITE_BYTES_MAX && !text.iter().any(|byte| matches!(byte, b'e' | b'E'));
        (is_plain || parsed(text).is_some()).then_some(text)
    }

    /// The number of a number, or of a string that is nothing but one, when a double holds it.
    pub fn finite_number(&self) -> Option<f64> {
        parsed(self.number_text()?)
    }

    /// Whether it says something: it is neither null nor a blank text.
    #[inline]
    pub fn is_said(&self) -> bool {
        match self.quoted() {
            Some(quoted) => !quoted.trim_ascii().is_empty(),
            None => !self.is_null(),
        }
    }

    /// The boolean, when it is one.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        match self.entry.kind {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        }
    }

    /// The member's key as it stands in the JSON, with its escapes; empty in arrays.
    #[inline(always)]
    pub fn raw_key(&self) -> &'a [u8] {
        self.source.key(&self.entry)
    }

    /// Whether the member's key has an escape.
    #[inline]
    pub fn is_key_escaped(&self) -> bool {
        self.entry.flags & FLAG_KEY_ESCAPED != 0
    }

    /// The member's key; empty in arrays.
    pub fn key(&self) -> Cow<'a, str> {
        if self.is_key_escaped() {
            return Cow::Owned(text::unescape(self.raw_key()));
        }
        Cow::Borrowed(std::str::from_utf8(self.raw_key()).unwrap_or_default())
    }

    /// Whether the member's key is that one.
    #[inline(always)]
    pub fn key_is(&self, key: &str) -> bool {
        if self.is_key_escaped() {
            return text::unescape(self.raw_key()) == key;
        }
        usize::from(self.entry.key_len) == key.len() && bytes::same(self.raw_key(), key.as_bytes())
    }

    /// The values in an object or array, in order.
    #[inline]
    pub fn children(&self) -> Children<'a> {
        let container = self.entry.kind >= 5;
        let (at, end) = if container { (self.number + 1, self.entry.next) } else { (0, 0) };
        Children { source: self.source, at, end }
    }

    /// The member with that key; null when there is none.
    #[inline]
    pub fn child(&self, key: &str) -> Value<'a> {
        let (source, key) = (self.source, key.as_bytes());
        let (mut at, end) = if self.entry.kind == 6 { (self.number + 1, self.entry.next) } else { (0, 0) };
        while at < end {
            let Some(entry) = source.entry(at) else { break };
            let is_it = if entry.flags & FLAG_KEY_ESCAPED != 0 {
                text::unescape(source.key(&entry)).as_bytes() == key
            } else {
                usize::from(entry.key_len) == key.len() && bytes::same(source.key(&entry), key)
            };
            if is_it {
                return Value { source, number: at, entry };
            }
            at = entry.next.max(at + 1);
        }
        Value { source, number: 0, entry: NOTHING }
    }

    /// Members by their keys, found in one walk; null for those that are not there. Meant for constant
    /// keys: a walk then costs little more than one [`Value::child`].
    #[inline(always)]
    pub fn members<const N: usize>(&self, keys: [&str; N]) -> [Value<'a>; N] {
        let mut found = [Value { source: self.source, number: 0, entry: NOTHING }; N];
        if !self.is_object() {
            return found;
        }
        for value in self.children() {
            if let Some(at) = keys.iter().position(|key| value.key_is(key)) {
                found[at] = value;
            }
        }
        found
    }

    /// The value at a path of keys, `context.page.url`; null when it is not there. A key that
    /// contains a dot is found by [`Value::child`].
    #[inline]
    pub fn get(&self, path: &str) -> Value<'a> {
        let (mut value, mut rest) = (*self, path);
        while let Some(dot) = rest.bytes().position(|byte| byte == b'.') {
            value = value.child(&rest[..dot]);
            rest = &rest[dot + 1..];
        }
        value.child(rest)
    }

    /// The first of these members that is there and not null.
    pub fn first(&self, keys: &[&str]) -> Value<'a> {
        keys.iter().map(|key| self.child(key)).find(|value| !value.is_null()).unwrap_or(self.source.value(u32::MAX))
    }

    /// The number of its entry: the same for the same value of the same event.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(self.raw()))
    }
}

/// The values in an object or array.
#[derive(Clone)]
pub struct Children<'a> {
    source: Source<'a>,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.at >= self.end {
            return None;
        }
        let entry = self.source.entry(self.at)?;
        let value = Value { source: self.source, number: self.at, entry };
        self.at = entry.next.max(self.at + 1);
        Some(value)
    }
}
