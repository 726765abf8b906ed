//! Who an event is of: what all events of a request share.

use std::borrow::Cow;

use switchyard_sdk::hash::{Hex, already_hashed, hash_cleaned};
use switchyard_sdk::normalise;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::params::is_valid_name;
use crate::rules::{
    INTEGRATIONS, PERSONAL, RESERVED_USER_PROPERTIES, USER_ID_CHARACTERS_MAX, USER_PROPERTIES_MAX,
    USER_PROPERTY_NAME_CHARACTERS_MAX, USER_PROPERTY_VALUE_CHARACTERS_MAX,
};
use crate::settings::{ClientId, Ga4, Nested, Validation};

/// Writes a request up to its list of events.
///
/// # Errors
/// The reason why there is no client.
pub fn write(ga4: &Ga4, event: &Event<'_>, json: &mut JsonWriter) -> Result<(), &'static str> {
    json.verbatim(b"{");
    if ga4.is_app {
        let id = app_instance_id(event).ok_or("context.app_instance_id: is missing, and an app stream needs it")?;
        json.member(key!("app_instance_id"), id);
    } else {
        json.member(key!("client_id"), client_id(ga4, event).ok_or("anonymousId: is missing, and so is userId")?);
    }
    let user_id = event.user_id().filter(|id| id.chars().nth(USER_ID_CHARACTERS_MAX).is_none());
    if let Some(id) = &user_id {
        json.member(key!("user_id"), &**id);
    }
    consent(ga4, event, json);
    if ga4.send_user_properties {
        user_properties(ga4, event.user_traits(), json);
    }
    // Without user_id the vendor ignores it.
    if ga4.send_user_data && user_id.is_some() {
        user_data(ga4, event.user_traits(), json);
    }
    let context = event.context();
    if ga4.send_ip {
        filled(key!("ip_override"), context.child("ip"), json);
    }
    if ga4.send_user_agent {
        filled(key!("user_agent"), context.child("userAgent"), json);
    }
    match ga4.validation_behavior {
        Some(Validation::Relaxed) => json.member(key!("validation_behavior"), "RELAXED"),
        Some(Validation::EnforceRecommendations) => json.member(key!("validation_behavior"), "ENFORCE_RECOMMENDATIONS"),
        None => {}
    }
    json.verbatim(b",\"events\":[");
    Ok(())
}

fn filled(key: Key, value: Value<'_>, json: &mut JsonWriter) {
    if value.quoted().is_some_and(|quoted| !quoted.is_empty()) {
        json.member(key, value);
    }
}

/// What the sender says for this vendor: in `integrations`, under one of its names.
fn given<'a>(event: &Event<'a>, keys: &[&str]) -> Value<'a> {
    let integrations = event.integrations();
    let own = integrations.children().find(|own| INTEGRATIONS.iter().any(|name| name.as_bytes() == own.raw_key()));
    match own {
        Some(own) => own.first(keys),
        None => integrations.child(""),
    }
}

/// The cookie's client, else one of the event's ids.
fn client_id<'a>(ga4: &Ga4, event: &Event<'a>) -> Option<Cow<'a, str>> {
    let cookie = given(event, &["clientId", "client_id"]).as_filled_str().or_else(|| {
        let ids = event.context().child("clientIds");
        let own = ids.first(&["ga4", "_ga", "ga"]);
        if own.is_object() { own.first(&["clientId", "client_id"]).as_filled_str() } else { own.as_filled_str() }
    });
    if let Some(cookie) = cookie {
        return Some(client_of_cookie(cookie));
    }
    match ga4.client_id_from {
        ClientId::AnonymousId => event.anonymous_id().or_else(|| event.user_id()),
        ClientId::UserId => event.user_id().or_else(|| event.anonymous_id()),
    }
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
    let places =
        [given(event, &keys), context.first(&keys), context.child("clientIds").first(&["firebase", "app_instance_id"])];
    places.into_iter().find_map(|value| value.as_filled_str())
}

/// The session of the vendor's cookie, when the sender gives it.
pub fn session_id<'a>(event: &Event<'a>) -> Option<Cow<'a, str>> {
    let session = given(event, &["sessionId", "session_id"]);
    let session = if session.is_null() {
        let own = event.context().child("clientIds").child("ga4");
        let sessions = own.child("sessionIds");
        // One for each stream: a destination has one stream.
        sessions.children().next().unwrap_or(own.first(&["sessionId", "session_id"]))
    } else {
        session
    };
    session.as_text().filter(|text| !text.trim().is_empty()).map(session_of_cookie)
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
    let before = json.len();
    json.key("user_properties");
    json.begin_object();
    let mut names = Vec::new();
    for value in traits.children() {
        user_property(ga4, &value.key(), value, json, &mut names);
    }
    json.end_object();
    if names.is_empty() {
        json.truncate(before);
    }
}

fn user_property(ga4: &Ga4, key: &str, value: Value<'_>, json: &mut JsonWriter, names: &mut Vec<String>) {
    if PERSONAL.contains(&key) || names.len() == USER_PROPERTIES_MAX {
        return;
    }
    if !value.is_scalar() {
        if ga4.nested == Nested::Flatten && key.len() < USER_PROPERTY_NAME_CHARACTERS_MAX {
            for (number, child) in value.children().enumerate() {
                let inner = if value.is_array() { number.to_string() } else { child.key().into_owned() };
                user_property(ga4, &format!("{key}_{inner}"), child, json, names);
            }
        }
        return;
    }
    let sign = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name: String = key.trim().chars().map(sign).collect();
    let usable = name.len() <= USER_PROPERTY_NAME_CHARACTERS_MAX
        && is_valid_name(name.as_bytes())
        && !RESERVED_USER_PROPERTIES.contains(&name.as_str())
        && !names.contains(&name)
        && value.quoted().is_none_or(|quoted| !quoted.is_empty());
    if usable {
        json.key(&name);
        json.verbatim(b"{\"value\":");
        json.cut(value, USER_PROPERTY_VALUE_CHARACTERS_MAX);
        json.verbatim(b"}");
        names.push(name);
    }
}

/// What the vendor matches people by. Source: the protocol's page on user-provided data.
fn user_data(ga4: &Ga4, traits: Value<'_>, json: &mut JsonWriter) {
    let before = json.len();
    json.key("user_data");
    json.begin_object();
    let empty = json.len();
    let email = hashed(traits.child("email"), |email| Some(normalise::email_google(email)));
    let code = ga4.default_country_code.as_deref();
    let phone = hashed(traits.child("phone"), |phone| normalise::phone_e164(phone, code));
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
    filled(key!("city"), address.child("city"), json);
    filled(key!("region"), address.first(&["state", "region"]), json);
    filled(key!("postal_code"), address.first(&["postalCode", "postal_code", "zip"]), json);
    if let Some(country) = address.child("country").as_str() {
        let code = normalise::country_code(&country).to_uppercase();
        if !code.is_empty() {
            json.member(key!("country"), cut(&code, 2));
        }
    }
    if json.len() == empty {
        json.truncate(before);
    } else {
        json.verbatim(b"}]");
    }
}

fn hashed(value: Value<'_>, clean: impl FnOnce(&str) -> Option<String>) -> Option<Hex> {
    let text = value.as_text()?;
    already_hashed(&text).or_else(|| hash_cleaned(&clean(&text)?))
}
