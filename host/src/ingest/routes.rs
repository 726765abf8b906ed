//! What one ingest request goes through: route, write key, body, checks, rules, store, answer.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{self, IngestError};
use super::client_ip::client_ip;
use super::forms::{self, Route};
use super::gate::{Gate, Keys, Source};
use super::settle::{Sources, settle};
use super::{auth, body};
use crate::http::{self, Body};
use crate::validate::{self, Checked, Facts, Form};

/// Takes one track event that was made here, with everything that one from outside goes through.
///
/// # Errors
/// Why it is not accepted.
pub async fn take_own(gate: &Gate, key: &str, event: Bytes, peer: IpAddr) -> Result<(), IngestError> {
    let (mut head, ()) = Request::new(()).into_parts();
    let key = HeaderValue::from_str(key).map_err(|_| IngestError::UnknownWriteKey)?;
    head.headers.insert("x-write-key", key);
    take_bytes(gate, &head, event, Form::Single(crate::event::EventKind::Track), peer).await.map(drop)
}

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
    response.headers_mut().insert(EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    response
}

const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");

/// What a page's script may read of an answer besides its body.
const EXPOSE_HEADERS: HeaderName = HeaderName::from_static("access-control-expose-headers");

/// Browsers ask before they send; any page may send events with a write key it knows.
fn preflight() -> Response<Body> {
    let mut response = http::whole(StatusCode::OK, "text/plain", "");
    let headers = response.headers_mut();
    headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST, OPTIONS"),
        (
            "access-control-allow-headers",
            "authorization, content-type, content-encoding, x-write-key, x-event-metadata, anonymousid, x-retry-count, \
             x-enable-debug, x-ip-policy",
        ),
        ("access-control-max-age", "86400"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

async fn take(gate: &Gate, request: Request<Incoming>, peer: IpAddr) -> Result<Response<Body>, IngestError> {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path();
    let route = forms::route(path).ok_or_else(|| IngestError::NotFound(path.to_string()))?;
    let wanted = if matches!(route, Route::Events(_) | Route::Custom) { Method::POST } else { Method::GET };
    if head.method != wanted {
        let path = path.to_string();
        return Err(if wanted == Method::POST {
            IngestError::MethodNotAllowed(path)
        } else {
            IngestError::NeedsGet(path)
        });
    }
    let query = head.uri.query().unwrap_or_default();
    match route {
        Route::Events(form) => take_body(gate, &head, incoming, form, peer).await,
        Route::Custom => take_custom(gate, &head, incoming, peer).await,
        Route::QueryPixel(kind) => {
            let body = forms::of_query(kind, query);
            Ok(pixel(take_bytes(gate, &head, body.into(), Form::Single(kind), peer).await))
        }
        Route::DataPixel(kind) => {
            if let Some(body) = forms::of_data(query) {
                return Ok(pixel(take_bytes(gate, &head, body.into(), Form::Single(kind), peer).await));
            }
            Ok(http::whole(StatusCode::OK, "image/gif", forms::GIF))
        }
        Route::Settings(key) => settings(gate, &head, key),
    }
}

/// An image tag shows what it gets: the image, whatever came of the event.
fn pixel(taken: Result<Response<Body>, IngestError>) -> Response<Body> {
    if let Err(error) = taken {
        tracing::debug!(%error, "an event in an image's address was not taken");
    }
    http::whole(StatusCode::OK, "image/gif", forms::GIF)
}

/// What a browser's SDK asks before it sends anything.
fn settings(gate: &Gate, head: &Parts, key: &str) -> Result<Response<Body>, IngestError> {
    gate.keys().source(key)?;
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or(head.uri.authority().map(|authority| authority.as_str())).unwrap_or("localhost");
    let scheme = if gate.speaks_tls { "https" } else { "http" };
    let forwarded = head.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let scheme = forwarded.filter(|proto| matches!(*proto, "http" | "https")).unwrap_or(scheme);
    Ok(http::json(StatusCode::OK, &forms::settings_document(key, scheme, host)))
}

/// The source that the head's key names, if it has one, when it may send now.
fn source_of_head(gate: &Gate, keys: &Keys, head: &Parts) -> Result<Option<Arc<Source>>, IngestError> {
    let key = auth::write_key(&head.headers, head.uri.query());
    key.map(|key| keys.source(&key).and_then(|source| admitted(gate, source))).transpose()
}

fn admitted(gate: &Gate, source: Arc<Source>) -> Result<Arc<Source>, IngestError> {
    source.admit((gate.now)()).inspect_err(|_| gate.count_rate_limited(&source.pipeline))?;
    Ok(source)
}

async fn take_body(
    gate: &Gate,
    head: &Parts,
    incoming: Incoming,
    form: Form,
    peer: IpAddr,
) -> Result<Response<Body>, IngestError> {
    let keys = gate.keys();
    let source = source_of_head(gate, &keys, head)?;
    let (_room, bytes) = read(gate, &head.headers, incoming).await?;
    take_checked(gate, &keys, head, source, bytes, form, peer).await
}

async fn take_bytes(
    gate: &Gate,
    head: &Parts,
    bytes: Bytes,
    form: Form,
    peer: IpAddr,
) -> Result<Response<Body>, IngestError> {
    let keys = gate.keys();
    let source = source_of_head(gate, &keys, head)?;
    take_checked(gate, &keys, head, source, bytes, form, peer).await
}

/// A custom event is rewritten to a track.
async fn take_custom(
    gate: &Gate,
    head: &Parts,
    incoming: Incoming,
    peer: IpAddr,
) -> Result<Response<Body>, IngestError> {
    let keys = gate.keys();
    let of_head = source_of_head(gate, &keys, head)?;
    let (_room, bytes) = read(gate, &head.headers, incoming).await?;
    let metadata = head.headers.get("x-event-metadata").and_then(|value| value.to_str().ok());
    let custom = forms::of_custom(&bytes, metadata, head.uri.query().unwrap_or_default(), new_message_id());
    let custom = custom.map_err(IngestError::NoCustomEvent)?;
    let source = match (of_head, &custom.write_key) {
        (Some(source), _) => Some(source),
        (None, Some(key)) => Some(admitted(gate, keys.source(key)?)?),
        (None, None) => None,
    };
    let form = Form::Single(crate::event::EventKind::Track);
    take_checked(gate, &keys, head, source, custom.body.into(), form, peer).await
}

async fn read(
    gate: &Gate,
    headers: &HeaderMap,
    incoming: Incoming,
) -> Result<(tokio::sync::OwnedSemaphorePermit, Bytes), IngestError> {
    let limits = &gate.limits;
    let room = gate.room_for(expected_bytes(headers, limits.body_bytes_max))?;
    let bytes = body::read(headers, incoming, limits.body_bytes_max, limits.read_timeout_ms).await?;
    Ok((room, bytes))
}

/// About how many bytes a body will hold in memory.
fn expected_bytes(headers: &HeaderMap, bytes_max: usize) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let length: usize = length.unwrap_or(64 << 10);
    let inflated = if headers.contains_key(CONTENT_ENCODING) { length.saturating_mul(8) } else { length };
    inflated.min(bytes_max)
}

/// Checks a body, applies the rules of its sources, and makes the events durable.
async fn take_checked(
    gate: &Gate,
    keys: &Keys,
    head: &Parts,
    of_head: Option<Arc<Source>>,
    bytes: Bytes,
    form: Form,
    peer: IpAddr,
) -> Result<Response<Body>, IngestError> {
    let ip = client_ip(peer, &head.headers, &gate.limits.trusted_proxies).to_string();
    let mut checked = check(gate, &bytes, form, &ip)?;
    let sources = sources(gate, keys, of_head, &checked)?;
    sources.pay(&checked, bytes.len(), (gate.now)());
    // The events have memory of their own.
    drop(bytes);
    let applied = validate::rules::apply(&mut checked, |at| sources.rules(at));
    let refused_single = (form != Form::Batch).then(|| checked.rejected.first().cloned()).flatten();
    let settled = settle(gate, checked, applied, sources).await?;
    match refused_single {
        Some(rejection) => Err(IngestError::Refused(rejection)),
        None => Ok(answer::accepted(settled.accepted, settled.duplicates, &settled.rejected)),
    }
}

fn check(gate: &Gate, bytes: &Bytes, form: Form, ip: &str) -> Result<Checked, IngestError> {
    let limits = validate::Limits {
        event_bytes_max: gate.limits.event_bytes_max,
        batch_events_max: gate.limits.batch_events_max,
        ..validate::Limits::default()
    };
    let mut make_message_id = new_message_id;
    let mut facts = Facts { received_ms: (gate.now)(), ip: Some(ip), make_message_id: &mut make_message_id };
    Ok(validate::check_body(bytes, form, &mut facts, &limits)?)
}

/// An identity for an event that came without one: 128 random bits.
fn new_message_id() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    format!("sw-{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Which source each accepted event is of: by the head's key, else the body's, else its own.
fn sources(gate: &Gate, keys: &Keys, of_head: Option<Arc<Source>>, checked: &Checked) -> Result<Sources, IngestError> {
    if let Some(source) = of_head {
        return Ok(Sources::All(source));
    }
    if let Some(key) = checked.body_write_key.as_deref() {
        return Ok(Sources::All(admitted(gate, keys.source(key)?)?));
    }
    let own = checked.item_write_keys.iter();
    let each: Vec<Option<Arc<Source>>> = own.map(|key| keys.source(key.as_deref()?).ok()).collect();
    match each.iter().any(Option::is_some) {
        true => Ok(Sources::Each(each)),
        // Items may carry their keys themselves, and none of these is readable: a 401 would make some
        // clients give up for good.
        false if checked.accepted.is_empty() && !checked.rejected.is_empty() => Ok(Sources::Each(each)),
        false if checked.item_write_keys.iter().any(Option::is_some) => Err(IngestError::UnknownWriteKey),
        false => Err(IngestError::NoWriteKey),
    }
}
