//! Who an event is of: what all events of a request share.

use std::borrow::Cow;

use switchyard_sdk::hash::{Hex, already_hashed, hash_cleaned, sha256_hex};
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::fields::Context;
use crate::params::{Params, for_each_scalar, is_said};
use crate::rules::{
    INTEGRATIONS, RESERVED_USER_PROPERTIES, USER_ID_CHARACTERS_MAX, USER_PROPERTIES_MAX,
    USER_PROPERTY_NAME_CHARACTERS_MAX, USER_PROPERTY_VALUE_CHARACTERS_MAX,
};
use crate::settings::{ClientId, ClientIdForm, Ga4, GmailSuffix, Validation};

/// Writes a request up to its list of events.
///
/// # Errors
/// The reason why there is no client.
pub fn write(ga4: &Ga4, event: &Event<'_>, context: &Context<'_>, json: &mut JsonWriter) -> Result<(), &'static str> {
    json.verbatim(b"{");
    if ga4.is_app {
        let id = app_instance_id(event).ok_or("context.app_instance_id: is missing, and an app stream needs it")?;
        json.member(key!("app_instance_id"), id);
    } else {
        json.member(
            key!("client_id"),
            client_id(ga4, event, context).ok_or("anonymousId: is missing, and so is userId")?,
        );
    }
    let user_id = event.user_id().filter(|id| cut(id, USER_ID_CHARACTERS_MAX).len() == id.len());
    if let Some(id) = &user_id {
        json.member(key!("user_id"), &**id);
    }
    consent(ga4, event, json);
    if ga4.send_user_properties {
        let traits = if event.kind() == Kind::Identify { event.user_traits() } else { context.traits };
        user_properties(ga4, traits, json);
    }
    // The vendor wants user_id with it, and where consent is denied it is not the vendor's to have.
    let denied = event.consent(&ga4.ad_user_data_purpose) == Some(false);
    if ga4.send_user_data && user_id.is_some() && !denied {
        user_data(ga4, event, json);
    }
    let (ip, agent) = (context.ip, context.user_agent);
    if ga4.send_ip && ip.quoted().is_some_and(looks_like_ip) {
        json.member(key!("ip_override"), ip);
    }
    if ga4.send_user_agent && agent.is_string() && is_said(&agent) {
        json.member(key!("user_agent"), agent);
    }
    match ga4.validation_behavior {
        Some(Validation::Relaxed) => json.member(key!("validation_behavior"), "RELAXED"),
        Some(Validation::EnforceRecommendations) => json.member(key!("validation_behavior"), "ENFORCE_RECOMMENDATIONS"),
        None => {}
    }
    json.verbatim(b",\"events\":[");
    Ok(())
}

/// Only what an address of one kind or the other has: no list, no name.
fn looks_like_ip(quoted: &[u8]) -> bool {
    !quoted.is_empty() && quoted.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
}

/// What the sender says for this vendor: in `integrations`, under one of its names.
fn given<'a>(event: &Event<'a>, keys: &[&str]) -> Option<Value<'a>> {
    for own in event.integrations().children() {
        if INTEGRATIONS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(own.raw_key()))
            && let Some(value) = keys.iter().map(|key| own.child(key)).find(is_said)
        {
            return Some(value);
        }
    }
    None
}

/// The client that the sender names, else one of the event's ids.
fn client_id<'a>(ga4: &Ga4, event: &Event<'a>, context: &Context<'a>) -> Option<Cow<'a, str>> {
    let named = given(event, &["clientId", "client_id"]).and_then(text);
    if let Some(cookie) = named.or_else(|| client_of_context(context.client_ids)) {
        return Some(client_of_cookie(cookie));
    }
    let id = match ga4.client_id_from {
        ClientId::AnonymousId => event.anonymous_id().or_else(|| event.user_id()),
        ClientId::UserId => event.user_id().or_else(|| event.anonymous_id()),
    }?;
    Some(match ga4.client_id_form {
        ClientIdForm::Numbers if !is_two_numbers(&id) => Cow::Owned(two_numbers(&id)),
        _ => id,
    })
}

/// `context.clientIds` has the cookie itself, or an object with it.
fn client_of_context(ids: Value<'_>) -> Option<Cow<'_, str>> {
    if ids.is_null() {
        return None;
    }
    let of_vendor = ["ga4", "_ga", "ga"].map(|key| ids.child(key));
    of_vendor.into_iter().find_map(|own| text(own).or_else(|| text(own.first(&["clientId", "client_id"]))))
}

fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.as_filled_str()
}

