//! How connections to vendors are made: to an address that was checked, or through the operator's proxy.
//!
//! With a proxy https goes through a CONNECT tunnel and stays encrypted to the vendor; http goes to the
//! proxy with the whole URL. Names are then resolved, and addresses chosen, by the proxy.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::egress::Grants;
use crate::config::Egress;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes the connections of one destination.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpConnector<CheckedResolver>,
    to_proxy: HttpConnector,
    proxies: Option<Arc<Matcher>>,
}

impl Connector {
    /// Connects where `grants` allow, within a time.
    pub(super) fn new(grants: Arc<Grants>, egress: &Egress, within: Duration) -> Connector {
        let mut direct = HttpConnector::new_with_resolver(CheckedResolver { grants });
        let mut to_proxy = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_connect_timeout(Some(within));
        to_proxy.set_nodelay(true);
        to_proxy.set_connect_timeout(Some(within));
        let proxies = egress.proxy.as_ref().map(|proxy| {
            let matcher = Matcher::builder().http(proxy.http.reveal()).https(proxy.https.reveal()).no(&proxy.none_for);
            Arc::new(matcher.build())
        });
        Connector { direct, to_proxy, proxies }
    }

    /// The proxy that reads a request to this URL, if one does.
    pub(super) fn reader(&self, uri: &Uri) -> Option<Intercept> {
        self.proxies.as_ref()?.intercept(uri).filter(|_| uri.scheme_str() == Some("http"))
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Link, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&uri)) else {
            let connecting = self.direct.call(uri);
            return Box::pin(async move { Ok(Link { stream: connecting.await?, to: To::Vendor }) });
        };
        if uri.scheme_str() == Some("http") {
            let connecting = self.to_proxy.call(proxy.uri().clone());
            return Box::pin(async move { Ok(Link { stream: connecting.await?, to: To::Proxy }) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connecting = tunnel.call(uri);
        Box::pin(async move { Ok(Link { stream: connecting.await?, to: To::Vendor }) })
    }
}

/// Who reads what is written to a connection.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Vendor,
    Proxy,
}

/// A connection that knows whether a proxy reads the requests, which then carry the whole URL.
pub(super) struct Link {
    stream: TokioIo<TcpStream>,
    to: To,
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.to == To::Proxy)
    }
}

impl Read for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, parts)
    }
}

/// Resolves names and hands on only addresses that the destination may reach; the connection is
/// made to one of these, so that a name cannot change in between.
#[derive(Clone)]
pub(super) struct CheckedResolver {
    grants: Arc<Grants>,
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let grants = self.grants.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(grants.allowed_of(name.as_str(), found)?.into_iter())
        })
    }
}
