//! A small HTTP client: one connection a request, nothing followed, nothing tried again.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::runtime;

/// Longer than any answer of a healthy daemon takes, on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("status {}, no JSON ({error}): {}", self.status, self.text()))
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    /// GET.
    pub fn get(url: impl Into<String>) -> Request {
        Request { method: "GET", url: url.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// POST of these bytes.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Request {
        Request { method: "POST", url: url.into(), headers: Vec::new(), body: body.into() }
    }

    /// Another method.
    pub fn method(mut self, method: &'static str) -> Request {
        self.method = method;
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.push((name.to_string(), value.into()));
        self
    }

    /// Basic authentication with a write key and no password.
    pub fn write_key(self, key: &str) -> Request {
        self.header("authorization", basic(key, ""))
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Errors
    /// What went wrong on the way, as text: refused, reset, timed out.
    pub fn send(self) -> Result<Response, String> {
        runtime().block_on(self.send_async())
    }

    /// As [`Request::send`], where there must be an answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer(self) -> Response {
        self.send().unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Request::send`], for callers on the runtime. Safe to cancel: the connection is closed.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn send_async(self) -> Result<Response, String> {
        let what = format!("{} {}", self.method, self.url);
        match tokio::time::timeout(TIMEOUT, exchange_once(self)).await {
            Ok(result) => result.map_err(|error| format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: no answer in {} s", TIMEOUT.as_secs())),
        }
    }
}

/// The value of an Authorization header.
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// A client that keeps its connections, and tries nothing again. Cheap to clone.
#[derive(Clone)]
pub struct Kept(Client<HttpConnector, Full<Bytes>>);

impl Kept {
    /// Without a connection yet.
    pub fn new() -> Kept {
        Kept(Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http())
    }

    /// As [`Request::send`], over a connection that may have carried others before.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn send(&self, request: Request) -> Result<Response, String> {
        runtime().block_on(async {
            match tokio::time::timeout(TIMEOUT, exchange(&self.0, request)).await {
                Ok(result) => result,
                Err(_) => Err("no answer in time".to_string()),
            }
        })
    }
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::new()
    }
}

/// Sends over TLS, trusting this certificate alone; HTTP/2 where the server offers it and `http2` says so.
///
/// # Errors
/// As [`Request::send`]; also when the certificate is another.
pub fn send_over_tls(request: Request, trusted: &[u8], http2: bool) -> Result<(Response, String), String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.to_vec().into()).map_err(|error| error.to_string())?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    let connector = if http2 { connector.enable_all_versions().build() } else { connector.enable_http1().build() };
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    runtime().block_on(exchange_versioned(&client, request))
}

async fn exchange_once(request: Request) -> Result<Response, String> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    exchange(&client, request).await
}

async fn exchange<C>(client: &Client<C, Full<Bytes>>, request: Request) -> Result<Response, String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    exchange_versioned(client, request).await.map(|(response, _)| response)
}

/// The answer, and the version of HTTP that it came by.
async fn exchange_versioned<C>(client: &Client<C, Full<Bytes>>, request: Request) -> Result<(Response, String), String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut builder = hyper::Request::builder().method(request.method).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Full::new(request.body)).map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| with_sources(&error))?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| with_sources(&error))?.to_bytes();
    let response = Response { status: head.status.as_u16(), headers: header_pairs(&head.headers), body };
    Ok((response, format!("{:?}", head.version)))
}

/// The headers as pairs of text.
pub fn header_pairs(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// gzip, as an SDK does it.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}
