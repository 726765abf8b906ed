//! The configuration: a TOML file, read once into checked types.
//!
//! `raw` is the file as it is written, [`Config`] is what the daemon works with; nothing outside
//! this module sees the raw form. A mistake names the file, the line and what would be right.
//! Nothing here opens sockets or the store; it runs the commands that secrets come from.

mod address;
mod admin;
mod check;
pub mod edit;
mod egress;
mod interpolate;
pub mod marks;
mod observing;
mod plugins;
mod raw;
mod secret;
mod transformation;
pub mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use address::AddressRange;
pub use admin::{AccessToken, AdminConfig, Role};
pub use egress::{Egress, Proxy, ProxyUrl};
pub use observing::{AlertConfig, AlertLimits, AlertUrl, TelemetryConfig};
pub use plugins::{PluginRules, Unsigned, Watch};
use secret::Commands;
pub use secret::SecretSources;

use crate::event::EventKind;
use crate::plugin::manifest::Order;
use crate::queue::{Backlog, DestinationId, PipelineId};
use crate::transformation::{PolicyAsWritten, Transformation};

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Where events come in.
    pub ingest_address: SocketAddr,
    /// The certificate for `ingest_address`, if it speaks TLS.
    pub ingest_tls: Option<TlsFiles>,
    /// Where the operator's interface listens; loopback by default.
    pub admin_address: SocketAddr,
    /// Who may reach it, and how.
    pub admin: AdminConfig,
    /// Where the store, the compiled plugins and the admin token are.
    pub data_directory: PathBuf,
    /// Where plugins are dropped.
    pub plugin_directory: PathBuf,
    /// How plugins are taken, kept and watched.
    pub plugins: PluginRules,
    /// Bounds on what comes in.
    pub ingest: IngestLimits,
    /// Bounds on what is kept.
    pub queue: QueueLimits,
    /// Bounds on guests.
    pub guests: GuestLimits,
    /// For how long an event that is sent again is known.
    pub deduplication: Deduplication,
    /// Bounds on dead letters.
    pub dead_letters: DeadLetterLimits,
    /// How requests leave.
    pub egress: Arc<Egress>,
    /// What the secrets depend on.
    pub secret_sources: SecretSources,
    /// How long what is in flight may take to finish at a stop, in milliseconds.
    pub drain_grace_ms: u64,
    /// Where troubles are said, if anywhere.
    pub alerts: Option<AlertConfig>,
    /// Where traces go, if anywhere.
    pub telemetry: Option<TelemetryConfig>,
    /// The pipelines.
    pub pipelines: Vec<Arc<Pipeline>>,
}

/// Bounds on what comes in.
#[derive(Clone, Debug, PartialEq)]
pub struct IngestLimits {
    /// Bytes of one request body after decompression. 8 MiB: the largest body seen from a real SDK
    /// is 4.6 MB, and a gzip bomb stops here.
    pub body_bytes_max: usize,
    /// Bytes of one event. Segment documents 32 KB; larger ones from real SDKs are whole orders.
    pub event_bytes_max: usize,
    /// Events in one batch. Segment documents 2,500.
    pub batch_events_max: usize,
    /// Time for a client to send its head and body, in milliseconds.
    pub read_timeout_ms: u64,
    /// Connections at a time.
    pub connections_max: usize,
    /// Bytes of bodies in flight, over all connections.
    pub bodies_bytes_max: usize,
    /// Proxies that are believed when they say whom they heard.
    pub trusted_proxies: Vec<AddressRange>,
}

/// A certificate chain and its key, as PEM files. They are read again when they change.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsFiles {
    /// The certificate, then those that signed it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// For how long an event that is sent again is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Deduplication {
    /// In milliseconds; 0: not at all.
    pub window_ms: u64,
    /// How many events are known at most; beyond, the oldest are forgotten.
    pub ids_max: u64,
}

/// Bounds on dead letters.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterLimits {
    /// They are kept so long, in milliseconds.
    pub retention_ms: u64,
    /// They are kept up to so many bytes; beyond, the oldest go.
    pub bytes_max: u64,
}

