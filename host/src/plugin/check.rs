//! Checks a guest's answer against the contract and the limits. Pure; the only place that says yes.

use std::collections::HashSet;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::fault::BadPlan;
use super::handles::starts_with_handle;
use super::limits::Limits;
use super::plan::{Auth, Fate, Judgement, Plan, Request, Verdict};

/// Methods that are sent.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Headers that the HTTP client writes: how a message is framed, and to whom it goes.
pub const HOST_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is said of an event so far.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    Covered,
    Fate,
}

/// Checks a plan for a batch of `events_len` events; reasons that are too long are cut.
pub fn check_plan(mut plan: Plan, events_len: usize, limits: &Limits) -> Result<Plan, BadPlan> {
    check_count("requests", plan.requests.len(), limits.requests_max)?;
    let mut said = vec![Said::Nothing; events_len];
    // The last request that covered each event: names the same event twice, without a set.
    let mut covered_by = vec![usize::MAX; events_len];
    for (number, request) in plan.requests.iter().enumerate() {
        check_request(number, request, limits)?;
        for event in &request.covers {
            let at = position(*event, events_len)?;
            if covered_by[at] == number {
                return Err(BadPlan::CoveredTwice { request: number, event: *event });
            }
            covered_by[at] = number;
            said[at] = Said::Covered;
        }
    }
    for (event, fate) in &mut plan.fates {
        let at = position(*event, events_len)?;
        match said[at] {
            Said::Nothing => said[at] = Said::Fate,
            Said::Covered => return Err(BadPlan::Both { event: *event }),
            Said::Fate => return Err(BadPlan::TwoFates { event: *event }),
        }
        if let Fate::Skip(reason) | Fate::Reject(reason) = fate {
            cut(reason, limits.text_bytes_max);
        }
    }
    match said.iter().position(|said| *said == Said::Nothing) {
        Some(event) => Err(BadPlan::LeftOut { event }),
        None => Ok(plan),
    }
}

/// Checks a judgement of an answer that is about the events of `covers`.
pub fn check_judgement(mut judgement: Judgement, covers: &[u32], limits: &Limits) -> Result<Judgement, BadPlan> {
    let covers: HashSet<u32> = covers.iter().copied().collect();
    let covered = |event: u32| if covers.contains(&event) { Ok(()) } else { Err(BadPlan::NotCovered { event }) };
    let mut judged = HashSet::new();
    for (event, verdict) in &mut judgement.verdicts {
        covered(*event)?;
        if !judged.insert(*event) {
            return Err(BadPlan::TwoFates { event: *event });
        }
        if let Verdict::Skip(reason) | Verdict::Reject(reason) | Verdict::Warned(reason) = verdict {
            cut(reason, limits.text_bytes_max);
        }
    }
    check_count("follow-ups", judgement.follow_ups.len(), limits.requests_max)?;
    for (number, request) in judgement.follow_ups.iter().enumerate() {
        check_request(number, request, limits)?;
        let mut own = HashSet::new();
        for event in &request.covers {
            covered(*event)?;
            if !own.insert(*event) {
                return Err(BadPlan::CoveredTwice { request: number, event: *event });
            }
        }
    }
    if let Some(why) = &mut judgement.pause {
        cut(why, limits.text_bytes_max);
    }
    Ok(judgement)
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), BadPlan> {
    if count > max { Err(BadPlan::TooMany { what, count, max }) } else { Ok(()) }
}

fn position(event: u32, events_len: usize) -> Result<usize, BadPlan> {
    let at = event as usize;
    if at < events_len { Ok(at) } else { Err(BadPlan::OutOfRange { event, events_len }) }
}

fn check_request(number: usize, request: &Request, limits: &Limits) -> Result<(), BadPlan> {
    let bounded = |what: &'static str, bytes: usize, max: usize| {
        if bytes > max { Err(BadPlan::TooLong { request: number, what, bytes, max }) } else { Ok(()) }
    };
    if request.covers.is_empty() {
        return Err(BadPlan::CoversNothing { request: number });
    }
    bounded("key", request.key.len(), limits.name_bytes_max)?;
    check_count("lanes", request.lanes.len(), limits.headers_max)?;
    for lane in &request.lanes {
        bounded("lane", lane.len(), limits.name_bytes_max)?;
    }
    bounded("quota", request.quota.as_ref().map_or(0, String::len), limits.name_bytes_max)?;
    bounded("tag", request.tag.len(), limits.tag_bytes_max)?;
    bounded("URL", request.url.len(), limits.url_bytes_max)?;
    check_count("headers", request.headers.len(), limits.headers_max)?;
    check_count("auth parts", request.auth.len(), limits.headers_max)?;
    if !METHODS.contains(&request.method.as_str()) {
        return Err(BadPlan::Method { request: number, method: shown(&request.method) });
    }
    check_url(&request.url).map_err(|why| BadPlan::Url { request: number, url: shown(&request.url), why })?;
    for (name, value) in &request.headers {
        check_header(name, value).map_err(|why| BadPlan::Header { request: number, header: shown(name), why })?;
    }
    for auth in &request.auth {
        if let Auth::Header(name, value) = auth {
            check_header(name, value).map_err(|why| BadPlan::Header { request: number, header: shown(name), why })?;
        }
    }
    Ok(())
}

/// A URL must be whole. One that begins with a handle is known only when the secret is put in.
fn check_url(url: &str) -> Result<(), &'static str> {
    if starts_with_handle(url) {
        return if url.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(())
        } else {
            Err("it holds a space or a control character")
        };
    }
    let uri: Uri = url.parse().map_err(|_| "it is no URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it is neither http nor https");
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if uri.host().is_none_or(str::is_empty) {
        return Err("it has no host");
    }
    if authority.contains('@') {
        return Err("it holds a user name: use the request's auth");
    }
    Ok(())
}

fn check_header(name: &str, value: &str) -> Result<(), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is no header name")?;
    if HOST_HEADERS.contains(&name.as_str()) {
        return Err("is written by the host");
    }
    HeaderValue::from_str(value)
        .map(|_| ())
        .map_err(|_| "has a value with a control character, or one that is not ASCII")
}

/// A guest's text for a message: short, and without control characters.
fn shown(text: &str) -> String {
    let mut short = text.to_string();
    cut(&mut short, 100);
    short.escape_debug().collect()
}

/// Cuts a text at a bound, between two characters.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
    }
}
