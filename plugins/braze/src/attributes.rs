//! Objects of `attributes`: what is known of somebody.

use switchyard_sdk::prelude::*;

use crate::identity::Who;
use crate::profile::{Profile, is_uuid};
use crate::rules::NAME_CHARACTERS_MAX;
use crate::settings::{Braze, GroupAs, GroupAttribute};

/// Writes what an event says of its user, if it says anything. Whether it does.
pub fn write(braze: &Braze, event: &Event<'_>, who: &Who<'_>, json: &mut JsonWriter) -> bool {
    let before = json.len();
    // Without the comma that would part it from another: it stands alone until it is in a request.
    json.verbatim(b"{");
    who.write(braze, json);
    if braze.merge_nested_attributes {
        json.member(key!("_merge_objects"), true);
    }
    let mut profile = Profile::new(json, braze, who);
    if event.kind() == Kind::Identify {
        consents(braze, event, &mut profile);
    }
    profile.traits(event.user_traits());
    if event.kind() == Kind::Identify && braze.send_locale {
        profile.field("language", event.context().child("locale"));
        profile.field("time_zone", event.context().child("timezone"));
    }
    let any = profile.count() > 0;
    json.end_object();
    if !any {
        json.truncate(before);
    }
    any
}

/// What the sender's consent platform says goes before what the traits say.
fn consents(braze: &Braze, event: &Event<'_>, profile: &mut Profile<'_, '_>) {
    let ads = [
        ("$google_ad_user_data", &braze.ad_user_data_purpose),
        ("$google_ad_personalization", &braze.ad_personalization_purpose),
    ];
    for (field, purpose) in ads {
        if let Some(granted) = event.consent(purpose) {
            profile.consent(field, granted);
        }
    }
    for (field, purpose) in [("email_subscribe", &braze.email_purpose), ("push_subscribe", &braze.push_purpose)] {
        if let Some(granted) = purpose.as_ref().and_then(|purpose| event.consent(purpose)) {
            profile.consent(field, if granted { "opted_in" } else { "unsubscribed" });
        }
    }
}

/// Writes that a user belongs to a group.
///
/// # Errors
/// Names the field for which it cannot be said.
pub fn write_group(braze: &Braze, event: &Event<'_>, who: &Who<'_>, json: &mut JsonWriter) -> Result<(), Refusal> {
    let group = event.group_id().ok_or(Refusal::Reject("groupId: is missing"))?;
    let before = json.len();
    // Without the comma that would part it from another: it stands alone until it is in a request.
    json.verbatim(b"{");
    who.write(braze, json);
    let written = match (braze.group_as, &braze.group_attribute) {
        (GroupAs::SubscriptionGroup, _) => subscription_group(event, json),
        (GroupAs::Attribute, GroupAttribute::Named(name)) => {
            json.member_named(name, group);
            Ok(())
        }
        (GroupAs::Attribute, GroupAttribute::Each(before, behind)) => {
            let name = format!("{before}{}{behind}", group.trim());
            if name.chars().count() > NAME_CHARACTERS_MAX {
                Err(Refusal::Reject("groupId: is too long for the name of an attribute"))
            } else {
                json.member_named(&name, true);
                Ok(())
            }
        }
    };
    json.end_object();
    if written.is_err() {
        json.truncate(before);
    }
    written
}

fn subscription_group(event: &Event<'_>, json: &mut JsonWriter) -> Result<(), Refusal> {
    let id = event.get("groupId");
    if !is_uuid(id) {
        return Err(Refusal::Reject("groupId: is no id of a subscription group, which is a UUID"));
    }
    let state = event.own_traits().first(&["subscription_state", "subscriptionState"]);
    let state = match state.as_str().as_deref() {
        None if state.is_null() => "subscribed",
        Some("subscribed") => "subscribed",
        Some("unsubscribed") => "unsubscribed",
        _ => return Err(Refusal::Reject("traits.subscription_state: must be subscribed or unsubscribed")),
    };
    json.member_key(key!("subscription_groups"));
    json.begin_array();
    json.begin_object();
    json.member(key!("subscription_group_id"), id);
    json.member(key!("subscription_state"), state);
    json.end_object();
    json.end_array();
    Ok(())
}
