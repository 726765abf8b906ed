//! Who an event is about: all that the vendor knows somebody by.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::query_value;

use crate::contact::{email, is_email, phone};
use crate::rules::{ID_CHARACTERS_MAX, INTEGRATIONS};
use crate::settings::{AnonymousVisitors, GroupAs, Klaviyo};

/// Somebody's identifiers. Source: reference/profiles_api_overview, profile identifiers.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// The vendor's own id of the profile, when the sender knows it.
    pub profile_id: Option<Id<'a>>,
    pub email: Option<Cow<'a, str>>,
    pub phone: Option<String>,
    pub external_id: Option<Id<'a>>,
    pub anonymous_id: Option<Id<'a>>,
    /// What the vendor's links bring along in the parameter _kx.
    pub exchange_id: Option<Cow<'a, str>>,
}

impl<'a> Identity<'a> {
    /// What an event says of who did it.
    ///
    /// # Errors
    /// Where it says nothing.
    pub fn of(klaviyo: &Klaviyo, event: &Event<'a>) -> Result<Identity<'a>, Refusal> {
        let user_id = Id::of(event.get("userId"));
        let anonymous_id =
            Id::of(event.get("anonymousId")).filter(|id| !id.has_more_characters_than(ID_CHARACTERS_MAX));
        let places = Places::of(klaviyo, event);
        let mut identity = Identity {
            profile_id: option(event, "profile_id"),
            email: places.find(&["email"], email).or_else(|| user_id.and_then(address)),
            phone: None,
            external_id: user_id.filter(|id| klaviyo.send_user_id && !id.has_more_characters_than(ID_CHARACTERS_MAX)),
            anonymous_id,
            exchange_id: None,
        };
        if klaviyo.send_phone {
            let code = klaviyo.default_country_code.as_deref();
            identity.phone = places.find(&["phone", "phone_number"], |value| phone(value, code));
        }
        if klaviyo.use_exchange_ids && !identity.is_known() {
            identity.exchange_id = exchange_id(event, places.traits);
        }
        match (identity.is_known(), anonymous_id, user_id) {
            (true, ..) => Ok(identity),
            (false, Some(_), _) if klaviyo.anonymous_visitors == AnonymousVisitors::Send => Ok(identity),
            (false, Some(_), _) => Err(Refusal::Skip("anonymousId: is all that is known of the visitor")),
            (false, None, Some(_)) if klaviyo.send_user_id => {
                Err(Refusal::Reject("userId: has more than 255 characters"))
            }
            (false, None, Some(_)) => Err(Refusal::Skip("userId: is not sent, and nothing else is known of the user")),
            (false, None, None) => Err(Refusal::Reject("userId: is missing, and so is all else to know the user by")),
        }
    }

    /// Whether there is more to know somebody by than an anonymousId.
    pub fn is_known(&self) -> bool {
        let is_contact = self.email.is_some() || self.phone.is_some();
        is_contact || self.profile_id.is_some() || self.external_id.is_some() || self.exchange_id.is_some()
    }

    /// The same without those that may be another profile's, as a number that two people share; None
    /// where there is only one. The vendor knows people by their e-mail address above all.
    pub fn only_the_first(&self) -> Option<Identity<'a>> {
        let nothing = Identity { email: None, phone: None, external_id: None, ..self.clone() };
        let first = match (&self.profile_id, &self.email, self.external_id, &self.phone) {
            (Some(_), None, None, None) | (None, Some(_), None, None) => return None,
            (Some(_), ..) => nothing,
            (None, Some(email), ..) => Identity { email: Some(email.clone()), ..nothing },
            (None, None, Some(id), Some(_)) => Identity { external_id: Some(id), ..nothing },
            (None, None, ..) => return None,
        };
        Some(first)
    }

