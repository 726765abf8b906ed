//! What users belong to: the groups of an event, and records of /groupidentify.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::call::Records;
use crate::identity::id;
use crate::options::Options;
use crate::properties::write_fitting;
use crate::rules::{GROUP_PROPERTIES_MAX, GROUP_TYPES_MAX, GROUPS_MAX, LAYERS_MAX, TEXT_CHARACTERS_MAX};
use crate::settings::Amplitude;
use crate::user::{write_object, write_unset};

/// Layers that the properties and their operator take.
const LAYERS_AROUND: usize = 2;

/// The group of a group call.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Its type, such as `company`.
    pub kind: Cow<'a, str>,
    pub id: Id<'a>,
}

/// The group that a group call names: by the traits of the settings, else by its groupId.
///
/// # Errors
/// Names the field that is missing.
pub fn of_call<'a>(amplitude: &'a Amplitude, event: &Event<'a>) -> Result<Group<'a>, &'static str> {
    let of_trait = |name: &Option<String>| name.as_ref().map(|name| event.own_traits().child(name));
    let kind = of_trait(&amplitude.group_type_trait).and_then(|value| value.as_filled_str());
    let kind = kind.filter(|kind| kind.chars().count() <= TEXT_CHARACTERS_MAX);
    let id = of_trait(&amplitude.group_value_trait).and_then(id).or_else(|| id(event.get("groupId")));
    Ok(Group {
        kind: kind.unwrap_or(Cow::Borrowed(&amplitude.group_type)),
        id: id.ok_or("groupId: is missing, no text, or longer than 1,024 characters")?,
    })
}

/// Writes what is known of a group. Nothing where its traits say nothing.
pub fn write_properties(amplitude: &Amplitude, event: &Event<'_>, group: &Group<'_>, records: &mut Records<'_>) {
    let traits = event.own_traits();
    if !traits.is_object() {
        return;
    }
    let is_unset = |child: &Value<'_>| child.is_null() && amplitude.unset_null_traits;
    // Of too many the first are told.
    let told = traits.children().filter(|child| !child.is_null() || is_unset(child)).take(GROUP_PROPERTIES_MAX);
    let count = told.clone().count();
    records.record(|json| {
        json.begin_object();
        json.member(key!("group_type"), &*group.kind);
        json.member(key!("group_value"), group.id);
        let says = write_object(key!("group_properties"), json, |json| {
            write_object(key!("$set"), json, |json| {
                for child in told.clone().filter(|child| !child.is_null()) {
                    json.raw_key(child.raw_key());
                    write_fitting(child, LAYERS_MAX - LAYERS_AROUND, json);
                }
            });
            write_object(key!("$unset"), json, |json| write_unset(told.clone().filter(Value::is_null), json));
        });
        json.end_object();
        says
    });
    records.count_properties(count);
}

/// Writes `groups`: those that the sender names for this vendor, and the one of the context, as many as
/// the vendor counts. Whether there are any.
pub fn write(
    amplitude: &Amplitude,
    of_context: Option<Value<'_>>,
    options: &Options<'_>,
    json: &mut JsonWriter,
) -> bool {
    let own = options.groups().filter(Value::is_object);
    let of_context = of_context.and_then(id);
    if own.is_none() && of_context.is_none() {
        return false;
    }
    write_object(key!("groups"), json, |json| {
        let mut room = Room { types: GROUP_TYPES_MAX, groups: GROUPS_MAX };
        if let Some(id) = of_context.filter(|_| own.is_none_or(|own| own.child(&amplitude.group_type).is_null())) {
            json.member_named(&amplitude.group_type, id);
            room.take(1);
        }
        for kind in own.iter().flat_map(Value::children) {
            room.write(kind, json);
        }
    })
}

/// How many groups an event may still have.
struct Room {
    types: usize,
    groups: usize,
}

impl Room {
    fn take(&mut self, groups: usize) {
        self.types -= 1;
        self.groups -= groups;
    }

    /// Writes the groups of one type: one, or a list of them.
    fn write(&mut self, kind: Value<'_>, json: &mut JsonWriter) {
        if self.types == 0 || self.groups == 0 {
            return;
        }
        if let Some(id) = id(kind) {
            json.raw_key(kind.raw_key());
            json.value(id);
            return self.take(1);
        }
        let ids = kind.children().filter_map(|child| id(child).filter(|_| kind.is_array())).take(self.groups);
        let count = ids.clone().count();
        if count > 0 {
            json.raw_key(kind.raw_key());
            json.begin_array();
            ids.for_each(|id| json.value(id));
            json.end_array();
            self.take(count);
        }
    }
}
