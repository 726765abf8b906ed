//! Calls the daemon's admin interface.

use std::io::Write;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{AdminArguments, pinned};
use crate::admin::Token;
use crate::config::Config;

/// Calls `METHOD /api/v1/<path>` of the daemon that the arguments name, and reads its answer.
pub(super) fn call(admin: &AdminArguments, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
    runtime()?.block_on(async {
        let response = request(admin, method, path, body).await?;
        let bytes = response.into_body().collect().await.context("the daemon's answer was cut off")?.to_bytes();
        serde_json::from_slice(&bytes).context("the daemon answered with something that is not JSON")
    })
}

/// The same with a header more.
pub(super) fn call_with(
    admin: &AdminArguments,
    path: &str,
    body: Bytes,
    header: Option<(&'static str, String)>,
) -> anyhow::Result<Value> {
    runtime()?.block_on(async {
        let response = request_with(admin, Method::POST, path, body, header).await?;
        let bytes = response.into_body().collect().await.context("the daemon's answer was cut off")?.to_bytes();
        serde_json::from_slice(&bytes).context("the daemon answered with something that is not JSON")
    })
}

/// The same for an answer of JSON lines, each of which `each` gets as it comes.
pub(super) fn call_lines(
    admin: &AdminArguments,
    method: Method,
    path: &str,
    body: Bytes,
    mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let mut body = request(admin, method, path, body).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the daemon's answer was cut off")?;
            rest.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                each(&rest[..end])?;
                rest.drain(..=end);
            }
        }
        anyhow::ensure!(rest.is_empty(), "the daemon's answer was cut off");
        Ok(())
    })
}

/// The same for an answer that is written to a file as it comes.
pub(super) fn download(admin: &AdminArguments, path: &str, to: &mut impl Write) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let mut body = request(admin, Method::GET, path, Bytes::new()).await?.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the daemon's answer was cut off")?;
            to.write_all(frame.data_ref().map_or(&[], |data| &data[..]))?;
        }
        Ok(())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The answer, when the daemon did not refuse.
async fn request(
    admin: &AdminArguments,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<Response<Incoming>> {
    request_with(admin, method, path, body, None).await
}

async fn request_with(
    admin: &AdminArguments,
    method: Method,
    path: &str,
    body: Bytes,
    header: Option<(&'static str, String)>,
) -> anyhow::Result<Response<Incoming>> {
    let config = Config::load_without_commands(&admin.config, &|name| std::env::var(name).ok())?;
    let token = match std::env::var("SWITCHYARD_TOKEN") {
        Ok(token) if !token.trim().is_empty() => Token::given(&token),
        _ => Token::read(&config.data_directory)?,
    };
    let mut address = config.admin_address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let scheme = if config.admin.tls.is_some() { "https" } else { "http" };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{scheme}://{address}/api/v1/{path}"))
        .header(AUTHORIZATION, token.bearer());
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).context("the request cannot be made")?;
    let client = Client::builder(TokioExecutor::new());
    let response = match &config.admin.tls {
        None => client.build_http::<Full<Bytes>>().request(request).await,
        Some(files) => {
            let connector = HttpsConnectorBuilder::new().with_tls_config(pinned::client_config(files)?);
            client.build(connector.https_only().enable_http1().build()).request(request).await
        }
    };
    let response = response
        .with_context(|| format!("the daemon does not answer at {address}: is it running with this configuration?"))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bytes = response.into_body().collect().await?.to_bytes();
    let value: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("the daemon answered {status} with something that is not JSON"))?;
    anyhow::bail!("{}", value["message"].as_str().unwrap_or("the daemon refused without a reason"))
}

/// Percent-encodes a text for a path or a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
