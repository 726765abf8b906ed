//! TLS in front of a stand-in, with a certificate that nobody has signed but itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::runtime;

/// The listener. It ends when dropped.
pub struct TlsFront {
    address: SocketAddr,
    pem: String,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// Starts one for `name` that leads to `target`.
    ///
    /// # Panics
    /// When no certificate can be made for the name.
    pub fn start(name: &str, target: SocketAddr) -> TlsFront {
        TlsFront::offering(&[], name, target)
    }

    /// The same, which offers these protocols by ALPN: `h2`, `http/1.1`.
    ///
    /// # Panics
    /// When no certificate can be made for the name.
    pub fn offering(protocols: &[&str], name: &str, target: SocketAddr) -> TlsFront {
        let made = rcgen::generate_simple_self_signed(vec![name.to_string()]).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider has them")
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key.into())
                .expect("the key is the certificate's");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime()
            .block_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let accepting = runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), counted.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate goes away.
                    let Ok(mut client) = acceptor.accept(stream).await else { return };
                    counted.fetch_add(1, Ordering::Relaxed);
                    let Ok(mut vendor) = TcpStream::connect(target).await else { return };
                    let _ = copy_bidirectional(&mut client, &mut vendor).await;
                });
            }
        });
        TlsFront { address, pem: made.cert.pem(), connections, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections until now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
