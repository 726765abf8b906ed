//! Properties of a record or an event, as they are written: each name once, and not too many.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::field::Field;
use crate::rules::{
    DEPTH_MAX, EVENT_LONG_VALUE_CHARACTERS_MAX, EVENT_NAME_CHARACTERS_MAX, EVENT_PROPERTIES_MAX,
    EVENT_VALUE_CHARACTERS_MAX, LONG_NAMES, Mapping, RECORD_NAME_CHARACTERS_MAX, RECORD_VALUE_CHARACTERS_MAX,
};
use crate::value::{self, Lists, Type};

/// Names that are written already, one after the other.
#[derive(Debug)]
pub struct Names {
    bytes: Vec<u8>,
    /// Of each name its last bytes and its length, and where it ends.
    marks: Vec<(u32, u32)>,
}

impl Names {
    /// No names, with room for those of an event.
    pub fn new() -> Names {
        let bytes = Vec::with_capacity(EVENT_PROPERTIES_MAX * EVENT_NAME_CHARACTERS_MAX);
        Names { bytes, marks: Vec::with_capacity(EVENT_PROPERTIES_MAX) }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether this name is among them.
    #[inline]
    pub fn has(&self, name: &str) -> bool {
        let mark = mark(name);
        self.marks.iter().any(|(known, end)| *known == mark && self.bytes[..*end as usize].ends_with(name.as_bytes()))
    }

    fn push(&mut self, name: &str) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.marks.push((mark(name), self.bytes.len() as u32));
    }
}

/// Two names that differ have other marks, as a rule: many begin alike, few end alike.
#[inline]
fn mark(name: &str) -> u32 {
    let tail = name.as_bytes().iter().rev().take(3);
    tail.fold(name.len() as u32, |mark, byte| mark << 8 | u32::from(*byte))
}

/// What the properties are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// A contact or a company. `clears`: a value that is null or empty removes what is there.
    Record { clears: bool },
    /// A custom event.
    Event,
}

impl Of {
    /// How many characters the value of a property may have. One of so few bytes has room anywhere.
    #[inline]
    fn characters_max(self, name: &str, bytes: usize) -> usize {
        match self {
            Of::Record { .. } => RECORD_VALUE_CHARACTERS_MAX,
            Of::Event if bytes <= EVENT_VALUE_CHARACTERS_MAX => EVENT_VALUE_CHARACTERS_MAX,
            Of::Event if LONG_NAMES.iter().any(|long| name.contains(long)) => EVENT_LONG_VALUE_CHARACTERS_MAX,
            Of::Event => EVENT_VALUE_CHARACTERS_MAX,
        }
    }

    fn lists(self) -> Lists {
        match self {
            Of::Record { .. } => Lists::Joined,
            Of::Event => Lists::Json,
        }
    }

    fn name_characters_max(self) -> usize {
        match self {
            Of::Record { .. } => RECORD_NAME_CHARACTERS_MAX,
            Of::Event => EVENT_NAME_CHARACTERS_MAX,
        }
    }
}

/// The members of an object of properties.
pub struct Properties<'w> {
    json: &'w mut JsonWriter,
    names: &'w mut Names,
    of: Of,
}

