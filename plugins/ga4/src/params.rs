//! An event's parameters: named as the vendor wants, scalar, short, and not too many.

use switchyard_sdk::prelude::*;

use crate::rules::{
    ITEM_PARAMS_MAX, LONG_PARAMS, NAME_CHARACTERS_MAX, PARAMS_MAX, PERSONAL, PERSONAL_BYTES_MAX, Param,
    RESERVED_PARAMS, RESERVED_PREFIXES, Type, VALUE_CHARACTERS_MAX,
};
use crate::settings::Nested;

/// Names that are remembered: of an event or of an item.
const NAMES_MAX: usize = if PARAMS_MAX > ITEM_PARAMS_MAX { PARAMS_MAX } else { ITEM_PARAMS_MAX };

/// Writes members of an object as long as there is room, each name once.
pub struct Params<'j> {
    json: &'j mut JsonWriter,
    characters_max: usize,
    /// Where the names stand in the JSON.
    names: [u32; NAMES_MAX],
    /// The [`mark`]s of all names.
    marks: u64,
    count: usize,
    count_max: usize,
}

impl<'j> Params<'j> {
    /// No parameters yet; values have at most so many characters.
    pub fn new(json: &'j mut JsonWriter, characters_max: usize, count_max: usize) -> Params<'j> {
        let count_max = count_max.min(NAMES_MAX);
        Params { json, characters_max, names: [0; NAMES_MAX], marks: 0, count: 0, count_max }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The writer, for a value that is no scalar.
    pub fn json(&mut self) -> &mut JsonWriter {
        self.json
    }

    /// Writes the name, when there is room and it is not there yet.
    #[inline]
    pub fn open(&mut self, name: &[u8]) -> bool {
        let mark = mark(name);
        if self.count == self.count_max || (self.marks & mark != 0 && self.is_known(name)) {
            return false;
        }
        self.json.raw_key(name);
        let start = self.json.len() - name.len() - 2;
        self.names[self.count] = start as u32;
        self.marks |= mark;
        self.count += 1;
        true
    }

    /// Whether the name is there, which a closing quote follows.
    #[cold]
    fn is_known(&self, name: &[u8]) -> bool {
        let written = self.json.as_bytes();
        self.names[..self.count].iter().any(|start| {
            let rest = written.get(*start as usize..).and_then(|rest| rest.strip_prefix(name));
            rest.is_some_and(|rest| rest.first() == Some(&b'"'))
        })
    }

    /// A property under the name that the vendor has for it.
    #[inline]
    pub fn mapped(&mut self, param: &Param, value: &Value<'_>) {
        match param.is {
            Type::Number => self.number(param.to, value),
            Type::Text if value.is_scalar() => self.text(param.to, value),
            Type::Text => {}
        }
    }

    /// A number, or a text that is one.
    #[inline]
    pub fn number(&mut self, name: &str, value: &Value<'_>) {
        if let Some(number) = value.number_text()
            && self.open(name.as_bytes())
        {
            self.json.verbatim(number);
        }
    }

    /// A text; other scalars are written as one, empty texts are left out.
    #[inline]
    pub fn text(&mut self, name: &str, value: &Value<'_>) {
        if value.is_string() {
            self.scalar(name.as_bytes(), value);
        } else if value.is_scalar() && self.open(name.as_bytes()) {
            self.json.verbatim(b"\"");
            self.json.verbatim(value.raw());
            self.json.verbatim(b"\"");
        }
    }

    /// A scalar as it is, but for texts that are too long, which are cut, and empty ones.
    #[inline]
    pub fn scalar(&mut self, name: &[u8], value: &Value<'_>) {
        let bytes = value.quoted().map(<[u8]>::len);
        if bytes == Some(0) || !self.open(name) {
            return;
        }
        if bytes.is_none_or(|bytes| bytes <= VALUE_CHARACTERS_MAX) {
            return self.json.verbatim(value.raw());
        }
        let own = LONG_PARAMS.iter().find(|(long, _)| long.as_bytes() == name).map(|(_, max)| *max);
        self.json.cut(*value, own.unwrap_or(self.characters_max));
    }

    /// A property that no table has: under its own name, nested ones flattened or left out.
    pub fn custom(&mut self, value: Value<'_>, nested: Nested) {
        for_each_scalar(value, nested, NAME_CHARACTERS_MAX, &mut |name, scalar| self.scalar(name, &scalar));
    }
}

/// One bit of 64 by a name's length and ends: names of different bits are different, which spares most
/// comparisons. Measured: an order costs 0.39 yardsticks with it and 0.50 without.
#[inline]
fn mark(name: &[u8]) -> u64 {
    let (first, last) = (name.first().copied().unwrap_or_default(), name.last().copied().unwrap_or_default());
    1 << ((name.len() * 5 + usize::from(first) + usize::from(last) * 17) % 64)
}

/// Calls `each` for a scalar, or for the scalars in an object or array if those are flattened, with
/// names that the vendor takes. Leaves out what identifies a person.
#[inline]
pub fn for_each_scalar(
    value: Value<'_>,
    nested: Nested,
    name_characters_max: usize,
    each: &mut impl FnMut(&[u8], Value<'_>),
) {
    if !value.is_key_escaped() {
        let key = value.raw_key();
        if is_personal(key) {
            return;
        }
        if value.is_scalar() && is_valid_name(key) {
            return each(key, value);
        }
    }
    let key = value.key();
    if is_personal(key.as_bytes()) {
        return;
    }
    let mut name = String::new();
    push_name(&mut name, &key);
    if !is_personal(name.as_bytes()) && (value.is_scalar() || nested == Nested::Flatten) {
        flatten(&mut name, value, name_characters_max, each);
    }
}

fn flatten(name: &mut String, value: Value<'_>, name_characters_max: usize, each: &mut impl FnMut(&[u8], Value<'_>)) {
    if value.is_scalar() {
        if is_valid_name(name.as_bytes()) {
            each(name.as_bytes(), value);
        }
        return;
    }
    let parent = name.len();
    // Names behind this one are longer still.
    if parent >= name_characters_max {
        return;
    }
    for (number, child) in value.children().enumerate() {
        name.push('_');
        if value.is_array() {
            name.push_str(&number.to_string());
        } else {
            push_name(name, &child.key());
        }
        if !is_personal(&name.as_bytes()[parent..]) {
            flatten(name, child, name_characters_max, each);
        }
        name.truncate(parent);
    }
}

/// A name with its spaces and other signs that may not be there as `_`.
fn push_name(name: &mut String, key: &str) {
    for character in key.trim().chars() {
        name.push(if character.is_ascii_alphanumeric() { character } else { '_' });
    }
}

/// Whether a parameter or user property may be called so.
pub fn is_valid_name(name: &[u8]) -> bool {
    let reserved = |name: &[u8]| {
        let is = |reserved: &&str| name.starts_with(reserved.as_bytes());
        RESERVED_PREFIXES.iter().any(is) || RESERVED_PARAMS.iter().any(|reserved| reserved.as_bytes() == name)
    };
    is_identifier(name) && name.len() <= NAME_CHARACTERS_MAX && !reserved(name)
}

/// `[A-Za-z][A-Za-z0-9_]*`
pub fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether a property's or trait's name says that its value identifies a person, whatever the case.
pub fn is_personal(name: &[u8]) -> bool {
    let mut letters = [0; PERSONAL_BYTES_MAX];
    let mut count = 0;
    for byte in name.iter().filter(|byte| **byte != b'_') {
        let Some(letter) = letters.get_mut(count) else { return false };
        *letter = byte.to_ascii_lowercase();
        count += 1;
    }
    PERSONAL.iter().any(|personal| personal.as_bytes() == &letters[..count])
}

/// Whether a value can be an id or a name: a number, or a text that is not blank.
pub fn is_said(value: &Value<'_>) -> bool {
    value.is_number() || value.quoted().is_some_and(|quoted| !quoted.iter().all(u8::is_ascii_whitespace))
}
