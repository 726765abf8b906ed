//! A list of records on its way to one address: filled event by event, cut at the vendor's bounds.

use switchyard_sdk::prelude::*;
use switchyard_sdk::url::percent_encode_into;

use crate::identity::Identity;
use crate::rules::{
    BATCH_BODY_BYTES_MAX, BODY_BYTES_MAX, EVENTS_MAX, GROUP_IDENTIFIES_MAX, GROUP_PROPERTIES_MAX, TAG_BYTES_MAX,
};
use crate::settings::Amplitude;
use crate::tag;

/// What stands behind the last record.
const JSON_ENDING: &[u8] = b"]}";
const FORM_ENDING: &str = "%5D";

/// Where records go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Address {
    /// /2/httpapi: events, as JSON.
    Events,
    /// /batch: events, as JSON.
    Batch,
    /// /identify: users, as a form.
    Identify,
    /// /groupidentify: groups, as a form.
    GroupIdentify,
    /// /usermap: users that are one, as a form.
    UserMap,
}

impl Address {
    /// The address of that name, which stands in a tag.
    pub fn named(name: &[u8]) -> Address {
        let all = [Address::Batch, Address::Identify, Address::GroupIdentify, Address::UserMap];
        all.into_iter().find(|address| address.name().as_bytes() == name).unwrap_or(Address::Events)
    }

    /// Its name in tags.
    fn name(self) -> &'static str {
        match self {
            Address::Batch => "batch",
            _ => self.key(),
        }
    }

    /// Names the request among those of one event.
    fn key(self) -> &'static str {
        match self {
            Address::Events | Address::Batch => "events",
            Address::Identify => "identify",
            Address::GroupIdentify => "groupidentify",
            Address::UserMap => "usermap",
        }
    }

    fn url(self, amplitude: &Amplitude) -> &str {
        match self {
            Address::Events | Address::Batch => &amplitude.events_url,
            Address::Identify => &amplitude.identify_url,
            Address::GroupIdentify => &amplitude.group_identify_url,
            Address::UserMap => &amplitude.user_map_url,
        }
    }

    /// What a user is known by holds for what she does next, so both go one after the other. Of a
    /// group, and of a user's mapping, the last word wins.
    fn lane(self, amplitude: &Amplitude) -> Option<&'static str> {
        match self {
            _ if !amplitude.keep_order => None,
            Address::Events | Address::Batch | Address::Identify => Some("users"),
            Address::GroupIdentify => Some("groups"),
            Address::UserMap => Some("aliases"),
        }
    }

    fn is_form(self) -> bool {
        !matches!(self, Address::Events | Address::Batch)
    }

    /// Whether the tag names people: where the vendor may slow down or silence one of them.
    fn names_people(self) -> bool {
        matches!(self, Address::Events | Address::Batch | Address::Identify)
    }

    fn records_max(self, amplitude: &Amplitude) -> usize {
        match self {
            Address::GroupIdentify => GROUP_IDENTIFIES_MAX,
            Address::UserMap => EVENTS_MAX,
            _ => amplitude.events_per_request,
        }
    }

    /// Bytes behind the last record.
    fn ending_bytes(self) -> usize {
        if self.is_form() { FORM_ENDING.len() } else { JSON_ENDING.len() }
    }

    fn body_bytes_max(self) -> usize {
        if self == Address::Batch { BATCH_BODY_BYTES_MAX } else { BODY_BYTES_MAX }
    }

    fn properties_max(self) -> usize {
        if self == Address::GroupIdentify { GROUP_PROPERTIES_MAX } else { usize::MAX }
    }

    fn too_large(self) -> &'static str {
        match self {
            Address::Events => "properties: the event has 1 MB or more, and the vendor takes less",
            Address::Batch => "properties: the event has 20 MB or more, and the vendor takes less",
            Address::Identify | Address::GroupIdentify => "traits: have 1 MB or more, and the vendor takes less",
            Address::UserMap => "previousId: has 1 MB or more, and the vendor takes less",
        }
    }
}

/// Records for one address.
pub struct Call<'m> {
    amplitude: &'m Amplitude,
    address: Address,
    /// The records as JSON: all of them, or where a form is made of them those of one event.
    json: JsonWriter,
    form: String,
    covers: Vec<u32>,
    tag: Vec<u8>,
    records: usize,
    properties: usize,
}

