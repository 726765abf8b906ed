//! Operations that make another value of one value, wherever it stands.

use std::borrow::Cow;

use regex::Regex;

use crate::event::index::{Kind, Value};

use super::arena::{Arena, Fragment, GROWTH_BYTES_MAX};
use super::constant::Constant;
use super::convert::{self, Type};
use super::hash::Hash;
use super::mask::Style;
use super::steps::{Exhausted, Steps};

/// What is made of a value.
#[derive(Debug)]
pub(super) enum Change {
    Convert { to: Type, or_remove: bool },
    Map { table: Vec<(String, Constant)>, otherwise: Option<Constant> },
    Split(String),
    Join(String),
    Lower,
    Upper,
    Trim,
    Replace { pattern: Regex, with: String },
    Hash(Hash),
    Mask(Style),
    Round(u8),
}

/// What came of it.
pub(super) enum Changed {
    To(Fragment),
    /// It is to be taken away.
    Gone,
    /// It stays as it is; why.
    Same(&'static str),
}

impl Change {
    /// Makes the new value.
    pub fn apply(&self, value: &Value<'_>, arena: &mut Arena, steps: &Steps) -> Result<Changed, Exhausted> {
        steps.take_bytes(value.raw().len())?;
        match self {
            Change::Convert { to, or_remove } => match convert::convert(value, *to) {
                convert::Converted::Same => Ok(Changed::Same("it is of that type already")),
                convert::Converted::Text(text) => Ok(Changed::To(arena.text(&text)?)),
                convert::Converted::Number(text) => Ok(Changed::To(arena.number(&text)?)),
                convert::Converted::Word(word) => Ok(Changed::To(arena.word(Some(word))?)),
                convert::Converted::Not if *or_remove => Ok(Changed::Gone),
                convert::Converted::Not => Ok(Changed::Same("it cannot be converted")),
            },
            Change::Map { table, otherwise } => map(table, otherwise.as_ref(), value, arena),
            Change::Split(by) => split(by, value, arena, steps),
            Change::Join(by) => join(by, value, arena, steps),
            Change::Lower => text(value, arena, |text| text.to_lowercase().into()),
            Change::Upper => text(value, arena, |text| text.to_uppercase().into()),
            Change::Trim => text(value, arena, |text| Cow::Borrowed(text.trim())),
            Change::Replace { pattern, with } => replace(pattern, with, value, arena, steps),
            Change::Hash(hash) => match scalar(value) {
                Some(text) => match hash.of(&text) {
                    Some(hashed) => Ok(Changed::To(arena.text(&hashed)?)),
                    None => Ok(Changed::Same("it is hashed already, or nothing is left to hash")),
                },
                None => Ok(Changed::Same("only a text or a number can be hashed")),
            },
            Change::Mask(style) => match scalar(value) {
                Some(text) => Ok(Changed::To(arena.text(&style.mask(&text))?)),
                None if value.kind() == Kind::Null => Ok(Changed::Same("there is nothing to hide")),
                // A list or an object is hidden as a whole, whatever the style.
                None => Ok(Changed::To(arena.text(&Style::Whole.mask(""))?)),
            },
            Change::Round(digits) => match value.as_number() {
                Some(number) => match convert::rounded(number, *digits) {
                    Some(rounded) if rounded != number => Ok(Changed::To(arena.number(&rounded)?)),
                    Some(_) => Ok(Changed::Same("it is round already")),
                    None => Ok(Changed::Same("it is too large to be rounded")),
                },
                None => Ok(Changed::Same("it is no number")),
            },
        }
    }
}

/// The text of a text, a number or a boolean.
pub(super) fn scalar<'v>(value: &Value<'v>) -> Option<Cow<'v, str>> {
    match value.kind() {
        Kind::String => value.as_str(),
        Kind::Number | Kind::True | Kind::False => Some(String::from_utf8_lossy(value.raw())),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

fn text(
    value: &Value<'_>,
    arena: &mut Arena,
    change: impl for<'t> Fn(&'t str) -> Cow<'t, str>,
) -> Result<Changed, Exhausted> {
    let Some(text) = value.as_str() else { return Ok(Changed::Same("it is no text")) };
    let changed = change(&text);
    if changed == text {
        return Ok(Changed::Same("it is so already"));
    }
    Ok(Changed::To(arena.text(&changed)?))
}

fn map(
    table: &[(String, Constant)],
    otherwise: Option<&Constant>,
    value: &Value<'_>,
    arena: &mut Arena,
) -> Result<Changed, Exhausted> {
    let text = if value.kind() == Kind::Null { Some(Cow::Borrowed("null")) } else { scalar(value) };
    let found = text.and_then(|text| {
        let at = table.binary_search_by(|(from, _)| from.as_str().cmp(&text)).ok()?;
        table.get(at).map(|(_, to)| to)
    });
    match found.or(otherwise) {
        Some(constant) => Ok(Changed::To(constant.write(arena)?)),
        None => Ok(Changed::Same("the table does not have it")),
    }
}

fn split(by: &str, value: &Value<'_>, arena: &mut Arena, steps: &Steps) -> Result<Changed, Exhausted> {
    let Some(text) = value.as_str() else { return Ok(Changed::Same("it is no text")) };
    let list = arena.begin(Kind::Array)?;
    for part in text.split(by) {
        steps.take(1)?;
        arena.item();
        arena.text_in(&list, None, part)?;
    }
    Ok(Changed::To(arena.end(list)))
}

fn join(by: &str, value: &Value<'_>, arena: &mut Arena, steps: &Steps) -> Result<Changed, Exhausted> {
    if value.kind() != Kind::Array {
        return Ok(Changed::Same("it is no list"));
    }
    let mut joined = String::new();
    for (at, item) in value.children().enumerate() {
        steps.take(1)?;
        let Some(text) = scalar(&item) else {
            return Ok(Changed::Same("it is a list of lists or objects"));
        };
        if at > 0 {
            joined.push_str(by);
        }
        joined.push_str(&text);
        if joined.len() > GROWTH_BYTES_MAX {
            return Err(Exhausted);
        }
    }
    Ok(Changed::To(arena.text(&joined)?))
}

fn replace(
    pattern: &Regex,
    with: &str,
    value: &Value<'_>,
    arena: &mut Arena,
    steps: &Steps,
) -> Result<Changed, Exhausted> {
    let Some(text) = value.as_str() else { return Ok(Changed::Same("it is no text")) };
    // An automaton looks at each byte a few times.
    steps.take_bytes(text.len() * 8)?;
    let (mut replaced, mut copied) = (String::new(), 0);
    for found in pattern.captures_iter(&text) {
        steps.take(1)?;
        let Some(whole) = found.get(0) else { continue };
        replaced.push_str(&text[copied..whole.start()]);
        found.expand(with, &mut replaced);
        copied = whole.end();
        if replaced.len() > GROWTH_BYTES_MAX {
            return Err(Exhausted);
        }
    }
    replaced.push_str(&text[copied..]);
    match replaced == text {
        true => Ok(Changed::Same("the pattern finds nothing")),
        false => Ok(Changed::To(arena.text(&replaced)?)),
    }
}
