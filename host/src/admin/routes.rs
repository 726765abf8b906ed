//! The admin address: health, metrics, `/api/v1` and the console, each behind what it needs.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use hyper::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::access::{Caller, Person, SignedIn};
use super::destinations::{AddCall, ChangeCall};
use super::events::{EVENTS_MAX, EventsCall, is_masked};
use super::failure::Failure;
use super::operations::{self, Call};
use super::plugins::PLUGIN_BYTES_MAX;
use super::sources::KeyChange;
use super::transformations::EditedRule;
use super::{
    configuration, destinations, events, groups, guard, kept_events, letters, masking, openapi, overview, plugins,
    sources, transformations, upkeep,
};
use crate::console;
use crate::daemon::trends::Window;
use crate::daemon::{Daemon, Replaying};
use crate::http::{self, Body};
use crate::ingest::client_ip;
use crate::metrics;
use crate::queue::DestinationId;

/// The session's cookie.
pub const SESSION_COOKIE: &str = "switchyard_session";

/// Carries the session's own token with a call that a page's script makes.
const CSRF_HEADER: &str = "x-csrf-token";

/// Bytes of a body that changes something.
const BODY_BYTES_MAX: usize = 2 << 20;

/// Answers one request.
pub async fn handle(daemon: Arc<Daemon>, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
    let speaks_tls = daemon.access.config().tls.is_some();
    guard::secure(answer(daemon, request, peer).await, speaks_tls)
}

async fn answer(daemon: Arc<Daemon>, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
    let path = request.uri().path().trim_end_matches('/').to_string();
    if let Some(response) = health(&daemon, &path) {
        return response;
    }
    let config = daemon.access.config();
    let host = guard::host_of(&request).map(ToOwned::to_owned);
    if !guard::is_known_host(host.as_deref(), &config.hosts) {
        let message = format!(
            "this address is not known as `{}`: give the name in admin.hosts of the configuration",
            host.unwrap_or_default()
        );
        return failure(StatusCode::MISDIRECTED_REQUEST, "unknown_host", &message);
    }
    let from = client_ip(peer, request.headers(), &daemon.gate.limits.trusted_proxies);
    let by_token = daemon.access.by_header(request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes));
    if request.method() == Method::GET && path == "/metrics" {
        return match config.metrics_open || by_token.is_some() {
            true => http::whole(StatusCode::OK, metrics::CONTENT_TYPE, daemon.metrics().await),
            false => unauthorized(),
        };
    }
    let session =
        cookie(request.headers(), SESSION_COOKIE).and_then(|secret| daemon.access.by_session(secret, (daemon.now)()));
    match path.strip_prefix("/api/v1/") {
        Some(call) => match api_caller(request.headers(), request.method(), host.as_deref(), by_token, session) {
            Ok(person) => api(daemon, Caller { person, from }, call, request).await,
            Err(response) => *response,
        },
        None if path == "/api" || path.starts_with("/api/") => {
            failure(StatusCode::NOT_FOUND, "not_found", "the interface is under /api/v1")
        }
        None => console::handle(daemon, request, session, from, host).await,
    }
}

/// Who calls: by a token, or from a page of the console with its session.
fn api_caller(
    headers: &HeaderMap,
    method: &Method,
    host: Option<&str>,
    by_token: Option<Person>,
    session: Option<SignedIn>,
) -> Result<Person, Box<Response<Body>>> {
    if let Some(person) = by_token {
        return Ok(person);
    }
    // A wrong token is not made good by a cookie.
    let session = session.filter(|_| !headers.contains_key(AUTHORIZATION)).ok_or_else(|| Box::new(unauthorized()))?;
    let own = headers.get(CSRF_HEADER).is_some_and(|given| given.as_bytes() == session.csrf.as_bytes());
    if method != Method::GET && (!own || guard::is_from_elsewhere(headers, host)) {
        let message = "a call with a session needs the header x-csrf-token, from the console itself";
        return Err(Box::new(failure(StatusCode::FORBIDDEN, "forbidden", message)));
    }
    Ok(session.person)
}

fn unauthorized() -> Response<Body> {
    let message = "the admin interface needs `Authorization: Bearer <token>`; the first token is in admin-token in the data directory";
    let mut response = failure(StatusCode::UNAUTHORIZED, "unauthorized", message);
    response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
    response
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}