impl<'w> Properties<'w> {
    /// Goes on behind the opening brace. `names` are those that stand there.
    pub fn new(json: &'w mut JsonWriter, names: &'w mut Names, of: Of) -> Properties<'w> {
        Properties { json, names, of }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.names.len() == 0
    }

    /// Writes one property with what `write` writes as its value, unless its name is taken or there is
    /// no room; none where `write` returns false. Whether it was written.
    #[inline]
    fn put(&mut self, name: &str, write: impl FnOnce(&mut JsonWriter) -> bool) -> bool {
        let is_full = self.of == Of::Event && self.names.len() == EVENT_PROPERTIES_MAX;
        if is_full || self.names.has(name) {
            return false;
        }
        let before = self.json.len();
        self.json.raw_key(name.as_bytes());
        let written = write(self.json);
        if written {
            self.names.push(name);
        } else {
            self.json.truncate(before);
        }
        written
    }

    /// A value.
    pub fn value(&mut self, name: &str, value: Value<'_>, is: Type) -> bool {
        let (lists, characters_max) = (self.of.lists(), self.of.characters_max(name, value.raw().len()));
        self.put(name, |json| value::write(value, is, lists, characters_max, json)) || self.clear(name, value)
    }

    /// Where the settings say so, what is there and empty removes what the record has.
    fn clear(&mut self, name: &str, value: Value<'_>) -> bool {
        let is_there = !value.raw_key().is_empty();
        let is_empty = value.is_null() || value.quoted().is_some_and(|quoted| quoted.trim_ascii().is_empty());
        self.of == (Of::Record { clears: true }) && is_there && is_empty && self.text(name, "")
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) -> bool {
        let characters_max = self.of.characters_max(name, text.len());
        self.put(name, |json| {
            json.string(switchyard_sdk::text::cut(text, characters_max));
            true
        })
    }

    /// The first of the places that has a value; one that is empty counts only where none has.
    pub fn mapped(&mut self, mapping: &Mapping, from: Value<'_>) {
        let lists = self.of.lists();
        for path in mapping.from {
            let value = from.get(path);
            let characters_max = self.of.characters_max(mapping.to, value.raw().len());
            if self.put(mapping.to, |json| value::write(value, mapping.is, lists, characters_max, json)) {
                return;
            }
        }
        if self.of == (Of::Record { clears: true }) {
            mapping.from.iter().any(|path| self.clear(mapping.to, from.get(path)));
        }
    }

    /// What the settings name, at its path.
    pub fn field(&mut self, field: &Field, from: Value<'_>) {
        match find(from, &field.from) {
            Found::Value(value) => {
                self.value(&field.to, value, field.is);
            }
            Found::Length(length) => {
                self.text(&field.to, &length.to_string());
            }
            // What is collected is no number and no time.
            Found::Each(list, path) if matches!(field.is, Type::AsItIs | Type::Text) => {
                let characters_max = self.of.characters_max(&field.to, usize::MAX);
                self.put(&field.to, |json| {
                    value::write_joined(list.children().map(|item| item.get(path)), characters_max, json)
                });
            }
            Found::Each(..) => {}
        }
    }

    /// All members of an object under their own names as the vendor writes them, objects in it as
    /// `outer_inner`. `is_told`: names of members that have their own place.
    pub fn all(&mut self, from: Value<'_>, is_told: impl Fn(&str) -> bool) {
        if from.is_object() {
            let members = from.children().filter(|member| !is_told(&member.key()));
            members.for_each(|member| self.member(member.key(), member, 1));
        }
    }

    fn member(&mut self, name: Cow<'_, str>, value: Value<'_>, depth: usize) {
        if value.is_object() {
            if depth < DEPTH_MAX {
                value.children().for_each(|inner| {
                    self.member(Cow::Owned(format!("{name}_{}", inner.key())), inner, depth + 1);
                });
            }
            return;
        }
        let holds_objects = value.children().any(|item| item.is_object() || item.is_array());
        let Some(clean) = clean_name(&name, self.of.name_characters_max()) else { return };
        if !holds_objects {
            self.value(&clean, value, Type::AsItIs);
        } else if self.of == Of::Event {
            // Of a list of objects, such as products, an event has room for their number.
            let counted = format!("{name}_count");
            if let Some(clean) = clean_name(&counted, self.of.name_characters_max()) {
                self.text(&clean, &value.children().count().to_string());
            }
        }
    }
}

/// What a path of the settings leads to.
enum Found<'a, 'p> {
    Value(Value<'a>),
    /// Of a list, by `length`.
    Length(usize),
    /// In each item of a list, at the rest of the path.
    Each(Value<'a>, &'p str),
}

fn find<'a, 'p>(from: Value<'a>, path: &'p str) -> Found<'a, 'p> {
    let (mut value, mut rest) = (from, path);
    loop {
        if value.is_array() {
            return if rest == "length" { Found::Length(value.children().count()) } else { Found::Each(value, rest) };
        }
        match rest.split_once('.') {
            Some((first, behind)) => (value, rest) = (value.child(first), behind),
            None => return Found::Value(value.child(rest)),
        }
    }
}

/// A name as the vendor writes it: lower case, `_` for what is neither letter nor digit, a letter first.
/// None where nothing is left, or it is too long: another name would be another property.
pub fn clean_name(name: &str, characters_max: usize) -> Option<Cow<'_, str>> {
    let name = name.trim();
    let is_clean = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_clean) {
        return (name.len() <= characters_max).then_some(Cow::Borrowed(name));
    }
    let cleaned = name.chars().map(|character| match character.to_ascii_lowercase() {
        lower @ ('a'..='z' | '0'..='9') => lower,
        _ => '_',
    });
    let clean: String = cleaned.skip_while(|character| !character.is_ascii_lowercase()).collect();
    let clean = clean.trim_end_matches('_');
    (!clean.is_empty() && clean.len() <= characters_max).then(|| Cow::Owned(clean.to_string()))
}

#[cfg(test)]
mod tests {
    use super::clean_name;

    #[test]
    fn names_are_written_as_the_vendor_does() {
        let check = |name: &str, wanted: Option<&str>| assert_eq!(clean_name(name, 10).as_deref(), wanted, "{name}");
        check("plan", Some("plan"));
        check("Order ID", Some("order_id"));
        check("a.b-c", Some("a_b_c"));
        check("$revenue", Some("revenue"));
        check("1st_visit", Some("st_visit"));
        check("größe", Some("gr__e"));
        check("total €", Some("total"));
        check("0123456789", None);
        check("€", None);
        check("", None);
        check("abcdefghij", Some("abcdefghij"));
        check("abcdefghijk", None);
    }
}
