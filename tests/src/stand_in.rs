//! Vendors that stand in for the real ones: one server on loopback that records every request,
//! enforces the documented limits, answers in the vendors' own forms, and can be told to fail.
//!
//! Invariants: a request is recorded before it is answered; rules are tried in the order in which
//! they were given, and the first that fits and is not used up decides.
//! It never forgets a request until [`StandIn::forget`] is called.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::{http, runtime, vendors};

/// One request that a vendor got, and what it answered.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When it was complete: milliseconds since 1970.
    pub at_ms: u64,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query as it came, without the question mark.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Bytes,
    /// What was answered; 0 when nothing was.
    pub status: u16,
    /// What the real vendor would object to, even where it answers 2xx.
    pub violations: Vec<String>,
}

impl Recorded {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body with its content encoding taken off.
    pub fn content(&self) -> Vec<u8> {
        use std::io::Read;
        if self.header("content-encoding") != Some("gzip") {
            return self.body.to_vec();
        }
        let mut content = Vec::new();
        match flate2::read::GzDecoder::new(&self.body[..]).read_to_end(&mut content) {
            Ok(_) => content,
            Err(_) => self.body.to_vec(),
        }
    }

    /// The body as JSON, or null.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.content()).unwrap_or(Value::Null)
    }

    /// The objects of the body: its elements when it is an array, itself when it is an object.
    pub fn objects(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(objects) => objects,
            Value::Null => Vec::new(),
            object => vec![object],
        }
    }

    /// Whether it was answered with 2xx.
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// How a rule answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As the vendor does.
    Vendor,
    /// With this, whatever the request.
    Status {
        /// The status.
        status: u16,
        /// Headers to add.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Never.
    Hang,
    /// With 200 at once and a body that trickles in without end.
    SlowBody,
    /// By closing the connection.
    Close,
    /// With 200 and a body of so many bytes.
    Huge(usize),
    /// With 200 and this body.
    Bytes(Bytes),
    /// As the vendor does, so much later.
    Late(Duration),
    /// With what this makes of the request.
    Computed(fn(&Recorded) -> Answer),
}

impl Answer {
    /// A status with an empty body.
    pub fn status(status: u16) -> Answer {
        Answer::Status { status, headers: Vec::new(), body: String::new() }
    }

    /// 429 with Retry-After in seconds.
    pub fn retry_after(seconds: u64) -> Answer {
        Answer::Status {
            status: 429,
            headers: vec![("retry-after".to_string(), seconds.to_string())],
            body: "slow down".to_string(),
        }
    }
}

/// What a rule applies to.
type Applies = dyn Fn(&Recorded) -> bool + Send + Sync;

struct Rule {
    left: u64,
    applies: Box<Applies>,
    answer: Answer,
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    rules: Vec<Rule>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the stand-in's state")
    }
}

/// The server. It ends when dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl StandIn {
    /// Starts on a port that the kernel chooses.
    pub fn start() -> StandIn {
        StandIn::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("loopback has a free port")
    }

    /// Starts on this address.
    ///
    /// # Errors
    /// When something else listens there.
    pub fn start_on(address: SocketAddr) -> std::io::Result<StandIn> {
        let listener = runtime().block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = runtime().spawn(accept(listener, shared.clone()));
        Ok(StandIn { address, shared, accepting: Mutex::new(Some(accepting)) })
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next `times` requests that `applies` names get this answer.
    pub fn program(&self, times: u64, answer: Answer, applies: impl Fn(&Recorded) -> bool + Send + Sync + 'static) {
        self.shared.lock().rules.push(Rule { left: times, applies: Box::new(applies), answer });
    }

    /// From now on every vendor behaves again.
    pub fn heal(&self) {
        self.shared.lock().rules.clear();
    }

    /// Stops listening and drops every connection, as a vendor that is down.
    pub fn go_down(&self) {
        let accepting = self.accepting.lock().expect("nobody panics while holding it").take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _ = runtime().block_on(accepting);
        }
    }

    /// Listens again where it did.
    pub fn come_back(&self) {
        let listener = runtime().block_on(TcpListener::bind(self.address)).expect("the port is still free");
        let accepting = runtime().spawn(accept(listener, self.shared.clone()));
        *self.accepting.lock().expect("nobody panics while holding it") = Some(accepting);
    }

    /// All requests until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.clone()
    }

    /// Those whose path begins so.
    pub fn requests_to(&self, path: &str) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.path.starts_with(path)).collect()
    }

    /// How many requests there are of a kind. Cheap, so that a storm can look often.
    pub fn count(&self, applies: impl Fn(&Recorded) -> bool) -> usize {
        self.shared.lock().requests.iter().filter(|request| applies(request)).count()
    }

    /// Forgets all requests.
    pub fn forget(&self) {
        self.shared.lock().requests.clear();
    }

    /// What the real vendors would have objected to, with the request it was in.
    pub fn violations(&self) -> Vec<String> {
        let requests = self.requests();
        let with_path = |request: &Recorded| -> Vec<String> {
            request.violations.iter().map(|violation| format!("{}: {violation}", request.path)).collect()
        };
        requests.iter().flat_map(with_path).collect()
    }

    /// Waits until the requests are as `enough` wants them.
    ///
    /// # Panics
    /// When they are not in time; says what was awaited and what came.
    pub fn wait_until(&self, what: &str, deadline: Duration, enough: impl Fn(&[Recorded]) -> bool) {
        let end = Instant::now() + deadline;
        let mut state = self.shared.lock();
        while !enough(&state.requests) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let summary = summary(&state.requests);
                drop(state);
                panic!("waited {} s for: {what}; the vendors got: {summary}", deadline.as_secs());
            }
            state = self.shared.changed.wait_timeout(state, left).expect("nobody panics while holding it").0;
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Ok(mut accepting) = self.accepting.lock()
            && let Some(accepting) = accepting.take()
        {
            accepting.abort();
        }
    }
}

