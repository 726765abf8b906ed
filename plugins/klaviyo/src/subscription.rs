//! The requests about what somebody agrees to: each about one person, so that the last word holds.
//!
//! Nobody is subscribed unless a setting says what means consent. Source:
//! reference/bulk_subscribe_profiles, bulk_unsubscribe_profiles.

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::format_iso8601;

use crate::identity::Identity;
use crate::settings::{Channel, Klaviyo};

/// What somebody says of some channels.
struct Wish<'a> {
    channels: Vec<Channel>,
    list: Option<Id<'a>>,
    agrees: bool,
}

/// Plans the requests of an identify whose consent names the purposes of the settings.
pub fn of_consent(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, plan: &mut Plan) {
    let purposes = [(Channel::Email, &klaviyo.email_purpose), (Channel::Sms, &klaviyo.sms_purpose)];
    for agrees in [true, false] {
        let is_said = |purpose: &Option<String>| purpose.as_deref().and_then(|purpose| event.consent(purpose));
        let said = purposes.iter().filter(|(_, purpose)| is_said(purpose) == Some(agrees));
        let channels = said.map(|(channel, _)| *channel).filter(|channel| contact(who, *channel).is_some()).collect();
        request(klaviyo, event, who, &Wish { channels, list: None, agrees }, plan);
    }
}

/// Plans the request of a group call whose group is a list. Source of the traits: RudderStack's
/// destination.
///
/// # Errors
/// Names the field that is missing.
pub fn of_group(
    klaviyo: &Klaviyo,
    event: &Event<'_>,
    who: &Identity<'_>,
    list: Id<'_>,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let traits = event.own_traits();
    let agrees =
        traits.child("subscribe").as_bool().ok_or(Refusal::Reject("traits.subscribe: is not true or false"))?;
    let mut channels = channels(traits.child("consent")).unwrap_or(klaviyo.subscription_channels.clone());
    channels.retain(|channel| contact(who, *channel).is_some());
    if channels.is_empty() {
        return Err(Refusal::Reject("traits.email: is missing, or traits.phone, for the channels of the subscription"));
    }
    request(klaviyo, event, who, &Wish { channels, list: Some(list), agrees }, plan);
    Ok(())
}

/// The channels that a trait names, a text or a list of them.
fn channels(consent: Value<'_>) -> Option<Vec<Channel>> {
    let named = |name: &str| {
        let is = |value: Value<'_>| value.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case(name));
        is(consent) || consent.is_array() && consent.children().any(is)
    };
    let all = [("email", Channel::Email), ("sms", Channel::Sms)];
    (!consent.is_null()).then(|| all.iter().filter(|(name, _)| named(name)).map(|(_, channel)| *channel).collect())
}

/// What a channel reaches somebody by.
fn contact<'w>(who: &'w Identity<'_>, channel: Channel) -> Option<&'w str> {
    match channel {
        Channel::Email => who.email.as_deref(),
        Channel::Sms => who.phone.as_deref(),
    }
}

/// Plans a request, where the wish is about any channel.
fn request(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, wish: &Wish<'_>, plan: &mut Plan) {
    if wish.channels.is_empty() {
        return;
    }
    let (path, key) = if wish.agrees {
        ("/profile-subscription-bulk-create-jobs", "subscribe")
    } else {
        ("/profile-subscription-bulk-delete-jobs", "unsubscribe")
    };
    let body = body(klaviyo, event, who, wish);
    klaviyo.post(plan, path, body).key(key).cover(event).lane(&who.lane());
}

fn body(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, wish: &Wish<'_>) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.verbatim(b"{\"data\":{");
    let kind =
        if wish.agrees { "profile-subscription-bulk-create-job" } else { "profile-subscription-bulk-delete-job" };
    json.member(key!("type"), kind);
    json.member_key(key!("attributes"));
    json.begin_object();
    if let Some(source) = klaviyo.consent_source.as_ref().filter(|_| wish.agrees) {
        json.member(key!("custom_source"), source);
    }
    json.member_key(key!("profiles"));
    json.verbatim(b"{\"data\":[{\"type\":\"profile\",\"attributes\":{");
    for channel in &wish.channels {
        let name = if *channel == Channel::Email { key!("email") } else { key!("phone_number") };
        json.member(name, contact(who, *channel).unwrap_or_default());
    }
    json.member_key(key!("subscriptions"));
    json.begin_object();
    let consented_at = consented_at(klaviyo, event, wish);
    for channel in &wish.channels {
        json.member_key(if *channel == Channel::Email { key!("email") } else { key!("sms") });
        json.verbatim(b"{\"marketing\":{");
        json.member(key!("consent"), if wish.agrees { "SUBSCRIBED" } else { "UNSUBSCRIBED" });
        if let Some(time) = &consented_at {
            json.member(key!("consented_at"), time);
        }
        json.verbatim(b"}}");
    }
    json.verbatim(b"}}}]}");
    if consented_at.is_some() {
        json.member(key!("historical_import"), true);
    }
    json.end_object();
    let list_of_settings = klaviyo.list_id.as_deref();
    if wish.list.is_some() || list_of_settings.is_some() {
        json.member_key(key!("relationships"));
        json.verbatim(b"{\"list\":{\"data\":{\"type\":\"list\"");
        match wish.list {
            Some(id) => json.member(key!("id"), id),
            None => json.member(key!("id"), list_of_settings.unwrap_or_default()),
        }
        json.verbatim(b"}}}");
    }
    json.verbatim(b"}}");
    json.into_bytes()
}

/// When somebody agreed, for a consent that was given before: a time that is past.
fn consented_at(klaviyo: &Klaviyo, event: &Event<'_>, wish: &Wish<'_>) -> Option<String> {
    let time_ms = event.timestamp_ms().min(event.received_ms() as i64);
    (klaviyo.historical_import && wish.agrees).then(|| format_iso8601(time_ms))
}
