//! The hashed part of `user_data`: what is known of a person, made uniform as the vendor wants it and
//! hashed with SHA-256. What cannot be made right is left out: a field less costs nothing, a wrong one
//! costs a match. What is a SHA-256 already passes.
//!
//! Source: developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters.

use std::borrow::Cow;

use switchyard_sdk::hash::{already_hashed, sha256_hex};
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::format_iso8601;

use crate::choices::ExternalIds;
use crate::rules::{PHONE_DIGITS, VALUES_MAX};
use crate::settings::Meta;
use crate::user::Match;

/// Writes what the traits tell of a person.
pub fn write(meta: &Meta, event: &Event<'_>, matched: &mut Match, json: &mut JsonWriter) {
    let (traits, properties) = (event.user_traits(), event.properties());
    let address = traits.child("address");
    let of = |key| Some(traits.child(key)).filter(|value| !value.is_null()).unwrap_or(properties.child(key));
    let place = |own: &[&str]| Some(address.first(own)).filter(|value| !value.is_null()).unwrap_or(traits.first(own));
    let mut field = |key: Key, value: Value<'_>, clean: &dyn Fn(&str) -> Option<String>| {
        write_field(key, texts(value), clean, matched, json);
    };
    field(key!("em"), of("email"), &email);
    field(key!("ph"), of("phone"), &|number| phone(meta, number));
    let [first, last] = [FIRST_NAME, LAST_NAME].map(|names| traits.first(names));
    field(key!("fn"), first, &name);
    field(key!("ln"), last, &name);
    field(key!("db"), traits.first(BIRTHDAY), &|date| birthday(date, event));
    field(key!("ge"), traits.child("gender"), &gender);
    let country = place(COUNTRY);
    let code = country.as_str().map(|text| normalise::country_code(&text)).unwrap_or_default();
    field(key!("ct"), place(CITY), &|city| Some(normalise::compact(city)));
    field(key!("st"), place(STATE), &|state| Some(state_of(state, &code)));
    field(key!("zp"), place(ZIP), &|zip| Some(zip_of(zip, &code)));
    field(key!("country"), country, &|_| Some(code.clone()));
    if first.is_null() && last.is_null() {
        write_full_name(traits.child("name"), matched, json);
    }
}

const FIRST_NAME: &[&str] = &["firstName", "first_name", "firstname"];
const LAST_NAME: &[&str] = &["lastName", "last_name", "lastname"];
const BIRTHDAY: &[&str] = &["birthday", "birthdate", "birth_date", "dateOfBirth", "date_of_birth"];
const CITY: &[&str] = &["city"];
const STATE: &[&str] = &["state", "region"];
const ZIP: &[&str] = &["postalCode", "postal_code", "zip"];
const COUNTRY: &[&str] = &["country"];

/// Writes the ids that the sender knows a person by.
pub fn write_external_ids(meta: &Meta, event: &Event<'_>, matched: &mut Match, json: &mut JsonWriter) {
    let user = event.user_id().filter(|_| matches!(meta.external_ids, ExternalIds::Both | ExternalIds::UserId));
    let visitor =
        event.anonymous_id().filter(|_| matches!(meta.external_ids, ExternalIds::Both | ExternalIds::AnonymousId));
    let same = user.is_some() && user == visitor;
    let ids = user.into_iter().chain(visitor.filter(|_| !same));
    if meta.hash_external_ids {
        return write_field(key!("external_id"), ids, &|id| Some(normalise::lower(id)), matched, json);
    }
    let before = json.len();
    json.member_key(key!("external_id"));
    json.begin_array();
    let empty = json.len();
    ids.for_each(|id| json.value(id.trim()));
    if json.len() == empty {
        return json.truncate(before);
    }
    json.end_array();
    matched.note("external_id");
}

