//! A user's traits as the vendor's profile fields and as custom attributes.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::identity::Who;
use crate::nested;
use crate::rules::{Field, NAME_CHARACTERS_MAX, PROFILE, Place, TEXT_CHARACTERS_MAX, is_reserved_attribute};
use crate::settings::{Braze, LongTexts};
use crate::values;

/// The attributes of a profile, as they are written; each field once.
pub struct Profile<'j, 'b> {
    json: &'j mut JsonWriter,
    braze: &'b Braze,
    /// A bit for each row of [`PROFILE`].
    written: u32,
    count: usize,
}

impl<'j, 'b> Profile<'j, 'b> {
    /// No attributes yet, but for the one that the object is known by.
    pub fn new(json: &'j mut JsonWriter, braze: &'b Braze, who: &Who<'_>) -> Profile<'j, 'b> {
        let known = match who {
            Who::Email(_) => field("email"),
            Who::Phone(_) => field("phone"),
            _ => None,
        };
        Profile { json, braze, written: known.map_or(0, |at| 1 << at), count: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// All traits that can be sent.
    pub fn traits(&mut self, traits: Value<'_>) {
        if !traits.is_object() {
            return;
        }
        for child in traits.children() {
            let name = child.key();
            if self.braze.exclude_traits.iter().any(|excluded| *excluded == name) {
                continue;
            }
            match PROFILE.iter().position(|place| place.from.contains(&name.as_ref())) {
                Some(at) => self.place(at, child),
                None => self.custom(&name, child),
            }
        }
        if !self.braze.exclude_traits.iter().any(|excluded| excluded == "address") {
            let address = traits.child("address");
            self.field("home_city", address.child("city"));
            self.field("country", address.child("country"));
        }
    }

    /// A value for the field of that name, which the traits do not have.
    pub fn field(&mut self, name: &str, value: Value<'_>) {
        if let Some(at) = field(name)
            && !value.is_null()
        {
            self.place(at, value);
        }
    }

    /// What a consent says, for the field of that name.
    pub fn consent(&mut self, name: &str, consent: impl Json) {
        if let Some(at) = field(name) {
            self.open(at).value(consent);
        }
    }

    fn open(&mut self, at: usize) -> &mut JsonWriter {
        self.written |= 1 << at;
        self.count += 1;
        self.json.member_key(PROFILE[at].to);
        self.json
    }

    /// A value for a field, unless another one is there already or the value cannot be one.
    fn place(&mut self, at: usize, value: Value<'_>) {
        let Place { is, .. } = PROFILE[at];
        if self.written & (1 << at) != 0 {
            return;
        }
        if value.is_null() {
            if self.braze.unset_null_traits {
                self.open(at).raw(b"null");
            }
            return;
        }
        let text: Option<Cow<'_, str>> = match is {
            Field::Text => value.as_trimmed_text().map(|text| self.shortened(text)),
            Field::Email => values::email(value),
            Field::Phone => values::phone(value, self.braze.default_country_code.as_deref()).map(Cow::Owned),
            Field::Date => values::date(value).map(Cow::Owned),
            Field::Gender => values::gender(value).map(Cow::Borrowed),
            Field::Country => values::country(value).map(Cow::Owned),
            Field::Language => values::language(value).map(Cow::Owned),
            Field::Subscription => subscription(value, &["opted_in", "subscribed", "unsubscribed"]),
            Field::Bool if value.as_bool().is_some() => return self.open(at).value(value),
            Field::Time if values::is_time(value) => return self.open(at).value(value),
            Field::Location => return self.location(at, value),
            Field::SubscriptionGroups => return self.list(at, value, write_subscription_group),
            Field::PushTokens => return self.list(at, value, write_push_token),
            Field::Object if value.is_object() => return self.nested(PROFILE[at].to.name(), value),
            Field::Bool | Field::Time | Field::Object => None,
        };
        if let Some(text) = text {
            self.open(at).value(text);
        }
    }

    /// Longitude and latitude; the vendor refuses the object where either is missing.
    fn location(&mut self, at: usize, value: Value<'_>) {
        let place = [key!("longitude"), key!("latitude")];
        let numbers = place.map(|key| value.child(key.name()).finite_number());
        let [Some(longitude), Some(latitude)] = numbers else { return };
        if longitude.abs() > 180.0 || latitude.abs() > 90.0 {
            return;
        }
        let json = self.open(at);
        json.begin_object();
        for key in place {
            json.member_key(key);
            json.raw(value.child(key.name()).number_text().unwrap_or(b"0"));
        }
        json.end_object();
    }

    /// The elements of a list that `write` could write.
    fn list(&mut self, at: usize, value: Value<'_>, write: fn(Value<'_>, &mut JsonWriter) -> bool) {
        let before = self.json.len();
        self.json.member_key(PROFILE[at].to);
        self.json.begin_array();
        let mut any = false;
        for element in value.children().filter(|element| element.is_object() && value.is_array()) {
            any |= write(element, self.json);
        }
        self.json.end_array();
        if any {
            self.written |= 1 << at;
            self.count += 1;
        } else {
            self.json.truncate(before);
        }
    }

