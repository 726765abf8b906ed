//! New values, before they stand in an event: canonical JSON, each with its entries.

use crate::event::index::{ENTRY_BYTES, Entry, FLAG_ESCAPED, FLAG_KEY_ESCAPED, FLAG_MEMBER, Kind, Value};

use super::steps::Exhausted;

/// Bytes by which the rules may make an event larger. 256 KiB: eight times the largest event that is
/// accepted by default; beyond, a rule copies an event into itself.
pub const GROWTH_BYTES_MAX: usize = 256 << 10;

/// A value in an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub json: (u32, u32),
    pub index: (u32, u32),
}

/// A container that is being written.
pub(super) struct Open {
    fragment: (u32, u32),
    entry_at: usize,
    close: u8,
}

/// New values, one behind the other. The offsets and numbers in a value's entries count from its start.
#[derive(Default)]
pub(super) struct Arena {
    pub json: Vec<u8>,
    pub index: Vec<u8>,
}

impl Arena {
    pub fn clear(&mut self) {
        self.json.clear();
        self.index.clear();
    }

    fn here(&self) -> (u32, u32) {
        (self.json.len() as u32, self.index.len() as u32)
    }

    fn since(&self, (json, index): (u32, u32)) -> Fragment {
        let (json_end, index_end) = self.here();
        Fragment { json: (json, json_end), index: (index, index_end) }
    }

