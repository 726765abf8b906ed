//! Records of /engage: what is known of a user.

use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::identity::Identity;
use crate::import::write_ip;
use crate::operators::{OPERATORS, Traits};
use crate::rules::PROFILE;
use crate::settings::Mixpanel;

/// Writes the updates of an identify: one for each operator that its traits have.
///
/// # Errors
/// Names the field for which there is no profile.
pub fn write(mixpanel: &Mixpanel, event: &Event<'_>, records: &mut Records<'_>) -> Result<(), &'static str> {
    let identity = Identity::of(event);
    if identity.is_nobody() {
        return Err("userId: is missing or a placeholder, and so is anonymousId");
    }
    let traits = Traits { traits: event.user_traits(), table: PROFILE, operators: &mixpanel.trait_operators };
    for (operator, key) in OPERATORS {
        records.record(|json| {
            begin(mixpanel, event, &identity, json);
            let any = traits.write(*operator, *key, json);
            json.end_object();
            any
        });
    }
    if mixpanel.unset_null_traits {
        records.record(|json| {
            begin(mixpanel, event, &identity, json);
            let any = traits.write_unset(json);
            json.end_object();
            any
        });
    }
    Ok(())
}

/// Writes the groups of a group event into the user's profile.
pub fn write_groups(mixpanel: &Mixpanel, event: &Event<'_>, groups: &[(&str, Id<'_>)], records: &mut Records<'_>) {
    let identity = Identity::of(event);
    if identity.is_nobody() || groups.is_empty() {
        return;
    }
    records.record(|json| {
        begin(mixpanel, event, &identity, json);
        json.member_key(key!("$union"));
        json.begin_object();
        for (key, id) in groups {
            json.key(key);
            json.begin_array();
            json.value(*id);
            json.end_array();
        }
        json.end_object();
        json.end_object();
        true
    });
}

fn begin(mixpanel: &Mixpanel, event: &Event<'_>, identity: &Identity<'_>, json: &mut JsonWriter) {
    json.raw(&mixpanel.record_beginning);
    identity.write_distinct_id(mixpanel.identity_mode, key!("$distinct_id"), json);
    json.member_key(key!("$ip"));
    write_ip(mixpanel, event, json);
}
