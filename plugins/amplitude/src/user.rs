//! What is known of users: records of /identify and /usermap, and the user's part of an event.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::context::{self, Rest};
use crate::event::{Record, Title};
use crate::groups::{self, Group};
use crate::identity::Identity;
use crate::options::Options;
use crate::properties::write_fitting;
use crate::revenue::number;
use crate::rules::{CAMPAIGN, LAYERS_MAX, Of, REFERRER};
use crate::settings::{Amplitude, IdentifyAs, Operator};

/// The operators that write something, and the vendor's names. Source: identify, supported operations.
const OPERATORS: &[(Operator, Key)] = &[
    (Operator::Set, key!("$set")),
    (Operator::SetOnce, key!("$setOnce")),
    (Operator::Add, key!("$add")),
    (Operator::Append, key!("$append")),
    (Operator::Prepend, key!("$prepend")),
    (Operator::PreInsert, key!("$preInsert")),
    (Operator::PostInsert, key!("$postInsert")),
    (Operator::Remove, key!("$remove")),
];

/// Layers that the properties and their operator take.
const LAYERS_AROUND: usize = 2;

/// Writes the record of an identify. Whether it says anything.
pub fn write_identify(
    amplitude: &Amplitude,
    event: &Event<'_>,
    identity: &Identity<'_>,
    json: &mut JsonWriter,
) -> bool {
    let mut says = identity.ids().count() > 1;
    write_record(amplitude, event, identity, json, |rest, options, json| {
        says |= write_properties(amplitude, Some(event.user_traits()), rest, json);
        says |= groups::write(amplitude, rest.group_id, options, json);
    });
    says
}

/// Writes the record that puts a user into a group.
pub fn write_group(
    amplitude: &Amplitude,
    event: &Event<'_>,
    identity: &Identity<'_>,
    group: &Group<'_>,
    json: &mut JsonWriter,
) -> bool {
    write_record(amplitude, event, identity, json, |_, _, json| {
        let write = |json: &mut JsonWriter| {
            json.begin_object();
            json.member_named(&group.kind, group.id);
            json.end_object();
        };
        // The vendor's own SDKs tell the group as a property too.
        json.member_key(key!("user_properties"));
        json.begin_object();
        json.member_key(key!("$set"));
        write(json);
        json.end_object();
        json.member_key(key!("groups"));
        write(json);
    });
    true
}

/// Writes a record of the form of the setting; `write` adds what it is for.
fn write_record<'a>(
    amplitude: &Amplitude,
    event: &Event<'a>,
    identity: &Identity<'a>,
    json: &mut JsonWriter,
    write: impl FnOnce(&Rest<'a>, &Options<'a>, &mut JsonWriter),
) {
    let options = Options::of(event);
    match amplitude.identify_as {
        IdentifyAs::Form => {
            json.begin_object();
            identity.write(json);
            let rest = context::write(amplitude, event, Of::All, json);
            write(&rest, &options, json);
        }
        IdentifyAs::Event => {
            let record = Record { amplitude, event, identity, options };
            record.begin(&Title::Text(Cow::Borrowed("$identify")), None, json);
            let rest = record.write_context(json);
            write(&rest, &options, json);
        }
    }
    json.end_object();
}

/// Writes `user_properties`: the traits, and where the user came from. Whether there are any.
pub fn write_properties(
    amplitude: &Amplitude,
    traits: Option<Value<'_>>,
    rest: &Rest<'_>,
    json: &mut JsonWriter,
) -> bool {
    let traits = traits.filter(|traits| traits.is_object());
    let before = json.len();
    json.member_key(key!("user_properties"));
    let opened = json.len();
    json.begin_object();
    for (operator, key) in OPERATORS {
        if traits.is_none() && !matches!(operator, Operator::Set | Operator::SetOnce) {
            break;
        }
        write_object(*key, json, |json| {
            if let Some(traits) = traits {
                write_traits(amplitude, traits, *operator, json);
            }
            if amplitude.attribution {
                write_attribution(traits, rest, *operator, json);
            }
        });
    }
    if let Some(traits) = traits.filter(|_| amplitude.unset_null_traits) {
        write_object(key!("$unset"), json, |json| {
            let is_unset = |child: &Value<'_>| child.is_null() && operator(amplitude, *child) != Operator::Ignore;
            write_unset(traits.children().filter(is_unset), json);
        });
    }
    json.end_object();
    let says = json.len() > opened + "{}".len();
    if !says {
        json.truncate(before);
    }
    says
}

/// Writes an object, or nothing where it would be empty. Whether it was written.
pub fn write_object(key: Key, json: &mut JsonWriter, write: impl FnOnce(&mut JsonWriter)) -> bool {
    let before = json.len();
    json.member_key(key);
    json.begin_object();
    let opened = json.len();
    write(json);
    let says = json.len() > opened;
    json.end_object();
    if !says {
        json.truncate(before);
    }
    says
}

/// Writes each value's key with the sign that the vendor has for a property that goes.
pub fn write_unset<'a>(nulls: impl Iterator<Item = Value<'a>>, json: &mut JsonWriter) {
    for child in nulls {
        json.raw_key(child.raw_key());
        json.string("-");
    }
}

fn operator(amplitude: &Amplitude, child: Value<'_>) -> Operator {
    if amplitude.trait_operators.is_empty() {
        return Operator::Set;
    }
    amplitude.trait_operators.get(&*child.key()).copied().unwrap_or(Operator::Set)
}

fn write_traits(amplitude: &Amplitude, traits: Value<'_>, wanted: Operator, json: &mut JsonWriter) {
    for child in traits.children() {
        if child.is_null() || operator(amplitude, child) != wanted {
            continue;
        }
        match (wanted, number(child)) {
            (Operator::Add, None) => {}
            (Operator::Add, Some((text, _))) => {
                json.raw_key(child.raw_key());
                json.raw(text);
            }
            _ => {
                json.raw_key(child.raw_key());
                write_fitting(child, LAYERS_MAX - LAYERS_AROUND, json);
            }
        }
    }
}

/// Writes where the user came from: last with `$set`, first with `$setOnce`. What the traits say stays.
fn write_attribution(traits: Option<Value<'_>>, rest: &Rest<'_>, operator: Operator, json: &mut JsonWriter) {
    let mut write = |parent: Option<Value<'_>>, (from, last, first): (&str, Key, Key)| {
        let Some(value) = parent.map(|parent| parent.child(from)) else { return };
        let key = match operator {
            Operator::Set => last,
            Operator::SetOnce => first,
            _ => return,
        };
        let is_said = value.is_number() || value.quoted().is_some_and(|quoted| !quoted.trim_ascii().is_empty());
        if is_said && traits.is_none_or(|traits| traits.child(key.name()).is_null()) {
            json.member(key, value);
        }
    };
    if rest.campaign.is_some() {
        CAMPAIGN.iter().for_each(|property| write(rest.campaign, *property));
    }
    write(rest.page, REFERRER);
}

/// Writes that a user is another one, who is known by the global id.
pub fn write_mapped(user: Id<'_>, global: Id<'_>, json: &mut JsonWriter) -> bool {
    json.begin_object();
    json.member(key!("user_id"), user);
    json.member(key!("global_user_id"), global);
    json.end_object();
    true
}

/// Writes that a user is nobody else any longer.
pub fn write_unmapped(user: Id<'_>, json: &mut JsonWriter) -> bool {
    json.begin_object();
    json.member(key!("user_id"), user);
    json.member(key!("unmap"), true);
    json.end_object();
    true
}