impl<'m> Call<'m> {
    /// No records yet, and room for the places of so many events: then only the records grow.
    pub fn new(amplitude: &'m Amplitude, address: Address, events_len: usize) -> Call<'m> {
        Call {
            amplitude,
            address,
            covers: Vec::with_capacity(events_len),
            tag: Vec::with_capacity(events_len * tag::LINE_BYTES),
            json: JsonWriter::new(),
            form: String::new(),
            records: 0,
            properties: 0,
        }
    }

    /// Adds the records of an event, which `write` writes into the list, and returns how many they
    /// are. An event's records stay in one request. What is in `ahead` is planned before a request
    /// of this call is.
    ///
    /// # Errors
    /// What `write` says; or that the records are larger than the vendor takes. Then nothing is added.
    pub fn add<E: From<&'static str>>(
        &mut self,
        event: &Event<'_>,
        identity: &Identity<'_>,
        ahead: Option<&mut Call<'m>>,
        plan: &mut Plan,
        write: impl FnOnce(&mut Records<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        if self.tag.is_empty() {
            self.begin();
        }
        let (json_before, form_before) = (self.json.len(), self.form.len());
        let mut records = Records { json: &mut self.json, count: 0, properties: 0 };
        let written = write(&mut records);
        let Records { count, properties, .. } = records;
        if count == 0 || written.is_err() {
            self.json.truncate(json_before);
            return written.map(|()| 0);
        }
        if self.address.is_form() {
            self.encode(!self.covers.is_empty());
        }
        let bytes = self.json.len() - json_before + self.form.len() - form_before;
        if self.beginning_bytes() + bytes + self.address.ending_bytes() > self.address.body_bytes_max() {
            self.json.truncate(json_before);
            self.form.truncate(form_before);
            return Err(E::from(self.address.too_large()));
        }
        if !self.covers.is_empty() && self.is_full(count, properties, identity) {
            let json = self.json.as_bytes()[json_before..].to_vec();
            let form = self.form.split_off(form_before);
            self.json.truncate(json_before);
            if let Some(ahead) = ahead {
                ahead.finish(plan);
            }
            self.finish(plan);
            self.begin();
            // Behind the comma.
            self.json.verbatim(json.get(1..).unwrap_or_default());
            self.form.push_str(form.get("%2C".len()..).unwrap_or_default());
        }
        self.covers.push(event.position());
        if self.address.names_people() {
            tag::write_line(&mut self.tag, identity, count);
        }
        self.records += count;
        self.properties += properties;
        Ok(count)
    }

    /// Writes what stands before the first record. The tag is empty until then.
    fn begin(&mut self) {
        self.tag.extend_from_slice(self.address.name().as_bytes());
        if self.address.is_form() {
            let beginning = match self.address {
                Address::GroupIdentify => &self.amplitude.group_identify_beginning,
                Address::UserMap => &self.amplitude.user_map_beginning,
                _ => &self.amplitude.identify_beginning,
            };
            self.form.push_str(beginning);
        } else {
            self.json.verbatim(&self.amplitude.events_beginning);
        }
    }

    fn beginning_bytes(&self) -> usize {
        match self.address {
            Address::Events | Address::Batch => self.amplitude.events_beginning.len(),
            Address::Identify => self.amplitude.identify_beginning.len(),
            Address::GroupIdentify => self.amplitude.group_identify_beginning.len(),
            Address::UserMap => self.amplitude.user_map_beginning.len(),
        }
    }

    /// Moves what the list of one event has into the form.
    fn encode(&mut self, is_next: bool) {
        if is_next {
            self.form.push_str("%2C");
        }
        // The writer was given texts and spans of JSON, which are both UTF-8.
        percent_encode_into(&mut self.form, std::str::from_utf8(self.json.as_bytes()).unwrap_or_default());
        self.json.truncate(0);
    }

    /// Whether what was just written goes beyond a bound of the request.
    fn is_full(&self, count: usize, properties: usize, identity: &Identity<'_>) -> bool {
        let ids_len: usize = identity.ids().map(<[u8]>::len).sum();
        self.records + count > self.address.records_max(self.amplitude)
            || self.properties + properties > self.address.properties_max()
            || self.json.len() + self.form.len() + self.address.ending_bytes() > self.address.body_bytes_max()
            || self.tag.len() + ids_len + tag::LINE_BYTES > TAG_BYTES_MAX
    }

    /// The request of what was added, if anything was. The list is empty then.
    pub fn finish(&mut self, plan: &mut Plan) {
        let covers = std::mem::take(&mut self.covers);
        let mut json = std::mem::take(&mut self.json);
        let mut form = std::mem::take(&mut self.form);
        let tag = std::mem::take(&mut self.tag);
        (self.records, self.properties) = (0, 0);
        if covers.is_empty() {
            return;
        }
        let request = plan.post(self.address.url(self.amplitude)).key(self.address.key());
        if self.address.is_form() {
            form.push_str(FORM_ENDING);
            request.body("application/x-www-form-urlencoded", form.into_bytes());
        } else {
            json.verbatim(JSON_ENDING);
            request.json(json);
        }
        request.covers(covers).tag(&tag).quota(self.address.key());
        if let Some(lane) = self.address.lane(self.amplitude) {
            request.lane(lane);
        }
    }
}

/// The records of one event.
pub struct Records<'c> {
    json: &'c mut JsonWriter,
    count: usize,
    properties: usize,
}

impl Records<'_> {
    /// Adds a record that `write` writes; none where it returns false, whatever it wrote.
    pub fn record(&mut self, write: impl FnOnce(&mut JsonWriter) -> bool) {
        let before = self.json.len();
        if write(self.json) {
            self.count += 1;
        } else {
            self.json.truncate(before);
        }
    }

    /// Says how many properties were written, where the vendor counts them.
    pub fn count_properties(&mut self, properties: usize) {
        self.properties += properties;
    }
}
