//! The HTTP client of one destination: HTTP/1.1 and HTTP/2, its own pool of connections.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as PooledClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::egress::{Grants, Refused};
use crate::meter::{AttemptMeter, AttemptResult};

/// Bytes of an answer that are read; the rest is cut off. The largest answer that a judge reads is
/// the list of failed records of a batch of 2,000.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Idle connections are closed after this time: shorter than the idle bound of common load balancers.
const IDLE: Duration = Duration::from_secs(50);

const CONNECT: Duration = Duration::from_secs(5);

/// A request as it goes over the wire: secrets are in.
pub struct Outgoing {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers, by lower-case name and value; values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`ANSWER_BYTES_MAX`] bytes of it.
    pub body: Bytes,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It may not leave. Trying again does not help.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The network or the vendor failed.
    #[error("{0}")]
    Network(String),
    /// It took too long.
    #[error("no answer within {0} ms")]
    Timeout(u64),
}

/// Sends requests of one destination.
#[derive(Clone)]
pub struct Client {
    pool: PooledClient<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>,
    grants: Arc<Grants>,
    timeout_ms: u64,
    meter: Option<Arc<AttemptMeter>>,
}

impl Client {
    /// A client that reaches what `grants` allow and gives each attempt `timeout_ms`.
    pub fn new(grants: Arc<Grants>, timeout_ms: u64) -> Client {
        let mut http = HttpConnector::new_with_resolver(CheckedResolver { grants: grants.clone() });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT.min(Duration::from_millis(timeout_ms))));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(TLS.clone())
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(http);
        let pool = PooledClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(https);
        Client { pool, grants, timeout_ms, meter: None }
    }

    /// The same client, whose attempts are counted.
    pub fn with_meter(self, meter: Arc<AttemptMeter>) -> Client {
        Client { meter: Some(meter), ..self }
    }

    /// Sends one request and reads the answer. Safe to cancel: the vendor may then have it or not.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        let running = self.meter.as_ref().map(|meter| meter.begin(outgoing.body.len()));
        let answered = self.exchange(outgoing).await;
        let result = result_of(&answered);
        tracing::Span::current().record("result", result.as_str());
        if let Ok(answer) = &answered {
            tracing::Span::current().record("status", answer.status);
        }
        if let Some(running) = running {
            running.end(result, answered.as_ref().map_or(0, |answer| answer.body.len()));
        }
        answered
    }

    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        let request = self.request(outgoing)?;
        let started = Instant::now();
        let whole = async {
            let response = self.pool.request(request).await.map_err(|error| network_error(&error))?;
            let (head, mut body) = response.into_parts();
            let mut read = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| SendError::Network(format!("the answer broke off: {error}")))?;
                if let Some(data) = frame.data_ref() {
                    let room = ANSWER_BYTES_MAX - read.len();
                    read.extend_from_slice(&data[..data.len().min(room)]);
                    if read.len() == ANSWER_BYTES_MAX {
                        break;
                    }
                }
            }
            let headers = head
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string())))
                .collect();
            Ok::<_, SendError>(Answer { status: head.status.as_u16(), headers, body: read.freeze(), took_ms: 0 })
        };
        let answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), whole)
            .await
            .map_err(|_| SendError::Timeout(self.timeout_ms))??;
        Ok(Answer { took_ms: started.elapsed().as_millis() as u32, ..answer })
    }

    fn request(&self, outgoing: Outgoing) -> Result<hyper::Request<Full<Bytes>>, SendError> {
        let unusable = |why: String| SendError::Refused(Refused::Url { why });
        let uri: hyper::Uri = outgoing.url.parse().map_err(|error| unusable(format!("{error}")))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(unusable("it holds a user name: use the request's auth".to_string()));
        }
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(unusable("it is neither http nor https".to_string())),
        }
        self.grants.check_host(uri.host().unwrap_or_default())?;
        let mut builder = hyper::Request::builder().method(outgoing.method.as_str()).uri(uri);
        if let Some(headers) = builder.headers_mut() {
            headers.insert(USER_AGENT, HeaderValue::from_static(concat!("switchyard/", env!("CARGO_PKG_VERSION"))));
            for (name, value) in &outgoing.headers {
                let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
                let (Ok(name), Ok(value)) = parsed else {
                    return Err(unusable(format!("the header `{}` is not valid", name.escape_debug())));
                };
                headers.append(name, value);
            }
        }
        builder.body(Full::new(outgoing.body)).map_err(|error| unusable(error.to_string()))
    }
}

fn result_of(answered: &Result<Answer, SendError>) -> AttemptResult {
    match answered {
        Ok(answer) => AttemptResult::of_status(answer.status),
        Err(SendError::Refused(_)) => AttemptResult::Refused,
        Err(SendError::Network(_)) => AttemptResult::Network,
        Err(SendError::Timeout(_)) => AttemptResult::Timeout,
    }
}

/// Names the innermost cause: "connection refused" rather than "client error".
fn network_error(error: &hyper_util::client::legacy::Error) -> SendError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return SendError::Refused(refused.clone());
        }
        cause = inner;
    }
    if let Some(refused) = cause.downcast_ref::<Refused>() {
        return SendError::Refused(refused.clone());
    }
    SendError::Network(cause.to_string())
}

/// One TLS configuration for all destinations; it is shared, not copied.
static TLS: LazyLock<rustls::ClientConfig> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default TLS versions");
    match builder.clone().with_native_roots() {
        Ok(verified) => verified.with_no_client_auth(),
        Err(error) => {
            tracing::error!(%error, "the system has no certificate authorities: every https request will fail");
            builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
        }
    }
});

/// Resolves names and hands on only addresses that the destination may reach; the connection is
/// made to one of these, so that a name cannot change in between.
#[derive(Clone)]
struct CheckedResolver {
    grants: Arc<Grants>,
}

impl tower_service::Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let grants = self.grants.clone();
        Box::pin(async move {
            let mut allowed = Vec::new();
            let mut refused = None;
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match grants.check_address(name.as_str(), address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(refused)) => Err(refused.into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}
