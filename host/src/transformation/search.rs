//! Looks for personal data in an event: by the keys that it has, and by its form.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::event::index::{Kind, Value, View};

use super::change::scalar;
use super::hash::is_hash;
use super::mask::HIDDEN;
use super::pii::Class;
use super::steps::{Exhausted, Steps};

/// Which classes of personal data an event has, by key or by form.
pub fn classes_in(view: View<'_>, steps: &Steps) -> Result<Vec<Class>, Exhausted> {
    let mut found = Vec::new();
    search(view, u8::MAX, u8::MAX, steps, &mut |value, sight| {
        let in_value = (value.number()..value.entry().next).filter_map(|number| view.value(number));
        let mut texts = in_value.filter_map(|inner| scalar(&inner));
        let is_plain = texts.any(|text| !is_treated(&text));
        let classes: Vec<Class> = match sight {
            Sight::Whole(class) => vec![class],
            Sight::Parts(parts) => parts.iter().map(|(class, _)| *class).collect(),
        };
        for class in classes.into_iter().filter(|_| is_plain) {
            if !found.contains(&class) {
                found.push(class);
            }
        }
        Ok(())
    })?;
    found.sort();
    Ok(found)
}

/// The values that are of a class of personal data, or of which parts are, by their numbers in the index;
/// each range with all that the value contains.
pub fn values_of_classes(view: View<'_>, steps: &Steps) -> Result<Vec<(Range<u32>, Class)>, Exhausted> {
    let mut found = Vec::new();
    search(view, u8::MAX, u8::MAX, steps, &mut |value, sight| {
        let own = value.number()..value.entry().next;
        match sight {
            Sight::Whole(class) => found.push((own, class)),
            Sight::Parts(parts) => found.extend(parts.first().map(|(class, _)| (own, *class))),
        }
        Ok(())
    })?;
    Ok(found)
}

/// Whether a value is what hashing or hiding leaves.
fn is_treated(text: &str) -> bool {
    is_hash(text) || text == HIDDEN || text.contains("***")
}

/// What the host and the events' own grammar need as it is.
const PASSED_OVER: [&str; 10] = [
    "type",
    "messageId",
    "event",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "integrations",
    "channel",
    "version",
];

/// What was found in a value.
pub(super) enum Sight<'s> {
    /// It is of the class, with all that it contains.
    Whole(Class),
    /// Parts of its text are; in order and apart.
    Parts(&'s [(Class, Range<usize>)]),
}

pub(super) type Found<'f> = dyn FnMut(&Value<'_>, Sight<'_>) -> Result<(), Exhausted> + 'f;

/// Calls `found` with each value that is of a class by its key, or of which parts are by their form.
pub(super) fn search(
    view: View<'_>,
    by_key: u8,
    by_pattern: u8,
    steps: &Steps,
    found: &mut Found<'_>,
) -> Result<(), Exhausted> {
    for top in view.root().children() {
        let Some(key) = top.key() else { continue };
        if PASSED_OVER.contains(&&*key) {
            continue;
        }
        let traits = match &*key {
            "traits" => top.number()..top.entry().next,
            "context" => top.member("traits").map_or(0..0, |traits| traits.number()..traits.entry().next),
            _ => 0..0,
        };
        let mut number = top.number();
        while number < top.entry().next {
            let Some(value) = view.value(number) else { break };
            steps.take(1)?;
            if let Some(class) =
                class_of_key(&value, traits.contains(&number)).filter(|class| by_key & class.bit() != 0)
            {
                found(&value, Sight::Whole(class))?;
                // What it contains is of the class, too.
                number = value.entry().next.max(number + 1);
                continue;
            }
            if value.kind() == Kind::String {
                by_form(&value, by_pattern, steps, found)?;
            }
            number += 1;
        }
    }
    Ok(())
}

pub(super) static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9._%+\-]{1,64}(?:@|%40)[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+").expect("a good pattern")
});
pub(super) static PHONE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\+[0-9][0-9 ()./\-]{6,20}[0-9]").expect("a good pattern"));