async fn api(daemon: Arc<Daemon>, caller: Caller, path: &str, request: Request<Incoming>) -> Response<Body> {
    let parts: Vec<String> = path.split('/').map(percent_decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let Some(operation) = operations::find(request.method(), &parts) else {
        let message = format!("there is no {} /api/v1/{path}", request.method());
        return failure(StatusCode::NOT_FOUND, "not_found", &message);
    };
    if !caller.may(operation.role) {
        return Failure::role(operation.role, caller.person.role).response();
    }
    match call(daemon, &caller, operation.call, &parts, request).await {
        Ok(response) => response,
        Err(failure) => failure.response(),
    }
}

/// What a call answers.
async fn call(
    daemon: Arc<Daemon>,
    caller: &Caller,
    call: Call,
    parts: &[&str],
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let query = request.uri().query().unwrap_or_default().to_string();
    let headers = request.headers().clone();
    let etag = if_match(&headers);
    let etag = etag.as_deref();
    let destination = |parts: &[&str]| DestinationId(format!("{}/{}", parts[1], parts[2]));
    Ok(match call {
        Call::Me => ok(&caller.person),
        Call::Status => status(&daemon, caller).await?,
        Call::Overview => ok(&overview::with_since(&daemon, window_of(&query)?).await?),
        Call::Rejected => ok(&events::rejected(&daemon, caller)),
        Call::Events => ok(&events::events(&daemon, caller, &events_call(&query)?).await?),
        Call::LiveEvents => live(&daemon, caller),
        Call::Trace => ok(&events::trace(&daemon, caller, parts[1]).await?),
        Call::Destinations => ok(&destinations::destinations(&daemon).await?),
        Call::AddDestination => {
            let call: AddCall = body_of(request).await?;
            saved(destinations::add(&daemon, caller, parts[1], call, etag).await?)
        }
        Call::Destination => {
            let view = destinations::destination(&daemon, parts[1], parts[2]).await?;
            tagged(ok(&view), &view.etag)
        }
        Call::ChangeDestination => {
            let call: ChangeCall = body_of(request).await?;
            saved(destinations::change(&daemon, caller, (parts[1], parts[2]), call, etag).await?)
        }
        Call::RemoveDestination => saved(destinations::remove(&daemon, caller, (parts[1], parts[2]), etag).await?),
        Call::Pause | Call::Resume => {
            let (id, paused) = (destination(parts), call == Call::Pause);
            destinations::pause(&daemon, caller, &id, paused).await?;
            ok(&json!({"success": true, "destination": id.0, "paused": paused}))
        }
        Call::Transformations => {
            let view = transformations::rules(&daemon, parts[1], parts[2]).await?;
            tagged(ok(&view), &view.etag)
        }
        Call::PutTransformations => {
            let call: RulesCall = body_of(request).await?;
            saved(transformations::save(&daemon, caller, (parts[1], parts[2]), &call.rules, etag).await?)
        }
        Call::PreviewTransformations => {
            let call: PreviewCall = body_of(request).await?;
            let event = call.event(&daemon, parts[1]).await?;
            ok(&transformations::preview(&daemon, caller, (parts[1], parts[2]), &call.rules, &event).await?)
        }
        Call::ReviewTransformations => {
            let call: RulesCall = body_of(request).await?;
            let (events, destinations) = transformations::review(&daemon, (parts[1], parts[2]), &call.rules).await?;
            ok(&json!({"events": events, "destinations": destinations}))
        }
        Call::DeadLetters => letters::list(&daemon, caller, &query).await,
        Call::DeadLetterGroups => ok(&groups::groups(&daemon, caller, &query).await?),
        Call::ExportDeadLetters => letters::export(daemon, caller.clone(), &query),
        Call::DeadLetter => letters::show(&daemon, caller, parts[1], &query).await,
        Call::ReplayDeadLetters => {
            letters::step_by_step(daemon, caller, request, ("dead letters replayed", Replaying::Letters)).await
        }
        Call::DiscardDeadLetters => {
            letters::step_by_step(daemon, caller, request, ("dead letters discarded", Replaying::Discard)).await
        }
        Call::Replay => letters::replay(daemon, caller, request).await,
        Call::Sources => ok(&sources::sources(&daemon, caller).await?),
        Call::AddWriteKey => {
            let (key, number) = sources::add_write_key(&daemon, caller, parts[1], etag).await?;
            ok(&json!({"success": true, "write_key": key, "configuration": number}))
        }
        Call::ChangeWriteKey => {
            let (call, number): (KeyChange, usize) = (body_of(request).await?, number_of(parts[3])?);
            saved(sources::change_write_key(&daemon, caller, (parts[1], number), &call, etag).await?)
        }
        Call::RemoveWriteKey => {
            saved(sources::remove_write_key(&daemon, caller, (parts[1], number_of(parts[3])?), etag).await?)
        }
        Call::TestEvent => {
            let message_id = sources::test_event(&daemon, caller, parts[1]).await?;
            ok(&json!({"success": true, "message_id": message_id}))
        }
        Call::KeptEvents => kept_events::last(&daemon, parts[1], Some(&query)).await,
        Call::Plugins => ok(&daemon.plugins_status().await),
        Call::Plugin => ok(&plugins::plugin(&daemon.configured().await, parts[1])?),
        Call::InstallPlugin => match body(request, PLUGIN_BYTES_MAX).await {
            Ok(bytes) => ok(&plugins::install(&daemon, caller, bytes, plugins::install_of(&query, &headers)?).await?),
            Err(response) => response,
        },
        Call::ShadowPlugin => match body(request, PLUGIN_BYTES_MAX).await {
            Ok(bytes) => ok(&plugins::shadow(&daemon, caller, bytes, (&query, &headers)).await?),
            Err(response) => response,
        },
        Call::PluginHistory => ok(&plugins::history(&daemon, parts[1]).await?),
        Call::GrantPlugin => ok(&plugins::grant(&daemon, caller, parts[1]).await?),
        Call::PromotePlugin => ok(&plugins::promote(&daemon, caller, parts[1]).await?),
        Call::RollBackPlugin => {
            let call: RollBackCall = body_of(request).await?;
            ok(&plugins::roll_back(&daemon, caller, parts[1], call.to.as_deref()).await?)
        }
        Call::Configuration => {
            let standing = daemon.configuration().await?;
            let number = daemon.configuration_number().0;
            tagged(ok(&json!({"text": standing.text, "etag": standing.etag, "number": number})), &standing.etag)
        }
        Call::PutConfiguration => {
            let call: TextCall = body_of(request).await?;
            saved(configuration::replace(&daemon, caller, call.text, etag).await?)
        }
        Call::History => ok(&configuration::history(&daemon)),
        Call::HistoryEntry => ok(&configuration::history_entry(&daemon, number_of(parts[2])?).await?),
        Call::RollBack => saved(configuration::roll_back(&daemon, caller, number_of(parts[2])?, etag).await?),
        Call::Audit => ok(&audit(&daemon, &query).await?),
        Call::Erase => upkeep::erase(daemon, caller.clone(), request).await,
        Call::Backup => upkeep::backup(&daemon).await,
        Call::OpenApi => ok(&openapi::document()),
    })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TextCall {
    text: String,
}

/// Where to go back to.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackCall {
    to: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesCall {
    rules: Vec<EditedRule>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviewCall {
    rules: Vec<EditedRule>,
    /// The event; None: the newest of the pipeline.
    event: Option<serde_json::Value>,
}

impl PreviewCall {
    async fn event(&self, daemon: &Daemon, pipeline: &str) -> Result<crate::event::Event, Failure> {
        if let Some(event) = &self.event {
            let pasted = transformations::pasted(&event.to_string(), (daemon.now)());
            return pasted.map_err(|message| Failure::bad("bad_event", message));
        }
        let newest = events::last_events(daemon, pipeline, 1).await?.pop();
        newest.ok_or_else(|| Failure::unknown("unknown_event", format!("no event of `{pipeline}` is kept: give one")))
    }
}

fn ok(value: &impl serde::Serialize) -> Response<Body> {
    http::json(StatusCode::OK, value)
}

fn saved(number: u64) -> Response<Body> {
    ok(&json!({"success": true, "configuration": number}))
}

fn tagged(mut response: Response<Body>, etag: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(IF_MATCH)?.to_str().ok()?;
    (value != "*").then(|| value.trim().trim_matches('"').to_string())
}

async fn body_of<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failure> {
    let bytes = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await.map_err(|error| {
        Failure::bad("bad_body", format!("the body cannot be read, or is larger than {BODY_BYTES_MAX} bytes: {error}"))
    })?;
    serde_json::from_slice(&bytes.to_bytes()).map_err(|error| Failure::bad("bad_body", error.to_string()))
}

fn number_of<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::bad("bad_number", format!("`{text}` is no number")))
}

/// The pairs of a query or a form, decoded.
pub fn pairs_of(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| match pair.split_once('=') {
        Some((name, value)) => (decoded(name), decoded(value)),
        None => (decoded(pair), String::new()),
    })
}

