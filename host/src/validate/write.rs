//! Writes one event, canonical and with its index, from texts and from pieces of scanned values.
//!
//! Invariants: a piece is copied as it stands, and its entries are moved, never made anew. Callers
//! write no key twice.

use std::ops::Range;

use super::fields::Text;
use crate::event::index::{ENTRY_BYTES, Entry, FLAG_ESCAPED, FLAG_MEMBER, HEADER_BYTES, Kind, Run, header};

/// Appends one event to a list of JSON bytes and one of index bytes.
pub(super) struct Writer<'a> {
    json: &'a mut Vec<u8>,
    index: &'a mut Vec<u8>,
    json_base: usize,
    index_base: usize,
}

/// An object or array that is being written: where its entry stands, and its closing bracket.
pub(super) struct Open {
    entry_at: usize,
    close: u8,
}

/// Where a written event stands in both lists.
pub(super) struct Written {
    pub json: Range<usize>,
    pub index: Range<usize>,
}

impl<'a> Writer<'a> {
    /// Starts an event behind what the lists hold.
    pub fn begin(json: &'a mut Vec<u8>, index: &'a mut Vec<u8>) -> (Writer<'a>, Open) {
        let (json_base, index_base) = (json.len(), index.len());
        index.extend_from_slice(&header(0));
        let mut writer = Writer { json, index, json_base, index_base };
        let root = writer.open_here(Kind::Object, 0, 0);
        (writer, root)
    }

    /// Completes the event.
    pub fn finish(mut self, root: Open) -> Written {
        self.close(root);
        let entries = self.count();
        if let Some(place) = self.index.get_mut(self.index_base..self.index_base + HEADER_BYTES) {
            place.copy_from_slice(&header(entries));
        }
        Written { json: self.json_base..self.json.len(), index: self.index_base..self.index.len() }
    }

    /// Starts a member that is an object. The key needs no escape.
    pub fn open(&mut self, key: &str) -> Open {
        self.key(key);
        self.open_here(Kind::Object, key.len() as u16, FLAG_MEMBER)
    }

    fn open_here(&mut self, kind: Kind, key_len: u16, flags: u8) -> Open {
        let (start, entry_at) = (self.at(), self.index.len());
        let entry = Entry { start, end: start, next: 0, key_len, kind, flags };
        self.index.extend_from_slice(&entry.to_bytes());
        let (open, close) = if kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
        self.json.push(open);
        Open { entry_at, close }
    }

    /// Completes an object or array.
    pub fn close(&mut self, open: Open) {
        self.json.push(open.close);
        let both = u64::from(self.at()) | u64::from(self.count()) << 32;
        if let Some(place) = self.index.get_mut(open.entry_at + 4..open.entry_at + 12) {
            place.copy_from_slice(&both.to_le_bytes());
        }
    }

    /// Writes a member that is a string. The key needs no escape. Answers where the text stands in
    /// the list, unless it has escapes.
    pub fn text(&mut self, key: &str, text: &Text<'_>) -> Option<Range<usize>> {
        self.key(key);
        self.string(text, key.len() as u16, FLAG_MEMBER)
    }

    /// Writes a member that is an array of strings. The key needs no escape.
    pub fn texts<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        self.key(key);
        let list = self.open_here(Kind::Array, key.len() as u16, FLAG_MEMBER);
        for text in texts {
            self.comma();
            self.string(&Text::borrowed(text), 0, 0);
        }
        self.close(list);
    }

    fn string(&mut self, text: &Text<'_>, key_len: u16, flags: u8) -> Option<Range<usize>> {
        let (from, next) = (self.json.len(), self.count() + 1);
        let escaped = match text {
            Text::Sent(value) => {
                self.json.extend_from_slice(value.raw());
                value.entry().flags & FLAG_ESCAPED != 0
            }
            Text::Made(text) => push_string(self.json, text),
        };
        let (start, end) = ((from - self.json_base) as u32, self.at());
        let flags = flags | if escaped { FLAG_ESCAPED } else { 0 };
        let entry = Entry { start, end, next, key_len, kind: Kind::String, flags };
        self.index.extend_from_slice(&entry.to_bytes());
        (!escaped).then(|| from + 1..self.json.len() - 1)
    }

    /// Copies neighbouring members.
    pub fn run(&mut self, run: &Run<'_>) {
        self.comma();
        let bytes = self.at().wrapping_sub(run.start);
        let numbers = self.count().wrapping_sub(run.number);
        self.json.extend_from_slice(run.json);
        let from = self.index.len();
        self.index.extend_from_slice(run.entries);
        let moved = self.index.get_mut(from..).unwrap_or(&mut []);
        for entry in moved.as_chunks_mut::<ENTRY_BYTES>().0 {
            // start, end, next; the rest stays.
            for (field, by) in entry.as_chunks_mut::<4>().0.iter_mut().zip([bytes, bytes, numbers]) {
                *field = u32::from_le_bytes(*field).wrapping_add(by).to_le_bytes();
            }
        }
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.json.push(b'"');
        self.json.extend_from_slice(key.as_bytes());
        self.json.extend_from_slice(b"\":");
    }

    /// Only a container that has nothing in it yet ends in an opening bracket.
    fn comma(&mut self) {
        if !matches!(self.json.last(), Some(b'{' | b'[')) {
            self.json.push(b',');
        }
    }

    fn at(&self) -> u32 {
        (self.json.len() - self.json_base) as u32
    }

    fn count(&self) -> u32 {
        ((self.index.len() - self.index_base - HEADER_BYTES) / ENTRY_BYTES) as u32
    }
}

/// Writes a text as a JSON string; answers whether it needed an escape.
fn push_string(json: &mut Vec<u8>, text: &str) -> bool {
    json.push(b'"');
    let mut escaped = false;
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        escaped = true;
        text.chars().for_each(|character| push_escaped(json, character));
    } else {
        json.extend_from_slice(text.as_bytes());
    }
    json.push(b'"');
    escaped
}

fn push_escaped(json: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => json.extend_from_slice(&[b'\\', character as u8]),
        '\0'..' ' => json.extend_from_slice(format!("\\u{:04x}", character as u32).as_bytes()),
        _ => json.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}
