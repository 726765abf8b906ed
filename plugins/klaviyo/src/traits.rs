//! A user's traits as the fields of a profile and as custom properties. Source:
//! reference/create_or_update_profile.

use std::borrow::Cow;
use std::net::IpAddr;

use switchyard_sdk::prelude::*;

use crate::properties::{can_stand, write_fitting};
use crate::rules::{Field, IDENTIFIERS, LOCATION, PROFILE, PROFILE_BYTES_MAX, Place};
use crate::settings::{Klaviyo, Operator};
use crate::values::locale;

/// Bytes for what stands behind and between the fields of a profile.
const FRAME_BYTES: usize = 200;

/// What an event says of its user, as it is written into a profile.
pub struct Traits<'t, 'a> {
    klaviyo: &'t Klaviyo,
    traits: Value<'a>,
    context: Value<'a>,
    json: &'t mut JsonWriter,
    /// Where the profile begins: from there on its bytes count.
    start: usize,
}

impl<'t, 'a> Traits<'t, 'a> {
    /// Goes on in a profile that begins at `start`.
    pub fn new(klaviyo: &'t Klaviyo, event: &Event<'a>, start: usize, json: &'t mut JsonWriter) -> Traits<'t, 'a> {
        Traits { klaviyo, traits: event.user_traits(), context: event.context(), json, start }
    }

    /// Writes the fields beside the identifiers, as many as a profile has room for.
    pub fn write(&mut self) {
        for place in PROFILE {
            match place.to.name() {
                "locale" => self.place(place, [self.traits, self.context]),
                _ => self.place(place, [self.traits; 2]),
            }
        }
        self.object(key!("location"), Traits::write_location);
        self.object(key!("properties"), |traits| traits.write_custom(Operator::Set));
    }

    /// Writes the properties to which something is added, and those of which something is taken.
    pub fn write_meta(&mut self) {
        self.object(key!("meta"), |traits| {
            traits.object(key!("patch_properties"), |traits| {
                traits.object(key!("append"), |traits| traits.write_custom(Operator::Append));
                traits.object(key!("unappend"), |traits| traits.write_custom(Operator::Remove));
                traits.write_unset();
            });
        });
    }

    /// Ends the object that the fields are in.
    pub fn end_object(&mut self) {
        self.json.end_object();
    }

    /// Writes an object, unless nothing is in it.
    fn object(&mut self, key: Key, write: impl FnOnce(&mut Self)) {
        let before = self.json.len();
        self.json.member_key(key);
        self.json.begin_object();
        let empty = self.json.len();
        write(self);
        if self.json.len() == empty {
            self.json.truncate(before);
        } else {
            self.json.end_object();
        }
    }

    /// Takes back what was written behind `before` where the profile has become too large by it.
    fn keep(&mut self, before: usize) {
        if self.json.len() - self.start + FRAME_BYTES > PROFILE_BYTES_MAX {
            self.json.truncate(before);
        }
    }

    /// Writes where somebody lives.
    fn write_location(&mut self) {
        let address = self.traits.child("address");
        for place in LOCATION {
            match place.to.name() {
                "timezone" => self.place(place, [self.traits, self.context]),
                "ip" if self.klaviyo.send_ip => self.place(place, [self.context, self.traits]),
                "ip" => {}
                _ => self.place(place, [address, self.traits]),
            }
        }
    }

