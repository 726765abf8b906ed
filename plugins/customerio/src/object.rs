//! Items about objects, which are what groups are to the vendor, and about who belongs to them.

use switchyard_sdk::prelude::*;

use crate::attributes::Attributes;
use crate::dates::seconds;
use crate::identity::{self, Who, fitting};
use crate::item::{Item, Items};
use crate::rules::{NO_ATTRIBUTES_OF_OBJECT, OBJECT_ACTIONS};
use crate::settings::CustomerIo;

/// Bytes that follow the attributes of a relationship at most.
const BEHIND_RELATIONSHIP: usize = 64;

const TOO_LARGE: &str = "traits: have more than 32,000 bytes";

/// What names an object. Source: journeys-track.json, `object_identifiers`.
pub struct ObjectIds<'a> {
    id: Id<'a>,
    /// None: the settings' type.
    kind: Option<Id<'a>>,
    default_kind: &'a str,
}

impl<'a> ObjectIds<'a> {
    /// The object that is named by `id`, of the type that `about` names.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    fn of(
        customer_io: &'a CustomerIo,
        id: Value<'a>,
        about: Value<'a>,
        missing: &'static str,
        too_long: &'static str,
        no_type: &'static str,
    ) -> Result<ObjectIds<'a>, Refusal> {
        let kind = identity::id(about.first(&["object_type_id", "objectTypeId"]));
        let id = fitting(id, too_long)?.ok_or(Refusal::Reject(missing))?;
        let is_number = |kind: Id<'_>| kind.bytes().iter().all(u8::is_ascii_digit);
        if kind.is_some_and(|kind| !is_number(kind)) {
            return Err(Refusal::Reject(no_type));
        }
        Ok(ObjectIds { id, kind, default_kind: &customer_io.object_type_id })
    }

    /// The object of a group.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    fn of_group(customer_io: &'a CustomerIo, event: &Event<'a>) -> Result<ObjectIds<'a>, Refusal> {
        ObjectIds::of(
            customer_io,
            event.get("groupId"),
            event.own_traits(),
            "groupId: is missing",
            "groupId: has more than 150 bytes",
            "traits.object_type_id: must be the number of an object type, such as 1",
        )
    }

    /// The object of a track that deletes something.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    fn of_track(customer_io: &'a CustomerIo, event: &Event<'a>) -> Result<ObjectIds<'a>, Refusal> {
        let properties = event.properties();
        ObjectIds::of(
            customer_io,
            properties.first(&["objectId", "object_id"]),
            properties,
            "properties.objectId: is missing",
            "properties.objectId: has more than 150 bytes",
            "properties.objectTypeId: must be the number of an object type, such as 1",
        )
    }

    /// The object that a person belongs to by the traits; None where they name none that the vendor takes.
    pub fn of_person(customer_io: &'a CustomerIo, traits: Value<'a>) -> Option<ObjectIds<'a>> {
        ObjectIds::of(customer_io, traits.first(&["objectId", "object_id"]), traits, "", "", "").ok()
    }

    fn write(&self, json: &mut JsonWriter) {
        json.member_key(key!("identifiers"));
        json.begin_object();
        match self.kind {
            Some(kind) => json.member(key!("object_type_id"), kind),
            None => json.member(key!("object_type_id"), self.default_kind),
        }
        json.member(key!("object_id"), self.id);
        json.end_object();
    }
}

