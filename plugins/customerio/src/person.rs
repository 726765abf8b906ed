//! Items that say who somebody is: identify, and merge.

use switchyard_sdk::prelude::*;

use crate::attributes::{Attributes, is_empty, is_excluded};
use crate::dates::{seconds, time_of_event};
use crate::identity::{Who, email, fitting, phone};
use crate::item::{Item, Items};
use crate::object::{self, ObjectIds};
use crate::rules::NO_ATTRIBUTES_OF_PERSON;
use crate::settings::{AliasCall, CustomerIo};

/// Writes the item of an identify.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_identify(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let Some(who) = Who::person(customer_io, event)? else {
        return Err(match Who::visitor(event)? {
            Some(_) => Refusal::Skip("userId: is missing, and the vendor knows no traits of visitors"),
            None => Refusal::Reject("userId: is missing, and so is anonymousId"),
        });
    };
    let belongs_to = ObjectIds::of_person(customer_io, event.user_traits());
    write(customer_io, event, now_ms, &who, belongs_to, items)
}

/// Writes an identify of what an event of another kind says of its person. Where it says nothing there is
/// none.
///
/// # Errors
/// When it is too large.
pub fn write_traits(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    who: &Who<'_>,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    let says_something = event.user_traits().children().any(|child| !is_empty(child));
    if matches!(who, Who::Visitor(_)) || !says_something {
        return Ok(());
    }
    write(customer_io, event, now_ms, who, None, items)
}

fn write(
    customer_io: &CustomerIo,
    event: &Event<'_>,
    now_ms: u64,
    who: &Who<'_>,
    belongs_to: Option<ObjectIds<'_>>,
    items: &mut Items<'_>,
) -> Result<(), Refusal> {
    items.add("person", "identify", "traits: have more than 32,000 bytes", |item| {
        item.identifiers(who);
        // The vendor reads updates in any order, and goes by their time.
        if let Some(seconds) = time_of_event(event, now_ms) {
            item.json.member(key!("timestamp"), seconds);
        }
        if let Some(ids) = belongs_to {
            object::write_relationship_to(customer_io, &ids, event.user_traits(), item);
        }
        write_attributes(customer_io, event, who, item);
    })
}

fn write_attributes(customer_io: &CustomerIo, event: &Event<'_>, who: &Who<'_>, item: &mut Item<'_>) {
    let mut attributes = Attributes::begin(customer_io, key!("attributes"), item.json, item.end_max);
    if customer_io.update_existing_only {
        attributes.own("_update", true);
    }
    if let Ok(Some(Who::Visitor(visitor))) = Who::visitor(event) {
        attributes.own("anonymous_id", visitor);
    }
    let is_identify = event.kind() == Kind::Identify;
    let said = if is_identify { write_consents(customer_io, event, &mut attributes) } else { Vec::new() };
    let traits = event.user_traits();
    let created = ["created_at", "createdAt"].into_iter().filter(|name| !is_excluded(customer_io, name));
    if let Some(seconds) = created.map(|name| traits.child(name)).find_map(seconds) {
        attributes.own("created_at", seconds);
    }
    for child in traits.children().filter(|_| traits.is_object()) {
        if !said.contains(&&*child.key()) && !is_excluded(customer_io, &child.key()) {
            write_trait(customer_io, who, child, &mut attributes);
        }
    }
    if is_identify && customer_io.send_locale {
        for (name, from) in [("language", "locale"), ("timezone", "timezone")] {
            let value = event.context().child(from);
            if traits.child(name).is_null() && value.is_string() && !is_empty(value) {
                attributes.own(name, value);
            }
        }
    }
    attributes.end();
}

/// Writes what the sender's consent platform says, which goes before what the traits say. The attributes
/// that it is about.
fn write_consents<'c>(
    customer_io: &'c CustomerIo,
    event: &Event<'_>,
    attributes: &mut Attributes<'_, '_>,
) -> Vec<&'c str> {
    let mut said = Vec::new();
    if let Some(granted) = customer_io.messages_purpose.as_ref().and_then(|purpose| event.consent(purpose)) {
        attributes.own("unsubscribed", !granted);
        said.push("unsubscribed");
    }
    for (purpose, attribute) in &customer_io.topics {
        if let Some(granted) = event.consent(purpose) {
            attributes.own(attribute, granted);
            said.push(attribute);
        }
    }
    said
}

