//! What a stored request holds: the bytes that `queue` keeps and never looks into.
//!
//! A stored request is either a whole request, sent again with the same bytes, or the planning of
//! its events anew. It holds secret handles, never secrets. The form is a version byte and JSON: rows
//! are few (only what failed is stored) and must stay readable by later versions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::retry::Tries;
use crate::plugin::plan::{Auth, Request};

const VERSION: u8 = 1;

/// A request, or the planning of one, that waits for its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Payload {
    /// Sent again with the same bytes.
    Send(Box<StoredSend>),
    /// The covered events are planned again.
    Plan(StoredPlan),
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSend {
    key: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    auth: Vec<Auth>,
    covers: Vec<u32>,
    #[serde(default)]
    lanes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_after_ms: Option<u64>,
    /// Of a request that was stored when it could have one lane only.
    #[serde(default, skip_serializing)]
    lane: Option<String>,
    tag: String,
    /// The key of the planned request that it follows from; empty: its own.
    #[serde(default)]
    pub origin_key: String,
    /// The revision that planned it.
    pub revision: String,
    /// How many answers led to it: 0 for a planned request, n for the n-th follow-up.
    pub step: u8,
    /// Its tries so far.
    pub tries: Tries,
}

/// The planning of events anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// Only requests with this key are sent; None: all.
    pub key: Option<String>,
    /// The tries so far of the request that this replaces.
    pub tries: Tries,
    /// The revision that planned that request, and plans it again while it is kept; empty: any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// A stored payload that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("the stored request cannot be read: {0}")]
pub struct Unreadable(String);

impl StoredSend {
    /// A request as it is stored. Its covers count in the stored request's deliveries.
    pub fn new(request: &Request, origin_key: &str, revision: String, step: u8, tries: Tries) -> StoredSend {
        StoredSend {
            origin_key: origin_key.to_string(),
            key: request.key.clone(),
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: STANDARD.encode(&request.body),
            auth: request.auth.clone(),
            covers: request.covers.clone(),
            lanes: request.lanes.clone(),
            quota: request.quota.clone(),
            not_after_ms: request.not_after_ms,
            lane: None,
            tag: STANDARD.encode(&request.tag),
            revision,
            step,
            tries,
        }
    }

    /// The key of the planned request that it is, or follows from, as far as that is known.
    fn planned_key(&self) -> Option<String> {
        match self.origin_key.is_empty() {
            true => (self.step == 0).then(|| self.key.clone()),
            false => Some(self.origin_key.clone()),
        }
    }

    /// The request, with the same bytes.
    pub fn request(&self) -> Result<Request, Unreadable> {
        let bytes = |text: &str| STANDARD.decode(text).map(Bytes::from).map_err(|error| Unreadable(error.to_string()));
        Ok(Request {
            key: self.key.clone(),
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: bytes(&self.body)?,
            auth: self.auth.clone(),
            covers: self.covers.clone(),
            lanes: self.lanes.iter().chain(&self.lane).cloned().collect(),
            quota: self.quota.clone(),
            not_after_ms: self.not_after_ms,
            tag: bytes(&self.tag)?,
        })
    }
}

impl Payload {
    /// A replay: everything is planned anew.
    pub fn replay() -> Payload {
        Payload::Plan(StoredPlan::default())
    }

    /// From the stored form of a request, that of planning its events anew, with nothing of the request
    /// in it. A follow-up leads back to the beginning of its chain; what cannot be read, to a replay.
    pub fn replanned(stored: &[u8]) -> Bytes {
        let plan = match Payload::decode(stored) {
            Ok(Payload::Send(send)) => match send.planned_key() {
                None => StoredPlan { tries: send.tries, ..StoredPlan::default() },
                key => StoredPlan { key, tries: send.tries, revision: send.revision },
            },
            Ok(Payload::Plan(plan)) => plan,
            Err(_) => StoredPlan::default(),
        };
        Payload::Plan(plan).encode()
    }

    /// The stored form.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        serde_json::to_writer(&mut out, self).expect("text and numbers can be written to memory");
        Bytes::from(out)
    }

    /// Reads the stored form.
    pub fn decode(stored: &[u8]) -> Result<Payload, Unreadable> {
        match stored.split_first() {
            Some((&VERSION, json)) => serde_json::from_slice(json).map_err(|error| Unreadable(error.to_string())),
            Some((version, _)) => Err(Unreadable(format!("its version is {version}, this daemon knows {VERSION}"))),
            None => Err(Unreadable("it is empty".to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_request_keeps_its_bytes() {
        let request = Request {
            key: "import".into(),
            method: "POST".into(),
            url: "https://vendor.example/import?strict=1".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: Bytes::from_static(b"\x00\xff[1]"),
            auth: vec![Auth::Basic("sw_a".into(), String::new())],
            covers: vec![0, 2],
            lanes: vec!["u1".into(), "u2".into()],
            quota: Some("import".into()),
            not_after_ms: Some(99),
            tag: Bytes::from_static(b"\x01"),
        };
        let tries = Tries { attempts: 3, first_failure_ms: 77 };
        let stored = Payload::Send(Box::new(StoredSend::new(&request, "lookup", "abc".into(), 1, tries))).encode();
        let Payload::Send(read) = Payload::decode(&stored).unwrap() else { panic!("a Send") };
        assert_eq!(read.request().unwrap(), request);
        assert_eq!(
            (read.tries, read.step, read.revision.as_str(), read.origin_key.as_str()),
            (tries, 1, "abc", "lookup")
        );
        assert_eq!(Payload::decode(&Payload::replay().encode()).unwrap(), Payload::replay());
    }

    #[test]
    fn planned_anew_nothing_of_the_request_is_left() {
        let request = Request {
            key: "import".into(),
            method: "POST".into(),
            url: "https://vendor.example/planted".into(),
            headers: vec![("x-user".into(), "planted".into())],
            body: Bytes::from_static(b"planted"),
            auth: Vec::new(),
            covers: vec![0, 1],
            lanes: vec!["planted".into()],
            quota: Some("planted".into()),
            not_after_ms: Some(99),
            tag: Bytes::from_static(b"planted"),
        };
        let tries = Tries { attempts: 3, first_failure_ms: 77 };
        for (step, origin, key) in [(0, "", Some("import")), (1, "lookup", Some("lookup")), (1, "", None)] {
            let key = key.map(str::to_string);
            let revision = if key.is_some() { "abc" } else { "" }.to_string();
            let send = StoredSend::new(&request, origin, "abc".into(), step, tries);
            let replanned = Payload::replanned(&Payload::Send(Box::new(send)).encode());
            assert_eq!(Payload::decode(&replanned).unwrap(), Payload::Plan(StoredPlan { key, tries, revision }));
        }
        let replay = Payload::replay();
        assert_eq!(Payload::replanned(&replay.encode()), replay.encode());
        assert_eq!(Payload::replanned(b"nonsense"), replay.encode());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(Payload::decode(b"").unwrap_err().to_string().contains("empty"));
        assert!(Payload::decode(b"\x09{}").unwrap_err().to_string().contains("version is 9"));
        assert!(Payload::decode(b"\x01{").is_err());
    }
}
