//! The functions that expressions may call.

use std::borrow::Cow;
use std::rc::Rc;

use crate::event::index::Kind;
use crate::validate::time;

use super::super::arena::GROWTH_BYTES_MAX;
use super::evaluate::{Scope, Trouble};
use super::{Cel, LIST_ITEMS_MAX};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Size,
    Int,
    Double,
    Text,
    Bool,
    Type,
    UnixMs,
    IsoTime,
    Contains,
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Trim,
    Replace,
    Split,
    Join,
    Substring,
    IndexOf,
    Round,
    Floor,
    Ceil,
    Trunc,
    Abs,
    Least,
    Greatest,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `name(a)`
    Global,
    /// `a.name(b)`
    Method,
    /// `math.name(a)`
    Math,
}

/// Name, form, and how many arguments, the target included.
pub(super) const FUNCTIONS: [(&str, Form, usize, usize, Function); 29] = [
    ("size", Form::Global, 1, 1, Function::Size),
    ("size", Form::Method, 1, 1, Function::Size),
    ("int", Form::Global, 1, 1, Function::Int),
    ("double", Form::Global, 1, 1, Function::Double),
    ("string", Form::Global, 1, 1, Function::Text),
    ("bool", Form::Global, 1, 1, Function::Bool),
    ("type", Form::Global, 1, 1, Function::Type),
    ("unix_ms", Form::Global, 1, 1, Function::UnixMs),
    ("iso_time", Form::Global, 1, 1, Function::IsoTime),
    ("contains", Form::Method, 2, 2, Function::Contains),
    ("startsWith", Form::Method, 2, 2, Function::StartsWith),
    ("endsWith", Form::Method, 2, 2, Function::EndsWith),
    ("lowerAscii", Form::Method, 1, 1, Function::Lower),
    ("upperAscii", Form::Method, 1, 1, Function::Upper),
    ("lower", Form::Method, 1, 1, Function::Lower),
    ("upper", Form::Method, 1, 1, Function::Upper),
    ("trim", Form::Method, 1, 1, Function::Trim),
    ("replace", Form::Method, 3, 3, Function::Replace),
    ("split", Form::Method, 2, 2, Function::Split),
    ("join", Form::Method, 1, 2, Function::Join),
    ("substring", Form::Method, 2, 3, Function::Substring),
    ("indexOf", Form::Method, 2, 2, Function::IndexOf),
    ("round", Form::Math, 1, 1, Function::Round),
    ("floor", Form::Math, 1, 1, Function::Floor),
    ("ceil", Form::Math, 1, 1, Function::Ceil),
    ("trunc", Form::Math, 1, 1, Function::Trunc),
    ("abs", Form::Math, 1, 1, Function::Abs),
    ("least", Form::Math, 1, 16, Function::Least),
    ("greatest", Form::Math, 1, 16, Function::Greatest),
];

