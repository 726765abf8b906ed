//! Values as the vendor takes them: texts, whatever they are.

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::parse_iso8601_us;

/// Numbers below are seconds since 1970, others milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// What a property is in HubSpot. A value that is not that, and cannot be made so, is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Whatever the value is: a list becomes one text.
    #[default]
    AsItIs,
    /// A text, a number or a boolean, as a text.
    Text,
    /// A number, or a text that is one.
    Number,
    /// `true` or `false`.
    Bool,
    /// A day: its midnight in UTC.
    Date,
    /// A moment.
    Datetime,
    /// A text in lower case.
    #[serde(skip)]
    Lower,
}

/// How a list becomes one text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lists {
    /// `a;b`, as a record's property with several choices has it.
    Joined,
    /// `["a","b"]`.
    Json,
}

/// Writes a value as a JSON string. Nothing, and false, where it is none of that type, is blank, or a
/// list longer than `characters_max`. Longer texts are cut.
pub fn write(value: Value<'_>, is: Type, lists: Lists, characters_max: usize, json: &mut JsonWriter) -> bool {
    match is {
        Type::AsItIs if value.is_array() => write_list(value, lists, characters_max, json),
        Type::AsItIs if value.is_object() => write_json(value, characters_max, json),
        Type::AsItIs | Type::Text => write_scalar(value, characters_max, json),
        Type::Number => written(value.number_text(), json),
        Type::Bool => written(boolean(value), json),
        Type::Date => written(time_ms(value).map(|ms| ms.div_euclid(DAY_MS) * DAY_MS), json),
        Type::Datetime => written(time_ms(value), json),
        Type::Lower => written(value.as_filled_str().map(|text| text.trim().to_lowercase()), json),
    }
}

/// What can be written between quotes.
trait Quoted {
    fn write(self, json: &mut JsonWriter);
}

impl Quoted for &[u8] {
    fn write(self, json: &mut JsonWriter) {
        json.raw(b"\"");
        json.verbatim(self);
        json.verbatim(b"\"");
    }
}

impl Quoted for i64 {
    fn write(self, json: &mut JsonWriter) {
        json.string(&self.to_string());
    }
}

impl Quoted for String {
    fn write(self, json: &mut JsonWriter) {
        json.string(&self);
    }
}

fn written(text: Option<impl Quoted>, json: &mut JsonWriter) -> bool {
    match text {
        Some(text) => {
            text.write(json);
            true
        }
        None => false,
    }
}

fn write_scalar(value: Value<'_>, characters_max: usize, json: &mut JsonWriter) -> bool {
    match value.quoted() {
        Some(quoted) if quoted.trim_ascii().is_empty() => return false,
        Some(_) => json.cut(value, characters_max),
        None if value.is_scalar() => value.raw().write(json),
        None => return false,
    }
    true
}

fn write_list(list: Value<'_>, lists: Lists, characters_max: usize, json: &mut JsonWriter) -> bool {
    match lists {
        Lists::Joined => write_joined(list.children(), characters_max, json),
        Lists::Json => list.children().next().is_some() && write_json(list, characters_max, json),
    }
}

/// An object or a list, as JSON. Half of one would be no JSON, so it is all or nothing.
fn write_json(value: Value<'_>, characters_max: usize, json: &mut JsonWriter) -> bool {
    let text = std::str::from_utf8(value.raw()).unwrap_or_default();
    let fits = text.len() <= characters_max || text.chars().count() <= characters_max;
    if fits {
        json.string(text);
    }
    fits
}

/// The texts of these values with `;` between them: all or nothing.
pub fn write_joined<'a>(values: impl Iterator<Item = Value<'a>>, characters_max: usize, json: &mut JsonWriter) -> bool {
    let before = json.len();
    json.raw(b"\"");
    let mut is_first = true;
    for value in values.filter(Value::is_scalar) {
        let text = value.quoted().unwrap_or_else(|| value.raw());
        if text.trim_ascii().is_empty() {
            continue;
        }
        if !is_first {
            json.verbatim(b";");
        }
        json.verbatim(text);
        is_first = false;
    }
    json.verbatim(b"\"");
    // Escapes count as what they are written with, which is more than they are.
    let fits = json.len() - before <= characters_max + 2;
    if is_first || !fits {
        json.truncate(before);
    }
    !is_first && fits
}

fn boolean(value: Value<'_>) -> Option<&'static [u8]> {
    let is = |words: [&str; 4]| {
        let text = value.quoted().unwrap_or_else(|| value.raw()).trim_ascii();
        words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text))
    };
    if !value.is_scalar() {
        None
    } else if is(["true", "yes", "1", "on"]) {
        Some(b"true")
    } else if is(["false", "no", "0", "off"]) {
        Some(b"false")
    } else {
        None
    }
}

/// Milliseconds since 1970 of a time as ISO 8601, or as a number of seconds or milliseconds.
fn time_ms(value: Value<'_>) -> Option<i64> {
    if let Some(us) = value.quoted().and_then(|quoted| parse_iso8601_us(quoted.trim_ascii())) {
        return Some(us.div_euclid(1_000));
    }
    let number: f64 = std::str::from_utf8(value.number_text()?).ok()?.parse().ok()?;
    // Beyond that no calendar counts: the year 275760.
    let number = (number.abs() < 8.64e15).then_some(number as i64)?;
    Some(if number.abs() < SECONDS_MAX { number * 1_000 } else { number })
}
