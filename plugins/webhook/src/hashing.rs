//! Traits that leave as their SHA-256 only, wherever a request takes them from.

use std::borrow::Cow;

use switchyard_sdk::hash::{Hex, already_hashed, hash_cleaned};
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;

use crate::settings::PhoneForm;

/// The traits to hash, and what their normal forms depend on.
#[derive(Clone, Debug, Default)]
pub struct Hashing {
    /// Names of traits, `email` or `address.city`.
    pub names: Vec<String>,
    pub default_country_code: Option<String>,
    pub phone_form: PhoneForm,
}

/// What becomes of the value at a path of the event.
enum Treatment {
    AsItStands,
    Hashed,
    /// There are values to hash in it.
    Inside,
}

impl Hashing {
    /// Writes the value at a path of the event; the empty path is the event. Whether there was one:
    /// a trait of which no hash can be made is left out.
    pub fn write(&self, path: &str, value: Value<'_>, json: &mut JsonWriter) -> bool {
        match self.treatment(path) {
            Treatment::Hashed => match self.hash(path, value) {
                Some(hex) => json.value(hex),
                None => return false,
            },
            Treatment::Inside if value.is_object() => {
                json.begin_object();
                for member in value.children() {
                    let before = json.len();
                    json.raw_key(member.raw_key());
                    if !self.write(&joined(path, &member.key()), member, json) {
                        json.truncate(before);
                    }
                }
                json.end_object();
            }
            Treatment::Inside | Treatment::AsItStands => json.value(value),
        }
        true
    }

    /// The value at a path of the event as a text; objects and arrays as JSON. None where there is none.
    pub fn text<'a>(&self, path: &str, value: Value<'a>) -> Option<Cow<'a, str>> {
        if value.is_null() {
            return None;
        }
        match self.treatment(path) {
            Treatment::Hashed => self.hash(path, value).map(|hex| Cow::Owned(hex.as_str().to_string())),
            Treatment::Inside if value.is_object() => {
                let mut json = JsonWriter::new();
                self.write(path, value, &mut json);
                Some(Cow::Owned(String::from_utf8_lossy(json.as_bytes()).into_owned()))
            }
            Treatment::Inside | Treatment::AsItStands => {
                Some(value.as_text().unwrap_or_else(|| String::from_utf8_lossy(value.raw())))
            }
        }
    }

    fn treatment(&self, path: &str) -> Treatment {
        if self.names.is_empty() {
            return Treatment::AsItStands;
        }
        let Some(path) = path_in_traits(path) else {
            let leads_to_traits = matches!(path, "" | "context" | "traits" | "context.traits");
            return if leads_to_traits { Treatment::Inside } else { Treatment::AsItStands };
        };
        if self.names.iter().any(|name| is_in(path, name)) {
            Treatment::Hashed
        } else if self.names.iter().any(|name| is_in(name, path)) {
            Treatment::Inside
        } else {
            Treatment::AsItStands
        }
    }

    /// None for what is no text, and where nothing is left of it when it is cleaned.
    fn hash(&self, path: &str, value: Value<'_>) -> Option<Hex> {
        let text = value.as_text()?;
        already_hashed(&text).or_else(|| hash_cleaned(&self.cleaned(path, &text)?))
    }

    /// The normal form by the trait's name. Source: common.md, normalisation; names without case and `_`.
    fn cleaned(&self, path: &str, text: &str) -> Option<String> {
        let name = path.rsplit('.').next().unwrap_or_default().replace('_', "").to_ascii_lowercase();
        let code = self.default_country_code.as_deref();
        Some(match name.as_str() {
            "phone" | "phonenumber" | "mobile" | "mobilephone" => match self.phone_form {
                PhoneForm::E164 => normalise::phone_e164(text, code)?,
                PhoneForm::Digits => normalise::phone_digits(text, code)?,
            },
            "name" | "firstname" | "lastname" => normalise::name(text),
            "city" => normalise::compact(text),
            "state" => normalise::state_code(text),
            "zip" | "zipcode" | "postalcode" => normalise::postal_code(text),
            "country" => normalise::country_code(text),
            "birthday" | "birthdate" | "dateofbirth" => normalise::birthday(text)?,
            "gender" => normalise::gender(text).to_string(),
            // An identifier in another case is another one.
            "id" => text.trim().to_string(),
            _ => normalise::lower(text),
        })
    }
}

/// The path within the user's or group's traits: `traits.email` and `context.traits.email` are `email`.
fn path_in_traits(path: &str) -> Option<&str> {
    path.strip_prefix("context.").unwrap_or(path).strip_prefix("traits.")
}

/// Whether a path names that place or one in it.
fn is_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}
