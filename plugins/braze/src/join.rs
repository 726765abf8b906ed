//! Records that make two profiles one: of a visitor and a user at /users/identify, of two users at
//! /users/merge.

use switchyard_sdk::prelude::*;

use crate::identity::{Who, write_alias};
use crate::rules::JOINS_MAX;
use crate::settings::Braze;

/// Two profiles that become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Join<'a> {
    /// Somebody without a userId, and the user who it is.
    Identify { user: Id<'a>, visitor: Who<'a> },
    /// A former user, and the one that is kept.
    Merge { keep: Id<'a>, previous: Id<'a> },
}

impl<'a> Join<'a> {
    /// The two whom it is about.
    pub fn both(&self) -> [Who<'a>; 2] {
        match self {
            Join::Identify { user, visitor } => [Who::User(*user), visitor.clone()],
            Join::Merge { keep, previous } => [Who::User(*keep), Who::User(*previous)],
        }
    }
}

/// The lists of /users/identify, each with what it is called.
const IDENTIFY_LISTS: [Key; 3] =
    [key!("aliases_to_identify"), key!("emails_to_identify"), key!("phone_numbers_to_identify")];

/// Plans the requests of some joins, which are of the events at these positions.
pub fn requests(braze: &Braze, joins: &[(u32, &Join<'_>)], lane: &str, plan: &mut Plan) {
    // Each list has requests of its own, so that the n-th object is of the n-th event.
    for list in IDENTIFY_LISTS {
        let of_list: Vec<(u32, &Join<'_>)> = joins
            .iter()
            .filter(|(_, join)| list_of(join).is_some_and(|of| of.name() == list.name()))
            .copied()
            .collect();
        for chunk in of_list.chunks(JOINS_MAX) {
            let mut json = JsonWriter::new();
            json.begin_object();
            json.member_key(list);
            json.begin_array();
            chunk.iter().for_each(|(_, join)| write_identify(braze, join, &mut json));
            json.end_array();
            json.member(key!("merge_behavior"), "merge");
            json.end_object();
            request(braze, &braze.identify_url, "identify", json, chunk, lane, plan);
        }
    }
    let merges: Vec<(u32, &Join<'_>)> =
        joins.iter().filter(|(_, join)| matches!(join, Join::Merge { .. })).copied().collect();
    for chunk in merges.chunks(JOINS_MAX) {
        let mut json = JsonWriter::new();
        json.begin_object();
        json.member_key(key!("merge_updates"));
        json.begin_array();
        chunk.iter().for_each(|(_, join)| write_merge(join, &mut json));
        json.end_array();
        json.end_object();
        request(braze, &braze.merge_url, "merge", json, chunk, lane, plan);
    }
}

fn request(
    braze: &Braze,
    url: &str,
    key: &str,
    json: JsonWriter,
    joins: &[(u32, &Join<'_>)],
    lane: &str,
    plan: &mut Plan,
) {
    let covers = joins.iter().map(|(position, _)| *position).collect();
    plan.post(url).key(key).json(json).bearer(&braze.api_key).covers(covers).lane(lane);
}

fn list_of(join: &Join<'_>) -> Option<Key> {
    let Join::Identify { visitor, .. } = join else { return None };
    match visitor {
        Who::Alias(..) => Some(IDENTIFY_LISTS[0]),
        Who::Email(_) => Some(IDENTIFY_LISTS[1]),
        Who::Phone(_) => Some(IDENTIFY_LISTS[2]),
        Who::User(_) | Who::BrazeId(_) => None,
    }
}

fn write_identify(braze: &Braze, join: &Join<'_>, json: &mut JsonWriter) {
    let Join::Identify { user, visitor } = join else { return };
    json.begin_object();
    json.member(key!("external_id"), *user);
    match visitor {
        Who::Alias(name, label) => write_alias(braze, *name, *label, json),
        Who::Email(address) => json.member(key!("email"), address.as_ref()),
        Who::Phone(number) => json.member(key!("phone"), number),
        Who::User(_) | Who::BrazeId(_) => {}
    }
    if matches!(visitor, Who::Email(_) | Who::Phone(_)) {
        // Of several profiles with that address only one may be left, or none is joined.
        json.member_key(key!("prioritization"));
        json.raw(br#"["unidentified","most_recently_updated"]"#);
    }
    json.end_object();
}

fn write_merge(join: &Join<'_>, json: &mut JsonWriter) {
    let Join::Merge { keep, previous } = join else { return };
    json.begin_object();
    for (key, id) in [(key!("identifier_to_merge"), previous), (key!("identifier_to_keep"), keep)] {
        json.member_key(key);
        json.begin_object();
        json.member(key!("external_id"), *id);
        json.end_object();
    }
    json.end_object();
}
