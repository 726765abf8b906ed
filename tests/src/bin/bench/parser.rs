//! What ingest is compared with: a bare HTTP server that reads each body, decompresses it, parses it
//! and answers 200. A process of its own, as the daemon is.

use std::convert::Infallible;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use switchyard_tests::expect::eventually;
use switchyard_tests::paths;
use tokio::net::TcpListener;

/// A running parser. It ends when dropped.
pub struct Parser {
    child: Child,
    /// Where it listens, HOST:PORT.
    pub address: String,
}

impl Parser {
    /// Starts this program again, as the parser.
    pub fn start() -> anyhow::Result<Parser> {
        let address = paths::free_address().to_string();
        let mut command = Command::new(std::env::current_exe()?);
        let child = command.args(["parser", &address]).stdin(Stdio::null()).spawn()?;
        eventually("the parser listens", Duration::from_secs(10), || std::net::TcpStream::connect(&address).is_ok());
        Ok(Parser { child, address })
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process: serves until it is killed.
pub fn run(listen: &str) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(listen))
}

async fn serve(listen: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let is_compressed = request.headers().contains_key("content-encoding");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let status = if parses(&body, is_compressed) { 200 } else { 400 };
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"{\"success\":true}")));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

fn parses(body: &[u8], is_compressed: bool) -> bool {
    if !is_compressed {
        return serde_json::from_slice::<Value>(body).is_ok();
    }
    let mut plain = Vec::new();
    let read = flate2::read::GzDecoder::new(body).read_to_end(&mut plain);
    read.is_ok() && serde_json::from_slice::<Value>(&plain).is_ok()
}