/// Writes a list of hashes; nothing where there is nothing to hash.
fn write_field<'a>(
    key: Key,
    texts: impl Iterator<Item = Cow<'a, str>>,
    clean: &dyn Fn(&str) -> Option<String>,
    matched: &mut Match,
    json: &mut JsonWriter,
) {
    let before = json.len();
    let mut is_open = false;
    for text in texts {
        let clean = || clean(&text).filter(|cleaned| !cleaned.is_empty());
        let Some(hex) = already_hashed(&text).or_else(|| Some(sha256_hex(clean()?.as_bytes()))) else { continue };
        if !is_open {
            json.member_key(key);
            json.begin_array();
            is_open = true;
        }
        // A hash needs no escape.
        json.raw(b"\"");
        json.verbatim(hex.as_str().as_bytes());
        json.verbatim(b"\"");
    }
    if is_open {
        json.end_array();
        matched.note(key.name());
    } else {
        json.truncate(before);
    }
}

/// The texts of a value, or of each value in a list.
fn texts(value: Value<'_>) -> impl Iterator<Item = Cow<'_, str>> {
    let single = (value.is_string() || value.is_number()).then_some(value);
    let list = value.children().filter(move |own| value.is_array() && (own.is_string() || own.is_number()));
    single.into_iter().chain(list).take(VALUES_MAX).filter_map(|value| value.as_text())
}

/// A name of two words is a first and a last one. Of more words nobody knows where the last name begins.
fn write_full_name(full: Value<'_>, matched: &mut Match, json: &mut JsonWriter) {
    let full = full.as_str().unwrap_or_default();
    let words: Vec<&str> = full.split_whitespace().collect();
    if let [first, last] = words[..] {
        write_field(key!("fn"), [Cow::Borrowed(first)].into_iter(), &name, matched, json);
        write_field(key!("ln"), [Cow::Borrowed(last)].into_iter(), &name, matched, json);
    }
}

fn email(text: &str) -> Option<String> {
    let address = normalise::email(text);
    let (local, domain) = address.split_once('@')?;
    let is_address = !local.is_empty() && !domain.is_empty() && !address.contains(char::is_whitespace);
    is_address.then_some(address)
}

fn phone(meta: &Meta, text: &str) -> Option<String> {
    let digits = normalise::phone_digits(text, meta.default_country_code.as_deref());
    digits.filter(|digits| PHONE_DIGITS.contains(&digits.len()))
}

/// Lower case without punctuation, that of print included, such as the apostrophe of O’Neill.
fn name(text: &str) -> Option<String> {
    let mut name = normalise::name(text);
    name.retain(|character| !matches!(character, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '·' | '´'));
    Some(name.trim().to_string())
}

fn gender(text: &str) -> Option<String> {
    Some(normalise::gender(text).to_string())
}

/// The state's code, or outside of the United States its name.
fn state_of(text: &str, country: &str) -> String {
    if matches!(country, "" | "us") { normalise::state_code(text) } else { normalise::compact(text) }
}

/// Without spaces and dashes; of the United States the first five digits.
fn zip_of(text: &str, country: &str) -> String {
    let mut zip = normalise::postal_code(text);
    zip.retain(|character| character != '-');
    if country == "us" && zip.len() > 5 && zip.is_ascii() {
        zip.truncate(5);
    }
    zip
}

/// `YYYYMMDD` of a date from 1900 on that was before the event was received. 2/16/1997 names month and
/// day; where both could be a month it is left open which is which, and the date is left out.
fn birthday(text: &str, event: &Event<'_>) -> Option<String> {
    let date = normalise::birthday(text).or_else(|| slashed(text))?;
    let (month, day) = (date.get(4..6)?, date.get(6..8)?);
    let today = format_iso8601(i64::try_from(event.received_ms()).ok()?).replace('-', "");
    let is_date = ("01"..="12").contains(&month) && ("01"..="31").contains(&day);
    (is_date && date.as_str() >= "19000101" && Some(date.as_str()) <= today.get(..8)).then_some(date)
}

/// A date whose year is last.
fn slashed(text: &str) -> Option<String> {
    let parts: Vec<u32> = text.trim().split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [first, second, year] = parts[..] else { return None };
    let (month, day) = match (first, second) {
        (1..=12, 13..=31) => (first, second),
        (13..=31, 1..=12) => (second, first),
        _ if first == second => (first, second),
        _ => return None,
    };
    Some(format!("{year:04}{month:02}{day:02}")).filter(|date| date.len() == 8)
}
