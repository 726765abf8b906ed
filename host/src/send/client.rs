//! The HTTP client of one destination: HTTP/1.1 and HTTP/2, over its own pool of connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper_rustls::HttpsConnectorBuilder;

use super::connector::Connector;
use super::egress::{Grants, Refused, checked_url};
use super::oauth::{self, TokenRequest};
use super::pool::{Failure, Pool};
use super::tokens::{Look, NoToken, Token, TokenUsed, Tokens};
use super::trust;
use crate::config::Egress;
use crate::meter::{AttemptMeter, AttemptResult};
use crate::plugin::check::HOST_HEADERS;
use crate::plugin::handles::Handles;

/// Bytes of an answer that are read; the rest is cut off. The largest answer that a judge reads is
/// the list of failed records of a batch of 2,000.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

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
    /// The access token that it needs, if it needs one.
    pub token: Option<TokenRequest>,
}

/// What came back, without secrets: where the vendor repeats one, there is its handle.
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
    /// The access token that the request carried.
    pub token: Option<TokenUsed>,
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
    /// There is no access token, because its endpoint failed or refused. The request was not sent.
    #[error("{why}")]
    NoToken {
        /// What the endpoint said.
        why: String,
        /// The endpoint is left alone for so long, in milliseconds.
        wait_ms: u64,
    },
}

impl From<NoToken> for SendError {
    fn from(none: NoToken) -> SendError {
        SendError::NoToken { why: none.why, wait_ms: none.wait_ms }
    }
}

/// Sends requests of one destination.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    connector: Connector,
    grants: Arc<Grants>,
    handles: Arc<Handles>,
    tokens: Arc<Tokens>,
    timeout_ms: u64,
    answer_bytes_max: usize,
    meter: Option<Arc<AttemptMeter>>,
}