/// Calls a function. There are as many arguments as it takes: that was checked.
pub(super) fn call<'v>(function: Function, arguments: &[Cel<'v>], scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    let first = arguments.first().unwrap_or(&Cel::Null);
    let text = |at: usize| match arguments.get(at) {
        Some(Cel::Text(text)) => {
            scope.steps.take_bytes(text.len())?;
            Ok(text.clone())
        }
        other => Err(Trouble::expected("a text", other.unwrap_or(&Cel::Null))),
    };
    let float = |function: fn(f64) -> f64| match first {
        Cel::Int(number) => Ok(Cel::Int(*number)),
        _ => whole(function(first.as_f64().ok_or_else(|| Trouble::expected("a number", first))?)),
    };
    Ok(match function {
        Function::Size => Cel::Int(size(first, scope)?),
        Function::Int => to_int(first)?,
        Function::Double => Cel::Double(match first {
            Cel::Text(text) => text.trim().parse().map_err(|_| Trouble::Type("the text is no number"))?,
            _ => first.as_f64().ok_or_else(|| Trouble::expected("a number or a text", first))?,
        }),
        Function::Text => {
            Cel::Text(first.to_text().ok_or_else(|| Trouble::expected("a text, number or boolean", first))?)
        }
        Function::Bool => match first {
            Cel::Bool(word) => Cel::Bool(*word),
            Cel::Text(text) if matches!(&**text, "true" | "True" | "TRUE" | "t" | "1") => Cel::Bool(true),
            Cel::Text(text) if matches!(&**text, "false" | "False" | "FALSE" | "f" | "0") => Cel::Bool(false),
            _ => return Err(Trouble::expected("a boolean", first)),
        },
        Function::Type => Cel::Text(Cow::Borrowed(match first {
            Cel::Null => "null_type",
            Cel::Bool(_) => "bool",
            Cel::Int(_) => "int",
            Cel::Double(_) => "double",
            Cel::Text(_) => "string",
            _ if first.type_name() == "a map" => "map",
            _ => "list",
        })),
        Function::UnixMs => Cel::Int(match first {
            Cel::Text(text) => time::parse(text.as_bytes()).ok_or(Trouble::Type("the text is no time"))?,
            Cel::Int(number) => *number,
            _ => return Err(Trouble::expected("a time", first)),
        }),
        Function::IsoTime => match first {
            Cel::Int(ms) => Cel::Text(time::format(time::in_range(*ms).ok_or(Trouble::Type("no such time"))?).into()),
            _ => return Err(Trouble::expected("milliseconds since 1970", first)),
        },
        Function::Contains => Cel::Bool(text(0)?.contains(&*text(1)?)),
        Function::StartsWith => Cel::Bool(text(0)?.starts_with(&*text(1)?)),
        Function::EndsWith => Cel::Bool(text(0)?.ends_with(&*text(1)?)),
        Function::Lower => made(text(0)?.to_lowercase(), scope)?,
        Function::Upper => made(text(0)?.to_uppercase(), scope)?,
        Function::Trim => Cel::Text(match text(0)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
        }),
        Function::Replace => replace(&text(0)?, &text(1)?, &text(2)?, scope)?,
        Function::Split => {
            let (whole, by) = (text(0)?, text(1)?);
            let parts: Vec<Cel<'v>> = match by.is_empty() {
                true => whole.chars().take(LIST_ITEMS_MAX + 1).map(|part| Cel::Text(part.to_string().into())).collect(),
                false => {
                    whole.split(&*by).take(LIST_ITEMS_MAX + 1).map(|part| Cel::Text(part.to_string().into())).collect()
                }
            };
            list(parts, scope)?
        }
        Function::Join => join(
            first,
            match arguments.len() {
                1 => "".into(),
                _ => text(1)?,
            },
            scope,
        )?,
        Function::Substring => substring(&text(0)?, arguments, scope)?,
        Function::IndexOf => {
            let (whole, part) = (text(0)?, text(1)?);
            match whole.find(&*part) {
                Some(at) => Cel::Int(whole[..at].chars().count() as i64),
                None => Cel::Int(-1),
            }
        }
        Function::Round => float(f64::round)?,
        Function::Floor => float(f64::floor)?,
        Function::Ceil => float(f64::ceil)?,
        Function::Trunc => float(f64::trunc)?,
        Function::Abs => match first {
            Cel::Int(number) => Cel::Int(number.checked_abs().ok_or(Trouble::Overflow)?),
            _ => Cel::Double(first.as_f64().ok_or_else(|| Trouble::expected("a number", first))?.abs()),
        },
        Function::Least => extreme(arguments, |new, best| new < best, scope)?,
        Function::Greatest => extreme(arguments, |new, best| new > best, scope)?,
    })
}

/// A list that was made.
pub(super) fn list<'v>(items: Vec<Cel<'v>>, scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    scope.steps.take(items.len() as u64)?;
    if items.len() > LIST_ITEMS_MAX {
        return Err(Trouble::TooLarge);
    }
    Ok(Cel::List(Rc::new(items)))
}

