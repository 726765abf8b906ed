//! Plugins over the admin interface: install, compare, grant, promote, roll back, history.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::routes::{body, failure, not_found, percent_decoded};
use crate::daemon::{COMPARED_EVENTS_MAX, Daemon, Install};
use crate::http::{self, Body};

/// Bytes of a plugin file that may be uploaded; JavaScript and Python plugins have 20 MB.
const PLUGIN_BYTES_MAX: usize = 64 << 20;

/// Bytes of a call that names something.
const CALL_BYTES_MAX: usize = 4 << 10;

/// Carries a file's signature, in base64.
pub const SIGNATURE_HEADER: &str = "x-switchyard-signature";

/// Where to go back to.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackCall {
    to: Option<String>,
}

/// Answers what is under `/api/v1/plugins`.
pub(super) async fn handle(daemon: Arc<Daemon>, rest: &[&str], request: Request<Incoming>) -> Response<Body> {
    let method = request.method().clone();
    match (&method, rest) {
        (&Method::GET, []) => http::json(StatusCode::OK, &daemon.plugins_status().await),
        (&Method::POST, []) => install(daemon, request).await,
        (&Method::POST, ["shadow"]) => shadow(daemon, request).await,
        (&Method::GET, [plugin, "history"]) => match daemon.plugin_history(&percent_decoded(plugin)).await {
            Ok(history) => http::json(StatusCode::OK, &history),
            Err(error) => failure(StatusCode::NOT_FOUND, "unknown_plugin", &format!("{error:#}")),
        },
        (&Method::POST, [plugin, "grant"]) => answer(daemon.grant(&percent_decoded(plugin)).await),
        (&Method::POST, [plugin, "promote"]) => answer(daemon.promote(&percent_decoded(plugin)).await),
        (&Method::POST, [plugin, "rollback"]) => {
            let bytes = match body(request, CALL_BYTES_MAX).await {
                Ok(bytes) => bytes,
                Err(response) => return response,
            };
            let call = if bytes.is_empty() { Ok(RollBackCall::default()) } else { serde_json::from_slice(&bytes) };
            match call {
                Ok(call) => answer(daemon.roll_back(&percent_decoded(plugin), call.to.as_deref()).await),
                Err(error) => failure(StatusCode::BAD_REQUEST, "bad_call", &error.to_string()),
            }
        }
        (method, rest) => not_found(method, &format!("plugins/{}", rest.join("/"))),
    }
}

fn answer(result: anyhow::Result<Value>) -> Response<Body> {
    match result {
        Ok(done) => http::json(StatusCode::OK, &done),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused", &format!("{error:#}")),
    }
}

async fn install(daemon: Arc<Daemon>, request: Request<Incoming>) -> Response<Body> {
    let canary_percent = match parameter(&request, "canary").map(|text| text.parse::<f64>()) {
        None => None,
        Some(Ok(percent)) if percent > 0.0 && percent < 100.0 => Some(percent),
        Some(_) => {
            return failure(StatusCode::BAD_REQUEST, "bad_canary", "`canary` must lie between 0 and 100 percent");
        }
    };
    let grants = parameter(&request, "grant").is_some_and(|text| text != "false");
    let signature = match signature(&request) {
        Ok(signature) => signature,
        Err(response) => return *response,
    };
    match body(request, PLUGIN_BYTES_MAX).await {
        // It goes on when the caller leaves.
        Ok(bytes) => {
            let install = Install { signature, grants, canary_percent };
            let installing = tokio::spawn(async move { daemon.install_plugin(bytes, install).await });
            answer(installing.await.unwrap_or_else(|error| Err(error.into())))
        }
        Err(response) => response,
    }
}

async fn shadow(daemon: Arc<Daemon>, request: Request<Incoming>) -> Response<Body> {
    let last = parameter(&request, "last").map_or(Ok(100), |text| text.parse::<usize>());
    let Some(last) = last.ok().filter(|last| (1..=COMPARED_EVENTS_MAX).contains(last)) else {
        let message = format!("`last` must lie between 1 and {COMPARED_EVENTS_MAX} events");
        return failure(StatusCode::BAD_REQUEST, "bad_last", &message);
    };
    let signature = match signature(&request) {
        Ok(signature) => signature,
        Err(response) => return *response,
    };
    match body(request, PLUGIN_BYTES_MAX).await {
        Ok(bytes) => answer(daemon.shadow(bytes, signature, last).await),
        Err(response) => response,
    }
}

fn parameter(request: &Request<Incoming>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value))
}

fn signature(request: &Request<Incoming>) -> Result<Option<String>, Box<Response<Body>>> {
    let Some(encoded) = request.headers().get(SIGNATURE_HEADER) else { return Ok(None) };
    let text = STANDARD.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || {
        let message = json!(SIGNATURE_HEADER).to_string() + " holds the signature's file in base64";
        Box::new(failure(StatusCode::BAD_REQUEST, "bad_signature", &message))
    };
    text.map(Some).ok_or_else(wrong)
}
