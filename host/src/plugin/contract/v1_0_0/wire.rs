//! The contract's types as they cross the boundary. Borrowed on the way in, so that nothing is
//! copied but into the guest; owned on the way out, and counted against the output limit before
//! anything is allocated.

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::event::Event;
use crate::event::index::View;
use crate::plugin::plan::{Auth, Fate, Judgement, Plan, Request, Response, Verdict};

/// `event`
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct WireEvent<'a> {
    kind: &'a str,
    #[component(name = "message-id")]
    message_id: &'a str,
    #[component(name = "received-ms")]
    received_ms: u64,
    consent: Option<Vec<(String, bool)>>,
    json: &'a [u8],
}

impl<'a> WireEvent<'a> {
    /// An event as guests see it.
    pub(super) fn new(event: &'a Event) -> WireEvent<'a> {
        WireEvent {
            kind: event.kind.as_str(),
            message_id: event.message_id.as_str(),
            received_ms: event.received_ms,
            consent: View::new(&event.json, &event.index).consent(),
            json: &event.json,
        }
    }
}

/// `response`
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct WireResponse<'a> {
    tag: &'a [u8],
    covers: &'a [u32],
    status: u16,
    headers: &'a [(String, String)],
    body: &'a [u8],
}

impl<'a> WireResponse<'a> {
    /// A response as guests see it.
    pub(super) fn new(response: &'a Response) -> WireResponse<'a> {
        WireResponse {
            tag: &response.tag,
            covers: &response.covers,
            status: response.status,
            headers: &response.headers,
            body: &response.body,
        }
    }
}

/// `auth`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum WireAuth {
    #[component(name = "bearer")]
    Bearer(String),
    #[component(name = "basic")]
    Basic((String, String)),
    #[component(name = "header")]
    Header((String, String)),
    #[component(name = "query")]
    Query((String, String)),
    #[component(name = "named")]
    Named(String),
}

/// `request`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct WireRequest {
    key: String,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    auth: Vec<WireAuth>,
    covers: Vec<u32>,
    lanes: Vec<String>,
    quota: Option<String>,
    #[component(name = "not-after-ms")]
    not_after_ms: Option<u64>,
    tag: Vec<u8>,
}

/// `fate`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum WireFate {
    #[component(name = "skip")]
    Skip(String),
    #[component(name = "reject")]
    Reject(String),
    #[component(name = "defer-until-ms")]
    DeferUntilMs(u64),
}

/// `plan`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct WirePlan {
    requests: Vec<WireRequest>,
    fates: Vec<(u32, WireFate)>,
}

/// `verdict`
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum WireVerdict {
    #[component(name = "delivered")]
    Delivered,
    #[component(name = "warned")]
    Warned(String),
    #[component(name = "retry-after-ms")]
    RetryAfterMs(Option<u64>),
    #[component(name = "skip")]
    Skip(String),
    #[component(name = "reject")]
    Reject(String),
    #[component(name = "auth-expired")]
    AuthExpired,
}

/// `judgement`
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct WireJudgement {
    verdicts: Vec<(u32, WireVerdict)>,
    #[component(name = "follow-ups")]
    follow_ups: Vec<WireRequest>,
    #[component(name = "slow-until-ms")]
    slow_until_ms: Option<u64>,
    #[component(name = "slow-quota-until-ms")]
    slow_quota_until_ms: Option<u64>,
    pause: Option<String>,
    split: bool,
}

impl WirePlan {
    /// The host's type, not checked yet.
    pub(super) fn unchecked(self) -> Plan {
        Plan {
            requests: self.requests.into_iter().map(request).collect(),
            fates: self.fates.into_iter().map(|(event, each)| (event, fate(each))).collect(),
        }
    }
}

impl WireJudgement {
    /// The host's type, not checked yet.
    pub(super) fn unchecked(self) -> Judgement {
        Judgement {
            verdicts: self.verdicts.into_iter().map(|(event, each)| (event, verdict(each))).collect(),
            follow_ups: self.follow_ups.into_iter().map(request).collect(),
            slow_until_ms: self.slow_until_ms,
            slow_quota_until_ms: self.slow_quota_until_ms,
            pause: self.pause,
            split: self.split,
        }
    }
}

fn request(wire: WireRequest) -> Request {
    Request {
        key: wire.key,
        method: wire.method,
        url: wire.url,
        headers: wire.headers,
        body: Bytes::from(wire.body),
        auth: wire.auth.into_iter().map(auth).collect(),
        covers: wire.covers,
        lanes: wire.lanes,
        quota: wire.quota,
        not_after_ms: wire.not_after_ms,
        tag: Bytes::from(wire.tag),
    }
}

fn auth(wire: WireAuth) -> Auth {
    match wire {
        WireAuth::Bearer(token) => Auth::Bearer(token),
        WireAuth::Basic((user, password)) => Auth::Basic(user, password),
        WireAuth::Header((name, value)) => Auth::Header(name, value),
        WireAuth::Query((name, value)) => Auth::Query(name, value),
        WireAuth::Named(scheme) => Auth::Named(scheme),
    }
}

fn fate(wire: WireFate) -> Fate {
    match wire {
        WireFate::Skip(reason) => Fate::Skip(reason),
        WireFate::Reject(reason) => Fate::Reject(reason),
        WireFate::DeferUntilMs(at_ms) => Fate::DeferUntilMs(at_ms),
    }
}

fn verdict(wire: WireVerdict) -> Verdict {
    match wire {
        WireVerdict::Delivered => Verdict::Delivered,
        WireVerdict::Warned(warning) => Verdict::Warned(warning),
        WireVerdict::RetryAfterMs(wait_ms) => Verdict::RetryAfterMs(wait_ms),
        WireVerdict::Skip(reason) => Verdict::Skip(reason),
        WireVerdict::Reject(reason) => Verdict::Reject(reason),
        WireVerdict::AuthExpired => Verdict::AuthExpired,
    }
}