    /// Writes the identifiers of a profile.
    pub fn write(&self, json: &mut JsonWriter) {
        // Neither has a character that JSON would escape.
        for (key, text) in [(key!("email"), self.email.as_deref()), (key!("phone_number"), self.phone.as_deref())] {
            if let Some(text) = text {
                json.member_key(key);
                json.verbatim(b"\"");
                json.verbatim(text.as_bytes());
                json.verbatim(b"\"");
            }
        }
        if let Some(id) = self.external_id {
            json.member(key!("external_id"), id);
        }
        if let Some(id) = &self.exchange_id {
            json.member(key!("_kx"), id.as_ref());
        }
    }

    /// Writes the one that only an event may have. Source: klaviyo/openapi: EventProfileCreateQuery has
    /// anonymous_id, ProfileUpsertQuery has it no more since revision 2025-10-15.
    pub fn write_anonymous(&self, json: &mut JsonWriter) {
        if let Some(id) = self.anonymous_id {
            json.member(key!("anonymous_id"), id);
        }
    }

    /// Appends what tells this one from all others.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        let id = |id: Option<Id<'a>>| id.map_or(&b""[..], Id::bytes);
        let parts = [
            id(self.profile_id),
            id(self.external_id),
            self.email.as_deref().unwrap_or_default().as_bytes(),
            self.phone.as_deref().unwrap_or_default().as_bytes(),
        ];
        // The first says enough, and stays the same when the others change.
        let first = parts.iter().position(|part| !part.is_empty()).unwrap_or_default();
        key.push(first as u8);
        key.extend_from_slice(parts[first]);
    }

    /// A lane of its own: what is said of somebody is told in order.
    pub fn lane(&self) -> String {
        let mut key = Vec::with_capacity(64);
        self.write_key(&mut key);
        // The hash of Fowler, Noll and Vo: a lane has a bounded name.
        let hash = key
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        format!("profile-{hash:016x}")
    }
}

/// What may hold an address or a number: the user's traits, the properties, and of a group call that is
/// about a list its own traits.
struct Places<'a> {
    traits: Value<'a>,
    properties: Value<'a>,
    own_traits: Option<Value<'a>>,
}

impl<'a> Places<'a> {
    fn of(klaviyo: &Klaviyo, event: &Event<'a>) -> Places<'a> {
        let of_list = klaviyo.group_as != GroupAs::Nothing && event.kind() == Kind::Group;
        Places {
            traits: event.user_traits(),
            properties: event.properties(),
            own_traits: of_list.then(|| event.own_traits()),
        }
    }

    /// The first value of these names that `read` can read.
    fn find<T>(&self, names: &[&str], read: impl Fn(Value<'a>) -> Option<T>) -> Option<T> {
        for place in [Some(self.traits), Some(self.properties), self.own_traits].into_iter().flatten() {
            for name in names {
                let value = place.child(name);
                if !value.is_null()
                    && let Some(found) = read(value)
                {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// A userId that is an e-mail address.
fn address(user_id: Id<'_>) -> Option<Cow<'_, str>> {
    if !user_id.bytes().contains(&b'@') {
        return None;
    }
    let text = match user_id.text() {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_string()),
    };
    Some(text).filter(|text| is_email(text))
}

/// An id that is meant for this vendor.
fn option<'a>(event: &Event<'a>, name: &str) -> Option<Id<'a>> {
    let integrations = event.integrations();
    INTEGRATIONS.iter().find_map(|vendor| Id::of(integrations.child(vendor).child(name)))
}

/// The parameter of the vendor's links, from where senders put it.
fn exchange_id<'a>(event: &Event<'a>, traits: Value<'a>) -> Option<Cow<'a, str>> {
    if let Some(id) = option(event, "_kx") {
        return Some(id.text());
    }
    let places = [event.properties(), event.context(), traits];
    if let Some(id) = places.iter().find_map(|place| place.child("_kx").as_filled_str()) {
        return Some(id);
    }
    let url = event.get("context.page.url").as_str()?;
    query_value(&url, "_kx").filter(|id| !id.is_empty()).map(|id| Cow::Owned(id.into_owned()))
}
