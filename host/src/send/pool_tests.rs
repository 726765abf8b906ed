//! What connections are kept, against a vendor on loopback that follows a script.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Failure, IDLE, Outgoing, Pool};
use crate::config::Egress;
use crate::send::connector::Connector;
use crate::send::egress::Grants;
use crate::send::trust;

const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A vendor that answers every request with the same bytes.
struct Vendor {
    address: String,
    connections: Arc<AtomicUsize>,
}

/// What it does after an answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Waits,
    Closes,
}

impl Vendor {
    async fn start(answer: &'static str, then: Then) -> Vendor {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let (mut read, mut bytes) = (Vec::new(), [0; 4096]);
                    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                        read.extend_from_slice(&bytes[..count]);
                        // Bodies here end with a point, and nothing else has one at its end.
                        if read.ends_with(b".") {
                            read.clear();
                            let _ = stream.write_all(answer.as_bytes()).await;
                            if then == Then::Closes {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Vendor { address, connections }
    }

    fn request(&self) -> Outgoing {
        let uri: Uri = format!("http://{}/in?a=b", self.address).parse().expect("a URL");
        Request::post(uri).body(Full::new(Bytes::from_static(b"an event."))).expect("a request")
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn pool() -> Pool {
    let egress = Egress::default();
    let loopback = "127.0.0.1".parse().expect("an address");
    let grants = Grants { hosts: vec!["127.0.0.1".to_string()], addresses: vec![loopback] };
    let connector = Connector::new(Arc::new(grants), &egress, Duration::from_secs(5));
    Pool::new(
        HttpsConnectorBuilder::new()
            .with_tls_config(trust::client_config(&egress))
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector),
    )
}

impl Pool {
    fn idle(&self) -> usize {
        self.lock().origins.values().map(|connections| connections.idle.len()).sum()
    }
}

#[tokio::test]
async fn one_connection_carries_one_request_after_another() {
    let (vendor, pool) = (Vendor::start(EMPTY, Then::Waits).await, pool());
    for _ in 0..3 {
        let (head, body) = pool.exchange(vendor.request(), 100).await.expect("an answer");
        assert_eq!((head.status.as_u16(), body.len()), (204, 0));
        assert_eq!(pool.idle(), 1);
    }
    assert_eq!(vendor.connections(), 1);
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each() {
    let (vendor, pool) = (Vendor::start(EMPTY, Then::Waits).await, pool());
    let requests = (0..5).map(|_| pool.exchange(vendor.request(), 100));
    for answered in futures_util::future::join_all(requests).await {
        answered.expect("an answer");
    }
    assert_eq!((vendor.connections(), pool.idle()), (5, 5));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_takes_no_request() {
    let (vendor, pool) = (Vendor::start(EMPTY, Then::Closes).await, pool());
    for number in 1..=3 {
        pool.exchange(vendor.request(), 100).await.expect("an answer");
        assert_eq!(vendor.connections(), number);
        // Until the end of it is here.
        while pool.lock().origins.values_mut().any(|kept| kept.idle.iter_mut().any(|(one, _)| one.can_be_kept())) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_connection_is_not_kept_when_its_answer_says_so() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let (vendor, pool) = (Vendor::start(answer, Then::Waits).await, pool());
    for number in 1..=2 {
        let (_, body) = pool.exchange(vendor.request(), 100).await.expect("an answer");
        assert_eq!((&body[..], pool.idle(), vendor.connections()), (&b"ok"[..], 0, number));
    }
}

#[tokio::test]
async fn an_answer_is_cut_and_its_connection_is_not_kept() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789";
    let (vendor, pool) = (Vendor::start(answer, Then::Waits).await, pool());
    let (_, body) = pool.exchange(vendor.request(), 10).await.expect("as much as is read");
    assert_eq!((&body[..], pool.idle()), (&b"0123456789"[..], 0));
}

#[tokio::test]
async fn an_answer_in_pieces_is_read_to_its_end() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    let (vendor, pool) = (Vendor::start(answer, Then::Waits).await, pool());
    let (_, body) = pool.exchange(vendor.request(), 100).await.expect("an answer");
    assert_eq!((&body[..], pool.idle()), (&b"onetwo"[..], 1));
}

#[tokio::test]
async fn a_vendor_that_closes_too_early_is_no_answer() {
    let vendor = Vendor::start("", Then::Closes).await;
    let failed = pool().exchange(vendor.request(), 100).await.expect_err("no answer");
    assert!(matches!(failed, Failure::Exchange(_)), "{failed:?}");
    assert_eq!(vendor.connections(), 1, "what may have arrived is not written again");
    let vendor = Vendor::start("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n012", Then::Closes).await;
    let failed = pool().exchange(vendor.request(), 100).await.expect_err("half an answer");
    assert!(matches!(failed, Failure::BrokeOff(_)), "{failed:?}");
}

#[tokio::test]
async fn a_request_that_is_given_up_takes_its_connection_along() {
    let (vendor, pool) = (Vendor::start("", Then::Waits).await, pool());
    let given_up = tokio::time::timeout(Duration::from_millis(50), pool.exchange(vendor.request(), 100)).await;
    assert!(given_up.is_err(), "there is no answer");
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn what_nobody_uses_is_closed() {
    let (vendor, pool) = (Vendor::start(EMPTY, Then::Waits).await, pool());
    pool.exchange(vendor.request(), 100).await.expect("an answer");
    pool.lock().close_unused(Instant::now());
    assert_eq!(pool.idle(), 1);
    pool.lock().close_unused(Instant::now() + IDLE);
    assert!(pool.lock().origins.is_empty());
}

/// Tokio lets a task do only so much at a time: what is ready may then look as if it were not.
#[tokio::test]
async fn an_answer_arrives_whatever_its_task_has_done_before() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let (vendor, pool) = (Vendor::start(answer, Then::Closes).await, pool());
    for spent in 0..128 {
        let mut exchange = pin!(pool.exchange(vendor.request(), 100));
        let answered = poll_fn(|context| {
            for _ in 0..spent {
                let _ = pin!(tokio::task::coop::consume_budget()).poll(context);
            }
            exchange.as_mut().poll(context)
        });
        let (_, body) = answered.await.unwrap_or_else(|failed| panic!("after {spent} steps: {failed:?}"));
        assert_eq!(&body[..], b"ok");
    }
}
