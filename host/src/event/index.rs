//! Reads an event through its index: fields by path, without parsing.
//!
//! Invariants: nothing here panics, whatever the bytes of the JSON or of the index are; a damaged
//! index shows fewer values, never a value that is not in the JSON's bytes. Reading never writes;
//! the index is made in [`super::scan`].

use std::borrow::Cow;

/// The layout of wit/1.0.0/index.md.
pub const LAYOUT: u8 = 1;
/// Bytes before the first entry.
pub const HEADER_BYTES: usize = 16;
/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 16;
/// The value is a string that contains a backslash escape.
pub const FLAG_ESCAPED: u8 = 1;
/// The member's key contains a backslash escape.
pub const FLAG_KEY_ESCAPED: u8 = 2;
/// The value is a member of an object.
pub const FLAG_MEMBER: u8 = 4;

/// What a value is. The discriminants are those of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `null`
    Null = 0,
    /// `false`
    False = 1,
    /// `true`
    True = 2,
    /// A number, of any size and precision.
    Number = 3,
    /// A string.
    String = 4,
    /// An array.
    Array = 5,
    /// An object.
    Object = 6,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        use Kind::{Array, False, Null, Number, Object, String, True};
        [Null, False, True, Number, String, Array, Object].get(usize::from(code)).copied()
    }
}

/// One entry of an index, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Offset of the value's first byte.
    pub start: u32,
    /// Offset behind the value's last byte.
    pub end: u32,
    /// Number of the entry behind this value and all it contains.
    pub next: u32,
    /// Bytes of the member's key, without quotes.
    pub key_len: u16,
    /// What the value is.
    pub kind: Kind,
    /// `FLAG_*`.
    pub flags: u8,
}

impl Entry {
    /// The entry as the layout has it.
    #[inline(always)]
    pub fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let span = u64::from(self.start) | u64::from(self.end) << 32;
        let rest = u64::from(self.next)
            | u64::from(self.key_len) << 32
            | (self.kind as u64) << 48
            | u64::from(self.flags) << 56;
        (u128::from(span) | u128::from(rest) << 64).to_le_bytes()
    }

    /// Reads an entry; `None` where there is no such kind.
    #[inline]
    pub fn from_bytes(bytes: [u8; ENTRY_BYTES]) -> Option<Entry> {
        let both = u128::from_le_bytes(bytes);
        let (span, rest) = (both as u64, (both >> 64) as u64);
        Some(Entry {
            start: span as u32,
            end: (span >> 32) as u32,
            next: rest as u32,
            key_len: (rest >> 32) as u16,
            kind: Kind::from_code((rest >> 48) as u8)?,
            flags: (rest >> 56) as u8,
        })
    }
}

/// The header of an index with so many entries.
pub fn header(entries: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = LAYOUT;
    bytes[4..8].copy_from_slice(&entries.to_le_bytes());
    bytes
}

/// An event's JSON together with its index. Cheap to copy.
#[derive(Clone, Copy)]
pub struct View<'a> {
    json: &'a [u8],
    entries: &'a [u8],
}

impl<'a> View<'a> {
    /// Looks at `json` through `index`. An index of another layout, or a cut one, shows nothing.
    pub fn new(json: &'a [u8], index: &'a [u8]) -> View<'a> {
        let entries = match index.split_at_checked(HEADER_BYTES) {
            Some((header, entries)) if header[0] == LAYOUT => entries,
            _ => &[],
        };
        View { json, entries }
    }

    /// Looks at `json` through entries that have no header.
    pub(crate) fn headless(json: &'a [u8], entries: &'a [u8]) -> View<'a> {
        View { json, entries }
    }

    /// The event itself. Shows an absent value as null.
    pub fn root(&self) -> Value<'a> {
        self.value(0).unwrap_or(Value {
            view: *self,
            number: 0,
            entry: Entry { start: 0, end: 0, next: 0, key_len: 0, kind: Kind::Null, flags: 0 },
        })
    }

    /// The value at a path of keys from the event on; the empty path is the event.
    pub fn get(&self, path: &[&str]) -> Option<Value<'a>> {
        self.root().get(path)
    }

    /// The purposes of `context.consent.categoryPreferences` and whether each was granted. `None`
    /// when the event does not say. Values other than true and false say nothing.
    pub fn consent(&self) -> Option<Vec<(String, bool)>> {
        let preferences = self.get(&["context", "consent", "categoryPreferences"])?;
        if preferences.kind() != Kind::Object {
            return None;
        }
        let purposes = preferences
            .children()
            .filter_map(|preference| Some((preference.key()?.into_owned(), preference.as_bool()?)));
        Some(purposes.collect())
    }

    /// The value of that entry.
    pub fn value(&self, number: u32) -> Option<Value<'a>> {
        let at = (number as usize).checked_mul(ENTRY_BYTES)?;
        let bytes = self.entries.get(at..)?.first_chunk::<ENTRY_BYTES>()?;
        let entry = Entry::from_bytes(*bytes)?;
        Some(Value { view: *self, number, entry })
    }
}

/// Neighbouring members or items, from the first key to the last value.
pub(crate) struct Run<'a> {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of the first entry.
    pub number: u32,
    /// The bytes, with the commas between.
    pub json: &'a [u8],
    /// The entries.
    pub entries: &'a [u8],
}

/// One value of an event. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    view: View<'a>,
    number: u32,
    entry: Entry,
}

