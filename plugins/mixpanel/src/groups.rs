//! Records of /groups: what is known of a company, or whatever else users belong to.

use std::collections::BTreeMap;

use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::operators::Traits;
use crate::rules::GROUP_PROFILE;
use crate::settings::{Mixpanel, Operator};

/// The groups that a group event names: by its groupId, and by the traits that the settings name.
pub fn of<'m, 'a>(mixpanel: &'m Mixpanel, event: &Event<'a>) -> Vec<(&'m str, Id<'a>)> {
    let first = Id::of(event.get("groupId")).map(|id| (mixpanel.group_key.as_str(), id));
    first.into_iter().chain(further(mixpanel, event)).collect()
}

/// The groups that the traits of a group event name.
pub fn further<'m, 'a>(mixpanel: &'m Mixpanel, event: &Event<'a>) -> impl Iterator<Item = (&'m str, Id<'a>)> {
    let traits = event.own_traits();
    mixpanel.group_keys.iter().filter_map(move |key| Some((key.as_str(), Id::of(traits.child(key))?)))
}

/// Writes the updates of a group event, one for each group that it names.
pub fn write(mixpanel: &Mixpanel, event: &Event<'_>, groups: &[(&str, Id<'_>)], records: &mut Records<'_>) {
    let operators = BTreeMap::new();
    let traits = Traits { traits: event.own_traits(), table: GROUP_PROFILE, operators: &operators };
    for (key, id) in groups {
        records.record(|json| {
            begin(mixpanel, key, *id, json);
            let any = traits.write(Operator::Set, key!("$set"), json);
            json.end_object();
            any
        });
        if mixpanel.unset_null_traits {
            records.record(|json| {
                begin(mixpanel, key, *id, json);
                let any = traits.write_unset(json);
                json.end_object();
                any
            });
        }
    }
}

fn begin(mixpanel: &Mixpanel, key: &str, id: Id<'_>, json: &mut JsonWriter) {
    json.raw(&mixpanel.record_beginning);
    json.member(key!("$group_key"), key);
    json.member(key!("$group_id"), id);
}
