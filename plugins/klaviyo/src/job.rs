//! A list of records on its way to one address: filled record by record, cut at the vendor's bounds.
//!
//! Record n of a job is of the n-th event that its request covers. The vendor takes a job whole or not
//! at all.

use switchyard_sdk::prelude::*;

use crate::rules::{BODY_BYTES_MAX, EVENTS_MAX, PROFILES_MAX};
use crate::settings::Klaviyo;

/// What a job is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Events,
    /// The products of orders, which are events of their own.
    Products,
    Profiles,
}

impl Target {
    fn key(self) -> &'static str {
        match self {
            Target::Events => "events",
            Target::Products => "products",
            Target::Profiles => "profiles",
        }
    }

    /// Where it goes.
    pub fn path(self) -> &'static str {
        match self {
            Target::Events | Target::Products => "/event-bulk-create-jobs",
            Target::Profiles => "/profile-bulk-import-jobs",
        }
    }

    /// What stands before the records.
    pub fn head(self) -> &'static [u8] {
        match self {
            Target::Events | Target::Products => {
                b"{\"data\":{\"type\":\"event-bulk-create-job\",\"attributes\":{\"events-bulk-create\":{\"data\":["
            }
            Target::Profiles => {
                b"{\"data\":{\"type\":\"profile-bulk-import-job\",\"attributes\":{\"profiles\":{\"data\":["
            }
        }
    }

    /// What stands behind them.
    const TAIL: &'static [u8] = b"]}}}}";

    /// Events or profiles of a job.
    fn count_max(self) -> usize {
        if self == Target::Profiles { PROFILES_MAX } else { EVENTS_MAX }
    }

    /// Of a profile the last update wins, so updates keep their order. Events have a time, and need none.
    fn lane(self) -> Option<&'static str> {
        (self == Target::Profiles).then_some("profiles")
    }
}

/// A job, as it is filled.
pub struct Job<'k> {
    klaviyo: &'k Klaviyo,
    target: Target,
    capacity: usize,
    json: JsonWriter,
    covers: Vec<u32>,
    /// How many events or profiles its records hold.
    count: usize,
}

impl<'k> Job<'k> {
    /// No records yet, and room for so many bytes of them: what grows beside another is copied.
    pub fn new(klaviyo: &'k Klaviyo, target: Target, capacity: usize) -> Job<'k> {
        Job { klaviyo, target, capacity, json: JsonWriter::new(), covers: Vec::new(), count: 0 }
    }

    /// Adds the record of an event, which `write` writes and which holds `count` events or profiles.
    /// Returns where it begins.
    ///
    /// # Errors
    /// When the record alone is larger than the vendor takes. Then nothing is added.
    pub fn add(
        &mut self,
        event: &Event<'_>,
        count: usize,
        plan: &mut Plan,
        write: impl FnOnce(&mut JsonWriter),
    ) -> Result<usize, TooLarge> {
        if self.json.is_empty() {
            self.json = JsonWriter::with_capacity(self.capacity);
            self.json.verbatim(self.target.head());
        }
        let before = self.json.len();
        write(&mut self.json);
        // A record behind others has a comma.
        let mut start = before + usize::from(!self.covers.is_empty());
        let bytes = self.json.len() - start;
        if self.target.head().len() + bytes + Target::TAIL.len() > BODY_BYTES_MAX {
            self.json.truncate(before);
            return Err(TooLarge);
        }
        let is_full = self.json.len() + Target::TAIL.len() > BODY_BYTES_MAX;
        if !self.covers.is_empty() && (is_full || self.count + count > self.target.count_max()) {
            let moved = self.json.as_bytes()[start..].to_vec();
            self.json.truncate(before);
            self.finish(plan);
            self.json.verbatim(self.target.head());
            start = self.json.len();
            self.json.verbatim(&moved);
        }
        self.covers.push(event.position());
        self.count += count;
        Ok(start)
    }

    /// What was written from there on.
    pub fn written(&self, start: usize) -> &[u8] {
        self.json.as_bytes().get(start..).unwrap_or_default()
    }

    /// The request of what was added, if anything was. The job is empty then.
    pub fn finish(&mut self, plan: &mut Plan) {
        let covers = std::mem::take(&mut self.covers);
        let mut json = std::mem::take(&mut self.json);
        self.count = 0;
        if covers.is_empty() {
            return;
        }
        json.verbatim(Target::TAIL);
        let request = self.klaviyo.post(plan, self.target.path(), json.into_bytes());
        request.key(self.target.key()).covers(covers);
        if let Some(lane) = self.target.lane() {
            request.lane(lane);
        }
    }
}

/// A record alone is larger than a job may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TooLarge;