impl<'a> Value<'a> {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.entry.kind
    }

    /// The number of its entry.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its entry.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    /// Its bytes in the JSON, a string's quotes included.
    pub fn raw(&self) -> &'a [u8] {
        self.view.json.get(self.entry.start as usize..self.entry.end as usize).unwrap_or(&[])
    }

    /// Its entry and those of all it contains, as they stand in the index.
    pub(crate) fn entries(&self) -> &'a [u8] {
        let entries = self.number as usize * ENTRY_BYTES..self.entry.next as usize * ENTRY_BYTES;
        self.view.entries.get(entries).unwrap_or(&[])
    }

    /// No values, as inside a scalar.
    pub(crate) fn none(&self) -> Children<'a> {
        Children { view: self.view, next: self.entry.next, behind: self.entry.next }
    }

    /// This value and its siblings up to `last`, with all they contain.
    pub(crate) fn run_to(&self, last: &Value<'a>) -> Run<'a> {
        let key = self.raw_key().map_or(0, |key| key.len() as u32 + 3); // "key":
        let start = self.entry.start.saturating_sub(key);
        let entries = self.number as usize * ENTRY_BYTES..last.entry.next as usize * ENTRY_BYTES;
        Run {
            start,
            number: self.number,
            json: self.view.json.get(start as usize..last.entry.end as usize).unwrap_or(&[]),
            entries: self.view.entries.get(entries).unwrap_or(&[]),
        }
    }

    /// The bytes of its key as they stand in the JSON; `None` when it is no member of an object.
    pub fn raw_key(&self) -> Option<&'a [u8]> {
        if self.entry.flags & FLAG_MEMBER == 0 {
            return None;
        }
        let end = (self.entry.start as usize).checked_sub(2)?;
        self.view.json.get(end.checked_sub(usize::from(self.entry.key_len))?..end)
    }

    /// Its key, unescaped.
    pub fn key(&self) -> Option<Cow<'a, str>> {
        let raw = self.raw_key()?;
        Some(match self.entry.flags & FLAG_KEY_ESCAPED {
            0 => text(raw),
            _ => Cow::Owned(unescape(raw)),
        })
    }

    /// Whether its key contains an escape.
    pub(crate) fn has_escaped_key(&self) -> bool {
        self.entry.flags & FLAG_KEY_ESCAPED != 0
    }

    /// Whether its key is `name`.
    pub fn key_is(&self, name: &str) -> bool {
        match self.entry.flags & FLAG_KEY_ESCAPED {
            0 => self.raw_key() == Some(name.as_bytes()),
            _ => self.key().as_deref() == Some(name),
        }
    }

    /// The text of a string, unescaped.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let raw = self.raw_str()?;
        Some(match self.entry.flags & FLAG_ESCAPED {
            0 => text(raw),
            _ => Cow::Owned(unescape(raw)),
        })
    }

    /// The bytes of a string between its quotes, as they stand in the JSON.
    pub fn raw_str(&self) -> Option<&'a [u8]> {
        match self.kind() {
            Kind::String => self.raw().get(1..)?.split_last().map(|(_quote, text)| text),
            _ => None,
        }
    }

    /// The text of a number, as it was sent.
    pub fn as_number(&self) -> Option<&'a str> {
        match self.kind() {
            Kind::Number => std::str::from_utf8(self.raw()).ok(),
            _ => None,
        }
    }

    /// A number, as near as a float comes to it.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.parse().ok()
    }

    /// A number that is written as an integer and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.parse().ok()
    }

    /// True or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The value at a path of keys from here on; the empty path is the value itself.
    pub fn get(&self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(*self, |value, name| value.member(name))
    }

    /// The member of that key.
    pub fn member(&self, name: &str) -> Option<Value<'a>> {
        match self.kind() {
            Kind::Object => self.children().find(|child| child.key_is(name)),
            _ => None,
        }
    }

    /// The values directly inside a container, in document order; none for a scalar.
    pub fn children(&self) -> Children<'a> {
        let next = match self.kind() {
            Kind::Array | Kind::Object => self.number.saturating_add(1),
            _ => self.entry.next,
        };
        Children { view: self.view, next, behind: self.entry.next }
    }
}

/// The values directly inside a container.
pub struct Children<'a> {
    view: View<'a>,
    next: u32,
    behind: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.next >= self.behind {
            return None;
        }
        let value = self.view.value(self.next)?;
        // A damaged index must not make this go round for ever.
        self.next = value.entry.next.max(self.next.saturating_add(1));
        Some(value)
    }
}

fn text(raw: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// The text of a JSON string's inside. Escapes that mean nothing become U+FFFD.
pub fn unescape(raw: &[u8]) -> String {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let (character, taken) = unescape_one(&rest[at..]);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + taken..];
    }
    text.extend_from_slice(rest);
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into())
}

/// The character that the escape at the start of `raw` stands for, and the escape's bytes.
fn unescape_one(raw: &[u8]) -> (char, usize) {
    let character = match raw.get(1) {
        Some(b'u') => return unescape_unicode(raw),
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
        // Only the backslash is taken: what follows may be a character of several bytes.
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (character, 2)
}

fn unescape_unicode(raw: &[u8]) -> (char, usize) {
    let Some(first) = code_unit(raw) else {
        return (char::REPLACEMENT_CHARACTER, 1);
    };
    let second = raw.get(6..).and_then(code_unit);
    let units = [first, second.unwrap_or(0)];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => (character, if (0xD800..0xE000).contains(&first) { 12 } else { 6 }),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// The UTF-16 unit that a `\uXXXX` at the start of `raw` names.
pub(crate) fn code_unit(raw: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = raw.first_chunk::<6>()? else {
        return None;
    };
    digits.iter().try_fold(0, |unit: u16, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | value as u16)
    })
}

#[cfg(test)]
mod tests;
