//! Writes JSON into one buffer, and copies what the event already has as it stands there.
//!
//! Commas come by themselves: one is written before every key and value that follows another. Keys
//! and values must be written in turn, which is the caller's part.

use std::borrow::Cow;

use crate::text::{cut, escape_into};
use crate::value::Value;

/// A buffer of JSON.
#[derive(Clone, Debug, Default)]
pub struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    /// An empty buffer. Keep one request's buffer the only one that grows: then it is never copied.
    pub fn new() -> JsonWriter {
        JsonWriter { out: Vec::new() }
    }

    /// An empty buffer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> JsonWriter {
        JsonWriter { out: Vec::with_capacity(bytes) }
    }

    /// Goes on behind what these bytes have.
    pub fn append_to(bytes: Vec<u8>) -> JsonWriter {
        JsonWriter { out: bytes }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// How many bytes were written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back what was written behind the first `bytes`.
    pub fn truncate(&mut self, bytes: usize) {
        self.out.truncate(bytes);
    }

    /// Gives back the room behind what was written. Costs nothing before anything else is allocated,
    /// and saves what memory costs that is touched for the first time.
    pub fn shrink(&mut self) {
        self.out.shrink_to_fit();
    }

    /// Appends bytes as they are, without a comma.
    #[inline]
    pub fn verbatim(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    /// `{`
    #[inline]
    pub fn begin_object(&mut self) {
        self.separate();
        self.out.push(b'{');
    }

    /// `}`
    #[inline]
    pub fn end_object(&mut self) {
        self.out.push(b'}');
    }

    /// `[`
    #[inline]
    pub fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
    }

    /// `]`
    #[inline]
    pub fn end_array(&mut self) {
        self.out.push(b']');
    }

    /// A member's key, escaped where it must be.
    #[inline]
    pub fn key(&mut self, key: &str) {
        self.string(key);
        self.out.push(b':');
    }

    /// A member's key as it stands in an event's JSON, escapes and all.
    #[inline]
    pub fn raw_key(&mut self, key: &[u8]) {
        self.separate();
        self.out.reserve(key.len() + 3);
        self.out.push(b'"');
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(b"\":");
    }

    /// A value that is JSON already.
    #[inline]
    pub fn raw(&mut self, json: &[u8]) {
        self.separate();
        self.out.extend_from_slice(json);
    }

    /// A string of what stands between quotes in JSON already: nothing is escaped.
    #[inline]
    pub fn quoted(&mut self, inside: &[u8]) {
        self.separate();
        self.out.reserve(inside.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(inside);
        self.out.push(b'"');
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.out.push(b'"');
        escape_into(&mut self.out, text.as_bytes());
        self.out.push(b'"');
    }

    /// A constant member key; its value comes next.
    #[inline]
    pub fn member_key(&mut self, key: Key) {
        self.separate();
        self.out.extend_from_slice(key.0.as_bytes());
    }

    /// A member.
    #[inline]
    pub fn member(&mut self, key: Key, value: impl Json) {
        self.member_key(key);
        value.write(self);
    }

    /// A member whose key is only known when it runs.
    pub fn member_named(&mut self, key: &str, value: impl Json) {
        self.key(key);
        value.write(self);
    }

    /// A value.
    #[inline]
    pub fn value(&mut self, value: impl Json) {
        value.write(self);
    }

    /// The first `characters_max` characters of a value's text as a string; copied as they stand
    /// where that is all of it. Other values are written whole.
    pub fn cut(&mut self, value: Value<'_>, characters_max: usize) {
        match value.quoted() {
            Some(quoted) if quoted.len() > characters_max => {
                let text = value.as_str().unwrap_or_default();
                self.string(cut(&text, characters_max));
            }
            _ => self.raw(value.raw()),
        }
    }
}

/// A member's key as it is written, `"name":`. Made by [`key!`](crate::key), when the plugin is
/// compiled.
#[derive(Clone, Copy, Debug)]
pub struct Key(&'static str);

impl Key {
    /// Takes a key with its quotes and colon.
    ///
    /// # Panics
    /// When the key would need an escape: while it is compiled, in a constant.
    pub const fn quoted(key: &'static str) -> Key {
        let bytes = key.as_bytes();
        let mut at = 1;
        while at + 2 < bytes.len() {
            assert!(bytes[at] >= 0x20 && bytes[at] != b'"' && bytes[at] != b'\\', "this key needs an escape");
            at += 1;
        }
        Key(key)
    }

    /// The key without quotes and colon.
    pub const fn name(self) -> &'static str {
        self.0.split_at(self.0.len() - 2).0.split_at(1).1
    }
}

/// A constant member key: `key!("currency")`.
#[macro_export]
macro_rules! key {
    ($name:literal) => {
        const { $crate::Key::quoted(concat!("\"", $name, "\":")) }
    };
}

/// What can be written as one JSON value.
pub trait Json {
    /// Writes it.
    fn write(self, writer: &mut JsonWriter);
}

impl Json for Value<'_> {
    #[inline]
    fn write(self, writer: &mut JsonWriter) {
        writer.raw(self.raw());
    }
}