impl Client {
    /// A client that reaches what `grants` allow, in the way that `egress` says, and gives each attempt
    /// `timeout_ms`; an access token is fetched within as much again. The values of `handles` and the
    /// tokens are taken out of every answer.
    pub fn new(
        grants: Arc<Grants>,
        egress: &Egress,
        handles: Arc<Handles>,
        tokens: Arc<Tokens>,
        timeout_ms: u64,
    ) -> Client {
        let connector = Connector::new(grants.clone(), egress, CONNECT.min(Duration::from_millis(timeout_ms)));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(trust::client_config(egress))
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector.clone());
        let (pool, answer_bytes_max) = (Pool::new(https), ANSWER_BYTES_MAX);
        Client { pool, connector, grants, handles, tokens, timeout_ms, answer_bytes_max, meter: None }
    }

    /// A client for the daemon's own requests: without secrets of a destination.
    pub fn plain(grants: Grants, egress: &Egress, timeout_ms: u64) -> Client {
        Client::new(Arc::new(grants), egress, Arc::default(), Arc::default(), timeout_ms)
    }

    /// The same client, whose attempts are counted.
    pub fn with_meter(self, meter: Arc<AttemptMeter>) -> Client {
        Client { meter: Some(meter), ..self }
    }

    /// The same client, which reads larger answers.
    pub fn with_answer_bytes_max(self, answer_bytes_max: usize) -> Client {
        Client { answer_bytes_max, ..self }
    }

    /// Sends one request and reads the answer, with an access token if it needs one. Safe to cancel: the
    /// vendor may then have it or not.
    pub async fn send(&self, mut outgoing: Outgoing) -> Result<Answer, SendError> {
        let mut used = None;
        if let Some(request) = outgoing.token.take() {
            // Seldom, so that its room is not every request's.
            let token = Box::pin(self.token(&request)).await?;
            outgoing.headers.push(("authorization".to_string(), format!("Bearer {}", token.value.reveal())));
            used = Some(token.used);
        }
        let answer = self.counted_exchange(outgoing).await?;
        Ok(Answer { token: used, ..self.without_secrets(answer) })
    }

    /// The vendor refused the credentials of the request that got this answer. Answers whether another
    /// access token may help, which the next attempt then fetches.
    pub fn refused(&self, answer: &Answer) -> bool {
        answer.token.is_some_and(|used| self.tokens.refused(used))
    }

    /// The vendor took the credentials of the request that got this answer.
    pub fn worked(&self, answer: &Answer) {
        if let Some(used) = answer.token {
            self.tokens.worked(used);
        }
    }

    /// The access token for a request: the one that is known, or a new one.
    async fn token(&self, request: &TokenRequest) -> Result<Token, SendError> {
        let turn = match self.tokens.look(request) {
            Look::Holds(token) => return Ok(token),
            Look::Waits(none) => return Err(none.into()),
            Look::Ages(token) => match self.tokens.turn.try_acquire() {
                Ok(turn) => turn,
                Err(_) => return Ok(token),
            },
            Look::Missing => self.tokens.turn.acquire().await.expect("the semaphore is never closed"),
        };
        // Another may have fetched it meanwhile.
        let aging = match self.tokens.look(request) {
            Look::Holds(token) => return Ok(token),
            Look::Waits(none) => return Err(none.into()),
            Look::Ages(token) => Some(token),
            Look::Missing => None,
        };
        let fetched = self.fetch(request).await;
        drop(turn);
        match (fetched, aging) {
            (Ok(token), _) | (Err(SendError::NoToken { .. }), Some(token)) => Ok(token),
            (Err(error), _) => Err(error),
        }
    }

    /// Asks the endpoint for a token. It is held to the destination's grants as every host is.
    async fn fetch(&self, request: &TokenRequest) -> Result<Token, SendError> {
        let failed = |why: String, asked_ms: Option<u64>| {
            let why = self.handles.hide_values(format!("no access token from {}: {why}", request.endpoint()));
            tracing::warn!(%why, "the token endpoint failed: the requests wait");
            SendError::from(self.tokens.failed(request, why, asked_ms))
        };
        let refresh_token = self.tokens.refresh_token(request);
        let outgoing = request.outgoing(refresh_token.as_ref()).map_err(|why| failed(why, None))?;
        let answer = match self.exchange(outgoing).await {
            Ok(answer) => answer,
            // A host that is not granted is the plugin's mistake, or the operator's: no waiting helps.
            Err(SendError::Refused(refused)) => return Err(SendError::Refused(refused)),
            Err(error) => return Err(failed(error.to_string(), None)),
        };
        if !(200..300).contains(&answer.status) {
            let asked_ms = oauth::asked_ms(&answer.headers);
            let answer = self.without_secrets(answer);
            return Err(failed(format!("{} {}", answer.status, oauth::words(&answer.body)), asked_ms));
        }
        let granted = oauth::granted(&answer.body).map_err(|why| failed(why.to_string(), None))?;
        if granted.refresh_token.is_some() && refresh_token.is_none() {
            tracing::warn!(
                endpoint = %self.handles.hide_values(request.endpoint().to_string()),
                "the token endpoint replaced the refresh token; the new one is kept in memory only, so that a restart needs the configured one to hold"
            );
        }
        Ok(self.tokens.took(request, granted))
    }

    /// An exchange with the vendor, which the meter and the trace see.
    async fn counted_exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
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

    /// Sends a request as it is and reads the answer as it is.
    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, SendError> {
        let request = self.request(outgoing)?;
        let is_read_by_proxy = self.connector.reader(request.uri()).is_some();
        let started = Instant::now();
        let whole = async {
            let (head, body) = self.pool.exchange(request, self.answer_bytes_max).await.map_err(failure)?;
            if is_read_by_proxy && head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
                return Err(SendError::Network("the proxy does not accept its user and password".to_string()));
            }
            let headers = head
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().to_string(), value.to_str().ok()?.to_string())))
                .collect();
            let status = head.status.as_u16();
            Ok::<_, SendError>(Answer { status, headers, body, took_ms: 0, token: None })
        };
        let answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), whole)
            .await
            .map_err(|_| SendError::Timeout(self.timeout_ms))??;
        Ok(Answer { took_ms: started.elapsed().as_millis() as u32, ..answer })
    }

    /// The answer with handles where the vendor repeats secrets: it is shown, stored and read by the plugin.
    fn without_secrets(&self, mut answer: Answer) -> Answer {
        let tokens = self.tokens.hidden();
        let hide = |text: &[u8]| {
            let first = self.handles.hide_read(text);
            tokens.hide(first.as_deref().unwrap_or(text), 1).or(first)
        };
        if let Some(hidden) = hide(&answer.body) {
            answer.body = Bytes::from(hidden);
        }
        for (_, value) in &mut answer.headers {
            if let Some(hidden) = hide(value.as_bytes()) {
                *value = String::from_utf8_lossy(&hidden).into_owned();
            }
        }
        answer
    }

    fn request(&self, outgoing: Outgoing) -> Result<hyper::Request<Full<Bytes>>, SendError> {
        let unusable = |why: String| SendError::Refused(Refused::Url { why });
        let uri = checked_url(&outgoing.url)?;
        self.grants.check_host(uri.host().unwrap_or_default())?;
        let proxy_authorization = self.connector.reader(&uri).and_then(|proxy| proxy.basic_auth().cloned());
        let mut builder = hyper::Request::builder().method(outgoing.method.as_str()).uri(uri);
        if let Some(headers) = builder.headers_mut() {
            headers.insert(USER_AGENT, HeaderValue::from_static(concat!("switchyard/", env!("CARGO_PKG_VERSION"))));
            if let Some(value) = proxy_authorization {
                headers.insert(PROXY_AUTHORIZATION, value);
            }
            for (name, value) in &outgoing.headers {
                let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
                let (Ok(name), Ok(value)) = parsed else {
                    return Err(unusable(format!("the header `{}` is not valid", name.escape_debug())));
                };
                if HOST_HEADERS.contains(&name.as_str()) {
                    return Err(unusable(format!("the header `{name}` is written by the host")));
                }
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
        Err(SendError::Network(_) | SendError::NoToken { .. }) => AttemptResult::Network,
        Err(SendError::Timeout(_)) => AttemptResult::Timeout,
    }
}

fn failure(failure: Failure) -> SendError {
    match failure {
        Failure::Connect(error) => network_error(&*error),
        Failure::Exchange(error) => network_error(&error),
        Failure::BrokeOff(error) => SendError::Network(format!("the answer broke off: {error}")),
    }
}

/// Names the innermost cause: "connection refused" rather than "client error".
fn network_error(error: &(dyn std::error::Error + 'static)) -> SendError {
    let mut cause = error;
    loop {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return SendError::Refused(refused.clone());
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => return SendError::Network(cause.to_string()),
        }
    }
}