    /// A trait that the vendor has no field for.
    fn custom(&mut self, name: &str, value: Value<'_>) {
        let is_long = name.len() > NAME_CHARACTERS_MAX && name.chars().count() > NAME_CHARACTERS_MAX;
        if name == "address" || name.is_empty() || is_long || is_reserved_attribute(name) {
            return;
        }
        if value.is_object() || value.is_array() {
            return self.nested(name, value);
        }
        if value.is_null() && !self.braze.unset_null_traits {
            return;
        }
        self.json.key(name);
        if self.braze.long_texts == LongTexts::Cut {
            self.json.cut(value, TEXT_CHARACTERS_MAX);
        } else {
            self.json.value(value);
        }
        self.count += 1;
    }

    fn nested(&mut self, name: &str, value: Value<'_>) {
        if nested::write(name, value, self.braze.long_texts == LongTexts::Cut, self.json) {
            self.count += 1;
        }
    }

    fn shortened<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let is_short = text.len() <= TEXT_CHARACTERS_MAX || self.braze.long_texts == LongTexts::Keep;
        if is_short { text } else { Cow::Owned(switchyard_sdk::text::cut(&text, TEXT_CHARACTERS_MAX).to_string()) }
    }
}

/// The row of a field.
fn field(name: &str) -> Option<usize> {
    PROFILE.iter().position(|place| place.to.name() == name)
}

/// One of the states, in lower case.
fn subscription(value: Value<'_>, states: &[&'static str]) -> Option<Cow<'static, str>> {
    let text = value.as_trimmed_str()?;
    states.iter().find(|state| state.eq_ignore_ascii_case(&text)).map(|state| Cow::Borrowed(*state))
}

fn write_subscription_group(group: Value<'_>, json: &mut JsonWriter) -> bool {
    let state = subscription(group.child("subscription_state"), &["subscribed", "unsubscribed"]);
    let id = group.child("subscription_group_id");
    let Some(state) = state.filter(|_| is_uuid(id)) else { return false };
    json.begin_object();
    json.member(key!("subscription_group_id"), id);
    json.member(key!("subscription_state"), state);
    if group.child("use_double_opt_in_logic").as_bool() == Some(true) {
        json.member(key!("use_double_opt_in_logic"), true);
    }
    json.end_object();
    true
}

/// Bytes of a device's id. Source: post_user_track, BAD_DEVICE_ID.
const DEVICE_ID_BYTES: std::ops::RangeInclusive<usize> = 8..=255;

fn write_push_token(token: Value<'_>, json: &mut JsonWriter) -> bool {
    let [app, text] = ["app_id", "token"].map(|name| token.child(name));
    if app.as_filled_str().is_none() || text.as_filled_str().is_none() {
        return false;
    }
    json.begin_object();
    json.member(key!("app_id"), app);
    json.member(key!("token"), text);
    let device = token.child("device_id");
    if device.as_str().is_some_and(|id| DEVICE_ID_BYTES.contains(&id.len())) {
        json.member(key!("device_id"), device);
    }
    json.end_object();
    true
}

/// Whether a value is a UUID, as it is written in 36 characters.
pub fn is_uuid(value: Value<'_>) -> bool {
    let quoted = value.quoted().unwrap_or_default();
    let is_good = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    quoted.len() == 36 && quoted.iter().enumerate().all(is_good)
}
