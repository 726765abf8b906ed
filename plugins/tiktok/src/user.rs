//! Who an event is of: what the vendor matches people by. It takes e-mail, phone, names, postal code
//! and ids as SHA-256 only. Sources: tiktok-conversions, utils.ts and formatter.ts; gtm-template-eapi.

use std::borrow::Cow;

use switchyard_sdk::hash::{Hex, already_hashed, hash_cleaned};
use switchyard_sdk::prelude::*;

use crate::members::{Address, Context, Own, Properties, Traits};
use crate::page::Page;
use crate::places;
use crate::settings::{ExternalIdCase, ExternalIdFrom, TikTok};
use crate::values::{is_said, text};

/// What an event says of a person.
pub struct Person<'e, 'a> {
    pub event: &'e Event<'a>,
    pub own: &'e Own<'a>,
    pub properties: &'e Properties<'a>,
    pub context: &'e Context<'a>,
}

impl<'a> Person<'_, 'a> {
    /// Writes the members of `user` that all event sources have. Whether the vendor can know the person
    /// by them: by an id of any kind, or by IP address and user agent together.
    pub fn write(&self, tiktok: &TikTok, page: &Page<'a>, json: &mut JsonWriter) -> bool {
        let mut is_known = self.external_ids(tiktok, json);
        if tiktok.send_user_data {
            is_known |= self.contact(tiktok, json);
        }
        is_known |= self.click(page, json);
        is_known | self.browser(tiktok, json)
    }

    /// `external_id`: what the sender names, else the ids that the setting names.
    fn external_ids(&self, tiktok: &TikTok, json: &mut JsonWriter) -> bool {
        let is_lower = tiktok.external_id_case == ExternalIdCase::Lower;
        let clean = |id: &str| Some(if is_lower { id.trim().to_lowercase() } else { id.trim().to_string() });
        let named = self.own.external_id.or(self.properties.external_id);
        if hashes(key!("external_id"), named, json, clean) {
            return true;
        }
        let (user, visitor) = (self.event.user_id(), self.event.anonymous_id());
        let ids = match tiktok.external_id_from {
            ExternalIdFrom::UserId => [user.or(visitor), None],
            ExternalIdFrom::AnonymousId => [visitor.or(user), None],
            ExternalIdFrom::Both => [user, visitor],
        };
        list(key!("external_id"), ids.into_iter().flatten().filter_map(|id| hashed(&id, clean)), json)
    }

    /// `email` and `phone`, one or several, names and address: of the traits, else of the properties.
    /// The latter two narrow a match and make none.
    fn contact(&self, tiktok: &TikTok, json: &mut JsonWriter) -> bool {
        let (traits, properties) = (self.traits(), self.properties);
        let own = Traits::of(traits);
        let code = tiktok.default_country_code.as_deref();
        let is_known = hashes(key!("email"), own.email.or(properties.email), json, places::email)
            | hashes(key!("phone"), own.phone.or(properties.phone), json, |phone| places::phone(phone, code));
        let name = |name: &str| Some(places::letters(name));
        hash(key!("first_name"), own.first_name.or(properties.first_name), json, name);
        hash(key!("last_name"), own.last_name.or(properties.last_name), json, name);
        let home = own.address.or(properties.address).filter(Value::is_object);
        let home = Address::of(home.unwrap_or(traits));
        plain(key!("city"), home.city, json, places::letters);
        plain(key!("state"), home.state, json, places::state);
        plain(key!("country"), home.country, json, places::country);
        hash(key!("zip_code"), home.postal_code, json, |code| Some(places::without_spaces(code)));
        is_known
    }

    /// Of the event in an identify, else of the context.
    fn traits(&self) -> Value<'a> {
        let own = self.event.own_traits();
        let is_own = self.event.kind() == Kind::Identify && own.children().next().is_some();
        self.context.traits.filter(|_| !is_own).unwrap_or(own)
    }

    /// `ttclid`, the click on an ad, and `ttp`, the cookie of the vendor's pixel. The page's address wins.
    fn click(&self, page: &Page<'a>, json: &mut JsonWriter) -> bool {
        let (properties, own, context) = (self.properties, self.own, self.context);
        let ids = context.client_ids.map(Context::of).unwrap_or_default();
        let first = |places: [Option<Value<'a>>; 4]| places.into_iter().flatten().find(is_said);
        let before = json.len();
        match page.click_id() {
            Some(id) => json.member(key!("ttclid"), &id),
            None => {
                text(key!("ttclid"), first([properties.ttclid, own.ttclid, context.ttclid, ids.ttclid]), json);
            }
        }
        text(key!("ttp"), first([properties.ttp, own.ttp, context.ttp, ids.ttp]), json);
        json.len() > before
    }

    /// `ip`, `user_agent` and `locale`. The first two together are enough to know a person by.
    fn browser(&self, tiktok: &TikTok, json: &mut JsonWriter) -> bool {
        let ip = self.context.ip.filter(|ip| tiktok.send_ip && ip.quoted().is_some_and(looks_like_ip));
        let agent = self.context.user_agent.filter(|agent| tiktok.send_user_agent && agent.is_string());
        text(key!("ip"), ip, json);
        text(key!("user_agent"), agent, json);
        text(key!("locale"), self.context.locale.filter(Value::is_string), json);
        ip.is_some() && agent.is_some()
    }
}

/// Only what an address of one kind or the other has: no list, no name.
fn looks_like_ip(quoted: &[u8]) -> bool {
    quoted.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
}

/// The SHA-256 of a cleaned text; one that is a SHA-256 already passes.
fn hashed(text: &str, clean: impl Fn(&str) -> Option<String>) -> Option<Hex> {
    already_hashed(text).or_else(|| hash_cleaned(&clean(text)?))
}

fn hash_of(value: Value<'_>, clean: impl Fn(&str) -> Option<String>) -> Option<Hex> {
    let text: Cow<'_, str> = Some(value).filter(is_said)?.as_text()?;
    hashed(&text, clean)
}

/// Writes the hashes of a value, or of the elements of a list. Whether there are any.
fn hashes(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter, clean: impl Fn(&str) -> Option<String>) -> bool {
    let Some(value) = value else { return false };
    if value.is_array() {
        return list(key, value.children().filter_map(|element| hash_of(element, &clean)), json);
    }
    list(key, hash_of(value, clean).into_iter(), json)
}

fn list(key: Key, hashes: impl Iterator<Item = Hex>, json: &mut JsonWriter) -> bool {
    let mut is_empty = true;
    for hash in hashes {
        if is_empty {
            json.member_key(key);
            json.begin_array();
        }
        is_empty = false;
        json.value(hash);
    }
    if !is_empty {
        json.end_array();
    }
    !is_empty
}

fn hash(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter, clean: impl Fn(&str) -> Option<String>) {
    if let Some(hash) = value.and_then(|value| hash_of(value, clean)) {
        json.member_key(key);
        json.value(hash);
    }
}

fn plain(key: Key, value: Option<Value<'_>>, json: &mut JsonWriter, clean: fn(&str) -> String) {
    let text = value.filter(is_said).and_then(|value| value.as_text()).map(|text| clean(&text));
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        json.member(key, &text);
    }
}
