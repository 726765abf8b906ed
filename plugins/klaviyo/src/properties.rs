//! Properties within the vendor's bounds: what is too deep, too long or too much is left out.
//!
//! Most events keep every bound, so they are looked through first and then copied as they stand.

use switchyard_sdk::prelude::*;

use crate::rules::{DEPTH_MAX, ELEMENTS_MAX, LEGACY_PROPERTIES, TEXT_BYTES_MAX};

/// Whether a value keeps the bounds, as the `depth`-th container in one another.
pub fn fits(value: Value<'_>, depth: usize) -> bool {
    if !is_container(value) {
        return can_stand(value, depth);
    }
    let mut count = 0;
    for child in value.children() {
        count += 1;
        if !fits(child, depth + 1) {
            return false;
        }
    }
    depth <= DEPTH_MAX && (count <= ELEMENTS_MAX || value.is_object())
}

/// Writes a value that `can_stand` there, within the bounds.
pub fn write_fitting(value: Value<'_>, depth: usize, json: &mut JsonWriter) {
    if fits(value, depth) {
        return json.value(value);
    }
    let fitting = value.children().filter(|child| can_stand(*child, depth + 1));
    if value.is_object() {
        json.begin_object();
        for child in fitting {
            json.raw_key(child.raw_key());
            write_fitting(child, depth + 1, json);
        }
        return json.end_object();
    }
    json.begin_array();
    for child in fitting.take(ELEMENTS_MAX) {
        write_fitting(child, depth + 1, json);
    }
    json.end_array();
}

/// Whether anything of a value can be written as the `depth`-th container.
#[inline]
pub fn can_stand(value: Value<'_>, depth: usize) -> bool {
    if is_container(value) {
        return depth <= DEPTH_MAX;
    }
    // Most are short even with their quotes and escapes.
    value.raw().len() <= TEXT_BYTES_MAX || value.as_str().is_none_or(|text| text.len() <= TEXT_BYTES_MAX)
}

/// A member as it stands in its object: name and value.
#[inline]
fn member<'a>(object: Value<'a>, child: Value<'a>) -> &'a [u8] {
    let (raw, name, value) = (object.raw(), child.raw_key(), child.raw());
    // Slices of the same text: what stands where is the difference of their addresses.
    let at = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize);
    raw.get(at(name).wrapping_sub(1)..at(value).wrapping_add(value.len())).unwrap_or_default()
}

/// Whether a property is one of older versions of the API.
#[inline]
fn is_legacy(name: &[u8]) -> bool {
    name.first() == Some(&b'$') && LEGACY_PROPERTIES.contains(&name)
}

#[inline]
fn is_container(value: Value<'_>) -> bool {
    value.is_object() || value.is_array()
}

/// The members of an event's properties, or of an object in them, as they are written.
pub struct Properties<'j> {
    pub json: &'j mut JsonWriter,
    /// How many more there may be.
    room: usize,
    /// The object's place among the containers in one another.
    depth: usize,
}

impl<'j> Properties<'j> {
    /// Goes on in an object that is open.
    pub fn new(json: &'j mut JsonWriter, room: usize, depth: usize) -> Properties<'j> {
        Properties { json, room, depth }
    }

    /// The members of an object in a member's list, with room for all.
    pub fn inner(&mut self, levels: usize) -> Properties<'_> {
        Properties { json: self.json, room: usize::MAX, depth: self.depth + levels }
    }

    /// Copies all members as they stand.
    pub fn copy_all(&mut self, object: Value<'_>) {
        if !object.is_object() {
            return;
        }
        let count = object.children().count();
        let is_whole = (1..=self.room).contains(&count) && fits(object, self.depth);
        if is_whole && !object.children().any(|child| is_legacy(child.raw_key())) {
            let raw = object.raw();
            self.json.raw(&raw[1..raw.len() - 1]);
            self.room -= count;
            return;
        }
        for child in object.children() {
            self.own(object, child);
        }
    }

    /// Copies a member of an object under its own name.
    #[inline]
    pub fn own(&mut self, object: Value<'_>, child: Value<'_>) {
        if is_legacy(child.raw_key()) || !self.has_room_for(child) {
            return;
        }
        if is_container(child) {
            self.json.raw_key(child.raw_key());
            self.value(child);
        } else {
            self.json.raw(member(object, child));
        }
    }

    /// A value under another name. Whether it was written.
    #[inline]
    pub fn named(&mut self, key: Key, value: Value<'_>) -> bool {
        let has_room = self.has_room_for(value);
        if has_room {
            self.json.member_key(key);
            self.value(value);
        }
        has_room
    }

    /// A value as a list under another name: a text or number is the only element of one. Whether it
    /// was written.
    pub fn list(&mut self, key: Key, value: Value<'_>) -> bool {
        if value.is_array() {
            return self.named(key, value);
        }
        let is_element = value.is_scalar() && self.has_room_for(value);
        if is_element {
            self.json.member_key(key);
            self.json.begin_array();
            self.json.value(value);
            self.json.end_array();
        }
        is_element
    }

    /// Takes the room of one member. Whether there was any.
    #[inline]
    pub fn take_room(&mut self) -> bool {
        let has_room = self.room > 0;
        self.room -= usize::from(has_room);
        has_room
    }

    /// Whether there is room for one more member of that value; then it is taken.
    #[inline]
    fn has_room_for(&mut self, value: Value<'_>) -> bool {
        can_stand(value, self.depth + 1) && self.take_room()
    }

    /// A member's value behind its key, for which room was found.
    #[inline]
    fn value(&mut self, value: Value<'_>) {
        if is_container(value) {
            write_fitting(value, self.depth + 1, self.json);
        } else {
            self.json.verbatim(value.raw());
        }
    }
}
