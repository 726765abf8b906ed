//! Attributes of a person, an object or a relationship as the vendor takes them: not too many, none with
//! too long a name or value. What is too much is left out, attribute by attribute.

use switchyard_sdk::prelude::*;

use crate::dates::{has_date, seconds_of_date, write_converted};
use crate::rules::{ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX};
use crate::settings::{CustomerIo, LongTexts};

/// The members of an object of attributes, as they are written.
pub struct Attributes<'j, 'c> {
    customer_io: &'c CustomerIo,
    json: &'j mut JsonWriter,
    /// Where the member begins of which this is the value.
    before: usize,
    /// How long all that is written may become.
    end_max: usize,
    count: usize,
}

impl<'j, 'c> Attributes<'j, 'c> {
    /// Opens the object as a member of that key.
    pub fn begin(
        customer_io: &'c CustomerIo,
        key: Key,
        json: &'j mut JsonWriter,
        end_max: usize,
    ) -> Attributes<'j, 'c> {
        let before = json.len();
        json.member_key(key);
        json.begin_object();
        Attributes { customer_io, json, before, end_max, count: 0 }
    }

    /// Closes it; an empty one is taken back. How many members it has.
    pub fn end(self) -> usize {
        if self.count == 0 {
            self.json.truncate(self.before);
        } else {
            self.json.end_object();
        }
        self.count
    }

    /// An attribute of our own making.
    pub fn own(&mut self, name: &str, value: impl Json) {
        let before = self.json.len();
        if self.count < ATTRIBUTES_MAX {
            self.json.member_named(name, value);
            self.keep(before);
        }
    }

    /// An attribute as the sender gives it.
    pub fn sent(&mut self, member: Value<'_>) {
        if self.count == ATTRIBUTES_MAX || !has_name(member) || is_excluded(self.customer_io, &member.key()) {
            return;
        }
        let before = self.json.len();
        self.json.raw_key(member.raw_key());
        if self.value(member) {
            self.keep(before);
        } else {
            self.json.truncate(before);
        }
    }

    /// Takes what was written last back where the item has become too large by it.
    fn keep(&mut self, before: usize) {
        // The object and the item are still to be closed.
        if self.json.len() + 2 > self.end_max {
            self.json.truncate(before);
        } else {
            self.count += 1;
        }
    }

    /// Writes a value. Whether there was one to write.
    fn value(&mut self, value: Value<'_>) -> bool {
        let CustomerIo { attribute_bytes_max: bytes_max, convert_dates, long_texts, .. } = *self.customer_io;
        if is_empty(value) {
            // To the vendor both mean that the attribute goes.
            self.json.raw(if value.is_null() { b"null" } else { b"\"\"" });
            return self.customer_io.unset_null_traits;
        }
        if convert_dates && let Some(seconds) = seconds_of_date(value) {
            self.json.value(seconds);
            return true;
        }
        if let Some(quoted) = value.quoted() {
            if quoted.len() <= bytes_max {
                self.json.value(value);
                return true;
            }
            let text = value.as_str().unwrap_or_default();
            let fits = text.len() <= bytes_max;
            self.json.string(cut_bytes(&text, bytes_max));
            return fits || long_texts == LongTexts::Cut;
        }
        let before = self.json.len();
        if convert_dates && value.is_object() && has_date(value) {
            write_converted(value, self.json);
        } else {
            self.json.value(value);
        }
        self.json.len() - before <= bytes_max
    }
}

/// Whether the settings leave a trait of that name out.
pub fn is_excluded(customer_io: &CustomerIo, name: &str) -> bool {
    customer_io.exclude_traits.iter().any(|excluded| excluded == name)
}

/// Whether a value is null or a blank text.
pub fn is_empty(value: Value<'_>) -> bool {
    match value.quoted() {
        Some(quoted) => quoted.trim_ascii().is_empty(),
        None => value.is_null(),
    }
}

fn has_name(member: Value<'_>) -> bool {
    let name = member.raw_key();
    !name.is_empty() && (name.len() <= ATTRIBUTE_NAME_BYTES_MAX || member.key().len() <= ATTRIBUTE_NAME_BYTES_MAX)
}

/// So much of a text as has that many bytes, ending with a whole character.
pub fn cut_bytes(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::cut_bytes;

    #[test]
    fn texts_end_with_a_whole_character() {
        assert_eq!(cut_bytes("abc", 3), "abc");
        assert_eq!(cut_bytes("abcd", 3), "abc");
        assert_eq!(cut_bytes("aüü", 4), "aü");
        assert_eq!(cut_bytes("€", 2), "");
    }
}
