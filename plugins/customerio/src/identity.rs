//! Who an item is about. An item has exactly one id. Source: journeys-track.json, `person_common`.

use std::borrow::Cow;

use switchyard_sdk::normalise::{is_email, phone_e164};
use switchyard_sdk::prelude::*;

use crate::rules::{CIO_ID_PREFIX, ID_BYTES_MAX};
use crate::settings::{CustomerIo, UserId};

/// An id without the blanks around it.
#[inline]
pub fn id(value: Value<'_>) -> Option<Id<'_>> {
    Id::of(value).map(Id::trimmed)
}

/// The same where the vendor takes it. `too_long` is said of one that it does not.
///
/// # Errors
/// When it has too many bytes.
pub fn fitting<'a>(value: Value<'a>, too_long: &'static str) -> Result<Option<Id<'a>>, Refusal> {
    let id = id(value);
    let is_long = id.is_some_and(|id| id.has_more_bytes_than(ID_BYTES_MAX));
    if is_long { Err(Refusal::Reject(too_long)) } else { Ok(id) }
}

/// The one whom an item is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Who<'a> {
    /// A person, by the workspace's own id.
    Id(Id<'a>),
    /// A person, by the vendor's id.
    CioId(Id<'a>),
    Email(Cow<'a, str>),
    Phone(String),
    /// Somebody who is no person yet, by the anonymousId.
    Visitor(Id<'a>),
}

impl<'a> Who<'a> {
    /// The person, else the visitor, of an event.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn of(customer_io: &CustomerIo, event: &Event<'a>) -> Result<Who<'a>, Refusal> {
        if let Some(person) = Who::person(customer_io, event)? {
            return Ok(person);
        }
        match Who::visitor(event)? {
            Some(_) if !customer_io.anonymous_events => {
                Err(Refusal::Skip("userId: is missing, and visitors are not sent"))
            }
            Some(visitor) => Ok(visitor),
            None => Err(Refusal::Reject("userId: is missing, and so is anonymousId")),
        }
    }

    /// The person of an event: by the userId, else by what the traits say of e-mail and phone.
    ///
    /// # Errors
    /// When the userId is too long.
    pub fn person(customer_io: &CustomerIo, event: &Event<'a>) -> Result<Option<Who<'a>>, Refusal> {
        let user = event.get("userId");
        if let Some(named) = Who::named(customer_io, user, "userId: has more than 150 bytes")? {
            return Ok(Some(named));
        }
        let traits = event.user_traits();
        if customer_io.identify_by_email
            && let Some(address) = email(traits.child("email"))
        {
            return Ok(Some(Who::Email(address)));
        }
        if customer_io.identify_by_phone {
            return Ok(phone(customer_io, traits.child("phone")).map(Who::Phone));
        }
        Ok(None)
    }

    /// The visitor of an event.
    ///
    /// # Errors
    /// When the anonymousId is too long.
    pub fn visitor(event: &Event<'a>) -> Result<Option<Who<'a>>, Refusal> {
        Ok(fitting(event.get("anonymousId"), "anonymousId: has more than 150 bytes")?.map(Who::Visitor))
    }

    /// The person whom a userId names. `too_long` is said of one that the vendor does not take.
    ///
    /// # Errors
    /// When it has too many bytes.
    pub fn named(
        customer_io: &CustomerIo,
        value: Value<'a>,
        too_long: &'static str,
    ) -> Result<Option<Who<'a>>, Refusal> {
        if customer_io.user_id_is == UserId::Detect {
            if let Some(address) = email(value) {
                return Ok(Some(Who::Email(address)));
            }
            let own = id(value).and_then(|id| id.strip_prefix(CIO_ID_PREFIX));
            if let Some(own) = own.filter(|own| own.bytes().len() <= ID_BYTES_MAX) {
                return Ok(Some(Who::CioId(own)));
            }
        }
        Ok(fitting(value, too_long)?.map(Who::Id))
    }

    /// Writes the object that names somebody.
    #[inline]
    pub fn write(&self, json: &mut JsonWriter) {
        json.begin_object();
        match self {
            Who::Id(id) => json.member(key!("id"), *id),
            Who::CioId(id) => json.member(key!("cio_id"), *id),
            Who::Email(address) => json.member(key!("email"), address.as_ref()),
            Who::Phone(number) => json.member(key!("phone"), number),
            Who::Visitor(id) => json.member(key!("anonymous_id"), *id),
        }
        json.end_object();
    }

    /// What tells this one from most others.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Who::Id(id) | Who::CioId(id) | Who::Visitor(id) => id.bytes(),
            Who::Email(address) => address.as_bytes(),
            Who::Phone(number) => number.as_bytes(),
        }
    }
}

/// An e-mail address, trimmed.
pub fn email(value: Value<'_>) -> Option<Cow<'_, str>> {
    let may_be_one = value.quoted()?.contains(&b'@');
    value.as_trimmed_str().filter(|text| may_be_one && is_email(text))
}

/// A plus sign and 15 digits.
const PHONE_BYTES_MAX: usize = 16;

/// A phone number in E.164, of a text or a number.
pub fn phone(customer_io: &CustomerIo, value: Value<'_>) -> Option<String> {
    let text = id(value)?.text();
    let number = phone_e164(&text, customer_io.default_country_code.as_deref());
    number.filter(|number| number.len() <= PHONE_BYTES_MAX)
}
