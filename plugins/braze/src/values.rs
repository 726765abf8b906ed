//! Values as the vendor takes them: ids, money, and what a profile's fields must be.

use std::borrow::Cow;

use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::parse_iso8601_us;

use crate::rules::GENDERS;

/// An id as it stands between quotes in JSON: it is copied, never unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id<'a>(&'a [u8]);

impl<'a> Id<'a> {
    /// A text that is not blank, or a number.
    #[inline]
    pub fn of(value: Value<'a>) -> Option<Id<'a>> {
        let quoted = match value.quoted() {
            Some(quoted) => quoted,
            None if value.is_number() => value.raw(),
            None => return None,
        };
        (!quoted.trim_ascii().is_empty()).then_some(Id(quoted))
    }

    /// The bytes between the quotes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, without escapes.
    pub fn text(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.0) {
            Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
            _ => Cow::Owned(switchyard_sdk::text::unescape(self.0)),
        }
    }

    /// Whether its text has more bytes than that.
    pub fn is_longer_than(self, bytes_max: usize) -> bool {
        self.0.len() > bytes_max && self.text().len() > bytes_max
    }
}

/// Writes it as a string.
impl Json for Id<'_> {
    #[inline]
    fn write(self, json: &mut JsonWriter) {
        // The quote comes with the comma where one is due.
        json.raw(b"\"");
        json.verbatim(self.0);
        json.verbatim(b"\"");
    }
}

/// Three letters in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of those who name none.
    pub const USD: Currency = Currency(*b"USD");

    /// The code of a currency; None for what cannot be one.
    pub fn of(text: &str) -> Option<Currency> {
        let mut letters: [u8; 3] = text.trim_ascii().as_bytes().try_into().ok()?;
        letters.make_ascii_uppercase();
        letters.iter().all(u8::is_ascii_uppercase).then_some(Currency(letters))
    }

    /// The currency that a value names, or `default` where it names none; None where it names what is
    /// none: an amount of one currency is not one of another.
    pub fn named(value: Value<'_>, default: Currency) -> Option<Currency> {
        match value.quoted() {
            Some(quoted) if quoted.trim_ascii().is_empty() => Some(default),
            Some(_) => Currency::of(&value.as_str()?),
            None => value.is_null().then_some(default),
        }
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The number that a value is, or that its text is.
pub fn number(value: Value<'_>) -> Option<f64> {
    std::str::from_utf8(value.number_text()?).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The text of a number that a double holds, or of a text that is one: all are that have no exponent
/// and are not very long.
pub fn number_text(value: Value<'_>) -> Option<&[u8]> {
    let text = value.number_text()?;
    let is_plain = text.len() < 300 && !text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    (is_plain || number(value).is_some()).then_some(text)
}

/// A whole number of 1 or more as most are written: a few digits.
#[inline]
pub fn whole(value: Value<'_>) -> Option<u64> {
    let digits = value.raw();
    let is_plain = (1..=9).contains(&digits.len()) && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
    is_plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Whether a value says something: it is neither null nor a blank text.
#[inline]
pub fn is_said(value: Value<'_>) -> bool {
    match value.quoted() {
        Some(quoted) => !quoted.trim_ascii().is_empty(),
        None => !value.is_null(),
    }
}

/// An e-mail address that the vendor takes.
pub fn email(value: Value<'_>) -> Option<Cow<'_, str>> {
    let text = trimmed(value)?;
    let (local, domain) = text.split_once('@')?;
    let is_good = |character: char| !character.is_whitespace() && !character.is_control() && character != '@';
    let is_domain = domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty());
    (!local.is_empty() && is_domain && local.chars().chain(domain.chars()).all(is_good)).then_some(text)
}

/// A phone number in E.164.
pub fn phone(value: Value<'_>, default_country_code: Option<&str>) -> Option<String> {
    normalise::phone_e164(&id_text(value)?, default_country_code)
}

/// The text of a text or number that is not blank.
pub fn id_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    if value.is_number() { value.as_text() } else { trimmed(value) }
}

/// A text without what is blank around it; None where nothing is left.
pub fn trimmed(value: Value<'_>) -> Option<Cow<'_, str>> {
    let text = match value.as_filled_str()? {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
    };
    (!text.is_empty()).then_some(text)
}

/// A date as `YYYY-MM-DD`.
pub fn date(value: Value<'_>) -> Option<String> {
    let digits = normalise::birthday(&value.as_filled_str()?)?;
    let date = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]);
    parse_iso8601_us(date.as_bytes()).map(|_| date)
}

/// Whether a value is a time in ISO 8601.
pub fn is_time(value: Value<'_>) -> bool {
    value.quoted().and_then(parse_iso8601_us).is_some()
}

/// M, F, O, N or P.
pub fn gender(value: Value<'_>) -> Option<&'static str> {
    switchyard_sdk::name::lookup(GENDERS, &value.as_filled_str()?).copied()
}

/// The two letters of a country, in upper case.
pub fn country(value: Value<'_>) -> Option<String> {
    let code = normalise::country_code(&value.as_filled_str()?).to_uppercase();
    (!code.is_empty()).then_some(code)
}

/// The two letters of a language, in lower case: `de` of `de-DE`.
pub fn language(value: Value<'_>) -> Option<String> {
    let text = trimmed(value)?;
    let first = text.split(['-', '_']).next()?;
    (first.len() == 2 && first.bytes().all(|byte| byte.is_ascii_alphabetic())).then(|| first.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchyard_sdk::native;

    use super::*;

    #[test]
    fn addresses_that_the_vendor_takes() {
        let check = |text: &str, wanted: Option<&str>| {
            let batch = native::batch(0, &[json!({"type": "track", "messageId": "m", "v": text})]);
            assert_eq!(email(batch.event(0).get("v")).as_deref(), wanted, "{text}");
        };
        check(" ana@example.com ", Some("ana@example.com"));
        check("Ana+shop@mail.example.co.uk", Some("Ana+shop@mail.example.co.uk"));
        for text in ["", "ana", "ana@", "@example.com", "ana@example", "ana@.com", "ana@example.", "a b@example.com"] {
            check(text, None);
        }
        check("a@b@example.com", None);
    }
}
