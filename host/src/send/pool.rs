//! The connections of one destination, kept from one request to the next.
//!
//! A connection of HTTP/1.1 belongs to one request at a time, and the task of that request drives it: no
//! task of its own has to be woken for each thing that it writes or reads. One of HTTP/2 has a task, and
//! all requests to its origin share it.
//!
//! Invariants:
//! - A request is written at most once. Only if nothing of it was written does it go over another connection.
//! - A connection is kept only when its last answer was read to its end.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::http::response::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::connector::{Connector, Link};

/// Connections that nobody uses are closed after this time: shorter than the idle bound of common load balancers.
const IDLE: Duration = Duration::from_secs(50);

type Outgoing = Request<Full<Bytes>>;
type Stream = MaybeHttpsStream<Link>;

/// Why an exchange failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection could be made.
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// The connection failed. The vendor may have the request.
    Exchange(hyper::Error),
    /// The answer broke off.
    BrokeOff(hyper::Error),
}

/// Makes connections and keeps them.
#[derive(Clone)]
pub(super) struct Pool {
    connector: HttpsConnector<Connector>,
    kept: Arc<Mutex<Kept>>,
}

/// Connections that nobody uses now, and those that are shared.
#[derive(Default)]
struct Kept {
    origins: HashMap<Origin, Connections>,
    /// Somebody closes what is idle for too long.
    is_watched: bool,
}

type Origin = (Scheme, Authority);

#[derive(Default)]
struct Connections {
    /// The one that was used last comes last, and is used first.
    idle: Vec<(Box<Http1>, Instant)>,
    shared: Option<Shared>,
}

/// A connection of HTTP/2 and when it was used last.
struct Shared {
    sender: http2::SendRequest<Full<Bytes>>,
    used: Instant,
}

/// A connection that can carry a request.
enum Ready {
    One(Box<Http1>),
    Shared(http2::SendRequest<Full<Bytes>>),
}

/// What became of a request.
enum Sent {
    Answered(Parts, Bytes),
    /// Nothing of it was written.
    NotWritten(Box<Outgoing>, hyper::Error),
}

impl Pool {
    /// An empty one.
    pub(super) fn new(connector: HttpsConnector<Connector>) -> Pool {
        Pool { connector, kept: Arc::default() }
    }

    /// Sends a request, whose URL is absolute, and reads the answer: at most `answer_bytes_max` bytes of its
    /// body. Safe to cancel: the connection of HTTP/1.1 is closed then.
    pub(super) async fn exchange(
        &self,
        mut request: Outgoing,
        answer_bytes_max: usize,
    ) -> Result<(Parts, Bytes), Failure> {
        let uri = request.uri().clone();
        let parts = uri.scheme().zip(uri.authority());
        let (scheme, authority) = parts.ok_or_else(|| Failure::Connect("the URL is not absolute".into()))?;
        let origin = (scheme.clone(), authority.clone());
        loop {
            let taken = self.lock().take(&origin);
            let (ready, is_new) = match taken {
                Some(ready) => (ready, false),
                None => (Box::pin(self.connect(&uri, &origin)).await?, true),
            };
            let sent = match ready {
                Ready::One(mut connection) => {
                    let sent = connection.exchange(request, &uri, answer_bytes_max).await?;
                    if connection.can_be_kept() {
                        self.keep(origin.clone(), connection);
                    }
                    sent
                }
                Ready::Shared(sender) => {
                    let sent = Box::pin(exchange_shared(sender, request, answer_bytes_max)).await?;
                    if let Sent::NotWritten(..) = sent {
                        self.lock().forget_shared(&origin);
                    }
                    sent
                }
            };
            match sent {
                Sent::Answered(head, body) => return Ok((head, body)),
                Sent::NotWritten(_, error) if is_new => return Err(Failure::Exchange(error)),
                Sent::NotWritten(again, _) => request = *again,
            }
        }
    }