/// Bounds on what is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueLimits {
    /// Bytes that wait in the queue before 429 is answered.
    pub queue_bytes_max: u64,
    /// Free bytes that stay on the disk before 503 is answered.
    pub disk_reserve_bytes: u64,
    /// Delivered events are kept so long, in milliseconds.
    pub retention_ms: u64,
    /// Delivered events are kept up to so many bytes.
    pub retention_bytes: u64,
}

/// Bounds on guests.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestLimits {
    /// Memory of one instance, in bytes.
    pub memory_bytes_max: usize,
    /// Time of one call, in milliseconds.
    pub call_ms_max: u64,
    /// Bytes of one answer.
    pub output_bytes_max: usize,
    /// Requests in one plan.
    pub requests_max: usize,
    /// Worker threads.
    pub workers: usize,
}

/// A source and its destinations.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name.
    pub id: PipelineId,
    /// The source's credentials.
    pub write_keys: Vec<WriteKey>,
    /// What becomes of events that need a repair.
    pub validation: Validation,
    /// What events must look like.
    pub tracking_plan: Vec<PlannedEvent>,
    /// What becomes of personal data.
    pub pii: PolicyAsWritten,
    /// Where its events go.
    pub destinations: Vec<Arc<Destination>>,
}

/// One credential of a source.
#[derive(Clone, PartialEq)]
pub struct WriteKey {
    /// What the sender gives.
    pub key: String,
    /// Whether it is taken.
    pub enabled: bool,
    /// Events it may send a second.
    pub events_per_second: Option<u64>,
    /// Bytes of bodies, after decompression, that it may send a second.
    pub bytes_per_second: Option<u64>,
}

impl std::fmt::Debug for WriteKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WriteKey(..)")
    }
}

/// What becomes of events that need a repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// They are repaired, and the repairs are recorded in them.
    #[default]
    Lenient,
    /// They are refused.
    Strict,
}

/// What the events of one name must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedEvent {
    /// Of which kind.
    pub kind: EventKind,
    /// Of which name; None: all of the kind.
    pub name: Option<String>,
    /// JSON Schema of the properties (or traits).
    pub schema: serde_json::Value,
    /// What becomes of those that are otherwise.
    pub on_violation: ViolationAction,
}

/// What becomes of an event that violates its schema.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViolationAction {
    /// Accepted, with the violations recorded in it.
    Mark,
    /// Accepted without the properties that violate.
    Drop,
    /// Refused.
    Reject,
}

/// One configured target of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// `<pipeline>/<name>`.
    pub id: DestinationId,
    /// The name of its own, as the event's `integrations` object names it too.
    pub name: String,
    /// The plugin's id.
    pub plugin: String,
    /// What it passes to its plugin; secrets with their values.
    pub settings: Settings,
    /// Vendor hosts that the operator granted.
    pub allowed_hosts: Vec<String>,
    /// Private and loopback addresses that the operator granted.
    pub allowed_addresses: Vec<AddressRange>,
    /// How its requests leave: the same for all.
    pub egress: Arc<Egress>,
    /// Which of its pipeline's events it gets, and in what form.
    pub transformation: Arc<Transformation>,
    /// Nothing is delivered until it is resumed.
    pub paused: bool,
    /// Whether it begins with the oldest event kept (else with the next one).
    pub from_earliest: bool,
    /// Retries and bounds.
    pub delivery: DeliveryLimits,
    /// The line of the file it begins on, for messages.
    pub line: usize,
}

/// A destination's settings. They may hold secrets: Debug prints none of the values.
#[derive(Clone, PartialEq)]
pub struct Settings(pub serde_json::Value);

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Settings(..)")
    }
}

