//! Sends spans to an OTLP receiver, with the client that sends to vendors.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hyper::http::{Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::span::TARGET;
use crate::config::{Egress, TelemetryConfig};
use crate::send::client::{Client, Outgoing};
use crate::send::egress::{Grants, host_of};

/// Time for one batch of spans, in milliseconds.
const TIMEOUT_MS: u64 = 10_000;

/// At a stop, time for the spans that are not sent yet.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Where spans go while the daemon runs.
pub struct Exporting(SdkTracerProvider);

impl Exporting {
    /// Sends what is left. Blocks for a moment; the runtime must still work.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_WAIT) {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// A layer that takes the spans, and what sends them from `runtime`.
pub fn start(
    config: &TelemetryConfig,
    egress: &Egress,
    runtime: Handle,
) -> anyhow::Result<(Box<dyn Layer<Registry> + Send + Sync>, Exporting)> {
    let endpoint = format!("{}/v1/traces", config.otlp_endpoint);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OtlpClient::new(&endpoint, egress, runtime))
        .with_endpoint(endpoint)
        .with_timeout(Duration::from_millis(TIMEOUT_MS))
        .build()
        .context("telemetry.otlp_endpoint")?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name("switchyard").with_attribute(version).build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(resource)
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("switchyard"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| metadata.target() == TARGET));
    Ok((layer.boxed(), Exporting(provider)))
}

/// Sends for the exporter, whose thread is none of the runtime's.
struct OtlpClient {
    client: Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl OtlpClient {
    /// The operator wrote the endpoint: that grants its host, wherever it is.
    fn new(endpoint: &str, egress: &Egress, runtime: Handle) -> OtlpClient {
        let everywhere = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|range| range.parse().ok());
        let grants = Grants { hosts: host_of(endpoint).into_iter().collect(), addresses: everywhere.collect() };
        let client = Client::plain(grants, egress, TIMEOUT_MS);
        OtlpClient { client, runtime, is_failing: AtomicBool::new(false) }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let text = |value: &hyper::header::HeaderValue| value.to_str().map(str::to_string).ok();
        let headers = head.headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
        let outgoing = Outgoing {
            method: head.method.to_string(),
            url: head.uri.to_string(),
            headers: headers.collect(),
            body,
            token: None,
        };
        let client = self.client.clone();
        let answer = self.runtime.spawn(async move { client.send(outgoing).await }).await??;
        Ok(Response::builder().status(answer.status).body(answer.body)?)
    }

    /// Says once when it begins to fail, and once when it works again.
    fn tell(&self, trouble: Option<String>) {
        let failed_before = self.is_failing.swap(trouble.is_some(), Ordering::Relaxed);
        match (trouble, failed_before) {
            (Some(trouble), false) => tracing::error!(error = %trouble, "spans cannot be sent by OTLP and are dropped"),
            (None, true) => tracing::info!("spans are sent by OTLP again"),
            _ => {}
        }
    }
}

impl std::fmt::Debug for OtlpClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OtlpClient(..)")
    }
}

impl HttpClient for OtlpClient {
    // As the attribute `async_trait` writes it.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let answered = self.send(request).await;
            self.tell(match &answered {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("the receiver answered {}", answer.status())),
                Err(error) => Some(error.to_string()),
            });
            answered
        })
    }
}
