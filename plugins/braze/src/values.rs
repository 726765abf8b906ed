//! Values as the vendor takes them: ids, money, and what a profile's fields must be.

use std::borrow::Cow;

use switchyard_sdk::money::Currency;
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::parse_iso8601_us;

use crate::rules::GENDERS;

/// The currency that a value names, or `default` where it names none; None where it names what is none:
/// an amount of one currency is not one of another.
pub fn currency_of(value: Value<'_>, default: Currency) -> Option<Currency> {
    match value.quoted() {
        Some(quoted) if quoted.trim_ascii().is_empty() => Some(default),
        Some(_) => Currency::of_value(value),
        None => value.is_null().then_some(default),
    }
}

/// A whole number of 1 or more as most are written: a few digits.
#[inline]
pub fn whole(value: Value<'_>) -> Option<u64> {
    let digits = value.raw();
    let is_plain = (1..=9).contains(&digits.len()) && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
    is_plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// An e-mail address that the vendor takes.
pub fn email(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.as_trimmed_str().filter(|text| normalise::is_email(text))
}

/// A phone number in E.164.
pub fn phone(value: Value<'_>, default_country_code: Option<&str>) -> Option<String> {
    normalise::phone_e164(&value.as_trimmed_text()?, default_country_code)
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
    let text = value.as_trimmed_str()?;
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
