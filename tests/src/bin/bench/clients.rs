//! Clients that keep their connections and post prepared bodies, as SDKs under load do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use switchyard_tests::http::basic;
use switchyard_tests::runtime;
use tokio::net::TcpStream;

/// As many as the figures name.
pub const CONNECTIONS: usize = 64;

/// Events in a batch.
pub const BATCH: usize = 20;

/// One kept connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: String,
    authorization: String,
}

impl Client {
    /// Connects to HOST:PORT.
    pub async fn connect(address: &str, write_key: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Client { sender, address: address.to_string(), authorization: basic(write_key, "") })
    }

    /// POSTs a body and returns the status, once the whole answer is there.
    pub async fn post(&mut self, path: &str, encoding: Option<&'static str>, body: Bytes) -> anyhow::Result<u16> {
        let mut request = hyper::Request::post(path)
            .header("host", &self.address)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let request = request.body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }
}

/// What requests were answered with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// With 200.
    pub taken: u64,
    /// With 429.
    pub refused: u64,
    /// With anything else.
    pub other: u64,
}

/// Posts bodies over all connections as fast as they are answered: `body_of` makes the body of the
/// n-th request, until it returns None. Returns the time that it took and the requests.
///
/// # Errors
/// When a request is not answered with 200.
pub fn flood(
    address: &str,
    write_key: &str,
    body_of: impl Fn(u64) -> Option<Bytes> + Send + Sync + 'static,
) -> anyhow::Result<(Duration, u64)> {
    flood_with(address, write_key, None, body_of)
}

/// As [`flood`], with bodies of this encoding.
///
/// # Errors
/// When a request is not answered with 200.
pub fn flood_with(
    address: &str,
    write_key: &str,
    encoding: Option<&'static str>,
    body_of: impl Fn(u64) -> Option<Bytes> + Send + Sync + 'static,
) -> anyhow::Result<(Duration, u64)> {
    let (took, answers) = flood_on(CONNECTIONS, address, write_key, encoding, body_of)?;
    ensure!(answers.refused + answers.other == 0, "batches were not answered with 200: {answers:?}");
    Ok((took, answers.taken))
}

/// As [`flood_with`], over so many connections, whatever the answers are.
///
/// # Errors
/// When a request is not answered.
pub fn flood_on(
    connections: usize,
    address: &str,
    write_key: &str,
    encoding: Option<&'static str>,
    body_of: impl Fn(u64) -> Option<Bytes> + Send + Sync + 'static,
) -> anyhow::Result<(Duration, Answers)> {
    let next = Arc::new(AtomicU64::new(0));
    let body_of = Arc::new(body_of);
    let started = Instant::now();
    let (address, write_key) = (address.to_string(), write_key.to_string());
    let answers = runtime().block_on(async move {
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let (next, body_of) = (next.clone(), body_of.clone());
            let mut client = Client::connect(&address, &write_key).await?;
            tasks.push(tokio::spawn(async move {
                let mut answers = Answers::default();
                while let Some(body) = body_of(next.fetch_add(1, Ordering::Relaxed)) {
                    match client.post("/v1/batch", encoding, body).await? {
                        200 => answers.taken += 1,
                        429 => answers.refused += 1,
                        _ => answers.other += 1,
                    }
                }
                anyhow::Ok(answers)
            }));
        }
        let mut all = Answers::default();
        for task in tasks {
            let answers = task.await??;
            all.taken += answers.taken;
            all.refused += answers.refused;
            all.other += answers.other;
        }
        anyhow::Ok(all)
    })?;
    Ok((started.elapsed(), answers))
}
