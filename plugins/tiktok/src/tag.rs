//! A request's tag: what the judge needs to take a refused request apart.
//!
//! The vendor refuses a whole request with status 200, which the host does not halve. So the judge has
//! to send its events in smaller requests, and the tag is what these are made of: the lines of the
//! body. The first has all up to the list of events, each further one an event. Of a request with one
//! event the tag has the first line only. JSON has no line feed inside a text.

/// A tag as it is read.
#[derive(Debug)]
pub struct Tag<'t> {
    pub head: &'t [u8],
    pub events: Vec<&'t [u8]>,
}

impl<'t> Tag<'t> {
    /// Reads a tag; one that is empty has an empty head.
    pub fn read(tag: &'t [u8]) -> Tag<'t> {
        let mut lines = tag.split(|byte| *byte == b'\n');
        let head = lines.next().unwrap_or_default();
        Tag { head, events: lines.map(|line| line.strip_suffix(b",").unwrap_or(line)).collect() }
    }

    /// The id of the event source that the body names.
    pub fn event_source_id(&self) -> Option<String> {
        let whole: serde_json::Value = serde_json::from_slice(&[self.head, b"]}"].concat()).ok()?;
        whole.get("event_source_id")?.as_str().map(str::to_string)
    }
}
