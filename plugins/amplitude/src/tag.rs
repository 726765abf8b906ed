//! A request's tag: what the judge needs to find an answer's events again.
//!
//! Text. The first line names the address; then comes a line for each event, in the order of the
//! request's covers: its device's id, its user's id, and where it has several records their number,
//! separated by tabs. The ids stand as they do between quotes in JSON, so they have neither tab nor
//! line feed. Addresses that name no people have the first line only.

use switchyard_sdk::Id;
use switchyard_sdk::text::unescape;

use crate::call::Address;
use crate::identity::Identity;

/// Bytes that a line has with two UUIDs: room is made for as many.
pub const LINE_BYTES: usize = 80;

/// Appends the line of an event.
pub fn write_line(tag: &mut Vec<u8>, identity: &Identity<'_>, records: usize) {
    tag.push(b'\n');
    tag.extend_from_slice(identity.device.map_or(&[], Id::bytes));
    tag.push(b'\t');
    tag.extend_from_slice(identity.user.map_or(&[], Id::bytes));
    if records > 1 {
        tag.extend_from_slice(format!("\t{records}").as_bytes());
    }
}

/// What a tag says.
#[derive(Debug, PartialEq)]
pub struct Tag {
    pub address: Address,
    people: Vec<Person>,
}

/// Whose an event is, and how many records it has.
#[derive(Debug, PartialEq)]
pub struct Person {
    pub device: String,
    pub user: String,
    records: usize,
}

impl Tag {
    /// Reads a tag. One that is empty is of events with one record each.
    pub fn read(tag: &[u8]) -> Tag {
        let mut lines = tag.split(|byte| *byte == b'\n');
        let address = Address::named(lines.next().unwrap_or_default());
        Tag { address, people: lines.map(Person::read).collect() }
    }

    /// Whose the event at a place in the covers is.
    pub fn person(&self, place: usize) -> Option<&Person> {
        self.people.get(place)
    }

    /// The event of a record, by its place in the covers.
    pub fn event(&self, record: usize) -> usize {
        let mut end = 0;
        let found = self.people.iter().position(|person| {
            end += person.records;
            record < end
        });
        found.unwrap_or_else(|| record.saturating_sub(end) + self.people.len())
    }
}

impl Person {
    fn read(line: &[u8]) -> Person {
        let mut parts = line.split(|byte| *byte == b'\t');
        let mut id = || unescape(parts.next().unwrap_or_default());
        let (device, user) = (id(), id());
        Person { device, user, records: id().parse().unwrap_or(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_by_its_record() {
        let tag = Tag::read(b"batch\nd-1\tu-1\n\tu\\n2\t3\nd-3\t");
        assert_eq!(tag.address, Address::Batch);
        let events: Vec<usize> = (0..7).map(|record| tag.event(record)).collect();
        assert_eq!(events, [0, 1, 1, 1, 2, 3, 4]);
        assert_eq!(tag.person(1).map(|person| person.user.as_str()), Some("u\n2"));
        assert_eq!(tag.person(2).map(|person| (person.device.as_str(), person.user.as_str())), Some(("d-3", "")));
        let empty = Tag::read(b"");
        assert_eq!((empty.address, empty.event(4)), (Address::Events, 4));
    }
}
