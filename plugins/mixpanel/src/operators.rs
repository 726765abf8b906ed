//! Traits as updates of a profile: set, counted, added to a list, and under the vendor's names.

use std::borrow::Cow;

use switchyard_sdk::normalise::country_code;
use switchyard_sdk::prelude::*;
use switchyard_sdk::time::{format_iso8601, parse_iso8601_us};

use crate::properties::write_fitting;
use crate::rules::{PROFILE, PROFILE_PROPERTIES_MAX, RESERVED_TRAITS};
use crate::settings::Operator;

/// The operators that write something, in the order of their updates, and the vendor's names.
pub const OPERATORS: &[(Operator, Key)] = &[
    (Operator::Set, key!("$set")),
    (Operator::SetOnce, key!("$set_once")),
    (Operator::Add, key!("$add")),
    (Operator::Append, key!("$append")),
    (Operator::Union, key!("$union")),
    (Operator::Remove, key!("$remove")),
];

/// Numbers below are seconds since 1970, others milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

/// The vendor's names of traits.
type Table = &'static [(Key, &'static [&'static str])];

/// The traits of a user or a group.
pub struct Traits<'t, 'a> {
    pub traits: Value<'a>,
    pub table: Table,
    /// Traits that are not just set, by name.
    pub operators: &'t std::collections::BTreeMap<String, Operator>,
}

impl Traits<'_, '_> {
    fn operator(&self, name: &str) -> Operator {
        if self.operators.is_empty() {
            return Operator::Set;
        }
        self.operators.get(name).copied().unwrap_or(Operator::Set)
    }

    /// Writes the member of one operator. Whether any trait is in it.
    pub fn write(&self, operator: Operator, key: Key, json: &mut JsonWriter) -> bool {
        json.member_key(key);
        json.begin_object();
        let mut update = Update { json, table: self.table, written: 0, count: 0 };
        for child in self.traits.children() {
            let name = child.key();
            if !child.is_null() && self.traits.is_object() && self.operator(&name) == operator {
                update.member(operator, &name, child);
            }
        }
        if matches!(operator, Operator::Set | Operator::SetOnce) && std::ptr::eq(self.table, PROFILE) {
            self.composed(operator, &mut update);
        }
        let count = update.count;
        json.end_object();
        count > 0
    }

    /// Writes the names of the traits that are null. Whether there are any.
    pub fn write_unset(&self, json: &mut JsonWriter) -> bool {
        json.member_key(key!("$unset"));
        json.begin_array();
        let mut any = false;
        for child in self.traits.children().filter(|child| child.is_null() && self.traits.is_object()) {
            let name = child.key();
            if self.operator(&name) != Operator::Ignore && !RESERVED_TRAITS.contains(&&*name) {
                match target(self.table, &name) {
                    Some(at) => json.string(self.table[at].0.name()),
                    None => json.string(&name),
                }
                any = true;
            }
        }
        json.end_array();
        any
    }

    /// What the profile has a place for, and the traits say in other words.
    fn composed(&self, operator: Operator, update: &mut Update<'_>) {
        if self.operator("name") == operator && self.traits.child("name").as_filled_str().is_none() {
            let names = [["firstName", "first_name", "firstname"], ["lastName", "last_name", "lastname"]];
            let names = names.map(|aliases| {
                let kept = aliases.into_iter().filter(|alias| self.operator(alias) != Operator::Ignore);
                kept.map(|alias| self.traits.child(alias)).find_map(|name| name.as_filled_str())
            });
            let words: Vec<&str> = names.iter().flatten().map(|name| name.trim()).collect();
            update.text("$name", &words.join(" "));
        }
        let address = self.traits.child("address");
        if self.operator("address") == operator {
            update.text("$city", &text(address.child("city")).unwrap_or_default());
            update.text("$region", &text(address.first(&["state", "region"])).unwrap_or_default());
            update.text("$country_code", &country(address.child("country")).unwrap_or_default());
        }
    }
}

/// The vendor's place for a trait, under any of its names.
fn target(table: Table, name: &str) -> Option<usize> {
    table.iter().position(|(key, aliases)| key.name() == name || aliases.contains(&name))
}

/// The member of one operator, as it is written.
struct Update<'j> {
    json: &'j mut JsonWriter,
    table: Table,
    /// The places that are taken, by bit.
    written: u32,
    count: usize,
}

impl Update<'_> {
    fn member(&mut self, operator: Operator, name: &str, value: Value<'_>) {
        let Some(at) = target(self.table, name) else {
            return self.plain(operator, name, value);
        };
        if self.written & (1 << at) != 0 {
            return;
        }
        let place = self.table[at].0.name();
        if !matches!(operator, Operator::Set | Operator::SetOnce) {
            self.written |= 1 << at;
            return self.plain(operator, place, value);
        }
        if value.is_string() && value.as_filled_str().is_none() {
            return;
        }
        let text = match place {
            "$created" => created(value),
            "$country_code" => country(value).map(Cow::Owned),
            _ => text(value),
        };
        match text {
            Some(text) => self.text(place, &text),
            // The vendor's place does not take it, but the sender's name does.
            None if !name.starts_with('$') => self.plain(operator, name, value),
            None => {}
        }
    }

    /// A trait under a name of the sender's.
    fn plain(&mut self, operator: Operator, name: &str, value: Value<'_>) {
        if self.count == PROFILE_PROPERTIES_MAX || RESERVED_TRAITS.contains(&name) {
            return;
        }
        let is_fit = match operator {
            Operator::Add => value.number_text().is_some(),
            Operator::Union => !value.is_object(),
            _ => true,
        };
        if !is_fit {
            return;
        }
        self.json.key(name);
        match (operator, value.number_text()) {
            (Operator::Add, Some(number)) => self.json.raw(number),
            (Operator::Union, _) if !value.is_array() => {
                self.json.begin_array();
                self.json.value(value);
                self.json.end_array();
            }
            // Lists of a profile are bounded by their bytes, which no event reaches.
            _ => write_fitting(value, usize::MAX, self.json),
        }
        self.count += 1;
    }

    /// A text in a place of the vendor's that is still free.
    fn text(&mut self, place: &'static str, text: &str) {
        let Some(at) = target(self.table, place) else { return };
        if self.written & (1 << at) == 0 && !text.trim().is_empty() && self.count < PROFILE_PROPERTIES_MAX {
            self.json.member_named(place, text);
            self.written |= 1 << at;
            self.count += 1;
        }
    }
}

/// A text, or a number as one.
fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    if value.is_string() || value.is_number() { value.as_text() } else { None }
}

/// A time as the vendor reads it: a text that is one stays, a number is written as one.
fn created(value: Value<'_>) -> Option<Cow<'_, str>> {
    if let Some(text) = value.as_str() {
        return parse_iso8601_us(text.trim().as_bytes()).map(|_| text);
    }
    let number = value.as_i64().filter(|number| *number > 0)?;
    let ms = if number < SECONDS_MAX { number * 1_000 } else { number };
    Some(Cow::Owned(format_iso8601(ms)))
}

/// The two letters of a country.
fn country(value: Value<'_>) -> Option<String> {
    let code = country_code(&value.as_filled_str()?).to_uppercase();
    (!code.is_empty()).then_some(code)
}
