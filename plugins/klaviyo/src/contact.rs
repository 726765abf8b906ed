//! E-mail addresses and phone numbers that the vendor takes. It refuses a request for one that is none.

use std::borrow::Cow;

use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;

use crate::rules::{EMAIL_CHARACTERS_MAX, EMAIL_LABEL_CHARACTERS_MAX, EMAIL_LOCAL_CHARACTERS_MAX, PHONE_DIGITS};

/// The signs that may stand in the local part of an address beside letters and digits. Source: RFC 5322,
/// section 3.2.3.
const SIGNS: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// An e-mail address.
pub fn email(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.as_trimmed_str().filter(|text| is_email(text))
}

/// Whether a text is an address: none with other letters than those of ASCII, and a domain that ends
/// with two letters or more. Source: the check of Segment's destination.
pub fn is_email(text: &str) -> bool {
    match text.rsplit_once('@') {
        Some((local, domain)) => {
            text.len() <= EMAIL_CHARACTERS_MAX && is_local(local.as_bytes()) && is_domain(domain.as_bytes())
        }
        None => false,
    }
}

/// Words of letters, digits and signs, with a dot between two.
fn is_local(local: &[u8]) -> bool {
    let mut before = b'.';
    let mut is_good = true;
    for byte in local {
        let is_word = byte.is_ascii_alphanumeric() || SIGNS.contains(byte);
        is_good &= is_word || *byte == b'.' && before != b'.';
        before = *byte;
    }
    is_good && before != b'.' && local.len() <= EMAIL_LOCAL_CHARACTERS_MAX
}

/// Labels of letters, digits and hyphens, two at least; the last is of letters.
fn is_domain(domain: &[u8]) -> bool {
    let (mut labels, mut is_last) = (0, false);
    for label in domain.split(|byte| *byte == b'.') {
        let is_label = label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if !(1..=EMAIL_LABEL_CHARACTERS_MAX).contains(&label.len())
            || !is_label
            || label.starts_with(b"-")
            || label.ends_with(b"-")
        {
            return false;
        }
        labels += 1;
        is_last = label.len() >= 2 && label.iter().all(u8::is_ascii_alphabetic);
    }
    labels > 1 && is_last
}

/// A phone number in E.164.
pub fn phone(value: Value<'_>, default_country_code: Option<&str>) -> Option<String> {
    let text = value.as_trimmed_text()?;
    let number = international(text.as_bytes()).or_else(|| normalise::phone_e164(&text, default_country_code));
    number.filter(|number| is_phone(number))
}

/// A number as most are written: with plus and country code, in groups.
fn international(text: &[u8]) -> Option<String> {
    let rest =
        text.strip_prefix(b"+").filter(|rest| rest.first().is_some_and(|first| (b'1'..=b'9').contains(first)))?;
    let mut number = String::with_capacity(32);
    number.push('+');
    for byte in rest {
        match byte {
            b'0'..=b'9' => number.push(char::from(*byte)),
            b' ' | b'-' | b'.' | b'/' => {}
            _ => return None,
        }
    }
    Some(number)
}

/// Whether a number can be one: in North America ten digits follow the 1, and neither the area nor the
/// exchange begins with 0 or 1.
fn is_phone(number: &str) -> bool {
    let digits = &number.as_bytes()[1..];
    match digits {
        [b'1', rest @ ..] => rest.len() == 10 && rest[0] > b'1' && rest[3] > b'1',
        _ => PHONE_DIGITS.contains(&digits.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchyard_sdk::native;

    use super::{is_email, phone};

    #[test]
    fn addresses_are_told_from_texts() {
        for text in ["sarah.mason@klaviyo-demo.com", "Ana+shop@mail.example.co.uk", "o'neil@example.org"] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@.com",
            "ana@example.",
            "a b@example.com",
            "a@b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a.@example.com",
            "añ@example.com",
            "ana@exämple.com",
            "ana@-a.com",
            "ana@example.c",
            "ana@example.123",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn an_address_is_not_too_long() {
        let local = |characters: usize| format!("{}@example.com", "a".repeat(characters));
        assert!(is_email(&local(64)));
        assert!(!is_email(&local(65)));
        let label = |characters: usize| format!("ana@{}.com", "a".repeat(characters));
        assert!(is_email(&label(63)));
        assert!(!is_email(&label(64)));
        let address = |last: usize| format!("ana@{}{}.com", "a.".repeat(100), "b".repeat(last));
        assert_eq!(address(46).len(), 254);
        assert!(is_email(&address(46)));
        assert!(!is_email(&address(47)));
    }

    #[test]
    fn numbers_are_told_from_texts() {
        let check = |text: &str, code: Option<&str>, wanted: Option<&str>| {
            let batch = native::batch(0, &[json!({"type": "track", "messageId": "m", "v": text})]);
            assert_eq!(phone(batch.event(0).get("v"), code).as_deref(), wanted, "{text}");
        };
        check("+15005550006", None, Some("+15005550006"));
        check("+1 (500) 555-0006", None, Some("+15005550006"));
        check("+49 30 901820", None, Some("+4930901820"));
        check("0049 30 901820", None, Some("+4930901820"));
        check("030 901820", Some("49"), Some("+4930901820"));
        check("030 901820", None, None);
        check("+1 500 555 000", None, None);
        check("+1 150 555 0006", None, None);
        check("+1 500 055 0006", None, None);
        check("+2345678", None, Some("+2345678"));
        check("+234567", None, None);
        check("+234567890123456", None, Some("+234567890123456"));
        check("+2345678901234567", None, None);
        check("call me", None, None);
    }
}
