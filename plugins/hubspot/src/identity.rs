//! Who it is: e-mail, the vendor's cookie, the id of the vendor's record. And the event's own id.

use switchyard_sdk::hash::sha256_hex;
use switchyard_sdk::prelude::*;

use crate::rules::{EMAIL_BYTES_MAX, EMAIL_LOCAL_BYTES_MAX, INTEGRATIONS, RECORD_IDS, TOKENS};
use crate::settings::{ContactId, HubSpot};

const NO_EMAIL: Refusal = Refusal::Skip("traits.email: is missing, and contacts are known by it");
const BAD_EMAIL: Refusal = Refusal::Reject("traits.email: is no e-mail address");
const NOBODY: Refusal =
    Refusal::Skip("traits.email: is missing, and the event has neither hubspotutk nor a HubSpot record id");
const NO_USER: Refusal = Refusal::Skip("userId: is missing, and contacts are known by it");

/// An e-mail address: trimmed, in lower case.
#[derive(Clone, Copy)]
pub struct Email {
    bytes: [u8; EMAIL_BYTES_MAX],
    len: usize,
}

impl Email {
    /// The address, where the text is one; the vendor refuses a request with any other.
    fn new(text: &str) -> Option<Email> {
        let text = text.trim();
        let (local, domain) = text.split_once('@')?;
        let is_told = (1..=EMAIL_LOCAL_BYTES_MAX).contains(&local.len())
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty());
        let is_odd = |character: char| {
            character.is_whitespace() || character.is_control() || "\"\\(),:;<>[]".contains(character)
        };
        if !is_told || domain.contains('@') || text.contains(is_odd) || text.len() > EMAIL_BYTES_MAX {
            return None;
        }
        let mut email = Email { bytes: [0; EMAIL_BYTES_MAX], len: text.len() };
        if text.is_ascii() {
            email.bytes[..text.len()].copy_from_slice(text.as_bytes());
            email.bytes.make_ascii_lowercase();
        } else {
            let lower = text.to_lowercase();
            email.len = lower.len();
            email.bytes.get_mut(..lower.len())?.copy_from_slice(lower.as_bytes());
        }
        Some(email)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// The e-mail address of an event: of the user's traits, else of `properties`, else the userId where
/// it is one. Err: what stands there is none.
pub fn email(event: &Event<'_>) -> Result<Option<Email>, Refusal> {
    let places = [event.user_traits().child("email"), event.properties().child("email")];
    if let Some(text) = places.iter().find_map(Value::as_filled_str) {
        return Email::new(&text).map(Some).ok_or(BAD_EMAIL);
    }
    Ok(event.get("userId").as_filled_str().and_then(|id| Email::new(&id)))
}

/// Appends what the event's contact is known by.
///
/// # Errors
/// Names the field that is missing or wrong.
pub fn write_contact_id(hubspot: &HubSpot, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match hubspot.contact_id {
        ContactId::Email => out.extend_from_slice(email(event)?.ok_or(NO_EMAIL)?.as_str().as_bytes()),
        ContactId::Property(_) => out.extend_from_slice(event.user_id().ok_or(NO_USER)?.trim().as_bytes()),
    }
    Ok(())
}

/// By what the vendor finds the contact of an event. It tries them in this order, so all that there
/// are go with the event. Source: Send custom event occurrences, link event occurrences to records.
pub struct Who<'a> {
    record_id: Option<&'a [u8]>,
    email: Option<Email>,
    token: Option<&'a [u8]>,
}