/// The window that a query names.
///
/// # Errors
/// When it names none.
pub fn window_of(query: &str) -> Result<Window, Failure> {
    let Some((_, name)) = pairs_of(query).find(|(name, _)| name == "window") else { return Ok(Window::default()) };
    let wrong = || Failure::bad("bad_window", format!("`{name}` is no window: write 15m, 1h or 24h"));
    Window::from_name(&name).ok_or_else(wrong)
}

/// Which events a query asks for.
///
/// # Errors
/// When it says nothing good.
pub fn events_call(query: &str) -> Result<EventsCall, Failure> {
    let mut call = EventsCall { limit: 50, ..EventsCall::default() };
    for (name, value) in pairs_of(query) {
        let given = Some(value.clone()).filter(|value| !value.is_empty());
        match name.as_str() {
            "pipeline" => call.pipeline = given,
            "kind" => call.kind = given,
            "outcome" => call.outcome = given,
            "search" => call.search = value,
            "limit" => match value.parse() {
                Ok(limit @ 1..=EVENTS_MAX) => call.limit = limit,
                _ => {
                    let message = format!("`limit` is a number from 1 to {EVENTS_MAX}, not `{value}`");
                    return Err(Failure::bad("bad_limit", message));
                }
            },
            unknown => return Err(Failure::bad("bad_query", format!("events have no filter `{unknown}`"))),
        }
    }
    Ok(call)
}