/// Writes a trait. Some have a meaning to the vendor. Source: docs.customer.io/messaging/people/
/// reserved-attributes, and journeys-track.json, identify.
fn write_trait(customer_io: &CustomerIo, who: &Who<'_>, child: Value<'_>, attributes: &mut Attributes<'_, '_>) {
    match &*child.key() {
        // Written already, or the event's own.
        "createdAt" | "created_at" | "anonymousId" | "anonymous_id" | "userId" | "_timestamp" => {}
        // The vendor's own, which nobody changes.
        "cio_id" => {}
        name if NO_ATTRIBUTES_OF_PERSON.contains(&name) => {}
        "_update" if customer_io.update_existing_only || child.as_bool().is_none() => {}
        // An id changes only where the person is known by another.
        "id" => {
            if matches!(who, Who::CioId(_) | Who::Email(_) | Who::Phone(_))
                && let Ok(Some(id)) = fitting(child, "")
            {
                attributes.own("id", id);
            }
        }
        // What names the person already needs no saying.
        "email" if matches!(who, Who::Email(_)) => {}
        "phone" if matches!(who, Who::Phone(_)) => {}
        "email" if !is_empty(child) => {
            if let Some(address) = email(child) {
                attributes.own("email", address);
            }
        }
        "phone" if !is_empty(child) => match phone(customer_io, child) {
            Some(number) => attributes.own("phone", &number),
            // Where it names people the vendor takes no other form.
            None if customer_io.identify_by_phone || !child.is_scalar() => {}
            None => attributes.sent(child),
        },
        // The vendor reads what it does not know as subscribed.
        "unsubscribed" if !is_yes_or_no(child) => {}
        _ => attributes.sent(child),
    }
}

/// Whether a value says yes or no in one of the vendor's forms.
fn is_yes_or_no(value: Value<'_>) -> bool {
    let text = value.as_text().unwrap_or_default().to_ascii_lowercase();
    matches!(text.as_str(), "true" | "false" | "1" | "0")
}

/// Writes the item of an alias.
///
/// # Errors
/// Names the field for which it cannot be sent.
pub fn write_alias(customer_io: &CustomerIo, event: &Event<'_>, items: &mut Items<'_>) -> Result<(), Refusal> {
    if customer_io.alias_call == AliasCall::Skip {
        return Err(Refusal::Skip("type: alias calls are not sent"));
    }
    let kept = Who::named(customer_io, event.get("userId"), "userId: has more than 150 bytes")?
        .ok_or(Refusal::Reject("userId: is missing"))?;
    let previous = event.get("previousId");
    let too_long = "previousId: has more than 150 bytes";
    let too_large = "previousId: is too long";
    if customer_io.alias_call == AliasCall::Visitor {
        let visitor = fitting(previous, too_long)?.ok_or(Refusal::Reject("previousId: is missing"))?;
        if kept == Who::Id(visitor) {
            return Err(Refusal::Skip("previousId: is the userId itself"));
        }
        return items.add("person", "identify", too_large, |item| {
            item.identifiers(&kept);
            let mut attributes = Attributes::begin(customer_io, key!("attributes"), item.json, item.end_max);
            attributes.own("anonymous_id", visitor);
            attributes.end();
        });
    }
    let former = Who::named(customer_io, previous, too_long)?.ok_or(Refusal::Reject("previousId: is missing"))?;
    if kept == former {
        return Err(Refusal::Skip("previousId: is the userId itself"));
    }
    items.add("person", "merge", too_large, |item| {
        item.json.member_key(key!("primary"));
        kept.write(item.json);
        item.json.member_key(key!("secondary"));
        former.write(item.json);
    })
}
