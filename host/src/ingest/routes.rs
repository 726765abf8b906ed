//! The paths of ingest, and what one request goes through.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{self, IngestError};
use super::gate::{Gate, Rejected};
use super::{auth, body};
use crate::delivery::live::Step;
use crate::event::{Event, EventKind};
use crate::http::{self, Body};
use crate::queue::{NewEvent, PipelineId};
use crate::validate::{self, Checked, Facts, Form};

/// Answers one request. Cancelled when the client leaves; the events may then be durable or not,
/// and the client, which has no answer, sends them again.
pub async fn handle(gate: Arc<Gate>, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    let mut response = match take(&gate, request, peer).await {
        Ok(response) => response,
        Err(error) => error.response(),
    };
    response.headers_mut().insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");

/// Browsers ask before they send; any page may send events with a write key it knows.
fn preflight() -> Response<Body> {
    let mut response = http::whole(StatusCode::OK, "text/plain", "");
    let headers = response.headers_mut();
    headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        ("access-control-allow-headers", "authorization, content-type, content-encoding, x-write-key, x-retry-count"),
        ("access-control-max-age", "86400"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// What a path takes. Trailing slashes are served, never redirected: SDKs follow with an empty GET.
fn form_of(path: &str) -> Option<Form> {
    match path.trim_end_matches('/').strip_prefix("/v1/")? {
        "batch" | "import" | "b" => Some(Form::Batch),
        "t" => Some(Form::Single(EventKind::Track)),
        "i" => Some(Form::Single(EventKind::Identify)),
        "p" => Some(Form::Single(EventKind::Page)),
        "s" => Some(Form::Single(EventKind::Screen)),
        "g" => Some(Form::Single(EventKind::Group)),
        "a" => Some(Form::Single(EventKind::Alias)),
        name => EventKind::from_name(name).map(Form::Single),
    }
}

async fn take(gate: &Gate, request: Request<Incoming>, peer: IpAddr) -> Result<Response<Body>, IngestError> {
    let form = form_of(request.uri().path()).ok_or_else(|| IngestError::NotFound(request.uri().path().to_string()))?;
    if request.method() != Method::POST {
        return Err(IngestError::MethodNotAllowed(request.uri().path().to_string()));
    }
    if gate.is_stopping() {
        return Err(IngestError::Stopping);
    }
    let keys = gate.keys();
    let head_key = auth::write_key(request.headers(), request.uri().query());
    if head_key.as_ref().is_some_and(|key| keys.pipeline(key).is_none()) {
        return Err(IngestError::UnknownWriteKey);
    }
    let (head, incoming) = request.into_parts();
    let _room = gate.room_for(expected_bytes(&head.headers, gate.limits.body_bytes_max))?;
    let bytes = body::read(&head.headers, incoming, gate.limits.body_bytes_max, gate.limits.read_timeout_ms).await?;
    let checked = check(gate, &bytes, form, peer)?;
    let pipelines = pipelines(&keys, head_key, &checked)?;
    let refused_single = matches!(form, Form::Single(_)).then(|| checked.rejected.first().cloned()).flatten();
    let response = settle(gate, checked, pipelines).await?;
    match refused_single {
        Some(rejection) => Err(IngestError::Refused(rejection)),
        None => Ok(response),
    }
}

/// About how many bytes a body will hold in memory.
fn expected_bytes(headers: &HeaderMap, bytes_max: usize) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let length: usize = length.unwrap_or(64 << 10);
    let inflated = if headers.contains_key(CONTENT_ENCODING) { length.saturating_mul(8) } else { length };
    inflated.min(bytes_max)
}

fn check(gate: &Gate, bytes: &Bytes, form: Form, peer: IpAddr) -> Result<Checked, IngestError> {
    let ip = peer.to_canonical().to_string();
    let limits = validate::Limits {
        event_bytes_max: gate.limits.event_bytes_max,
        batch_events_max: gate.limits.batch_events_max,
        ..validate::Limits::default()
    };
    let mut make_message_id = new_message_id;
    let mut facts = Facts { received_ms: (gate.now)(), ip: Some(&ip), make_message_id: &mut make_message_id };
    Ok(validate::check_body(bytes, form, &mut facts, &limits)?)
}

/// An identity for an event that came without one: 128 random bits.
fn new_message_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("sw-{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Which pipeline each accepted event goes to: by the head's key, else the body's, else its own.
enum Pipelines {
    All(PipelineId),
    Each(Vec<Option<PipelineId>>),
}

fn pipelines(keys: &super::Keys, head_key: Option<String>, checked: &Checked) -> Result<Pipelines, IngestError> {
    let known = |key: &str| keys.pipeline(key.split(':').next().unwrap_or_default()).cloned();
    if let Some(key) = head_key.as_deref().or(checked.body_write_key.as_deref()) {
        return known(key).map(Pipelines::All).ok_or(IngestError::UnknownWriteKey);
    }
    let each: Vec<Option<PipelineId>> =
        checked.item_write_keys.iter().map(|key| key.as_deref().and_then(known)).collect();
    match each.iter().any(Option::is_some) {
        true => Ok(Pipelines::Each(each)),
        // Items may carry their keys themselves, and none of these is readable: a 401 would make some
        // clients give up for good.
        false if checked.accepted.is_empty() && !checked.rejected.is_empty() => Ok(Pipelines::Each(each)),
        false if checked.item_write_keys.iter().any(Option::is_some) => Err(IngestError::UnknownWriteKey),
        false => Err(IngestError::NoWriteKey),
    }
}

/// Makes the accepted events durable, then answers.
async fn settle(gate: &Gate, checked: Checked, pipelines: Pipelines) -> Result<Response<Body>, IngestError> {
    let places = accepted_places(&checked);
    let mut rejections = checked.rejected;
    let mut by_pipeline: BTreeMap<PipelineId, usize> = BTreeMap::new();
    let mut events = Vec::with_capacity(checked.accepted.len());
    for (at, event) in checked.accepted.into_iter().enumerate() {
        let pipeline = match &pipelines {
            Pipelines::All(pipeline) => Some(pipeline.clone()),
            Pipelines::Each(each) => each.get(at).cloned().flatten(),
        };
        match pipeline {
            Some(pipeline) => {
                *by_pipeline.entry(pipeline.clone()).or_default() += 1;
                events.push(NewEvent { pipeline, event });
            }
            None => rejections.push(validate::Rejection {
                index: places[at],
                message_id: Some(event.message_id.to_string()),
                code: "unknown_write_key",
                message: IngestError::UnknownWriteKey.to_string(),
            }),
        }
    }
    let accepted = events.len();
    let told: Vec<(PipelineId, Event)> = match gate.live.is_watched() {
        true => events.iter().map(|new| (new.pipeline.clone(), new.event.clone())).collect(),
        false => Vec::new(),
    };
    if accepted > 0 {
        gate.store.append(events).await?;
    }
    let refused_for = match &pipelines {
        Pipelines::All(pipeline) => pipeline.clone(),
        Pipelines::Each(each) => each.iter().flatten().next().cloned().unwrap_or(PipelineId(String::new())),
    };
    count(gate, &by_pipeline, &refused_for, checked.repaired as usize, &rejections);
    tell(gate, told, &refused_for, &rejections);
    Ok(answer::accepted(accepted, &rejections))
}

/// Where each accepted event stood in the body: the rejected ones left gaps.
fn accepted_places(checked: &Checked) -> Vec<u32> {
    let mut rejected = checked.rejected.iter().map(|item| item.index).peekable();
    let total = (checked.accepted.len() + checked.rejected.len()) as u32;
    (0..total).filter(|place| rejected.next_if_eq(place).is_none()).collect()
}

fn count(
    gate: &Gate,
    accepted: &BTreeMap<PipelineId, usize>,
    refused_for: &PipelineId,
    repaired: usize,
    rejections: &[validate::Rejection],
) {
    for (pipeline, count) in accepted {
        gate.count(pipeline, *count, 0, Vec::new());
    }
    if repaired == 0 && rejections.is_empty() {
        return;
    }
    let rejected = rejections
        .iter()
        .map(|item| Rejected {
            at_ms: (gate.now)(),
            pipeline: refused_for.0.clone(),
            message_id: item.message_id.clone(),
            code: item.code,
            message: item.message.clone(),
        })
        .collect();
    gate.count(refused_for, 0, repaired, rejected);
}

fn tell(gate: &Gate, accepted: Vec<(PipelineId, Event)>, refused_for: &PipelineId, rejections: &[validate::Rejection]) {
    let step = |pipeline: &PipelineId, step, message_id: String, detail: String| Step {
        at_ms: (gate.now)(),
        destination: pipeline.0.clone(),
        message_ids: vec![message_id],
        step,
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail,
    };
    for (pipeline, event) in accepted {
        gate.live.tell(|| step(&pipeline, "accepted", event.message_id.to_string(), event.title()));
    }
    for item in rejections {
        gate.live.tell(|| {
            let detail = format!("{}: {}", item.code, item.message);
            step(refused_for, "rejected", item.message_id.clone().unwrap_or_default(), detail)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_their_forms() {
        let check = |path: &str, expected: Option<Form>| assert_eq!(form_of(path), expected, "{path}");
        check("/v1/track", Some(Form::Single(EventKind::Track)));
        check("/v1/alias/", Some(Form::Single(EventKind::Alias)));
        check("/v1/batch", Some(Form::Batch));
        check("/v1/import", Some(Form::Batch));
        check("/v1/t", Some(Form::Single(EventKind::Track)));
        check("/v1/b", Some(Form::Batch));
        check("/v1/nothing", None);
        check("/v2/track", None);
        check("/", None);
    }
}
