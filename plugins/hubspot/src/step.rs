//! What a request says of itself to the judge, in its tag: which call it is, and whom it is about.
//!
//! A tag is JSON, and where the next request needs a body that is known already, a line break and it.

use serde::{Deserialize, Serialize};

/// A call, and what its answer is read with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Step {
    /// Custom events.
    Events,
    /// Contacts, written. `counts`: how many events each record is of.
    Contacts { counts: Vec<u32> },
    /// One contact. The body that follows writes it.
    Contact { contact: Contact, id: String },
    /// The stages of contacts, removed. The body that follows writes the contacts.
    Stages { counts: Vec<u32> },
    /// Companies, written. `people`: the contact of each event, if it has one.
    Companies { counts: Vec<u32>, people: Vec<Option<String>> },
    /// One company, searched. The body that follows writes it.
    Search { people: Vec<Option<String>> },
    /// One company, written: updated, or made. The body that follows makes it.
    Company { is_update: bool, people: Vec<Option<String>> },
    /// The contacts of companies. `links`: of each event the record of its contact, and its company.
    People { links: Vec<(u32, String)> },
    /// Contacts and companies, linked. `links`: the contact and the company of each event.
    Links { links: Vec<(String, String)> },
}

/// What is done with one contact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    EmptyStage,
    Update,
    Create,
}

impl Step {
    /// The tag of a request.
    pub fn tag(&self, body: &[u8]) -> Vec<u8> {
        let mut tag = serde_json::to_vec(self).unwrap_or_default();
        if !body.is_empty() {
            tag.push(b'\n');
            tag.extend_from_slice(body);
        }
        tag
    }

    /// Reads a tag. A request without one carries events.
    pub fn read(tag: &[u8]) -> (Step, &[u8]) {
        let end = tag.iter().position(|byte| *byte == b'\n').unwrap_or(tag.len());
        let step = serde_json::from_slice(&tag[..end]).unwrap_or(Step::Events);
        (step, tag.get(end + 1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let check = |step: Step, body: &str| {
            let tag = step.tag(body.as_bytes());
            assert_eq!(Step::read(&tag), (step, body.as_bytes()));
        };
        check(Step::Events, "");
        check(Step::Stages { counts: vec![1, 2] }, "{\"a\":\n1}");
        check(Step::Search { people: vec![None, Some("a@b.c\n".to_string())] }, "{}");
        check(Step::Links { links: vec![("1".to_string(), "2".to_string())] }, "");
        assert_eq!(Step::read(b"").0, Step::Events);
    }
}
