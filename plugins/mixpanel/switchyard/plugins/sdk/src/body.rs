//! A body of many records, filled event by event and cut at the vendor's bounds.
//!
//! With [`Groups`](crate::Groups) before it, events go into bodies by what they must share; this sees to
//! how many fit into one.

use crate::event::Event;
use crate::json::JsonWriter;

/// What a body begins and ends with, and how much there may be in it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'b> {
    /// What stands before the first record.
    pub beginning: &'b [u8],
    /// What stands behind the last.
    pub ending: &'b [u8],
    /// Records.
    pub records_max: usize,
    /// Bytes of all of it.
    pub bytes_max: usize,
    /// What is said of an event that is larger alone.
    pub too_large: &'static str,
}

/// A body as it is filled.
#[derive(Debug)]
pub struct Body<'b> {
    bounds: Bounds<'b>,
    events_len: usize,
    room_bytes: usize,
    json: JsonWriter,
    covers: Vec<u32>,
    records: usize,
}

/// A body that is whole.
#[derive(Debug)]
pub struct Filled {
    /// The body.
    pub json: JsonWriter,
    /// The positions of the events in it.
    pub covers: Vec<u32>,
}

impl<'b> Body<'b> {
    /// Nothing yet, and room for the positions of so many events: then only the records grow.
    pub fn new(bounds: Bounds<'b>, events_len: usize) -> Body<'b> {
        Body { bounds, events_len, room_bytes: 0, json: JsonWriter::new(), covers: Vec::new(), records: 0 }
    }

    /// The same with room for so many bytes, for a body that is not the only one to grow: what grows beside
    /// another is copied.
    pub fn with_room(self, bytes: usize) -> Body<'b> {
        Body { room_bytes: bytes, ..self }
    }

    /// Adds an event: `write` writes its records, with commas as they come, and says how many they are;
    /// none add nothing. They stay together. Where they do not fit behind what is there, that is returned
    /// as a whole body, and they begin the next.
    ///
    /// # Errors
    /// What `write` says, or `too_large`. Then nothing is added.
    pub fn add<E: From<&'static str>>(
        &mut self,
        event: &Event<'_>,
        write: impl FnOnce(&mut JsonWriter) -> Result<usize, E>,
    ) -> Result<Option<Filled>, E> {
        let Bounds { beginning, ending, records_max, bytes_max, too_large } = self.bounds;
        if self.json.is_empty() {
            self.covers = Vec::with_capacity(self.events_len);
            self.json = JsonWriter::with_capacity(self.room_bytes);
            self.json.verbatim(beginning);
        }
        let before = self.json.len();
        // Behind other records comes a comma.
        let start = before + usize::from(!self.covers.is_empty());
        let bytes_besides = beginning.len() + ending.len();
        let count = match write(&mut self.json) {
            Ok(1..) if self.json.len().saturating_sub(start) > bytes_max.saturating_sub(bytes_besides) => {
                Err(E::from(too_large))
            }
            Ok(0) => Ok(0),
            written => written,
        };
        let Ok(count @ 1..) = count else {
            self.json.truncate(before);
            return count.map(|_| None);
        };
        let is_full = self.records + count > records_max || self.json.len() + ending.len() > bytes_max;
        let mut filled = None;
        if is_full && !self.covers.is_empty() {
            let moved = self.json.as_bytes()[start..].to_vec();
            self.json.truncate(before);
            filled = self.finish();
            self.json.verbatim(beginning);
            self.json.verbatim(&moved);
        }
        self.covers.push(event.position());
        self.records += count;
        Ok(filled)
    }

    /// The body of what was added, if anything was. There is nothing in it then.
    pub fn finish(&mut self) -> Option<Filled> {
        let mut json = std::mem::take(&mut self.json);
        let covers = std::mem::take(&mut self.covers);
        self.records = 0;
        if covers.is_empty() {
            return None;
        }
        json.verbatim(self.bounds.ending);
        Some(Filled { json, covers })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::native;

    const BOUNDS: Bounds<'_> =
        Bounds { beginning: b"{\"data\":[", ending: b"]}", records_max: 3, bytes_max: 30, too_large: "is too large" };

    /// The bodies of events with that many records of that many digits, and what was said of the others.
    fn bodies(events: &[(usize, usize)]) -> Vec<String> {
        let made: Vec<_> = events.iter().map(|_| json!({"type": "track", "messageId": "m"})).collect();
        let batch = native::batch(0, &made);
        let mut body = Body::new(BOUNDS, events.len());
        let mut said = Vec::new();
        let shown =
            |filled: Filled| format!("{} {:?}", String::from_utf8(filled.json.into_bytes()).unwrap(), filled.covers);
        for (event, (records, digits)) in batch.iter().zip(events) {
            let added = body.add(&event, |json| {
                (0..*records).for_each(|_| json.raw("7".repeat(*digits).as_bytes()));
                if *digits == 0 { Err("is refused") } else { Ok(*records) }
            });
            match added {
                Ok(filled) => said.extend(filled.map(shown)),
                Err(reason) => said.push(format!("{} {reason}", event.position())),
            }
        }
        said.extend(body.finish().map(shown));
        said
    }

    #[test]
    fn a_body_is_cut_at_its_records() {
        assert_eq!(bodies(&[(2, 1), (1, 1)]), [r#"{"data":[7,7,7]} [0, 1]"#]);
        assert_eq!(bodies(&[(2, 1), (2, 1)]), [r#"{"data":[7,7]} [0]"#, r#"{"data":[7,7]} [1]"#]);
        assert_eq!(bodies(&[(5, 1)]), [r#"{"data":[7,7,7,7,7]} [0]"#], "an event's records stay together");
    }

    #[test]
    fn a_body_is_cut_at_its_bytes() {
        // 11 bytes around the records, and a comma.
        assert_eq!(bodies(&[(1, 9), (1, 9)]).len(), 1);
        assert_eq!(bodies(&[(1, 9), (1, 10)]).len(), 2);
        assert_eq!(bodies(&[(1, 19)]).len(), 1);
        assert_eq!(bodies(&[(1, 3), (1, 20), (1, 3)]), ["1 is too large", r#"{"data":[777,777]} [0, 2]"#]);
    }

    #[test]
    fn what_is_not_added_leaves_nothing() {
        assert_eq!(bodies(&[(0, 1), (1, 0), (1, 1), (1, 0)]), ["1 is refused", "3 is refused", r#"{"data":[7]} [2]"#]);
        assert_eq!(bodies(&[(0, 1)]), [] as [&str; 0]);
    }
}
