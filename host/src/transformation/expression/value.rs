//! The values of expressions.

use std::borrow::Cow;
use std::rc::Rc;

use crate::event::index::{Kind, Value};

use super::super::arena::{Arena, Fragment, Open};
use super::super::path;
use super::super::steps::{Exhausted, Steps};

/// A value. Cheap to clone, but for a text that was made.
#[derive(Clone)]
pub enum Cel<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'v, str>),
    /// A list or map of the event.
    Event(Value<'v>),
    List(Rc<Vec<Cel<'v>>>),
    /// Keys are apart from one another.
    Map(Rc<Vec<(String, Cel<'v>)>>),
}

impl<'v> Cel<'v> {
    /// A value of the event.
    pub fn of(value: &Value<'v>) -> Cel<'v> {
        match value.kind() {
            Kind::Null => Cel::Null,
            Kind::True => Cel::Bool(true),
            Kind::False => Cel::Bool(false),
            Kind::Number => match value.as_i64() {
                Some(number) => Cel::Int(number),
                None => Cel::Double(value.as_f64().unwrap_or(f64::NAN)),
            },
            Kind::String => Cel::Text(value.as_str().unwrap_or_default()),
            Kind::Array | Kind::Object => Cel::Event(*value),
        }
    }

    /// What it is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Cel::Null => "null",
            Cel::Bool(_) => "a boolean",
            Cel::Int(_) | Cel::Double(_) => "a number",
            Cel::Text(_) => "a text",
            Cel::Event(value) if value.kind() == Kind::Object => "a map",
            Cel::Map(_) => "a map",
            Cel::Event(_) | Cel::List(_) => "a list",
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Cel::Int(number) => Some(*number as f64),
            Cel::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// Bytes that a clone of it copies.
    pub fn owned_bytes(&self) -> usize {
        match self {
            Cel::Text(Cow::Owned(text)) => text.len(),
            _ => 0,
        }
    }

    /// The member of a map.
    pub fn member(&self, key: &str, steps: &Steps) -> Result<Option<Cel<'v>>, Exhausted> {
        match self {
            Cel::Event(value) => Ok(path::member(value, key, steps)?.map(|member| Cel::of(&member))),
            Cel::Map(members) => {
                steps.take(members.len() as u64)?;
                Ok(members.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()))
            }
            _ => Ok(None),
        }
    }

    /// The text of a scalar.
    pub fn to_text(&self) -> Option<Cow<'v, str>> {
        Some(match self {
            Cel::Null => "null".into(),
            Cel::Bool(true) => "true".into(),
            Cel::Bool(false) => "false".into(),
            Cel::Int(number) => number.to_string().into(),
            Cel::Double(number) => number_text(*number)?.into(),
            Cel::Text(text) => text.clone(),
            Cel::Event(_) | Cel::List(_) | Cel::Map(_) => return None,
        })
    }

    /// Writes it as JSON; None where there is no such JSON: a number that is none.
    pub fn write(&self, arena: &mut Arena) -> Result<Option<Fragment>, Exhausted> {
        Ok(Some(match self {
            Cel::Null => arena.word(None)?,
            Cel::Bool(word) => arena.word(Some(*word))?,
            Cel::Int(number) => arena.number(&number.to_string())?,
            Cel::Double(number) => match number_text(*number) {
                Some(text) => arena.number(&text)?,
                None => return Ok(None),
            },
            Cel::Text(text) => arena.text(text)?,
            Cel::Event(value) => arena.copy(value)?,
            Cel::List(_) | Cel::Map(_) => {
                let kind = if matches!(self, Cel::List(_)) { Kind::Array } else { Kind::Object };
                let open = arena.begin(kind)?;
                if !self.write_members(arena, &open)? {
                    return Ok(None);
                }
                arena.end(open)
            }
        }))
    }

    fn write_in(&self, arena: &mut Arena, parent: &Open, key: Option<&str>) -> Result<bool, Exhausted> {
        match self {
            Cel::Null => arena.word_in(parent, key, None)?,
            Cel::Bool(word) => arena.word_in(parent, key, Some(*word))?,
            Cel::Int(number) => arena.number_in(parent, key, &number.to_string())?,
            Cel::Double(number) => match number_text(*number) {
                Some(text) => arena.number_in(parent, key, &text)?,
                None => return Ok(false),
            },
            Cel::Text(text) => arena.text_in(parent, key, text)?,
            Cel::Event(value) => arena.copy_in(parent, key, value)?,
            Cel::List(_) | Cel::Map(_) => {
                let kind = if matches!(self, Cel::List(_)) { Kind::Array } else { Kind::Object };
                let open = arena.open_in(parent, key, kind)?;
                if !self.write_members(arena, &open)? {
                    return Ok(false);
                }
                arena.close(open);
            }
        }
        Ok(true)
    }

    fn write_members(&self, arena: &mut Arena, open: &Open) -> Result<bool, Exhausted> {
        match self {
            Cel::List(items) => {
                for item in items.iter() {
                    arena.item();
                    if !item.write_in(arena, open, None)? {
                        return Ok(false);
                    }
                }
            }
            Cel::Map(members) => {
                for (key, value) in members.iter() {
                    if !value.write_in(arena, open, Some(key))? {
                        return Ok(false);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

/// A number in JSON's grammar; None for what is no number.
pub fn number_text(number: f64) -> Option<String> {
    // Beyond 2^53 a float does not hold every whole number.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return Some((number as i64).to_string());
    }
    serde_json::Number::from_f64(number).map(|number| number.to_string())
}