impl<'a> Who<'a> {
    /// What the event says. `is_known`: the vendor finds the contact in another way too.
    ///
    /// # Errors
    /// Where there is nothing, or nothing but an address that is none.
    pub fn of(event: &Event<'a>, is_known: bool) -> Result<Who<'a>, Refusal> {
        let (record_id, token) = (record_id(event), token(event));
        let is_known = is_known || record_id.is_some() || token.is_some();
        match email(event) {
            Ok(None) if !is_known => Err(NOBODY),
            Err(refusal) if !is_known => Err(refusal),
            email => Ok(Who { record_id, email: email.unwrap_or_default(), token }),
        }
    }

    /// Writes the members of an event.
    pub fn write(&self, json: &mut JsonWriter) {
        let plain = |json: &mut JsonWriter, key, text: Option<&[u8]>| {
            if let Some(text) = text {
                json.member_key(key);
                json.raw(b"\"");
                json.verbatim(text);
                json.verbatim(b"\"");
            }
        };
        plain(json, key!("objectId"), self.record_id);
        plain(json, key!("email"), self.email.as_ref().map(|email| email.as_str().as_bytes()));
        plain(json, key!("utk"), self.token);
    }
}

/// What the sender says for this vendor: in `integrations` under one of its names.
fn given<'a>(event: &Event<'a>, keys: &[&str]) -> Option<Value<'a>> {
    let is_own = |own: &Value<'_>| INTEGRATIONS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(own.raw_key()));
    let own = event.integrations().children().filter(is_own);
    own.map(|own| own.first(keys)).find(|value| !value.is_null())
}

/// The token of the vendor's cookie: 32 hexadecimal digits.
fn token<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    let places = [event.properties(), event.context(), event.user_traits()].map(|place| place.first(TOKENS));
    let token = given(event, TOKENS).into_iter().chain(places).find_map(|value| value.quoted())?;
    (token.len() == 32 && token.iter().all(u8::is_ascii_hexdigit)).then_some(token)
}

/// The number of the vendor's record, which only the sender's `integrations` may name.
fn record_id<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    let id = given(event, RECORD_IDS)?;
    let id = id.quoted().unwrap_or(id.raw()).trim_ascii();
    ((1..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit)).then_some(id)
}

/// Writes the event's own id, by which the vendor takes it once: the messageId where it is a UUID, else
/// one of what its SHA-256 begins with.
pub fn write_uuid(message_id: &str, json: &mut JsonWriter) {
    let mut uuid = [0; 36];
    match <[u8; 36]>::try_from(message_id.as_bytes()) {
        Ok(own) if is_uuid(&own) => uuid = own.map(|byte| byte.to_ascii_lowercase()),
        _ => {
            let digest = sha256_hex(message_id.as_bytes());
            let mut digits = digest.as_str().bytes();
            for (at, byte) in uuid.iter_mut().enumerate() {
                *byte = match at {
                    8 | 13 | 18 | 23 => b'-',
                    _ => digits.next().unwrap_or(b'0'),
                };
            }
            // Version 8 is for digests, and the variant that of RFC 9562.
            uuid[14] = b'8';
            uuid[19] = b"89ab"[usize::from(uuid[19] & 3)];
        }
    }
    json.member(key!("uuid"), std::str::from_utf8(&uuid).unwrap_or_default());
}

fn is_uuid(id: &[u8; 36]) -> bool {
    id.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn addresses_are_told_from_other_texts() {
        let check = |text: &str, wanted: Option<&str>| {
            let email = Email::new(text);
            assert_eq!(email.as_ref().map(Email::as_str), wanted, "{text}");
        };
        check(" Ana.Nunez+x@Example.COM ", Some("ana.nunez+x@example.com"));
        check("ÉLODIE@Exämple.de", Some("élodie@exämple.de"));
        for text in ["", "ana", "@b.de", "a@", "a@b", "a@b.", "a@.de", "a@b..de", "a@@b.de", "a b@c.de", "a,b@c.de"] {
            check(text, None);
        }
        let local = "x".repeat(64);
        check(&format!("{local}@b.de"), Some(&format!("{local}@b.de")));
        check(&format!("{local}x@b.de"), None);
        let long = format!("{local}@{}.de", ["d".repeat(61), "d".repeat(61), "d".repeat(62)].join("."));
        assert_eq!(long.len(), 254);
        check(&long, Some(&long));
        check(&format!("{long}x"), None);
    }
}
