//! A list of records on its way to one address: filled event by event, cut at the vendor's bounds.
//!
//! Record n of a request is of the n-th event that the request covers, unless an event has several:
//! then the request's tag says how many each has, separated by commas, and the judge reads it.

use switchyard_sdk::prelude::*;

use crate::rules::{BODY_BYTES_MAX, RECORD_BYTES_MAX, RECORDS_MAX};
use crate::settings::{Account, Mixpanel};

/// Where records go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Events.
    Import,
    /// The products of orders, one event each.
    Products,
    /// Identities that become one.
    Merge,
    /// Profiles of users.
    Engage,
    /// Profiles of groups.
    Groups,
}

impl Target {
    fn key(self) -> &'static str {
        match self {
            Target::Import => "import",
            Target::Products => "products",
            Target::Merge => "merge",
            Target::Engage => "engage",
            Target::Groups => "groups",
        }
    }

    fn url(self, mixpanel: &Mixpanel) -> &str {
        match self {
            Target::Import | Target::Products | Target::Merge => &mixpanel.import_url,
            Target::Engage => &mixpanel.engage_url,
            Target::Groups => &mixpanel.groups_url,
        }
    }

    fn too_large(self) -> &'static str {
        match self {
            Target::Engage | Target::Groups => "traits: have 1 MB or more, and the vendor takes less",
            _ => "properties: the event has 1 MB or more, and the vendor takes less",
        }
    }

    /// Of a profile the last update wins, so updates keep their order, and identities become one
    /// before the profile is written. Events have a time, and need none.
    fn lane(self) -> Option<&'static str> {
        match self {
            Target::Import | Target::Products => None,
            Target::Merge | Target::Engage => Some("engage"),
            Target::Groups => Some("groups"),
        }
    }
}

/// Records for one target.
pub struct Call<'m> {
    mixpanel: &'m Mixpanel,
    target: Target,
    json: JsonWriter,
    covers: Vec<u32>,
    /// How many records each event has.
    counts: Vec<usize>,
    records: usize,
}

impl<'m> Call<'m> {
    /// No records yet.
    pub fn new(mixpanel: &'m Mixpanel, target: Target) -> Call<'m> {
        Call { mixpanel, target, json: JsonWriter::new(), covers: Vec::new(), counts: Vec::new(), records: 0 }
    }

    /// Adds the records of an event, which `write` writes into the list, and returns how many they
    /// are. An event's records stay in one request.
    ///
    /// # Errors
    /// What `write` says; or that a record is larger than the vendor takes. Then nothing is added.
    pub fn add(
        &mut self,
        event: &Event<'_>,
        plan: &mut Plan,
        write: impl FnOnce(&mut Records<'_>) -> Result<(), &'static str>,
    ) -> Result<usize, &'static str> {
        if self.json.is_empty() {
            self.json.begin_array();
        }
        let before = self.json.len();
        let mut records = Records { json: &mut self.json, count: 0, is_too_large: false };
        let written = write(&mut records);
        let (count, is_too_large) = (records.count, records.is_too_large);
        let refused = match written {
            Ok(()) if is_too_large => Some(self.target.too_large()),
            Ok(()) => None,
            Err(reason) => Some(reason),
        };
        if count == 0 || refused.is_some() {
            self.json.truncate(before);
            return refused.map_or(Ok(0), Err);
        }
        let is_full = self.records + count > RECORDS_MAX || self.json.len() + 1 > BODY_BYTES_MAX;
        if is_full && !self.covers.is_empty() {
            // Behind the comma.
            let moved = self.json.as_bytes()[before + 1..].to_vec();
            self.json.truncate(before);
            self.finish(plan);
            self.json.begin_array();
            self.json.raw(&moved);
        }
        self.covers.push(event.position());
        self.counts.push(count);
        self.records += count;
        Ok(count)
    }

    /// The request of what was added, if anything was. The list is empty then.
    pub fn finish(&mut self, plan: &mut Plan) {
        let covers = std::mem::take(&mut self.covers);
        let counts = std::mem::take(&mut self.counts);
        let mut json = std::mem::take(&mut self.json);
        self.records = 0;
        if covers.is_empty() {
            return;
        }
        json.end_array();
        let request = plan.post(self.target.url(self.mixpanel)).key(self.target.key()).json(json).covers(covers);
        if let Some(lane) = self.target.lane() {
            request.lane(lane);
        }
        if counts.iter().any(|count| *count > 1) {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            request.tag(counts.join(",").as_bytes());
        }
        if matches!(self.target, Target::Import | Target::Products | Target::Merge) {
            match &self.mixpanel.account {
                Account::Project => request.basic(&self.mixpanel.project_token, ""),
                Account::Service(user, secret) => request.basic(user, secret),
            };
        }
    }
}

/// The records of one event.
pub struct Records<'c> {
    json: &'c mut JsonWriter,
    count: usize,
    is_too_large: bool,
}

impl Records<'_> {
    /// Adds a record that `write` writes; none where it returns false, whatever it wrote.
    pub fn record(&mut self, write: impl FnOnce(&mut JsonWriter) -> bool) {
        let before = self.json.len();
        if !write(self.json) {
            return self.json.truncate(before);
        }
        self.count += 1;
        self.is_too_large |= self.json.len() - before > RECORD_BYTES_MAX;
    }
}