/// A text that was made.
pub(super) fn made<'v>(text: String, scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    scope.steps.make(text.len())?;
    if text.len() > GROWTH_BYTES_MAX {
        return Err(Trouble::TooLarge);
    }
    Ok(Cel::Text(Cow::Owned(text)))
}

fn size(of: &Cel<'_>, scope: &Scope<'_>) -> Result<i64, Trouble> {
    let count = match of {
        Cel::Text(text) => {
            scope.steps.take_bytes(text.len())?;
            text.chars().count()
        }
        Cel::List(items) => items.len(),
        Cel::Map(members) => members.len(),
        Cel::Event(value) => value.children().count(),
        _ => return Err(Trouble::expected("a text, a list or a map", of)),
    };
    scope.steps.take(count as u64)?;
    Ok(count as i64)
}

fn to_int<'v>(of: &Cel<'v>) -> Result<Cel<'v>, Trouble> {
    match of {
        Cel::Int(number) => Ok(Cel::Int(*number)),
        Cel::Double(number) => whole(number.trunc()),
        Cel::Text(text) => text.trim().parse().map(Cel::Int).map_err(|_| Trouble::Type("the text is no whole number")),
        _ => Err(Trouble::expected("a number or a text", of)),
    }
}

/// A float without a fraction, as an integer.
fn whole<'v>(number: f64) -> Result<Cel<'v>, Trouble> {
    match number.abs() < 9.2e18 {
        true => Ok(Cel::Int(number as i64)),
        false => Err(Trouble::Overflow),
    }
}

fn replace<'v>(text: &str, from: &str, to: &str, scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    let found = if from.is_empty() { text.chars().count() + 1 } else { text.matches(from).count() };
    if text.len() + found.saturating_mul(to.len()) > GROWTH_BYTES_MAX {
        return Err(Trouble::TooLarge);
    }
    made(text.replace(from, to), scope)
}

fn join<'v>(of: &Cel<'v>, by: Cow<'v, str>, scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    let items = scope.items(of)?.ok_or_else(|| Trouble::expected("a list", of))?;
    let mut joined = String::new();
    for (at, item) in items.iter().enumerate() {
        let text = item.to_text().ok_or_else(|| Trouble::expected("a list of texts", item))?;
        scope.steps.take_bytes(text.len() + by.len())?;
        if at > 0 {
            joined.push_str(&by);
        }
        joined.push_str(&text);
        if joined.len() > GROWTH_BYTES_MAX {
            return Err(Trouble::TooLarge);
        }
    }
    made(joined, scope)
}

fn substring<'v>(text: &str, arguments: &[Cel<'v>], scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    let position = |at: usize| match arguments.get(at) {
        Some(Cel::Int(number)) => usize::try_from(*number).map_err(|_| Trouble::Type("a position is not below 0")),
        other => Err(Trouble::expected("a whole number", other.unwrap_or(&Cel::Null))),
    };
    let from = position(1)?;
    let to = if arguments.len() > 2 { position(2)? } else { usize::MAX };
    made(text.chars().skip(from).take(to.saturating_sub(from)).collect(), scope)
}

fn extreme<'v>(arguments: &[Cel<'v>], better: fn(f64, f64) -> bool, scope: &Scope<'v>) -> Result<Cel<'v>, Trouble> {
    let spread = match arguments {
        [only] => scope.items(only)?.unwrap_or_else(|| arguments.to_vec()),
        _ => arguments.to_vec(),
    };
    let mut best: Option<&Cel<'v>> = None;
    for each in &spread {
        let number = each.as_f64().ok_or_else(|| Trouble::expected("a number", each))?;
        if best.and_then(Cel::as_f64).is_none_or(|best| better(number, best)) {
            best = Some(each);
        }
    }
    best.cloned().ok_or(Trouble::Type("the list is empty"))
}

/// Whether a map of the event or a made one has the key.
pub(super) fn is_map(value: &Cel<'_>) -> bool {
    match value {
        Cel::Map(_) => true,
        Cel::Event(value) => value.kind() == Kind::Object,
        _ => false,
    }
}
