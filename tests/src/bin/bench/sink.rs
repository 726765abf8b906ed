//! A vendor that only counts: the same for the daemon and for the bare forwarder. Where asked it
//! notes when each order came.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use switchyard_tests::runtime;
use tokio::net::TcpListener;

#[derive(Default)]
struct Shared {
    requests: AtomicU64,
    noting: AtomicBool,
    arrivals: Mutex<HashMap<u64, Instant>>,
}

/// The sink.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Starts on loopback.
    pub fn start() -> anyhow::Result<Sink> {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        runtime().spawn(accept(listener, shared.clone()));
        Ok(Sink { address, shared })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests until now.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// From now on notes when each order comes.
    pub fn note(&self) {
        self.shared.noting.store(true, Ordering::Relaxed);
    }

    /// When each order came first, by its number.
    pub fn arrivals(&self) -> HashMap<u64, Instant> {
        self.shared.arrivals.lock().expect("nobody panics while holding it").clone()
    }

    /// Waits until so many requests have come.
    ///
    /// # Errors
    /// When none has come for a while.
    pub fn wait_for(&self, requests: u64) -> anyhow::Result<()> {
        let mut last = (self.requests(), Instant::now());
        while self.requests() < requests {
            std::thread::park_timeout(Duration::from_millis(1));
            if self.requests() > last.0 {
                last = (self.requests(), Instant::now());
            }
            anyhow::ensure!(last.1.elapsed() < Duration::from_secs(20), "the sink got {} of {requests}", last.0);
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| take(request, shared.clone()));
            let mut builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<hyper::Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if shared.noting.load(Ordering::Relaxed) {
        let now = Instant::now();
        let mut arrivals = shared.arrivals.lock().expect("nobody panics while holding it");
        for number in numbers(&body) {
            arrivals.entry(number).or_insert(now);
        }
    }
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = hyper::Response::new(Empty::new());
    *response.status_mut() = hyper::StatusCode::NO_CONTENT;
    Ok(response)
}

/// The numbers of the orders in a GA4 request.
fn numbers(body: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(body);
    let sign = "\"transaction_id\":\"n";
    text.match_indices(sign)
        .filter_map(|(at, _)| text.get(at + sign.len()..at + sign.len() + 9)?.parse().ok())
        .collect()
}