    fn room_for(&self, bytes: usize) -> Result<(), Exhausted> {
        if self.json.len() + bytes > GROWTH_BYTES_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> Result<Fragment, Exhausted> {
        let here = self.here();
        self.push_text(here, text, None)?;
        Ok(self.since(here))
    }

    /// The text of a number, in JSON's grammar.
    pub fn number(&mut self, number: &str) -> Result<Fragment, Exhausted> {
        let here = self.here();
        self.push_raw(here, number.as_bytes(), Kind::Number, None)?;
        Ok(self.since(here))
    }

    /// True, false or null.
    pub fn word(&mut self, word: Option<bool>) -> Result<Fragment, Exhausted> {
        let here = self.here();
        self.push_word(here, word, None)?;
        Ok(self.since(here))
    }

    /// A copy of a value of an event.
    pub fn copy(&mut self, value: &Value<'_>) -> Result<Fragment, Exhausted> {
        let here = self.here();
        self.push_copy(here, value, None)?;
        Ok(self.since(here))
    }

    /// A value that was written before, with its entries.
    pub fn canonical(&mut self, json: &[u8], entries: &[u8]) -> Result<Fragment, Exhausted> {
        self.room_for(json.len())?;
        let here = self.here();
        self.json.extend_from_slice(json);
        self.index.extend_from_slice(entries);
        Ok(self.since(here))
    }

    /// Starts a container.
    pub fn begin(&mut self, kind: Kind) -> Result<Open, Exhausted> {
        self.open(self.here(), kind, None)
    }

    /// Completes it.
    pub fn end(&mut self, open: Open) -> Fragment {
        let fragment = open.fragment;
        self.close(open);
        self.since(fragment)
    }

    /// Starts a container inside another.
    pub fn open_in(&mut self, parent: &Open, key: Option<&str>, kind: Kind) -> Result<Open, Exhausted> {
        self.open(parent.fragment, kind, key)
    }

    /// Completes a container inside another.
    pub fn close(&mut self, open: Open) {
        self.json.push(open.close);
        let (json, index) = open.fragment;
        let end = self.json.len() as u32 - json;
        let next = (self.index.len() as u32 - index) / ENTRY_BYTES as u32;
        let both = u64::from(end) | u64::from(next) << 32;
        if let Some(place) = self.index.get_mut(open.entry_at + 4..open.entry_at + 12) {
            place.copy_from_slice(&both.to_le_bytes());
        }
    }

    /// A text inside a container.
    pub fn text_in(&mut self, parent: &Open, key: Option<&str>, text: &str) -> Result<(), Exhausted> {
        self.push_text(parent.fragment, text, key)
    }

    /// A number inside a container.
    pub fn number_in(&mut self, parent: &Open, key: Option<&str>, number: &str) -> Result<(), Exhausted> {
        self.push_raw(parent.fragment, number.as_bytes(), Kind::Number, key)
    }

    /// True, false or null inside a container.
    pub fn word_in(&mut self, parent: &Open, key: Option<&str>, word: Option<bool>) -> Result<(), Exhausted> {
        self.push_word(parent.fragment, word, key)
    }

    /// A copy inside a container.
    pub fn copy_in(&mut self, parent: &Open, key: Option<&str>, value: &Value<'_>) -> Result<(), Exhausted> {
        self.push_copy(parent.fragment, value, key)
    }

    /// A copy of another value of the arena inside a container.
    pub fn fragment_in(&mut self, parent: &Open, key: Option<&str>, value: Fragment) -> Result<(), Exhausted> {
        self.room_for((value.json.1 - value.json.0) as usize)?;
        let (key_len, flags) = self.key(key)?;
        let bytes = (self.json.len() as u32).wrapping_sub(parent.fragment.0);
        let numbers = ((self.index.len() as u32).wrapping_sub(parent.fragment.1)) / ENTRY_BYTES as u32;
        self.json.extend_from_within(value.json.0 as usize..value.json.1 as usize);
        let from = self.index.len();
        self.index.extend_from_within(value.index.0 as usize..value.index.1 as usize);
        moved(&mut self.index[from..], bytes, numbers);
        self.as_member(from, key_len, flags);
        Ok(())
    }

    fn open(&mut self, fragment: (u32, u32), kind: Kind, key: Option<&str>) -> Result<Open, Exhausted> {
        self.room_for(2)?;
        let (key_len, flags) = self.key(key)?;
        let entry_at = self.index.len();
        let start = self.json.len() as u32 - fragment.0;
        let entry = Entry { start, end: start, next: 0, key_len, kind, flags };
        self.index.extend_from_slice(&entry.to_bytes());
        let (open, close) = if kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
        self.json.push(open);
        Ok(Open { fragment, entry_at, close })
    }

    fn push_text(&mut self, fragment: (u32, u32), text: &str, key: Option<&str>) -> Result<(), Exhausted> {
        self.room_for(text.len() + 2)?;
        let (key_len, flags) = self.key(key)?;
        let from = self.json.len();
        let escaped = push_string(&mut self.json, text);
        let flags = flags | if escaped { FLAG_ESCAPED } else { 0 };
        self.push_entry(fragment, from, Kind::String, key_len, flags);
        Ok(())
    }

    fn push_word(&mut self, fragment: (u32, u32), word: Option<bool>, key: Option<&str>) -> Result<(), Exhausted> {
        let (text, kind) = match word {
            Some(true) => (&b"true"[..], Kind::True),
            Some(false) => (&b"false"[..], Kind::False),
            None => (&b"null"[..], Kind::Null),
        };
        self.push_raw(fragment, text, kind, key)
    }

    fn push_raw(&mut self, fragment: (u32, u32), raw: &[u8], kind: Kind, key: Option<&str>) -> Result<(), Exhausted> {
        self.room_for(raw.len())?;
        let (key_len, flags) = self.key(key)?;
        let from = self.json.len();
        self.json.extend_from_slice(raw);
        self.push_entry(fragment, from, kind, key_len, flags);
        Ok(())
    }

    fn push_entry(&mut self, fragment: (u32, u32), from: usize, kind: Kind, key_len: u16, flags: u8) {
        let start = from as u32 - fragment.0;
        let end = self.json.len() as u32 - fragment.0;
        let next = (self.index.len() as u32 - fragment.1) / ENTRY_BYTES as u32 + 1;
        self.index.extend_from_slice(&Entry { start, end, next, key_len, kind, flags }.to_bytes());
    }

    fn push_copy(&mut self, fragment: (u32, u32), value: &Value<'_>, key: Option<&str>) -> Result<(), Exhausted> {
        self.room_for(value.raw().len())?;
        let (key_len, flags) = self.key(key)?;
        let bytes = (self.json.len() as u32).wrapping_sub(fragment.0).wrapping_sub(value.entry().start);
        let number = (self.index.len() as u32 - fragment.1) / ENTRY_BYTES as u32;
        self.json.extend_from_slice(value.raw());
        let from = self.index.len();
        self.index.extend_from_slice(value.entries());
        moved(&mut self.index[from..], bytes, number.wrapping_sub(value.number()));
        self.as_member(from, key_len, flags);
        Ok(())
    }

    /// Writes the comma, the key and the colon before a value, where they are due.
    fn key(&mut self, key: Option<&str>) -> Result<(u16, u8), Exhausted> {
        let Some(key) = key else {
            return Ok((0, 0));
        };
        self.room_for(key.len() + 4)?;
        if self.json.last() != Some(&b'{') {
            self.json.push(b',');
        }
        let from = self.json.len();
        let escaped = push_string(&mut self.json, key);
        let key_len = u16::try_from(self.json.len() - from - 2).map_err(|_| Exhausted)?;
        self.json.push(b':');
        Ok((key_len, FLAG_MEMBER | if escaped { FLAG_KEY_ESCAPED } else { 0 }))
    }

    /// The comma before an item of an array.
    pub fn item(&mut self) {
        if self.json.last() != Some(&b'[') {
            self.json.push(b',');
        }
    }

    /// Gives the entry at an offset another key.
    fn as_member(&mut self, at: usize, key_len: u16, flags: u8) {
        if let Some(place) = self.index.get_mut(at..at + ENTRY_BYTES) {
            rekey(place, key_len, flags);
        }
    }
}

/// Gives the entry that stands in `place` another key; what it says of its value stays.
pub(super) fn rekey(place: &mut [u8], key_len: u16, key_flags: u8) {
    if let [.., low, high, _kind, flags] = place {
        [*low, *high] = key_len.to_le_bytes();
        *flags = (*flags & FLAG_ESCAPED) | key_flags;
    }
}

/// Moves entries: their offsets by `bytes`, their numbers by `numbers`, both wrapping.
pub(super) fn moved(entries: &mut [u8], bytes: u32, numbers: u32) {
    for entry in entries.as_chunks_mut::<ENTRY_BYTES>().0 {
        // start, end, next; the rest stays.
        for (field, by) in entry.as_chunks_mut::<4>().0.iter_mut().zip([bytes, bytes, numbers]) {
            *field = u32::from_le_bytes(*field).wrapping_add(by).to_le_bytes();
        }
    }
}

/// Writes a text as a JSON string; answers whether it needed an escape.
pub(super) fn push_string(json: &mut Vec<u8>, text: &str) -> bool {
    json.push(b'"');
    let mut rest = text;
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let escaped = rest.bytes().any(special);
    if escaped {
        while let Some(at) = rest.bytes().position(special) {
            json.extend_from_slice(&rest.as_bytes()[..at]);
            match rest.as_bytes()[at] {
                byte @ (b'"' | b'\\') => json.extend_from_slice(&[b'\\', byte]),
                byte => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            }
            rest = &rest[at + 1..];
        }
    }
    json.extend_from_slice(rest.as_bytes());
    json.push(b'"');
    escaped
}
