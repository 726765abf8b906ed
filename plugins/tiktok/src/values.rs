//! Values as the vendor wants them, or not at all: one field of a wrong type costs a whole request.

use switchyard_sdk::prelude::*;

/// Digits that a whole number may have to pass as it is.
const DIGITS_MAX: usize = 15;

/// Whether a value can be an id or a name: a number, or a text that is not blank.
#[inline]
pub fn is_said(value: &Value<'_>) -> bool {
    value.is_number() || value.quoted().is_some_and(|quoted| !quoted.trim_ascii().is_empty())
}

/// Writes a member as a text: a number in quotes.
#[inline]
pub fn text(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter) {
    if let Some(value) = value.filter(is_said) {
        json.member_key(key);
        text_value(value, json);
    }
}

/// Writes a value as a text: a number in quotes.
#[inline]
pub fn text_value(value: Value<'_>, json: &mut JsonWriter) {
    if value.is_string() {
        json.raw(value.raw());
    } else {
        json.string(std::str::from_utf8(value.raw()).unwrap_or_default());
    }
}

/// Writes a member that is a number; a text that is one becomes one.
pub fn number_member(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter) {
    if let Some(text) = value.and_then(|value| value.finite_number_text()) {
        json.member_key(key);
        json.raw(text);
    }
}

/// Writes a member that is a whole number; a text that is one becomes one.
pub fn whole(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter) {
    let Some(value) = value else { return };
    if let Some(text) = value.number_text()
        && text.len() <= DIGITS_MAX
        && text.iter().all(u8::is_ascii_digit)
    {
        json.member_key(key);
        return json.raw(text);
    }
    if let Some(number) = value.finite_number().filter(|number| number.fract() == 0.0 && number.abs() < 9e15) {
        json.member(key, number as i64);
    }
}

/// Writes a member that is a boolean.
pub fn boolean(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter) {
    if let Some(value) = value.and_then(|value| value.as_bool()) {
        json.member(key, value);
    }
}

/// Writes a member that is one of some texts.
pub fn one_of(key: Key, texts: &[&str], value: Option<Value<'_>>, json: &mut JsonWriter) {
    if let Some(text) = value.and_then(|value| value.as_str()).filter(|text| texts.contains(&&**text)) {
        json.member(key, text);
    }
}

/// Writes an object as a member, when `write` finds something for it. Whether it does.
pub fn object(key: Key, json: &mut JsonWriter, write: impl FnOnce(&mut JsonWriter)) -> bool {
    let before = json.len();
    json.member_key(key);
    json.begin_object();
    let empty = json.len();
    write(json);
    if json.len() == empty {
        json.truncate(before);
        return false;
    }
    json.end_object();
    true
}
