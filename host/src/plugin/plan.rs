//! What plugins answer, once it has been checked: the host's own types, apart from the wire's.

use bytes::Bytes;

/// How a request is authenticated; see wit/1.0.0/destination.wit. The texts may hold secret handles.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Auth {
    /// `Authorization: Bearer <value>`.
    Bearer(String),
    /// `Authorization: Basic`, of user and password.
    Basic(String, String),
    /// A header, by name and value.
    Header(String, String),
    /// A query parameter, by name and value.
    Query(String, String),
    /// A scheme that the host runs over the bytes it sends.
    Named(String),
}

/// A request that a plugin computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Names it among those of one event.
    pub key: String,
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How it is authenticated.
    pub auth: Vec<Auth>,
    /// The events of the batch that it carries, by position.
    pub covers: Vec<u32>,
    /// At most one request in flight in a lane.
    pub lanes: Vec<String>,
    /// The vendor's limit that it counts against; None: that of the whole destination.
    pub quota: Option<String>,
    /// Not sent after this time, but planned again: milliseconds since 1970.
    pub not_after_ms: Option<u64>,
    /// Handed back to the judge.
    pub tag: Bytes,
}

/// What becomes of an event that gets no request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Filtered, with the reason.
    Skip(String),
    /// A dead letter, with the reason.
    Reject(String),
    /// Planned again at this time: milliseconds since 1970.
    DeferUntilMs(u64),
}

/// A plan: covers and fates name every event of the batch, and no event has both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The requests.
    pub requests: Vec<Request>,
    /// The events without one.
    pub fates: Vec<(u32, Fate)>,
}

/// What the judge is shown.
#[derive(Clone, Debug)]
pub struct Response {
    /// The request's tag.
    pub tag: Bytes,
    /// The events that the request carried, by position.
    pub covers: Vec<u32>,
    /// The status.
    pub status: u16,
    /// Headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// The body, cut at a bound.
    pub body: Bytes,
}

/// What an answer means for one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The vendor has it.
    Delivered,
    /// The vendor has it, and warns of something.
    Warned(String),
    /// Send it again, not before so many milliseconds.
    RetryAfterMs(Option<u64>),
    /// Filtered, with the reason.
    Skip(String),
    /// A dead letter, with the reason.
    Reject(String),
    /// The credential is no longer good.
    AuthExpired,
}

/// The plugin's reading of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Verdicts by position; events without one get the host's default.
    pub verdicts: Vec<(u32, Verdict)>,
    /// Requests that follow from the answer.
    pub follow_ups: Vec<Request>,
    /// Nothing more to this destination before this time: milliseconds since 1970.
    pub slow_until_ms: Option<u64>,
    /// No more requests with the quota of the answered one before this time: milliseconds since 1970.
    pub slow_quota_until_ms: Option<u64>,
    /// Nothing more to this destination until the operator resumes it, and why.
    pub pause: Option<String>,
    /// The request was refused as a whole: it is halved down to the culprit.
    pub split: bool,
}