async fn audit(daemon: &Daemon, query: &str) -> Result<Vec<super::audit::Entry>, Failure> {
    let limit = match pairs_of(query).find(|(name, _)| name == "limit") {
        None => 100,
        Some((_, value)) => match value.parse() {
            Ok(limit @ 1..=1_000) => limit,
            _ => return Err(Failure::bad("bad_limit", format!("`limit` is a number from 1 to 1000, not `{value}`"))),
        },
    };
    let unreadable =
        |error: std::io::Error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "audit_unreadable", error.to_string());
    daemon.audit.last(limit).await.map_err(unreadable)
}

async fn status(daemon: &Daemon, caller: &Caller) -> Result<Response<Body>, Failure> {
    let mut status = daemon.status().await?;
    if is_masked(caller) {
        // Violations of a tracking plan may hold values.
        masking::texts(&mut status["sources"]);
    }
    Ok(ok(&status))
}

/// `/healthz` and `/readyz`, which need no token.
pub fn health(daemon: &Daemon, path: &str) -> Option<Response<Body>> {
    match path {
        "/healthz" => Some(http::whole(StatusCode::OK, "text/plain", "ok\n")),
        "/readyz" => Some(match daemon.not_ready() {
            None => http::whole(StatusCode::OK, "text/plain", "ready\n"),
            Some(why) => http::whole(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
        }),
        _ => None,
    }
}

pub(super) fn failure(status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    Failure::new(status, code, message).response()
}

pub(super) fn store_failure(error: &crate::queue::StoreError) -> Response<Body> {
    failure(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", &error.to_string())
}

/// Steps as they happen, one JSON object a line, until the client leaves.
fn live(daemon: &Daemon, caller: &Caller) -> Response<Body> {
    let masked = is_masked(caller);
    let watch = daemon.live.watch();
    let lines = stream::unfold(watch, move |mut watch| async move {
        let line = match watch.recv().await {
            Ok(step) if masked => {
                let mut step = serde_json::to_value(&*step).unwrap_or_default();
                ["request", "detail"].into_iter().for_each(|key| masking::texts(&mut step[key]));
                step.to_string().into_bytes()
            }
            Ok(step) => serde_json::to_vec(&*step).expect("text and numbers can be written to memory"),
            Err(RecvError::Lagged(missed)) => {
                format!("{{\"step\":\"missed\",\"detail\":\"{missed} steps\"}}").into_bytes()
            }
            Err(RecvError::Closed) => return None,
        };
        let mut line = line;
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(line))), watch))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn body(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Response<Body>> {
    match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => {
            let message = format!("the body cannot be read, or is larger than {bytes_max} bytes: {error}");
            Err(failure(StatusCode::BAD_REQUEST, "bad_body", &message))
        }
    }
}

/// Undoes the percent-encoding of a path or a query.
pub fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding() {
        for (text, expected) in
            [("a%20b", "a b"), ("a+b", "a+b"), ("%e4%", "\u{fffd}%"), ("%4", "%4"), ("plain", "plain")]
        {
            assert_eq!(percent_decoded(text), expected);
        }
    }
}