/// Retries and bounds of one destination.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryLimits {
    /// Requests in flight at a time.
    pub concurrency: usize,
    /// Events planned together, at most; the plugin's own bound holds too.
    pub batch_events_max: usize,
    /// Time for one attempt, in milliseconds.
    pub timeout_ms: u64,
    /// Attempts of one request before it is given up.
    pub attempts_max: u32,
    /// Age of a request, from its first failure, before it is given up, in milliseconds.
    pub age_ms_max: u64,
    /// The first retry waits about so long, in milliseconds.
    pub backoff_ms_min: u64,
    /// No retry waits longer, in milliseconds, unless the vendor asks for it.
    pub backoff_ms_max: u64,
    /// Stored requests before new events wait in the queue.
    pub stored_requests_max: u64,
    /// What may wait before the oldest of it expires; None: no bound, and the whole queue fills up.
    pub backlog: Option<Backlog>,
    /// The order that deliveries keep; None: what the plugin needs.
    pub order: Option<Order>,
    /// Stored requests of one user before her order is given up.
    pub order_held_max: u64,
    /// Events sent a second, at most.
    pub events_per_second: Option<f64>,
    /// Requests sent a second, at most.
    pub requests_per_second: Option<f64>,
    /// Failures in a row that open the circuit breaker.
    pub breaker_failures: u32,
    /// The share of failures that opens the circuit breaker, from 0 to 1.
    pub breaker_failure_share: f64,
    /// The breaker is open at most so long before a probe, in milliseconds.
    pub breaker_open_ms_max: u64,
}

/// A mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// Something in it is wrong.
    #[error("{path}:{line}: {message}")]
    Wrong {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl Config {
    /// Reads and checks a file. `environment` answers `${env:NAME}`. Waits for the commands that it names.
    pub fn load(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        Config::parse(&read(path)?, path, environment)
    }

    /// As [`Config::load`], but runs no commands: the secrets that they would give are made up.
    pub fn load_without_commands(
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        Config::parse_with(&read(path)?, path, environment, Commands::Skip)
    }

    /// Checks a text as if it stood in `path`.
    pub fn parse(text: &str, path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        Config::parse_with(text, path, environment, Commands::Run)
    }

    fn parse_with(
        text: &str,
        path: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
        commands: Commands,
    ) -> Result<Config, ConfigError> {
        let raw: raw::RawConfig = toml::from_str(text).map_err(|error| {
            let offset = error.span().unwrap_or_default().start;
            // The parser says what is wrong, and where, but not always of which key. The value stays out
            // of the message: it may be a secret.
            let (message, key) = (error.message().trim_end(), key_at(text, offset));
            ConfigError::Wrong {
                path: path.display().to_string(),
                line: line_at(text, offset),
                message: match key {
                    Some(key) if !message.contains(key) => format!("`{key}`: {message}"),
                    _ => message.to_string(),
                },
            }
        })?;
        check::check(raw, text, path, environment, commands)
    }

    /// All destinations of all pipelines.
    pub fn destinations(&self) -> impl Iterator<Item = (&Arc<Pipeline>, &Arc<Destination>)> {
        self.pipelines.iter().flat_map(|pipeline| pipeline.destinations.iter().map(move |each| (pipeline, each)))
    }

    /// What of `next` takes effect only at a start, by the name of its key.
    pub fn needs_restart(&self, next: &Config) -> Option<&'static str> {
        if self.ingest_address != next.ingest_address {
            Some("listen.ingest")
        } else if self.admin_address != next.admin_address {
            Some("listen.admin")
        } else if self.data_directory != next.data_directory {
            Some("data.directory")
        } else if self.plugin_directory != next.plugin_directory {
            Some("plugins.directory")
        } else if self.queue != next.queue {
            Some("queue")
        } else if self.guests != next.guests {
            Some("guests")
        } else if self.ingest_tls != next.ingest_tls {
            Some("listen.tls")
        } else if self.deduplication != next.deduplication {
            Some("deduplication")
        } else if self.dead_letters != next.dead_letters {
            Some("dead_letters")
        } else if self.admin.metrics_open != next.admin.metrics_open {
            Some("admin.metrics_open")
        } else if self.admin.tls != next.admin.tls {
            Some("admin.tls")
        } else if self.alerts != next.alerts {
            Some("alerts")
        } else if self.telemetry != next.telemetry {
            Some("telemetry")
        } else if self.ingest != next.ingest {
            Some("ingest")
        } else {
            None
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.display().to_string(), cause: error.to_string() })
}

/// The key before the `=` of the line that an offset is in.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next()?;
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!key.is_empty() && key.bytes().all(plain)).then_some(key)
}

/// The line, from 1, of a byte offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