fn summary(requests: &[Recorded]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for request in requests {
        *counts.entry((request.path.clone(), request.status)).or_insert(0u64) += 1;
    }
    let parts: Vec<String> =
        counts.iter().map(|((path, status), count)| format!("{count} x {path} -> {status}")).collect();
    if parts.is_empty() { "nothing".to_string() } else { parts.join(", ") }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let shared = shared.clone();
                let _ = stream.set_nodelay(true);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, shared.clone()));
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Closes the connection, as the error of a service does.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

type Reply = hyper::Response<BoxBody<Bytes, std::convert::Infallible>>;

async fn answer(request: hyper::Request<Incoming>, shared: Arc<Shared>) -> Result<Reply, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let mut recorded = Recorded {
        at_ms: now_ms(),
        method: head.method.to_string(),
        path: head.uri.path().to_string(),
        query: head.uri.query().unwrap_or_default().to_string(),
        headers: http::header_pairs(&head.headers),
        body,
        status: 0,
        violations: Vec::new(),
    };
    let vendor = vendors::answer(&recorded);
    recorded.violations = vendor.violations;
    let mut late = Duration::ZERO;
    let as_vendor = Answer::Status { status: vendor.status, headers: vendor.headers, body: vendor.body };
    let chosen = match choose(&shared, &recorded) {
        Answer::Vendor => as_vendor,
        Answer::Late(wait) => {
            late = wait;
            as_vendor
        }
        Answer::Computed(compute) => compute(&recorded),
        other => other,
    };
    recorded.status = match &chosen {
        Answer::Status { status, .. } => *status,
        Answer::Huge(_) | Answer::Bytes(_) | Answer::SlowBody => 200,
        Answer::Hang | Answer::Close | Answer::Vendor | Answer::Late(_) | Answer::Computed(_) => 0,
    };
    shared.lock().requests.push(recorded);
    shared.changed.notify_all();
    tokio::time::sleep(late).await;
    reply(chosen).await
}

fn choose(shared: &Shared, recorded: &Recorded) -> Answer {
    let mut state = shared.lock();
    let rule = state.rules.iter_mut().find(|rule| rule.left > 0 && (rule.applies)(recorded));
    match rule {
        Some(rule) => {
            rule.left -= 1;
            rule.answer.clone()
        }
        None => Answer::Vendor,
    }
}

async fn reply(answer: Answer) -> Result<Reply, Closed> {
    let full = |body: Bytes| Full::new(body).boxed();
    match answer {
        Answer::Status { status, headers, body } => {
            let mut builder = hyper::Response::builder().status(status);
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            builder.body(full(Bytes::from(body))).map_err(|_| Closed)
        }
        Answer::Huge(bytes) => Ok(hyper::Response::new(full(Bytes::from(vec![b'x'; bytes])))),
        Answer::Bytes(bytes) => Ok(hyper::Response::new(full(bytes))),
        Answer::SlowBody => Ok(hyper::Response::new(Trickle::new().boxed())),
        Answer::Hang => std::future::pending().await,
        Answer::Close | Answer::Vendor | Answer::Late(_) | Answer::Computed(_) => Err(Closed),
    }
}

/// A body of which a byte a second comes, for ever.
struct Trickle(tokio::time::Interval);

impl Trickle {
    fn new() -> Trickle {
        Trickle(tokio::time::interval(Duration::from_secs(1)))
    }
}

impl hyper::body::Body for Trickle {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_tick(context).map(|_| Some(Ok(hyper::body::Frame::data(Bytes::from_static(b".")))))
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