    async fn connect(&self, uri: &Uri, origin: &Origin) -> Result<Ready, Failure> {
        let stream = self.connector.clone().call(uri.clone()).await.map_err(Failure::Connect)?;
        let connected = stream.connected();
        if !connected.is_negotiated_h2() {
            let (sender, connection) = http1::handshake(stream).await.map_err(Failure::Exchange)?;
            let (connection, is_proxied) = (Some(connection), connected.is_proxied());
            return Ok(Ready::One(Box::new(Http1 { sender, connection, is_proxied })));
        }
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let (sender, connection) =
            builder.timer(TokioTimer::new()).handshake(stream).await.map_err(Failure::Exchange)?;
        let mut kept = self.lock();
        let connections = kept.origins.entry(origin.clone()).or_default();
        // Several may have connected at once: one connection stays.
        if let Some(sender) = connections.shared() {
            return Ok(Ready::Shared(sender));
        }
        connections.shared = Some(Shared { sender: sender.clone(), used: Instant::now() });
        self.watch(&mut kept);
        // It ends with the last that can send over it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of HTTP/2 ended");
            }
        });
        Ok(Ready::Shared(sender))
    }

    fn keep(&self, origin: Origin, connection: Box<Http1>) {
        let mut kept = self.lock();
        kept.origins.entry(origin).or_default().idle.push((connection, Instant::now()));
        self.watch(&mut kept);
    }

    /// Has somebody close what is idle for too long, as long as there is something.
    fn watch(&self, kept: &mut Kept) {
        if !std::mem::replace(&mut kept.is_watched, true) {
            tokio::spawn(close_idle(Arc::downgrade(&self.kept)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().expect("nobody panics while holding the connections")
}

async fn close_idle(kept: Weak<Mutex<Kept>>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = lock(&kept);
        kept.close_unused(Instant::now());
        if kept.origins.is_empty() {
            kept.is_watched = false;
            return;
        }
    }
}

impl Kept {
    fn take(&mut self, origin: &Origin) -> Option<Ready> {
        let connections = self.origins.get_mut(origin)?;
        if let Some(sender) = connections.shared() {
            return Some(Ready::Shared(sender));
        }
        let (connection, used) = connections.idle.pop()?;
        if used.elapsed() < IDLE {
            return Some(Ready::One(connection));
        }
        // The others are older.
        connections.idle.clear();
        None
    }

    fn close_unused(&mut self, now: Instant) {
        let is_fresh = |used: &Instant| now.duration_since(*used) < IDLE;
        self.origins.retain(|_, connections| {
            connections.idle.retain(|(_, used)| is_fresh(used));
            connections.shared.take_if(|shared| !is_fresh(&shared.used));
            !connections.idle.is_empty() || connections.shared.is_some()
        });
    }

    fn forget_shared(&mut self, origin: &Origin) {
        if let Some(connections) = self.origins.get_mut(origin) {
            connections.shared = None;
        }
    }
}

impl Connections {
    /// The connection that is shared, unless it was closed.
    fn shared(&mut self) -> Option<http2::SendRequest<Full<Bytes>>> {
        self.shared.take_if(|shared| shared.sender.is_closed());
        let shared = self.shared.as_mut()?;
        shared.used = Instant::now();
        Some(shared.sender.clone())
    }
}

/// A connection of HTTP/1.1, which does nothing unless it is driven.
struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<http1::Connection<Stream, Full<Bytes>>>,
    is_proxied: bool,
}

impl Http1 {
    /// Sends one request and reads the answer.
    async fn exchange(&mut self, mut request: Outgoing, uri: &Uri, answer_bytes_max: usize) -> Result<Sent, Failure> {
        // What the vendor closed meanwhile takes no request.
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(())
        })
        .await;
        self.address(&mut request, uri);
        let mut answer = pin!(answer(self.sender.try_send_request(request), answer_bytes_max));
        let sent = poll_fn(|context| {
            self.drive(context);
            answer.as_mut().poll(context)
        });
        match sent.await? {
            Sent::NotWritten(mut request, error) => {
                *request.uri_mut() = uri.clone();
                request.headers_mut().remove(HOST);
                Ok(Sent::NotWritten(request, error))
            }
            answered => Ok(answered),
        }
    }

    /// As HTTP/1.1 wants it: the host in a header, and only the rest in the first line, unless a proxy reads it.
    fn address(&self, request: &mut Outgoing, uri: &Uri) {
        request.headers_mut().insert(HOST, host(uri));
        if !self.is_proxied {
            let path = uri.path_and_query().cloned().map(Uri::from);
            *request.uri_mut() = path.unwrap_or_default();
        }
    }

    /// Whether another request can go over it. Nobody is woken for it until then.
    fn can_be_kept(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Writes and reads as far as it can. Who waits for the answer learns when it fails, or ends without one.
    fn drive(&mut self, context: &mut Context<'_>) {
        self.connection.take_if(|connection| Pin::new(connection).poll(context).is_ready());
    }
}

/// The Host header of requests to a URL. Its port is told unless it is the scheme's own.
fn host(uri: &Uri) -> HeaderValue {
    let host = uri.host().unwrap_or_default();
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let value = match uri.port_u16() {
        Some(port) if port != usual => HeaderValue::from_maybe_shared(Bytes::from(format!("{host}:{port}"))),
        _ => HeaderValue::from_str(host),
    };
    value.expect("the host of a URL has only characters of a header")
}

/// Over a connection of HTTP/2.
async fn exchange_shared(
    mut sender: http2::SendRequest<Full<Bytes>>,
    request: Outgoing,
    answer_bytes_max: usize,
) -> Result<Sent, Failure> {
    answer(sender.try_send_request(request), answer_bytes_max).await
}

/// The answer to a request that is on its way, with its body.
async fn answer(
    answering: impl Future<Output = Result<Response<Incoming>, TrySendError<Outgoing>>>,
    answer_bytes_max: usize,
) -> Result<Sent, Failure> {
    let response = match answering.await {
        Ok(response) => response,
        Err(mut failed) => {
            return match failed.take_message() {
                Some(request) => Ok(Sent::NotWritten(Box::new(request), failed.into_error())),
                None => Err(Failure::Exchange(failed.into_error())),
            };
        }
    };
    let (head, body) = response.into_parts();
    let body = read(body, answer_bytes_max).await.map_err(Failure::BrokeOff)?;
    Ok(Sent::Answered(head, body))
}

/// Reads an answer's body, as far as it is read. To its very end, even when all of its bytes are there: only
/// then can its connection be kept.
async fn read(mut body: Incoming, bytes_max: usize) -> hyper::Result<Bytes> {
    let mut first = Bytes::new();
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        data.truncate(bytes_max - first.len() - read.len());
        if first.is_empty() {
            // Mostly the only one, and nothing is copied.
            first = data;
        } else {
            read.extend_from_slice(&data);
        }
        if first.len() + read.len() == bytes_max {
            break;
        }
    }
    if read.is_empty() {
        return Ok(first);
    }
    Ok([&first[..], &read[..]].concat().into())
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
