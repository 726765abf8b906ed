//! Who an event is about. An object has one id: the vendor refuses it with two.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::rules::{EXTERNAL_ID_BYTES_MAX, INTEGRATIONS};
use crate::settings::{AnonymousUsers, Braze};
use crate::values;

/// The one whom an object is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who<'a> {
    /// A user, by the userId.
    User(Id<'a>),
    /// A profile that has no external_id, by a name under a label; without one, under the settings'.
    Alias(Id<'a>, Option<Id<'a>>),
    /// A profile by the vendor's own id.
    BrazeId(Id<'a>),
    Email(Cow<'a, str>),
    Phone(String),
}

impl<'a> Who<'a> {
    /// Whom an event is about.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn of(braze: &Braze, event: &Event<'a>) -> Result<Who<'a>, Refusal> {
        match user(event.get("userId"), "userId: has more than 987 bytes")? {
            Some(user) => Ok(Who::User(user)),
            None => Who::visitor(braze, event),
        }
    }

    /// Whom an event is about apart from its userId.
    ///
    /// # Errors
    /// Names the field that is missing.
    pub fn visitor(braze: &Braze, event: &Event<'a>) -> Result<Who<'a>, Refusal> {
        if let Some(options) = options(event) {
            let alias = options.child("alias");
            if let (Some(name), Some(label)) = (Id::of(alias.child("alias_name")), Id::of(alias.child("alias_label"))) {
                return Ok(Who::Alias(name, Some(label)));
            }
            if let Some(id) = Id::of(options.first(&["braze_id", "brazeId"])) {
                return Ok(Who::BrazeId(id));
            }
        }
        match braze.anonymous_users {
            AnonymousUsers::Alias => match Id::of(event.get("anonymousId")) {
                Some(name) => Ok(Who::Alias(name, None)),
                None => Err(Refusal::Reject("userId: is missing, and so is anonymousId")),
            },
            AnonymousUsers::Contact => contact(braze, event).ok_or(Refusal::Skip(
                "userId: is missing, and there is no e-mail or phone number to know the visitor by",
            )),
            AnonymousUsers::Skip => Err(Refusal::Skip("userId: is missing, and visitors are not sent")),
        }
    }

    /// Whether the vendor would make no profile for somebody new: it makes none for an alias unless it is
    /// told to.
    fn update_existing_only(&self, braze: &Braze) -> Option<bool> {
        match self {
            _ if braze.update_existing_only => Some(true),
            Who::Alias(..) => Some(false),
            _ => None,
        }
    }

    /// Writes the first members of an object.
    #[inline]
    pub fn write(&self, braze: &Braze, json: &mut JsonWriter) {
        match self {
            Who::User(id) => json.member(key!("external_id"), *id),
            Who::Alias(name, label) => write_alias(braze, *name, *label, json),
            Who::BrazeId(id) => json.member(key!("braze_id"), *id),
            Who::Email(address) => json.member(key!("email"), address.as_ref()),
            Who::Phone(number) => json.member(key!("phone"), number),
        }
        if let Some(only) = self.update_existing_only(braze) {
            json.member(key!("_update_existing_only"), only);
        }
    }

    /// Appends what tells this one from all others.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        let (kind, parts): (u8, [&[u8]; 2]) = match self {
            Who::User(id) => (0, [id.bytes(), b""]),
            Who::Alias(name, label) => (1, [name.bytes(), label.map_or(b"", Id::bytes)]),
            Who::BrazeId(id) => (2, [id.bytes(), b""]),
            Who::Email(address) => (3, [address.as_bytes(), b""]),
            Who::Phone(number) => (4, [number.as_bytes(), b""]),
        };
        key.push(kind);
        key.extend_from_slice(parts[0]);
        key.push(255);
        key.extend_from_slice(parts[1]);
    }
}

/// The userId, where it can be an external_id; None where there is none. `too_long` is why not.
///
/// # Errors
/// When the vendor would refuse it.
pub fn user<'a>(value: Value<'a>, too_long: &'static str) -> Result<Option<Id<'a>>, Refusal> {
    match Id::of(value) {
        Some(id) if id.has_more_bytes_than(EXTERNAL_ID_BYTES_MAX) => Err(Refusal::Reject(too_long)),
        id => Ok(id),
    }
}

/// Writes `user_alias`.
pub fn write_alias(braze: &Braze, name: Id<'_>, label: Option<Id<'_>>, json: &mut JsonWriter) {
    json.member_key(key!("user_alias"));
    json.begin_object();
    json.member(key!("alias_name"), name);
    match label {
        Some(label) => json.member(key!("alias_label"), label),
        None => json.member(key!("alias_label"), &braze.alias_label),
    }
    json.end_object();
}

/// What a sender says to this vendor alone.
pub fn options<'a>(event: &Event<'a>) -> Option<Value<'a>> {
    let named = |child: &Value<'_>| INTEGRATIONS.iter().any(|name| name.as_bytes() == child.raw_key());
    event.integrations().children().find(|child| child.is_object() && named(child))
}

/// The e-mail address or phone number of an event.
fn contact<'a>(braze: &Braze, event: &Event<'a>) -> Option<Who<'a>> {
    let (traits, properties) = (event.user_traits(), event.properties());
    let email = [traits, properties].into_iter().find_map(|place| values::email(place.child("email")));
    let phone = || {
        let code = braze.default_country_code.as_deref();
        [traits, properties].into_iter().find_map(|place| values::phone(place.child("phone"), code))
    };
    email.map(Who::Email).or_else(|| phone().map(Who::Phone))
}
