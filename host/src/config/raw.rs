//! The configuration file as it is written. Only [`super::check`] reads these types.

use serde::Deserialize;
use toml::Spanned;

use super::admin::RawAdmin;
use super::observing::{RawAlerts, RawTelemetry};
use super::plugins::RawPlugins;
use super::{Validation, ViolationAction};
use crate::plugin::manifest::Order;
use crate::transformation::{Class, ConsentRequirement, ConsentSource};

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub listen: RawListen,
    #[serde(default)]
    pub admin: RawAdmin,
    pub data: RawDirectory,
    pub plugins: RawPlugins,
    #[serde(default)]
    pub ingest: RawIngest,
    #[serde(default)]
    pub queue: RawQueue,
    #[serde(default)]
    pub guests: RawGuests,
    #[serde(default)]
    pub deduplication: RawDeduplication,
    #[serde(default)]
    pub dead_letters: RawDeadLetters,
    pub alerts: Option<RawAlerts>,
    pub telemetry: Option<RawTelemetry>,
    #[serde(default)]
    pub egress: RawEgress,
    pub drain_grace_ms: Option<u64>,
    #[serde(default)]
    pub pipeline: Vec<Spanned<RawPipeline>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListen {
    pub ingest: Option<Text>,
    pub admin: Option<Text>,
    pub tls: Option<Spanned<RawTls>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub certificate: Text,
    pub key: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDirectory {
    pub directory: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIngest {
    pub body_bytes_max: Option<usize>,
    pub event_bytes_max: Option<usize>,
    pub batch_events_max: Option<usize>,
    pub read_timeout_ms: Option<u64>,
    pub connections_max: Option<usize>,
    pub bodies_bytes_max: Option<usize>,
    #[serde(default)]
    pub trusted_proxies: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeduplication {
    pub window_minutes: Option<f64>,
    pub ids_max: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQueue {
    pub queue_bytes_max: Option<u64>,
    pub disk_reserve_bytes: Option<u64>,
    pub retention_hours: Option<f64>,
    pub retention_bytes: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeadLetters {
    pub retention_days: Option<f64>,
    pub bytes_max: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGuests {
    pub memory_bytes_max: Option<usize>,
    pub call_ms_max: Option<u64>,
    pub output_bytes_max: Option<usize>,
    pub requests_max: Option<usize>,
    pub workers: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEgress {
    pub proxy: Option<Spanned<toml::Value>>,
    #[serde(default)]
    pub no_proxy: Vec<Text>,
    pub ca_file: Option<Text>,
}

/// In place of a text: what a program writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    pub command: Vec<String>,
    pub refresh_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPipeline {
    pub name: Text,
    pub write_keys: Vec<Spanned<toml::Value>>,
    pub validation: Option<Spanned<Validation>>,
    #[serde(default)]
    pub tracking_plan: Vec<Spanned<RawPlannedEvent>>,
    #[serde(default)]
    pub consent: ConsentSource,
    pub pii: Option<Spanned<toml::Table>>,
    #[serde(default)]
    pub rule: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    pub destination: Vec<Spanned<RawDestination>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlannedEvent {
    pub kind: Option<Text>,
    pub event: Option<Text>,
    pub schema: Spanned<toml::Value>,
    pub on_violation: ViolationAction,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDestination {
    pub name: Text,
    pub plugin: Text,
    #[serde(default)]
    pub allowed_hosts: Vec<Text>,
    #[serde(default)]
    pub allowed_addresses: Vec<Text>,
    #[serde(default)]
    pub ignore_integrations: bool,
    pub only_kinds: Option<Vec<Text>>,
    pub only_events: Option<Vec<Text>>,
    #[serde(default)]
    pub consent: ConsentRequirement,
    #[serde(default)]
    pub pii_allowed: Vec<Class>,
    #[serde(default)]
    pub rule: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub from_earliest: bool,
    pub settings: Option<Spanned<toml::Table>>,
    #[serde(default)]
    pub delivery: RawDelivery,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDelivery {
    pub concurrency: Option<usize>,
    pub batch_events_max: Option<usize>,
    pub timeout_ms: Option<u64>,
    pub attempts_max: Option<u32>,
    pub age_ms_max: Option<u64>,
    pub backoff_ms_min: Option<u64>,
    pub backoff_ms_max: Option<u64>,
    pub stored_requests_max: Option<u64>,
    pub backlog_bytes_max: Option<u64>,
    pub backlog_hours_max: Option<f64>,
    #[serde(default)]
    pub at_backlog_max: AtBacklogMax,
    pub order: Option<Order>,
    pub order_held_max: Option<u64>,
    pub events_per_second: Option<f64>,
    pub requests_per_second: Option<f64>,
    pub breaker_failures: Option<u32>,
    pub breaker_failure_share: Option<f64>,
    pub breaker_open_ms_max: Option<u64>,
}

/// What happens at the bound of a destination's backlog.
#[derive(Clone, Copy, Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum AtBacklogMax {
    /// The oldest events expire.
    #[default]
    Expire,
    /// There is no bound: they wait, until the queue is full and senders are told to slow down.
    Hold,
}