impl Json for &str {
    fn write(self, writer: &mut JsonWriter) {
        writer.string(self);
    }
}

impl Json for &String {
    fn write(self, writer: &mut JsonWriter) {
        writer.string(self);
    }
}

impl Json for Cow<'_, str> {
    fn write(self, writer: &mut JsonWriter) {
        writer.string(&self);
    }
}

impl Json for bool {
    fn write(self, writer: &mut JsonWriter) {
        writer.raw(if self { b"true" } else { b"false" });
    }
}

impl Json for u64 {
    fn write(self, writer: &mut JsonWriter) {
        writer.separate();
        digits(&mut writer.out, self);
    }
}

impl Json for i64 {
    fn write(self, writer: &mut JsonWriter) {
        writer.separate();
        if self < 0 {
            writer.out.push(b'-');
        }
        digits(&mut writer.out, self.unsigned_abs());
    }
}

fn digits(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut at, mut rest) = (20, number);
    while at == 20 || rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

impl Json for f64 {
    /// The shortest text that reads as the same number; null for what JSON does not have.
    fn write(self, writer: &mut JsonWriter) {
        if !self.is_finite() {
            return writer.raw(b"null");
        }
        let plain = self == 0.0 || (1e-7..1e21).contains(&self.abs());
        let text = if plain { format!("{self}") } else { format!("{self:e}") };
        writer.raw(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_come_by_themselves() {
        let mut writer = JsonWriter::new();
        writer.begin_object();
        writer.member(key!("a"), 1_u64);
        writer.member(key!("b"), "x\"y");
        writer.key("c\n");
        writer.begin_array();
        writer.value(-12_i64);
        writer.value(true);
        writer.raw(b"{}");
        writer.begin_array();
        writer.end_array();
        writer.value(0.1);
        writer.end_array();
        writer.raw_key(b"d\\u0001");
        writer.begin_object();
        writer.end_object();
        writer.end_object();
        let wanted = r#"{"a":1,"b":"x\"y","c\n":[-12,true,{},[],0.1],"d\u0001":{}}"#;
        assert_eq!(String::from_utf8(writer.into_bytes()).unwrap(), wanted);
    }

    #[test]
    fn numbers_are_written_short() {
        let check = |write: &dyn Fn(&mut JsonWriter), wanted: &str| {
            let mut writer = JsonWriter::new();
            write(&mut writer);
            assert_eq!(writer.as_bytes(), wanted.as_bytes());
        };
        check(&|writer| writer.value(0_u64), "0");
        check(&|writer| writer.value(u64::MAX), "18446744073709551615");
        check(&|writer| writer.value(i64::MIN), "-9223372036854775808");
        check(&|writer| writer.value(10.5), "10.5");
        check(&|writer| writer.value(10.0), "10");
        check(&|writer| writer.value(0.1 + 0.2), "0.30000000000000004");
        check(&|writer| writer.value(1e300), "1e300");
        check(&|writer| writer.value(f64::NAN), "null");
    }

    #[test]
    fn a_key_knows_its_name() {
        assert_eq!(key!("currency").name(), "currency");
    }
}
