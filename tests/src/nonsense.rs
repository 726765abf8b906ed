//! A vendor that does not speak HTTP: it answers every connection with the same bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::runtime;

/// The listener. It ends when dropped.
pub struct Nonsense {
    address: SocketAddr,
    answered: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Nonsense {
    /// Answers with these bytes, then closes.
    pub fn start(bytes: &'static [u8]) -> Nonsense {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let answered = Arc::new(AtomicU64::new(0));
        let accepting = runtime().spawn(accept(listener, bytes, answered.clone()));
        Nonsense { address, answered, accepting }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops listening, so that another can on the same address.
    pub fn end(self) {
        self.accepting.abort();
        while !self.accepting.is_finished() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Nonsense {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, bytes: &'static [u8], answered: Arc<AtomicU64>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 1024];
        if stream.read(&mut request).await.is_ok() && stream.write_all(bytes).await.is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
