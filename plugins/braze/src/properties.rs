//! Properties of an event or a purchase as the vendor takes them: not too many, not too large, none
//! with a reserved name.
//!
//! Most can be copied as they stand, so what stands side by side is copied in one piece.

use switchyard_sdk::prelude::*;

use crate::rules::{NAME_CHARACTERS_MAX, PROPERTIES_BYTES_MAX, PROPERTIES_MAX, TEXT_CHARACTERS_MAX};

/// The members of `properties`, as they are written.
pub struct Properties<'j> {
    json: &'j mut JsonWriter,
    /// Where the object begins.
    start: usize,
    count: usize,
    cuts: bool,
}

impl<'j> Properties<'j> {
    /// Opens the object. `cuts`: long texts are shortened.
    pub fn begin(json: &'j mut JsonWriter, cuts: bool) -> Properties<'j> {
        let start = json.len();
        json.verbatim(b"{");
        Properties { json, start, count: 0, cuts }
    }

    /// Opens another object that is treated like this one.
    pub fn like<'o>(&self, json: &'o mut JsonWriter) -> Properties<'o> {
        Properties::begin(json, self.cuts)
    }

    /// How many members there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Copies so many members that were written already. Whether there was room.
    pub fn copied(&mut self, members: &[u8], count: usize) -> bool {
        let bytes = self.json.len() - self.start + members.len() + 2;
        let has_room = self.count + count <= PROPERTIES_MAX && bytes <= PROPERTIES_BYTES_MAX;
        if has_room && count > 0 {
            self.json.raw(members);
            self.count += count;
        }
        has_room
    }

    /// Closes it.
    pub fn end(self) {
        self.json.end_object();
    }

    /// The members of an object, but for those that are to be left out.
    pub fn members(&mut self, object: Value<'_>, is_left_out: impl Fn(&[u8]) -> bool) {
        if !object.is_object() {
            return;
        }
        let raw = object.raw();
        // Slices of the same text: what stands where is the difference of their addresses.
        let at = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize);
        let has_room = self.json.len() - self.start + raw.len() <= PROPERTIES_BYTES_MAX;
        let mut run: Option<(usize, usize)> = None;
        for child in object.children() {
            if !has_name(child) || child.is_null() || is_member(child, &is_left_out) || self.count == PROPERTIES_MAX {
                self.copy(raw, run.take());
            } else if has_room && !self.is_long(child) {
                let (start, end) = (at(child.raw_key()).wrapping_sub(1), at(child.raw()) + child.raw().len());
                run = Some((run.map_or(start, |(start, _)| start), end));
                self.count += 1;
            } else {
                self.copy(raw, run.take());
                self.one(child);
            }
        }
        self.copy(raw, run);
    }

    /// A text.
    pub fn text(&mut self, key: Key, value: Value<'_>) {
        if value.as_filled_str().is_some() && self.count < PROPERTIES_MAX {
            let before = self.json.len();
            self.json.member_key(key);
            self.value(value);
            self.keep(before);
        }
    }

    fn copy(&mut self, raw: &[u8], run: Option<(usize, usize)>) {
        if let Some(members) = run.and_then(|(start, end)| raw.get(start..end)) {
            self.json.raw(members);
        }
    }

    /// A member that needs a look at its size.
    fn one(&mut self, member: Value<'_>) {
        let before = self.json.len();
        self.json.raw_key(member.raw_key());
        self.value(member);
        self.keep(before);
    }

    fn value(&mut self, value: Value<'_>) {
        if self.cuts {
            self.json.cut(value, TEXT_CHARACTERS_MAX);
        } else {
            self.json.value(value);
        }
    }

    /// Takes what was written last back when the object has become too large by it.
    fn keep(&mut self, before: usize) {
        if self.json.len() - self.start < PROPERTIES_BYTES_MAX {
            self.count += 1;
        } else {
            self.json.truncate(before);
        }
    }

    #[inline]
    fn is_long(&self, value: Value<'_>) -> bool {
        self.cuts && value.quoted().is_some_and(|quoted| quoted.len() > TEXT_CHARACTERS_MAX)
    }
}

/// Whether a member may be called so. Source: event_object.
#[inline]
fn has_name(member: Value<'_>) -> bool {
    let name = member.raw_key();
    match name.first() {
        None | Some(b'$') => false,
        Some(b'\\') if member.key().starts_with('$') => false,
        _ => name.len() <= NAME_CHARACTERS_MAX || member.key().chars().count() <= NAME_CHARACTERS_MAX,
    }
}

/// What `is` says of a member's name.
#[inline]
fn is_member(member: Value<'_>, is: &impl Fn(&[u8]) -> bool) -> bool {
    if member.is_key_escaped() { is(member.key().as_bytes()) } else { is(member.raw_key()) }
}
