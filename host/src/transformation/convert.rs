//! From one type of value to another, and rounding.

use crate::event::index::{Kind, Value};
use crate::validate::time;

/// Digits that a number is rounded to at most: what a float can tell apart.
pub const DIGITS_MAX: i64 = 15;
/// Bytes of a number that is rounded: longer ones are not from this world.
const NUMBER_BYTES_MAX: usize = 64;
/// A number of seconds below this is one of seconds, else of milliseconds: the year 5138, and 1973.
const SECONDS_BELOW: f64 = 1e11;

/// What a value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    Integer,
    Boolean,
    Text,
    IsoTime,
    UnixS,
    UnixMs,
}

impl Type {
    pub const NAMES: [(&'static str, Type); 7] = [
        ("number", Type::Number),
        ("integer", Type::Integer),
        ("boolean", Type::Boolean),
        ("string", Type::Text),
        ("iso_time", Type::IsoTime),
        ("unix_s", Type::UnixS),
        ("unix_ms", Type::UnixMs),
    ];
}

/// What came of a conversion.
#[derive(Debug, PartialEq)]
pub(super) enum Converted {
    Same,
    Text(String),
    Number(String),
    Word(bool),
    /// There is no such value.
    Not,
}

/// Makes another type of a value.
pub(super) fn convert(value: &Value<'_>, to: Type) -> Converted {
    let text = value.as_str();
    let number = value.as_number();
    match to {
        Type::Text => match value.kind() {
            Kind::String => Converted::Same,
            Kind::Null => Converted::Not,
            _ => Converted::Text(String::from_utf8_lossy(value.raw()).into_owned()),
        },
        Type::Number => match (number, &text, value.as_bool()) {
            (Some(_), ..) => Converted::Same,
            (_, Some(text), _) => number_in(text).map_or(Converted::Not, Converted::Number),
            (.., Some(word)) => Converted::Number(u8::from(word).to_string()),
            _ => Converted::Not,
        },
        Type::Integer => {
            let of_text = text.as_deref().and_then(number_in);
            match (number, of_text, value.as_bool()) {
                (Some(number), ..) if number.parse::<i64>().is_ok() => Converted::Same,
                (Some(number), ..) => whole(number),
                (_, Some(number), _) => whole(&number),
                (.., Some(word)) => Converted::Number(u8::from(word).to_string()),
                _ => Converted::Not,
            }
        }
        Type::Boolean => match (value.as_bool(), value.as_f64(), &text) {
            (Some(_), ..) => Converted::Same,
            (_, Some(number), _) => Converted::Word(number != 0.0),
            (.., Some(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "y" | "on" => Converted::Word(true),
                "false" | "0" | "no" | "n" | "off" | "" => Converted::Word(false),
                _ => Converted::Not,
            },
            _ => Converted::Not,
        },
        Type::IsoTime | Type::UnixS | Type::UnixMs => {
            let Some(ms) = ms_of(text.as_deref(), number) else { return Converted::Not };
            let made = match to {
                Type::IsoTime => Converted::Text(time::format(ms)),
                Type::UnixS => Converted::Number(ms.div_euclid(1_000).to_string()),
                _ => Converted::Number(ms.to_string()),
            };
            match &made {
                Converted::Text(made) if text.as_deref() == Some(made) => Converted::Same,
                Converted::Number(made) if number == Some(made) => Converted::Same,
                _ => made,
            }
        }
    }
}

/// The number that a text is, in JSON's grammar.
fn number_in(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    serde_json::from_str::<serde_json::Number>(text).ok().map(|_| text.to_string()).or_else(|| {
        // As people write them: `007`, `.5`, `5.`
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        let number: f64 = text.parse().ok().filter(|_| plain)?;
        super::expression::number_text(number)
    })
}

/// Without what stands behind the point.
fn whole(number: &str) -> Converted {
    match number.parse::<f64>() {
        Ok(number) if number.abs() < 9.2e18 => Converted::Number((number.trunc() as i64).to_string()),
        _ => Converted::Not,
    }
}

/// Milliseconds since 1970 of a time as it may be written.
fn ms_of(text: Option<&str>, number: Option<&str>) -> Option<i64> {
    if let Some(ms) = text.and_then(|text| time::parse(text.trim().as_bytes())) {
        return Some(ms);
    }
    let number: f64 = number.or(text)?.trim().parse().ok()?;
    let ms = if number.abs() < SECONDS_BELOW { number * 1_000.0 } else { number };
    if !ms.is_finite() {
        return None;
    }
    time::in_range(ms.round() as i64)
}

/// The number with so many digits behind the point, half away from 0: from its digits, so that 2.675
/// becomes 2.68. None where it is too long.
pub(super) fn rounded(number: &str, digits: u8) -> Option<String> {
    if number.len() > NUMBER_BYTES_MAX {
        return None;
    }
    if number.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
        let number: f64 = number.parse().ok()?;
        let plain = format!("{number}");
        return if plain.len() > NUMBER_BYTES_MAX { None } else { rounded(&plain, digits) };
    }
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = usize::from(digits);
    if fraction.len() <= digits {
        return Some(format!("{sign}{number}"));
    }
    let (kept, cut) = fraction.split_at(digits);
    let mut all: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if cut.as_bytes().first() >= Some(&b'5') {
        let mut carries = true;
        for digit in all.iter_mut().rev() {
            if !carries {
                break;
            }
            carries = *digit == b'9';
            *digit = if carries { b'0' } else { *digit + 1 };
        }
        if carries {
            all.insert(0, b'1');
        }
    }
    let all = String::from_utf8(all).ok()?;
    let (whole, fraction) = all.split_at(all.len() - digits);
    let fraction = fraction.trim_end_matches('0');
    let zero = whole.bytes().all(|digit| digit == b'0') && fraction.is_empty();
    let sign = if zero { "" } else { sign };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
