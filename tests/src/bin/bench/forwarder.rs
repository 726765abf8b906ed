//! What there is to compare with: a bare forwarder with neither queue nor plugin. It takes the same
//! batches and sends each event on as it is, one request an event as ga4 does for distinct users,
//! before it answers. A process of its own, as the daemon is.

use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::value::RawValue;
use switchyard_tests::expect::eventually;
use switchyard_tests::paths;
use tokio::net::TcpListener;

type Outgoing = Client<HttpConnector, Full<Bytes>>;

#[derive(serde::Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    batch: Vec<&'a RawValue>,
}

/// A running forwarder. It ends when dropped.
pub struct Forwarder {
    child: Child,
    /// Where it listens, HOST:PORT.
    pub address: String,
}

impl Forwarder {
    /// Starts this program again, as the forwarder.
    pub fn start(sink: &str) -> anyhow::Result<Forwarder> {
        let address = paths::free_address().to_string();
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        let child = command.args(["forwarder", &address, sink]).stdin(Stdio::null()).spawn()?;
        eventually("the forwarder listens", Duration::from_secs(10), || std::net::TcpStream::connect(&address).is_ok());
        Ok(Forwarder { child, address })
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process: serves until it is killed.
pub fn run(listen: &str, sink: &str) -> anyhow::Result<()> {
    let sink: hyper::Uri = format!("{sink}/collect").parse().context("the sink's URL")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(listen, sink))
}

async fn serve(listen: &str, sink: hyper::Uri) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Outgoing = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, sink) = (client.clone(), sink.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, client.clone(), sink.clone()));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    request: hyper::Request<Incoming>,
    client: Outgoing,
    sink: hyper::Uri,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let status = match each_event(&body, &client, &sink).await {
        Ok(()) => 200,
        Err(_) => 502,
    };
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"{\"success\":true}")));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

async fn each_event(body: &Bytes, client: &Outgoing, sink: &hyper::Uri) -> anyhow::Result<()> {
    let batch: Batch<'_> = serde_json::from_slice(body)?;
    for event in batch.batch {
        let body = body.slice_ref(event.get().as_bytes());
        let request =
            hyper::Request::post(sink.clone()).header("content-type", "application/json").body(Full::new(body))?;
        let response = client.request(request).await?;
        anyhow::ensure!(response.status().is_success(), "the sink answered {}", response.status());
        response.into_body().collect().await?;
    }
    Ok(())
}