fn by_form(value: &Value<'_>, classes: u8, steps: &Steps, found: &mut Found<'_>) -> Result<(), Exhausted> {
    let Some(raw) = value.raw_str() else { return Ok(()) };
    steps.take_bytes(raw.len())?;
    let mut parts: Vec<(Class, Range<usize>)> = Vec::new();
    let mut look = |class: Class, form: &Regex| -> Result<(), Exhausted> {
        let Some(text) = value.as_str() else { return Ok(()) };
        // An automaton looks at each byte a few times.
        steps.take_bytes(text.len() * 8)?;
        let before = parts.len();
        for part in form.find_iter(&text).map(|part| part.range()) {
            steps.take(1 + before as u64)?;
            if parts[..before].iter().all(|(_, known)| part.end <= known.start || part.start >= known.end) {
                parts.push((class, part));
            }
        }
        Ok(())
    };
    let may_be_email = memchr::memchr(b'@', raw).is_some() || memchr::memmem::find(raw, b"%40").is_some();
    if classes & Class::Email.bit() != 0 && may_be_email {
        look(Class::Email, &EMAIL)?;
    }
    if classes & Class::Phone.bit() != 0 && memchr::memchr(b'+', raw).is_some() {
        look(Class::Phone, &PHONE)?;
    }
    if !parts.is_empty() {
        parts.sort_by_key(|(_, part)| part.start);
        return found(value, Sight::Parts(&parts));
    }
    let may_be_ip =
        (3..=45).contains(&raw.len()) && raw.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'));
    if classes & Class::Ip.bit() != 0 && may_be_ip {
        let is_version = value.raw_key().is_some_and(|key| key.to_ascii_lowercase().ends_with(b"version"));
        let text = std::str::from_utf8(raw).unwrap_or_default();
        if !is_version && text.parse::<IpAddr>().is_ok() {
            return found(value, Sight::Whole(Class::Ip));
        }
    }
    Ok(())
}

/// Keys by which a class is known: letters alone, in lower case. A name is one only of a person, so
/// `name` counts within traits.
const KEYS: [(Class, &[&str]); 6] = [
    (Class::Name, &["firstname", "lastname", "fullname", "middlename", "surname", "givenname", "familyname"]),
    (
        Class::Address,
        &[
            "address",
            "street",
            "addressline1",
            "addressline2",
            "postalcode",
            "zip",
            "zipcode",
            "shippingaddress",
            "billingaddress",
        ],
    ),
    (Class::Ip, &["ip", "ipaddress", "clientip", "remoteaddress"]),
    (Class::Location, &["latitude", "longitude", "lat", "lng", "lon", "coordinates"]),
    (
        Class::FreeText,
        &["message", "comment", "comments", "note", "notes", "feedback", "review", "text", "body", "bio", "question"],
    ),
    (Class::Phone, &["mobile", "tel", "telephone", "cell", "phonenumber", "mobilenumber"]),
];

/// Bytes of the longest key that a class is known by, and of what may stand before it.
const KEY_BYTES_MAX: usize = 32;

fn class_of_key(value: &Value<'_>, in_traits: bool) -> Option<Class> {
    let raw = value.raw_key()?;
    if raw.len() > KEY_BYTES_MAX {
        return None;
    }
    let mut letters = [0; KEY_BYTES_MAX];
    let mut length = 0;
    for byte in raw.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        letters[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let key = &letters[..length];
    if matches!(value.kind(), Kind::Null | Kind::True | Kind::False) {
        return None;
    }
    if key.ends_with(b"email") || key.ends_with(b"emailaddress") || key == b"mail" {
        return Some(Class::Email);
    }
    if key.ends_with(b"phone") {
        return Some(Class::Phone);
    }
    if in_traits && (key == b"name" || key == b"username") {
        return Some(Class::Name);
    }
    let known = KEYS.iter().find(|(_, keys)| keys.iter().any(|known| known.as_bytes() == key));
    known.map(|(class, _)| *class)
}
