//! A small proxy: CONNECT tunnels, and requests that carry the whole URL. Whatever host is asked for, it
//! leads to one target, so that names may be used that nobody resolves.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::runtime;

/// Bytes of a head that are read.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What the proxy was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The first line, such as `CONNECT vendor.test:443 HTTP/1.1`.
    pub line: String,
    /// The header Proxy-Authorization.
    pub authorization: Option<String>,
}

/// The proxy. It ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that leads to `target`, and wants this Proxy-Authorization when there is one.
    pub fn start(target: SocketAddr, authorization: Option<String>) -> Proxy {
        let listener = runtime()
            .block_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = asked.clone();
        let accepting = runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, authorization) = (shared.clone(), authorization.clone());
                tokio::spawn(async move {
                    // A connection that breaks off is the client's to notice.
                    let _ = lead(stream, target, authorization, &shared).await;
                });
            }
        });
        Proxy { address, asked, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked for until now: one a connection.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics while holding it").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn lead(
    mut client: TcpStream,
    target: SocketAddr,
    wanted: Option<String>,
    asked: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_string();
    let header = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    let authorization = header.map(|(_, value)| value.to_string());
    let may = wanted.is_none() || wanted == authorization;
    asked.lock().expect("nobody panics while holding it").push(Asked { line: line.clone(), authorization });
    if !may {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    }
    let mut vendor = TcpStream::connect(target).await?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        vendor.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut vendor).await.map(|_| ())
}
