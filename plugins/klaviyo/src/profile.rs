//! The requests about who somebody is: one for each profile, or a job of many.

use switchyard_sdk::prelude::*;

use crate::identity::Identity;
use crate::job::{Job, Target};
use crate::rules::TAG_BYTES_MAX;
use crate::settings::{Klaviyo, Requests, SendTraits};
use crate::traits::Traits;

/// Somebody of whom an event says something.
pub struct Told<'a> {
    pub position: u32,
    pub who: Identity<'a>,
}

/// Plans the requests of the profiles.
pub fn requests(klaviyo: &Klaviyo, batch: &Batch, told: &[Told<'_>], plan: &mut Plan) {
    match klaviyo.profile_requests {
        Requests::Single => told.iter().for_each(|told| single(klaviyo, &batch.event(told.position), &told.who, plan)),
        Requests::Bulk => jobs(klaviyo, batch, told, plan),
    }
}

/// Where single profiles go.
pub const PROFILE: &str = "/profile-import";

/// A request that makes or updates a profile. Its tag is the same with one identifier, for the case that
/// the others are another profile's.
fn single(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, plan: &mut Plan) {
    let body = |who: &Identity<'_>| {
        let mut json = JsonWriter::new();
        json.verbatim(b"{\"data\":");
        write(klaviyo, event, who, &mut json);
        json.end_object();
        json.into_bytes()
    };
    let fallback = who.only_the_first().map(|first| body(&first)).filter(|body| body.len() <= TAG_BYTES_MAX);
    let request = klaviyo.post(plan, PROFILE, body(who));
    request.key("profile").cover(event).lane(&who.lane());
    if let Some(fallback) = fallback {
        request.tag(&fallback);
    }
}

/// A job of all profiles. One that comes again goes into the next job, which waits for this one.
fn jobs(klaviyo: &Klaviyo, batch: &Batch, told: &[Told<'_>], plan: &mut Plan) {
    let mut same = Groups::with_capacity(told.len());
    for (place, told) in told.iter().enumerate() {
        same.add(place as u32, |key| told.who.write_key(key));
    }
    let groups: Vec<Vec<u32>> = same.iter().map(|(_, places)| places.collect()).collect();
    let rounds = groups.iter().map(Vec::len).max().unwrap_or_default();
    for round in 0..rounds {
        let mut job = Job::new(klaviyo, Target::Profiles, 0);
        for place in groups.iter().filter_map(|places| places.get(round)) {
            let Told { position, who } = &told[*place as usize];
            let event = batch.event(*position);
            let added = job.add(&event, 1, plan, |json| write(klaviyo, &event, who, json));
            debug_assert!(added.is_ok(), "a profile is smaller than a job");
        }
        job.finish(plan);
    }
}

/// Writes a profile.
fn write(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, json: &mut JsonWriter) {
    let start = json.len();
    begin(who, json);
    let mut traits = Traits::new(klaviyo, event, start, json);
    traits.write();
    traits.end_object();
    traits.write_meta();
    json.end_object();
}

/// Writes the profile of an event, which may have an anonymousId, and its meta at another place.
pub fn write_of_event(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, json: &mut JsonWriter) {
    json.begin_object();
    json.member_key(key!("data"));
    let start = json.len();
    begin(who, json);
    who.write_anonymous(json);
    if klaviyo.send_traits == SendTraits::Always {
        let mut traits = Traits::new(klaviyo, event, start, json);
        traits.write();
        traits.write_meta();
    }
    json.verbatim(b"}}}");
}

/// Writes a request that adds somebody to a list, who agrees to nothing by it.
pub fn add_to_list(klaviyo: &Klaviyo, event: &Event<'_>, who: &Identity<'_>, list: Id<'_>, plan: &mut Plan) {
    let mut json = JsonWriter::new();
    json.verbatim(Target::Profiles.head());
    begin(who, &mut json);
    json.verbatim(b"}}]}},\"relationships\":{\"lists\":{\"data\":[{\"type\":\"list\",\"id\":");
    json.value(list);
    json.verbatim(b"}]}}}}");
    let request = klaviyo.post(plan, Target::Profiles.path(), json.into_bytes());
    request.key("list").cover(event).lane(&who.lane());
}

/// Writes a profile up to its fields.
fn begin(who: &Identity<'_>, json: &mut JsonWriter) {
    json.raw(b"{\"type\":\"profile\"");
    if let Some(id) = who.profile_id {
        json.member(key!("id"), id);
    }
    json.verbatim(b",\"attributes\":{");
    who.write(json);
}
