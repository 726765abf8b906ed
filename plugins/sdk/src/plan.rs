//! What a plugin answers: requests, and fates of the events that get none.

use crate::bindings::types::{self, Auth, Fate};
use crate::event::{Batch, Event};
use crate::json::JsonWriter;

/// The plan of a batch, as it is built.
#[derive(Debug, Default)]
pub struct Plan {
    requests: Vec<Request>,
    fates: Vec<(u32, Fate)>,
}

/// A request, as it is built.
#[derive(Debug)]
pub struct Request {
    wire: types::Request,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Bytes(Vec<u8>),
    /// The JSON of the event at that position. It is not copied but moved.
    Event(u32),
}

impl Plan {
    /// A plan without requests.
    pub fn new() -> Plan {
        Plan::default()
    }

    /// A plan with room for so many requests: a list that grows between bodies leaves its old places
    /// behind.
    pub(crate) fn with_capacity(requests: usize) -> Plan {
        Plan { requests: Vec::with_capacity(requests), fates: Vec::new() }
    }

    /// A POST to that URL. Goes on with the request's methods.
    #[inline]
    pub fn post(&mut self, url: impl Into<String>) -> &mut Request {
        self.request("POST", url)
    }

    /// A request to that URL. Goes on with the request's methods.
    #[inline]
    pub fn request(&mut self, method: &str, url: impl Into<String>) -> &mut Request {
        self.requests.push(Request::new(method, url));
        self.requests.last_mut().expect("one was pushed")
    }

    /// The event is not meant for this vendor: filtered, with the reason.
    pub fn skip(&mut self, event: &Event<'_>, reason: impl Into<String>) {
        self.fates.push((event.position(), Fate::Skip(reason.into())));
    }

    /// The event cannot be sent: a dead letter, with the reason, which names the field.
    pub fn reject(&mut self, event: &Event<'_>, reason: impl Into<String>) {
        self.fates.push((event.position(), Fate::Reject(reason.into())));
    }

    /// Plans the event again at a time: milliseconds since 1970.
    pub fn defer(&mut self, event: &Event<'_>, until_ms: u64) {
        self.fates.push((event.position(), Fate::DeferUntilMs(until_ms)));
    }

    /// The plan as the host takes it.
    pub fn finish(self, mut batch: Batch) -> types::Plan {
        let mut uses = vec![0_u32; batch.len()];
        for request in &self.requests {
            if let Body::Event(position) = request.body {
                uses[position as usize] += 1;
            }
        }
        let mut finish = |mut request: Request| {
            request.wire.body = match request.body {
                Body::Bytes(bytes) => bytes,
                Body::Event(position) => {
                    uses[position as usize] -= 1;
                    batch.json(position, uses[position as usize] == 0)
                }
            };
            request.wire
        };
        let requests = self.requests.into_iter().map(&mut finish).collect();
        types::Plan { requests, fates: self.fates }
    }
}

impl Request {
    /// A request that belongs to no plan yet: a follow-up of a judgement.
    #[inline]
    pub fn new(method: &str, url: impl Into<String>) -> Request {
        let wire = types::Request {
            key: String::from("send"),
            method: method.to_string(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            auth: Vec::new(),
            covers: Vec::new(),
            lanes: Vec::new(),
            quota: None,
            not_after_ms: None,
            tag: Vec::new(),
        };
        Request { wire, body: Body::Bytes(Vec::new()) }
    }

    /// Names it among the requests of one event; `send` when it is not called. The same event
    /// planned again must give the same key.
    #[inline]
    pub fn key(&mut self, key: &str) -> &mut Request {
        self.wire.key = key.to_string();
        self
    }

    /// Adds a header.
    #[inline]
    pub fn header(&mut self, name: &str, value: &str) -> &mut Request {
        self.wire.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// `Authorization: Bearer <token>`.
    pub fn bearer(&mut self, token: &str) -> &mut Request {
        self.auth(Auth::Bearer(token.to_string()))
    }

    /// `Authorization: Basic`, of user and password.
    pub fn basic(&mut self, user: &str, password: &str) -> &mut Request {
        self.auth(Auth::Basic((user.to_string(), password.to_string())))
    }

    /// A header whose value is a secret.
    pub fn secret_header(&mut self, name: &str, value: &str) -> &mut Request {
        self.auth(Auth::Header((name.to_string(), value.to_string())))
    }

    /// A query parameter whose value is a secret; the host encodes it.
    #[inline]
    pub fn secret_query(&mut self, name: &str, value: &str) -> &mut Request {
        self.auth(Auth::Query((name.to_string(), value.to_string())))
    }

    /// A way to authenticate; may be called more than once.
    pub fn auth(&mut self, auth: Auth) -> &mut Request {
        self.wire.auth.push(auth);
        self
    }

    /// The event whole, as JSON, and covers it. The event's bytes are moved, not copied.
    pub fn json_event(&mut self, event: &Event<'_>) -> &mut Request {
        self.body = Body::Event(event.position());
        self.header("content-type", "application/json").cover(event)
    }

    /// A JSON body.
    #[inline]
    pub fn json(&mut self, body: JsonWriter) -> &mut Request {
        self.body = Body::Bytes(body.into_bytes());
        self.header("content-type", "application/json")
    }

    /// A body of that content type.
    pub fn body(&mut self, content_type: &str, body: Vec<u8>) -> &mut Request {
        self.body = Body::Bytes(body);
        self.header("content-type", content_type)
    }

    /// The request carries this event.
    pub fn cover(&mut self, event: &Event<'_>) -> &mut Request {
        self.wire.covers.push(event.position());
        self
    }

    /// The request carries these events, by their positions.
    pub fn covers(&mut self, positions: Vec<u32>) -> &mut Request {
        self.wire.covers = positions;
        self
    }

    /// Of the requests in one lane at most one is in flight, in the order of the plan. May be called
    /// more than once: the request stands in all of the lanes.
    pub fn lane(&mut self, lane: &str) -> &mut Request {
        self.wire.lanes.push(lane.to_string());
        self
    }

    /// The vendor's limit that it counts against, where the vendor has several: what an answer says of
    /// it (`slow_quota_until_ms` of a judgement) holds for the requests with
    /// the same quota.
    pub fn quota(&mut self, quota: &str) -> &mut Request {
        self.wire.quota = Some(quota.to_string());
        self
    }

    /// Not sent after this time, milliseconds since 1970: its events are planned again then. For
    /// vendors that take no event older than some days.
    pub fn not_after(&mut self, at_ms: u64) -> &mut Request {
        self.wire.not_after_ms = Some(at_ms);
        self
    }

    /// Handed back to the judge.
    pub fn tag(&mut self, tag: &[u8]) -> &mut Request {
        self.wire.tag = tag.to_vec();
        self
    }
}