/// Writes the item of a group.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_group(customer_io: &CustomerIo, event: &Event<'_>, items: &mut Items<'_>) -> Result<(), Refusal> {
    let ids = ObjectIds::of_group(customer_io, event)?;
    let traits = event.own_traits();
    let wanted = traits.child("action").as_str().unwrap_or_default();
    let action = OBJECT_ACTIONS.iter().copied().find(|action| *action == wanted).unwrap_or("identify");
    let person = Who::person(customer_io, event)?;
    match (action, &person) {
        ("delete", _) => items.add("object", action, TOO_LARGE, |item| ids.write(item.json)),
        ("add_relationships" | "delete_relationships", None) => Err(Refusal::Reject("userId: is missing")),
        ("add_relationships" | "delete_relationships", Some(person)) => {
            items.add("object", action, TOO_LARGE, |item| {
                ids.write(item.json);
                write_relationship_of(customer_io, person, Some(traits), item);
            })
        }
        _ => {
            let member = match person {
                Some(person) => Some(person),
                None if customer_io.anonymous_events => Who::visitor(event)?,
                None => None,
            };
            // Who is no person yet has an action apart, and is joined with the object later.
            let action = if matches!(member, Some(Who::Visitor(_))) { "identify_anonymous" } else { "identify" };
            items.add("object", action, TOO_LARGE, |item| {
                ids.write(item.json);
                if let Some(member) = &member {
                    write_relationship_of(customer_io, member, Some(traits), item);
                }
                write_attributes(customer_io, traits, item);
            })
        }
    }
}

/// Writes the item of a track that ends a relationship.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_delete_relationship(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    person: &Who<'_>,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let ids = ObjectIds::of_track(customer_io, event)?;
    items.add("object", "delete_relationships", "properties.objectId: is too long", |item| {
        ids.write(item.json);
        write_relationship_of(customer_io, person, None, item);
    })
}

/// Writes the item of a track that deletes an object.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_delete(customer_io: &CustomerIo, event: &Event<'_>, items: &mut Items<'_>) -> Result<(), Refusal> {
    let ids = ObjectIds::of_track(customer_io, event)?;
    items.add("object", "delete", "properties.objectId: is too long", |item| ids.write(item.json))
}

/// Writes who belongs to the item's object, and what the traits say of that.
fn write_relationship_of(customer_io: &CustomerIo, member: &Who<'_>, traits: Option<Value<'_>>, item: &mut Item<'_>) {
    item.json.member_key(key!("cio_relationships"));
    item.json.begin_array();
    item.json.begin_object();
    item.identifiers(member);
    if let Some(traits) = traits {
        write_relationship_attributes(customer_io, traits, item);
    }
    item.json.end_object();
    item.json.end_array();
}

/// Writes that the item's person belongs to an object.
pub fn write_relationship_to(customer_io: &CustomerIo, ids: &ObjectIds<'_>, traits: Value<'_>, item: &mut Item<'_>) {
    item.json.member_key(key!("cio_relationships"));
    item.json.begin_array();
    item.json.begin_object();
    ids.write(item.json);
    write_relationship_attributes(customer_io, traits, item);
    item.json.end_object();
    item.json.end_array();
}

fn write_relationship_attributes(customer_io: &CustomerIo, traits: Value<'_>, item: &mut Item<'_>) {
    let given = traits.first(&["relationshipAttributes", "relationship_attributes"]);
    if !given.is_object() {
        return;
    }
    let end_max = item.end_max - BEHIND_RELATIONSHIP;
    let mut attributes = Attributes::begin(customer_io, key!("relationship_attributes"), item.json, end_max);
    given.children().for_each(|child| attributes.sent(child));
    attributes.end();
}

/// Writes the attributes of an object: what `objectAttributes` holds, else the traits that are not for
/// this vendor only.
fn write_attributes(customer_io: &CustomerIo, traits: Value<'_>, item: &mut Item<'_>) {
    let given = traits.first(&["objectAttributes", "object_attributes"]);
    let from = if given.is_object() { given } else { traits };
    let mut attributes = Attributes::begin(customer_io, key!("attributes"), item.json, item.end_max);
    let created = [traits, from].into_iter().map(|place| place.first(&["created_at", "createdAt"])).find_map(seconds);
    if let Some(seconds) = created {
        attributes.own("created_at", seconds);
    }
    for child in from.children().filter(|_| from.is_object()) {
        if !NO_ATTRIBUTES_OF_OBJECT.contains(&&*child.key()) || is_attribute(child) {
            attributes.sent(child);
        }
    }
    attributes.end();
}

/// `action` is an attribute where it names no action.
fn is_attribute(child: Value<'_>) -> bool {
    child.key() == "action" && !OBJECT_ACTIONS.contains(&&*child.as_str().unwrap_or_default())
}