fn is_two_numbers(id: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    id.split_once('.').is_some_and(|(first, second)| is_number(first) && is_number(second))
}

/// Two numbers of 32 bits joined by a dot, the same for the same id: the first 16 digits of its SHA-256.
fn two_numbers(id: &str) -> String {
    let hash = sha256_hex(id.as_bytes());
    let both = u64::from_str_radix(&hash.as_str()[..16], 16).unwrap_or_default();
    format!("{}.{}", both >> 32, both & 0xffff_ffff)
}

/// `GA1.1.123.456` names the client 123.456.
fn client_of_cookie(cookie: Cow<'_, str>) -> Cow<'_, str> {
    if !cookie.starts_with("GA1.") {
        return cookie;
    }
    let mut dots = cookie.rmatch_indices('.').map(|(at, _)| at);
    match dots.nth(1) {
        Some(at) if at > 3 => Cow::Owned(cookie[at + 1..].to_string()),
        _ => cookie,
    }
}

fn app_instance_id<'a>(event: &Event<'a>) -> Option<Cow<'a, str>> {
    let keys = ["appInstanceId", "app_instance_id", "firebaseAppInstanceId"];
    let context = event.context();
    let firebase = context.child("clientIds").child("firebase");
    let places = [context.first(&keys), firebase, firebase.first(&keys), context.child("clientIds").first(&keys)];
    given(event, &keys).into_iter().chain(places).find_map(text)
}

/// The session of the vendor's cookie, when the sender gives it.
pub fn session_id<'a>(
    ga4: &Ga4,
    event: &Event<'a>,
    client_ids: Value<'a>,
    property: Value<'a>,
) -> Option<Cow<'a, str>> {
    let named = given(event, &["sessionId", "session_id"]);
    let property = Some(property).filter(is_said);
    let session = named.or(property).or_else(|| session_of_context(ga4, client_ids))?;
    session.as_text().map(session_of_cookie)
}

/// `context.clientIds.ga4` has the sessions by stream, or one.
fn session_of_context<'a>(ga4: &Ga4, ids: Value<'a>) -> Option<Value<'a>> {
    if ids.is_null() {
        return None;
    }
    let own = ids.child("ga4");
    let of_stream = own.child("sessionIds").children().find(|session| session.key().ends_with(&ga4.stream));
    [of_stream, Some(own.first(&["sessionId", "session_id"]))].into_iter().flatten().find(is_said)
}

