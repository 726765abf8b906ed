//! Paths into an event: `properties.products[].price`, `traits.a\.b`, `properties.items[0]`.
//!
//! Keys are parted by dots; `[]` stands for every item of an array, `[2]` for one. A dot, a bracket
//! or a backslash that belongs to a key has a backslash before it.

use crate::event::index::{Kind, Value, View};

use super::steps::{Exhausted, Steps};

/// Keys, items and wildcards in one path. An event has at most 64 levels; nobody writes more than 10.
pub const SEGMENTS_MAX: usize = 32;
/// Bytes of one path.
pub const PATH_BYTES_MAX: usize = 512;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The member of that key.
    Key(String),
    /// Every item.
    Each,
    /// One item, from 0.
    Item(u32),
}

/// A path into an event; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub(super) segments: Vec<Segment>,
}

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Where: bytes from its start.
    pub at: usize,
    /// What.
    pub message: String,
    /// What could stand there instead.
    pub suggestion: Option<String>,
}

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let wrong = |at: usize, message: &str, suggestion: Option<String>| PathError {
            at,
            message: message.to_string(),
            suggestion,
        };
        if text.len() > PATH_BYTES_MAX {
            return Err(wrong(0, &format!("a path has at most {PATH_BYTES_MAX} bytes"), None));
        }
        if text.is_empty() {
            return Err(wrong(0, "the path is empty: write keys with dots between, such as properties.total", None));
        }
        let mut segments = Vec::new();
        let mut key = String::new();
        let mut at = 0;
        // Whether a key must follow, may follow, or is complete.
        let mut after_bracket = false;
        let mut started = false;
        while let Some(character) = text[at..].chars().next() {
            match character {
                '.' => {
                    if !after_bracket && !started {
                        let fixed = text[..at].to_string() + &text[at + 1..];
                        return Err(wrong(at, "there is no key before this dot; a dot in a key is `\\.`", Some(fixed)));
                    }
                    if started {
                        segments.push(Segment::Key(std::mem::take(&mut key)));
                    }
                    (after_bracket, started) = (false, false);
                    if at + 1 == text.len() {
                        return Err(wrong(at, "the path ends in a dot", Some(text[..at].to_string())));
                    }
                    at += 1;
                }
                '[' => {
                    if started {
                        segments.push(Segment::Key(std::mem::take(&mut key)));
                    } else if segments.is_empty() || !after_bracket {
                        return Err(wrong(
                            at,
                            "there is no key before this bracket; a bracket in a key is `\\[`",
                            None,
                        ));
                    }
                    started = false;
                    let Some(length) = text[at..].find(']') else {
                        return Err(wrong(
                            at,
                            "this bracket is not closed",
                            Some(format!("{}[]{}", &text[..at], &text[at + 1..])),
                        ));
                    };
                    let inside = &text[at + 1..at + length];
                    segments.push(match inside {
                        "" => Segment::Each,
                        _ => Segment::Item(inside.parse().map_err(|_| {
                            let fixed = format!("{}[]{}", &text[..at], &text[at + length + 1..]);
                            wrong(
                                at + 1,
                                "between brackets stands the number of an item, or nothing for all",
                                Some(fixed),
                            )
                        })?),
                    });
                    after_bracket = true;
                    at += length + 1;
                }
                _ if after_bracket => {
                    let fixed = format!("{}.{}", &text[..at], &text[at..]);
                    return Err(wrong(at, "a dot must follow a bracket", Some(fixed)));
                }
                '\\' => match text[at + 1..].chars().next() {
                    Some(escaped @ ('.' | '[' | ']' | '\\')) => {
                        key.push(escaped);
                        started = true;
                        at += 2;
                    }
                    _ => return Err(wrong(at, "a backslash stands before a dot, a bracket or a backslash", None)),
                },
                _ => {
                    key.push(character);
                    started = true;
                    at += character.len_utf8();
                }
            }
            if segments.len() > SEGMENTS_MAX {
                return Err(wrong(at, &format!("a path has at most {SEGMENTS_MAX} keys"), None));
            }
        }
        if started {
            segments.push(Segment::Key(key));
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(wrong(0, &format!("a path has at most {SEGMENTS_MAX} keys"), None));
        }
        Ok(Path { segments })
    }

    /// A path of keys.
    pub(super) fn of_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Path {
        Path { segments: keys.into_iter().map(|key| Segment::Key(key.to_string())).collect() }
    }

    /// The first key.
    pub(super) fn root(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Key(key)) => key,
            _ => "",
        }
    }

    /// Whether it names every item of an array.
    pub(super) fn has_each(&self) -> bool {
        self.segments.contains(&Segment::Each)
    }

    /// The segments up to the last wildcard, and those behind it.
    pub(super) fn split_at_last_each(&self) -> (&[Segment], &[Segment]) {
        let at = self.segments.iter().rposition(|segment| *segment == Segment::Each).map_or(0, |at| at + 1);
        self.segments.split_at(at)
    }

    /// Whether one is, or may be, part of the other.
    pub(super) fn overlaps(&self, other: &Path) -> bool {
        self.segments.iter().zip(&other.segments).all(|pair| match pair {
            (Segment::Key(left), Segment::Key(right)) => left == right,
            (Segment::Item(left), Segment::Item(right)) => left == right,
            (Segment::Key(_), _) | (_, Segment::Key(_)) => false,
            _ => true,
        })
    }

    /// The value there, if the path has no wildcard, or the first one.
    pub(super) fn first<'v>(&self, view: View<'v>, steps: &Steps) -> Result<Option<Value<'v>>, Exhausted> {
        first(view.root(), &self.segments, steps)
    }

    /// Calls `found` with every place of the path, and whether something is there.
    pub(super) fn each<'v, E: From<Exhausted>>(
        &self,
        view: View<'v>,
        steps: &Steps,
        found: &mut dyn FnMut(Place<'v, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        each(view.root(), &self.segments, steps, found)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Each => formatter.write_str("[]")?,
                Segment::Item(item) => write!(formatter, "[{item}]")?,
                Segment::Key(key) => {
                    if at > 0 {
                        formatter.write_str(".")?;
                    }
                    for character in key.chars() {
                        if matches!(character, '.' | '[' | ']' | '\\') {
                            formatter.write_str("\\")?;
                        }
                        write!(formatter, "{character}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A place that a path names in one event.
#[derive(Clone, Copy)]
pub(super) enum Place<'v, 'p> {
    /// This value.
    There(Value<'v>),
    /// Nothing: this container has no member of the first of these keys.
    Missing(Value<'v>, &'p [Segment]),
}

/// The first value of a path from a value on.
pub(super) fn first<'v>(from: Value<'v>, segments: &[Segment], steps: &Steps) -> Result<Option<Value<'v>>, Exhausted> {
    let mut value = from;
    for segment in segments {
        let next = match segment {
            Segment::Key(key) => member(&value, key, steps)?,
            Segment::Each => items(&value).next(),
            Segment::Item(item) => item_of(&value, *item, steps)?,
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// Calls `found` with every place of a path from a value on.
pub(super) fn each<'v, 'p, E: From<Exhausted>>(
    from: Value<'v>,
    segments: &'p [Segment],
    steps: &Steps,
    found: &mut dyn FnMut(Place<'v, 'p>) -> Result<(), E>,
) -> Result<(), E> {
    let mut value = from;
    for (at, segment) in segments.iter().enumerate() {
        let next = match segment {
            Segment::Key(key) => member(&value, key, steps)?,
            Segment::Item(item) => item_of(&value, *item, steps)?,
            Segment::Each => {
                for item in items(&value) {
                    steps.take(1)?;
                    each(item, segments.get(at + 1..).unwrap_or(&[]), steps, found)?;
                }
                return Ok(());
            }
        };
        match next {
            Some(next) => value = next,
            None => return found(Place::Missing(value, segments.get(at..).unwrap_or(&[]))),
        }
    }
    found(Place::There(value))
}

/// The member of that key. Members that were passed over are counted.
pub(super) fn member<'v>(value: &Value<'v>, key: &str, steps: &Steps) -> Result<Option<Value<'v>>, Exhausted> {
    if value.kind() != Kind::Object {
        return Ok(None);
    }
    let mut passed = 1;
    for child in value.children() {
        if child.key_is(key) {
            steps.take(passed)?;
            return Ok(Some(child));
        }
        passed += 1;
    }
    steps.take(passed)?;
    Ok(None)
}

fn items<'v>(value: &Value<'v>) -> crate::event::index::Children<'v> {
    match value.kind() {
        Kind::Array => value.children(),
        // Of an object or a scalar, every item is none.
        _ => value.none(),
    }
}

pub(super) fn item_of<'v>(value: &Value<'v>, item: u32, steps: &Steps) -> Result<Option<Value<'v>>, Exhausted> {
    for (number, child) in items(value).enumerate() {
        steps.take(1)?;
        if number == item as usize {
            return Ok(Some(child));
        }
    }
    Ok(None)
}
