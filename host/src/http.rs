//! Serves HTTP/1.1 and HTTP/2 on one listener: what ingest and the admin interface share.
//!
//! Bounded: connections, time for a TLS handshake and for a head, and at a stop the time for what is
//! open.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::tls::Certificate;

/// A body that is whole or streamed.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// At a stop, how long open connections are asked to come again before they are closed.
const CLOSING: Duration = Duration::from_millis(700);

/// Bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Connections at a time; further ones wait in the backlog.
    pub connections_max: usize,
    /// Time for a request's head, in milliseconds.
    pub head_ms_max: u64,
    /// Time for what is open at a stop, in milliseconds.
    pub grace_ms: u64,
}

/// An answer with a whole body.
pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer as JSON.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("text and numbers can be written to memory");
    whole(status, "application/json", body)
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.expect("the permits are never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// Serves until `stop` says true; then takes no more connections, finishes what is open and returns.
///
/// What is open is asked to come again: for a moment every answer says `Connection: close`, so that
/// a client that keeps its connection learns of the end from an answer, not from a reset. What still
/// is open then is closed between two requests.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Certificate>,
    limits: ServeLimits,
    handler: H,
    mut stop: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let server = Server { builder: builder(limits), tls: tls.map(|tls| tls.acceptor()), limits, handler };
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: give open connections time to end.
                tracing::error!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (server, watcher, stop) = (server.clone(), graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            server.serve(stream, peer, watcher, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    let all = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let closing = CLOSING.min(Duration::from_millis(limits.grace_ms));
    let _ = tokio::time::timeout(closing, permits.acquire_many(all)).await;
    if tokio::time::timeout(Duration::from_millis(limits.grace_ms), graceful.shutdown()).await.is_err() {
        tracing::warn!("connections still open after the grace period were cut");
    }
}

fn builder(limits: ServeLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.head_ms_max))
        .pipeline_flush(true)
        // A client that has sent its whole request and closes its side still gets its answer.
        .half_close(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    builder
}

/// What every connection of a listener is served with.
#[derive(Clone)]
struct Server<H> {
    builder: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    limits: ServeLimits,
    handler: H,
}

impl<H, F> Server<H>
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// Serves one connection to its end.
    async fn serve(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, stop: watch::Receiver<bool>) {
        let Some(tls) = self.tls.clone() else {
            return self.serve_stream(stream, peer, watcher, stop).await;
        };
        let handshake = tls.accept(stream);
        match tokio::time::timeout(Duration::from_millis(self.limits.head_ms_max), handshake).await {
            Ok(Ok(stream)) => self.serve_stream(stream, peer, watcher, stop).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    }

    async fn serve_stream<S>(self, stream: S, peer: SocketAddr, watcher: Watcher, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handler = self.handler;
        let service = service_fn(move |request: Request<Incoming>| {
            let is_http1 = request.version() <= Version::HTTP_11;
            let (response, stop) = (handler(request, peer), stop.clone());
            async move {
                let mut response = response.await;
                if is_http1 && *stop.borrow() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}