/// `GS1.1.1700000000.1.1.0` and `GS2.1.s1700000000$o1$g1` name the session 1700000000.
fn session_of_cookie(cookie: Cow<'_, str>) -> Cow<'_, str> {
    let part = match cookie.get(..4) {
        Some("GS1.") => cookie.split('.').nth(2),
        Some("GS2.") => cookie.split(['.', '$']).nth(2).and_then(|part| part.strip_prefix('s')),
        _ => return cookie,
    };
    match part {
        Some(part) => Cow::Owned(part.to_string()),
        None => cookie,
    }
}

/// Granted or denied; unknown is left out.
fn consent(ga4: &Ga4, event: &Event<'_>, json: &mut JsonWriter) {
    let purposes = [
        (key!("ad_user_data"), event.consent(&ga4.ad_user_data_purpose)),
        (key!("ad_personalization"), event.consent(&ga4.ad_personalization_purpose)),
    ];
    if purposes.iter().all(|(_, granted)| granted.is_none()) {
        return;
    }
    json.key("consent");
    json.begin_object();
    for (key, granted) in purposes {
        if let Some(granted) = granted {
            json.member(key, if granted { "GRANTED" } else { "DENIED" });
        }
    }
    json.end_object();
}

/// The traits that may be user properties, flattened.
fn user_properties(ga4: &Ga4, traits: Value<'_>, json: &mut JsonWriter) {
    if traits.is_null() {
        return;
    }
    let before = json.len();
    json.member_key(key!("user_properties"));
    json.begin_object();
    let mut properties = Params::new(json, USER_PROPERTY_VALUE_CHARACTERS_MAX, USER_PROPERTIES_MAX);
    for value in traits.children().filter(|value| value.raw_key() != b"name") {
        for_each_scalar(value, ga4.nested, USER_PROPERTY_NAME_CHARACTERS_MAX, &mut |name, scalar| {
            user_property(name, &scalar, &mut properties);
        });
    }
    let nothing = properties.count() == 0;
    json.end_object();
    if nothing {
        json.truncate(before);
    }
}

fn user_property(name: &[u8], value: &Value<'_>, properties: &mut Params<'_>) {
    let usable = name.len() <= USER_PROPERTY_NAME_CHARACTERS_MAX
        && !RESERVED_USER_PROPERTIES.iter().any(|reserved| reserved.as_bytes() == name)
        && value.quoted().is_none_or(|quoted| !quoted.is_empty());
    if usable && properties.open(name) {
        let json = properties.json();
        json.verbatim(b"{\"value\":");
        json.cut(*value, USER_PROPERTY_VALUE_CHARACTERS_MAX);
        json.verbatim(b"}");
    }
}

/// What the vendor matches people by. Source: the protocol's page on user-provided data.
fn user_data(ga4: &Ga4, event: &Event<'_>, json: &mut JsonWriter) {
    let (traits, properties) = (event.user_traits(), event.properties());
    let of = |key| if is_said(&traits.child(key)) { traits.child(key) } else { properties.child(key) };
    let before = json.len();
    json.key("user_data");
    json.begin_object();
    let empty = json.len();
    let email = hashed(of("email"), |address| email(ga4, address));
    let code = ga4.default_country_code.as_deref();
    let phone = hashed(of("phone"), |phone| normalise::phone_e164(phone, code));
    for (key, hex) in [(key!("sha256_email_address"), email), (key!("sha256_phone_number"), phone)] {
        if let Some(hex) = hex {
            json.member_key(key);
            json.begin_array();
            json.value(hex);
            json.end_array();
        }
    }
    address(traits, json);
    let nothing = json.len() == empty;
    json.end_object();
    if nothing {
        json.truncate(before);
    }
}

/// A clean address; None for what is none.
fn email(ga4: &Ga4, address: &str) -> Option<String> {
    let clean = normalise::email_google(address);
    let (local, domain) = clean.split_once('@')?;
    let is_gmail = matches!(domain, "gmail.com" | "googlemail.com");
    match local.split_once('+') {
        Some((local, _)) if is_gmail && ga4.gmail_suffix == GmailSuffix::Drop => Some(format!("{local}@{domain}")),
        _ => Some(clean),
    }
}

fn address(traits: Value<'_>, json: &mut JsonWriter) {
    let address = traits.child("address");
    let before = json.len();
    json.key("address");
    json.verbatim(b"[{");
    let empty = json.len();
    let name = |text: &str| Some(normalise::name_google(text));
    let hashes = [
        (key!("sha256_first_name"), hashed(traits.first(&["firstName", "first_name", "firstname"]), name)),
        (key!("sha256_last_name"), hashed(traits.first(&["lastName", "last_name", "lastname"]), name)),
        (key!("sha256_street"), hashed(address.child("street"), |street| Some(normalise::street_google(street)))),
    ];
    for (key, hex) in hashes {
        if let Some(hex) = hex {
            json.member(key, hex);
        }
    }
    let postal_code = |text: &str| text.replace(['.', '~'], "").trim().to_string();
    let plain = [
        (key!("city"), cleaned(address.child("city"), normalise::name_google)),
        (key!("region"), cleaned(address.first(&["state", "region"]), normalise::name_google)),
        (key!("postal_code"), cleaned(address.first(&["postalCode", "postal_code", "zip"]), postal_code)),
        (key!("country"), cleaned(address.child("country"), |text| normalise::country_code(text).to_uppercase())),
    ];
    for (key, text) in plain {
        if let Some(text) = text {
            json.member(key, &text);
        }
    }
    if json.len() == empty {
        json.truncate(before);
    } else {
        json.verbatim(b"}]");
    }
}

fn cleaned(value: Value<'_>, clean: impl FnOnce(&str) -> String) -> Option<String> {
    Some(clean(&value.as_text()?)).filter(|text| !text.is_empty())
}

fn hashed(value: Value<'_>, clean: impl FnOnce(&str) -> Option<String>) -> Option<Hex> {
    let text = value.as_text()?;
    already_hashed(&text).or_else(|| hash_cleaned(&clean(&text)?))
}
