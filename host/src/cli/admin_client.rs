//! Calls the daemon's admin interface.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::AdminArguments;
use crate::admin::Token;
use crate::config::Config;

/// Calls `METHOD /api/v1/<path>` of the daemon that the arguments name, and reads its answer.
pub(super) fn call(admin: &AdminArguments, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
    let config = Config::load_without_commands(&admin.config, &|name| std::env::var(name).ok())?;
    let token = Token::read(&config.data_directory)?;
    let mut address = config.admin_address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}/api/v1/{path}"))
        .header(AUTHORIZATION, token.bearer())
        .body(Full::new(body))
        .context("the request cannot be made")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, bytes) = runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = client.request(request).await.with_context(|| {
            format!("the daemon does not answer at {address}: is it running with this configuration?")
        })?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    })?;
    let value: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("the daemon answered {status} with something that is not JSON"))?;
    anyhow::ensure!(
        status.is_success(),
        "{}",
        value["message"].as_str().unwrap_or("the daemon refused without a reason")
    );
    Ok(value)
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