    /// Writes a field from the first object that has it; null where a trait is null and null clears.
    fn place(&mut self, place: &Place, objects: [Value<'a>; 2]) {
        let before = self.json.len();
        let values = objects.iter().flat_map(|object| place.from.iter().map(|name| object.child(name)));
        let mut values = values.filter(|value| !value.is_null());
        match values.find_map(|value| field(of_trait(value, place), place.is)) {
            Some(Written::Text(text)) => self.json.member(place.to, text),
            Some(Written::Number(number)) => {
                self.json.member_key(place.to);
                self.json.raw(number);
            }
            None if self.klaviyo.clear_null_traits && objects.iter().any(|object| is_null(*object, place.from)) => {
                self.json.member_key(place.to);
                self.json.raw(b"null");
            }
            None => {}
        }
        self.keep(before);
    }

    /// Writes the traits that the vendor has no field for and that are written so.
    fn write_custom(&mut self, wanted: Operator) {
        let traits = self.traits;
        for child in members(traits).filter(|child| !child.is_null() && can_stand(*child, 1) && !is_taken(*child)) {
            let is_simple = wanted == Operator::Set || is_simple(child);
            if self.operator(child) == wanted && is_simple {
                let before = self.json.len();
                self.json.raw_key(child.raw_key());
                write_fitting(child, 1, self.json);
                self.keep(before);
            }
        }
    }

    /// Writes the names of the custom properties that are removed: those of traits that are null.
    fn write_unset(&mut self) {
        if !self.klaviyo.clear_null_traits {
            return;
        }
        let before = self.json.len();
        self.json.member_key(key!("unset"));
        self.json.begin_array();
        let empty = self.json.len();
        let traits = self.traits;
        for child in members(traits).filter(|child| child.is_null() && !is_field(*child)) {
            if self.operator(child) != Operator::Ignore {
                let before = self.json.len();
                self.json.value(child.key());
                self.keep(before);
            }
        }
        if self.json.len() == empty {
            self.json.truncate(before);
        } else {
            self.json.end_array();
        }
    }

    fn operator(&self, child: Value<'_>) -> Operator {
        let operators = &self.klaviyo.trait_operators;
        if operators.is_empty() {
            return Operator::Set;
        }
        operators.get(child.key().as_ref()).copied().unwrap_or(Operator::Set)
    }
}

/// What a field is written as.
enum Written<'a> {
    Text(Cow<'a, str>),
    Number(&'a [u8]),
}

/// A value as a field has it; None for what cannot be one.
fn field(value: Value<'_>, is: Field) -> Option<Written<'_>> {
    let degrees = |max: f64| {
        let is_place = value.finite_number().is_some_and(|degrees| degrees.abs() <= max);
        value.number_text().filter(|_| is_place).map(Written::Number)
    };
    match is {
        Field::Text => value.as_trimmed_text().map(Written::Text),
        Field::Locale => locale(value).map(|tag| Written::Text(Cow::Owned(tag))),
        Field::Latitude => degrees(90.0),
        Field::Longitude => degrees(180.0),
        Field::Ip => value.as_trimmed_text().filter(|text| text.parse::<IpAddr>().is_ok()).map(Written::Text),
    }
}

/// The value of a trait for a field: of a company that is an object, its name.
fn of_trait<'a>(value: Value<'a>, place: &Place) -> Value<'a> {
    if place.to.name() == "organization" && value.is_object() { value.child("name") } else { value }
}

/// Whether an object says of a field that there is none.
fn is_null(object: Value<'_>, names: &[&str]) -> bool {
    members(object).any(|child| child.is_null() && names.contains(&child.key().as_ref()))
}

fn members(object: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    object.children().filter(move |_| object.is_object())
}

/// What can be added to a list or taken from it: a simple value, or several.
fn is_simple(value: Value<'_>) -> bool {
    value.is_scalar() || value.is_array() && value.children().all(|element| element.is_scalar())
}

/// Whether a trait has its place elsewhere in the profile. A company is more than its name.
fn is_taken(child: Value<'_>) -> bool {
    let name = child.key();
    match name.as_ref() {
        "address" => child.is_object(),
        "company" if child.is_object() => false,
        name => IDENTIFIERS.contains(&name) || places(name).any(|place| field(child, place.is).is_some()),
    }
}

/// Whether a trait has the name of a field.
fn is_field(child: Value<'_>) -> bool {
    let name = child.key();
    name == "address" || IDENTIFIERS.contains(&name.as_ref()) || places(&name).next().is_some()
}

/// The fields that a trait of that name may go to.
fn places(name: &str) -> impl Iterator<Item = &'static Place> {
    PROFILE.iter().chain(LOCATION).filter(move |place| place.from.contains(&name))
}
