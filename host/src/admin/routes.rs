//! The paths of the admin interface.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::{events, letters, upkeep};
use crate::daemon::Daemon;
use crate::http::{self, Body};
use crate::metrics;
use crate::queue::DestinationId;

/// Bytes of a plugin file that may be uploaded; JavaScript and Python plugins have 20 MB.
const PLUGIN_BYTES_MAX: usize = 64 << 20;

/// Answers one request.
pub async fn handle(daemon: Arc<Daemon>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().trim_end_matches('/').to_string();
    if let Some(response) = health(&daemon, &path) {
        return response;
    }
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_scrape = request.method() == Method::GET && path == "/metrics";
    let is_open = is_scrape && daemon.metrics_open;
    if !is_open && !daemon.token.allows(authorization) {
        let message = "the admin interface needs `Authorization: Bearer <token>`; the token is in admin-token in the data directory";
        return failure(StatusCode::UNAUTHORIZED, "unauthorized", message);
    }
    if is_scrape {
        return http::whole(StatusCode::OK, metrics::CONTENT_TYPE, daemon.metrics().await);
    }
    let Some(call) = path.strip_prefix("/api/v1/") else {
        return failure(StatusCode::NOT_FOUND, "not_found", "the interface is under /api/v1");
    };
    let parts: Vec<&str> = call.split('/').collect();
    match (request.method(), &parts[..]) {
        (&Method::GET, ["status"]) => status(&daemon).await,
        (&Method::GET, ["rejected"]) => http::json(StatusCode::OK, &daemon.gate.rejected()),
        (&Method::GET, ["events", "live"]) => live(&daemon),
        (&Method::GET, ["trace", message_id]) => trace(&daemon, &percent_decoded(message_id)).await,
        (&Method::GET, ["plugins"]) => http::json(StatusCode::OK, &daemon.plugins_status().await),
        (&Method::POST, ["plugins"]) => install(daemon, request).await,
        (&Method::POST, ["destinations", pipeline, name, call @ ("pause" | "resume")]) => {
            let id = DestinationId(format!("{}/{}", percent_decoded(pipeline), percent_decoded(name)));
            pause(&daemon, &id, *call == "pause").await
        }
        (&Method::GET, ["pipelines", pipeline, "events"]) => {
            events::last(&daemon, &percent_decoded(pipeline), request.uri().query()).await
        }
        (_, ["dead-letters", rest @ ..]) => letters::handle(daemon, rest, request).await,
        (&Method::POST, ["replay"]) => letters::replay(daemon, request).await,
        (&Method::POST, ["erase"]) => upkeep::erase(daemon, request).await,
        (&Method::GET, ["backup"]) => upkeep::backup(&daemon).await,
        (method, _) => not_found(method, call),
    }
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

pub(super) fn failure(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    http::json(status, &json!({"success": false, "code": code, "message": message}))
}

pub(super) fn not_found(method: &Method, call: &str) -> Response<Body> {
    failure(StatusCode::NOT_FOUND, "not_found", &format!("there is no {method} /api/v1/{call}"))
}

pub(super) fn store_failure(error: &crate::queue::StoreError) -> Response<Body> {
    failure(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", &error.to_string())
}

async fn status(daemon: &Daemon) -> Response<Body> {
    match daemon.status().await {
        Ok(status) => http::json(StatusCode::OK, &status),
        Err(error) => store_failure(&error),
    }
}

async fn pause(daemon: &Daemon, id: &DestinationId, paused: bool) -> Response<Body> {
    match daemon.pause(id, paused).await {
        Ok(true) => http::json(StatusCode::OK, &json!({"success": true, "destination": id.0, "paused": paused})),
        Ok(false) => {
            let message = format!("there is no destination `{id}`: `status` lists them, as pipeline/name");
            failure(StatusCode::NOT_FOUND, "unknown_destination", &message)
        }
        Err(error) => store_failure(&error),
    }
}

/// Steps as they happen, one JSON object a line, until the client leaves.
fn live(daemon: &Daemon) -> Response<Body> {
    let watch = daemon.live.watch();
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = match watch.recv().await {
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

async fn trace(daemon: &Daemon, message_id: &str) -> Response<Body> {
    match daemon.store.trace(message_id).await {
        Ok(stories) if stories.is_empty() => {
            let message = format!("no event `{message_id}` is kept: it never came, or its time is over");
            failure(StatusCode::NOT_FOUND, "unknown_event", &message)
        }
        Ok(stories) => {
            let stories: Vec<_> = stories
                .iter()
                .map(|story| {
                    let event: serde_json::Value = serde_json::from_slice(&story.json).unwrap_or_default();
                    json!({
                        "message_id": story.message_id,
                        "pipeline": story.pipeline,
                        "kind": story.kind,
                        "received_ms": story.received_ms,
                        "event": event,
                        "steps": story.steps.iter().map(|(destination, note)| json!({
                            "destination": destination.0, "at_ms": note.at_ms, "step": note.step,
                            "revision": note.revision, "request": note.request, "status": note.status,
                            "took_ms": note.took_ms, "detail": note.detail,
                        })).collect::<Vec<_>>(),
                    })
                })
                .collect();
            http::json(StatusCode::OK, &stories)
        }
        Err(error) => store_failure(&error),
    }
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

async fn install(daemon: Arc<Daemon>, request: Request<Incoming>) -> Response<Body> {
    let bytes = match body(request, PLUGIN_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    match daemon.install_plugin(bytes).await {
        Ok(installed) => http::json(StatusCode::OK, &installed),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused", &format!("{error:#}")),
    }
}

pub(super) fn percent_decoded(text: &str) -> String {
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
