//! Properties as the vendor takes them: not too many, not too deep, each name once.
//!
//! Most events keep every bound, so they are looked through first and then copied in one piece; only
//! where something is to be left out are they copied one by one.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::rules::{DEPTH_MAX, ELEMENTS_MAX, KEYS_MAX, Mapping, PROPERTIES_MAX, Type, is_reserved, may_be_of_context};

/// What there is to know of an event's own properties before they are copied.
pub struct Found<'a> {
    properties: Value<'a>,
    /// How many are to be sent.
    count: usize,
    /// All can be copied as they stand.
    is_clean: bool,
    /// Those that the context, or the settings, might give too.
    given: Vec<Cow<'a, str>>,
}

impl<'a> Found<'a> {
    /// Looks through the properties; what is no object has none. `group_key` is a name that the
    /// settings give.
    pub fn in_properties(properties: Value<'a>, group_key: &str) -> Found<'a> {
        let mut found = Found { properties, count: 0, is_clean: true, given: Vec::new() };
        if !properties.is_object() {
            return found;
        }
        for child in properties.children() {
            if is_left_out(child) {
                found.is_clean = false;
                continue;
            }
            found.is_clean &= child.is_scalar() || fits(child, 1, ELEMENTS_MAX);
            found.count += 1;
            let key = child.raw_key();
            if child.is_key_escaped() || may_be_of_context(key) || key == group_key.as_bytes() {
                found.given.push(child.key());
            }
        }
        found
    }

    /// Whether the sender gave a property of that name.
    pub fn gives(&self, name: &str) -> bool {
        !self.given.is_empty() && self.given.iter().any(|given| given == name)
    }
}

/// Whether a property is not copied: its name is reserved.
fn is_left_out(child: Value<'_>) -> bool {
    if child.is_key_escaped() { is_reserved(child.key().as_bytes()) } else { is_reserved(child.raw_key()) }
}

/// Whether a value keeps the bounds of nesting, as the `depth`-th container.
fn fits(value: Value<'_>, depth: usize, elements_max: usize) -> bool {
    if !value.is_object() && !value.is_array() {
        return true;
    }
    let children_max = if value.is_object() { KEYS_MAX } else { elements_max };
    let mut count = 0;
    for child in value.children() {
        count += 1;
        let container = child.is_object() || child.is_array();
        if count > children_max || (container && (depth == DEPTH_MAX || !fits(child, depth + 1, elements_max))) {
            return false;
        }
    }
    depth <= DEPTH_MAX
}

/// Writes a value within the bounds: what is too deep is left out, and so is what is too much.
/// `elements_max` bounds arrays.
pub fn write_fitting(value: Value<'_>, elements_max: usize, json: &mut JsonWriter) {
    write_fitting_at(1, value, elements_max, json)
}

fn write_fitting_at(depth: usize, value: Value<'_>, elements_max: usize, json: &mut JsonWriter) {
    if fits(value, depth, elements_max) {
        return json.value(value);
    }
    let is_object = value.is_object();
    if is_object {
        json.begin_object()
    } else {
        json.begin_array()
    }
    let fitting = value.children().filter(|child| child.is_null() || child.is_scalar() || depth < DEPTH_MAX);
    for child in fitting.take(if is_object { KEYS_MAX } else { elements_max }) {
        if is_object {
            json.raw_key(child.raw_key());
        }
        write_fitting_at(depth + 1, child, elements_max, json);
    }
    if is_object { json.end_object() } else { json.end_array() }
}

/// The members of an event's `properties`, as they are written.
pub struct Properties<'j, 'f> {
    json: &'j mut JsonWriter,
    found: &'f Found<'f>,
    count: usize,
}

impl<'j, 'f> Properties<'j, 'f> {
    /// Goes on behind `count` members that stand there already.
    pub fn new(json: &'j mut JsonWriter, found: &'f Found<'f>, count: usize) -> Properties<'j, 'f> {
        Properties { json, found, count }
    }

    /// Copies the event's own properties, as many as there is room for.
    pub fn copy_own(&mut self) {
        let room = PROPERTIES_MAX - self.count;
        if self.found.is_clean && self.found.count <= room {
            let raw = self.found.properties.raw();
            if self.found.count > 0 {
                self.json.raw(&raw[1..raw.len() - 1]);
            }
            self.count += self.found.count;
            return;
        }
        for child in self.found.properties.children().filter(|child| !is_left_out(*child)).take(room) {
            self.json.raw_key(child.raw_key());
            write_fitting(child, ELEMENTS_MAX, self.json);
            self.count += 1;
        }
    }

    /// Whether there is room for a property, and the sender gave none of that name.
    #[inline]
    fn has_room(&self, name: &str) -> bool {
        self.count < PROPERTIES_MAX && !self.found.gives(name)
    }

    /// A value under the name that the vendor has for it. Whether it was written.
    #[inline]
    pub fn mapped(&mut self, mapping: &Mapping, value: Value<'_>) -> bool {
        match mapping.is {
            Type::Text => self.text(mapping.to, value),
            Type::Number => match value.number_text() {
                Some(number) => self.raw(mapping.to, number),
                None => false,
            },
            Type::Bool => value.as_bool().is_some() && self.raw(mapping.to, value.raw()),
        }
    }

    /// A text that is not empty, or a number.
    #[inline]
    pub fn text(&mut self, key: Key, value: Value<'_>) -> bool {
        let is_said = match value.quoted() {
            Some(quoted) => !quoted.is_empty(),
            None => value.is_number(),
        };
        is_said && self.raw(key, value.raw())
    }

    /// JSON as it is.
    #[inline]
    pub fn raw(&mut self, key: Key, raw: &[u8]) -> bool {
        let open = self.has_room(key.name());
        if open {
            self.json.member_key(key);
            self.json.raw(raw);
            self.count += 1;
        }
        open
    }

    /// A member whose name the settings give.
    pub fn named(&mut self, name: &str, value: impl Json) {
        if self.has_room(name) {
            self.json.member_named(name, value);
            self.count += 1;
        }
    }
}
