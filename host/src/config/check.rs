//! From the raw configuration to the checked one, once.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;

use super::interpolate::interpolate;
use super::raw::*;

use super::*;
use crate::transformation::Written;

/// What is needed to name the place of a mistake.
pub(super) struct Checker<'a> {
    pub(super) text: &'a str,
    /// Where the text's lines end: a large file has a place to name for each destination.
    pub(super) line_ends: Vec<usize>,
    pub(super) path: &'a Path,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) commands: Commands,
    pub(super) sources: RefCell<SecretSources>,
}

pub(super) fn check(
    raw: RawConfig,
    text: &str,
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
    commands: Commands,
) -> Result<Config, ConfigError> {
    let line_ends = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let checker = Checker { text, line_ends, path, environment, commands, sources: RefCell::default() };
    let egress = Arc::new(checker.egress(raw.egress)?);
    let admin_offset = raw.listen.admin.as_ref().map_or(0, |admin| admin.span().start);
    let admin_address = checker.listen(raw.listen.admin, "127.0.0.1:8081")?;
    let (plugin_directory, plugins) = checker.plugins(raw.plugins)?;
    let mut config = Config {
        path: path.to_path_buf(),
        ingest_address: checker.listen(raw.listen.ingest, "127.0.0.1:8080")?,
        ingest_tls: raw.listen.tls.map(|tls| checker.tls(tls.into_inner())).transpose()?,
        admin_address,
        admin: checker.admin(raw.admin, admin_address, admin_offset)?,
        data_directory: checker.directory(raw.data)?,
        plugin_directory,
        plugins,
        ingest: checker.ingest_limits(raw.ingest)?,
        queue: queue_limits(raw.queue),
        guests: guest_limits(raw.guests),
        deduplication: deduplication(&raw.deduplication),
        dead_letters: dead_letters(&raw.dead_letters),
        alerts: raw.alerts.map(|alerts| checker.alerts(alerts)).transpose()?,
        telemetry: raw.telemetry.as_ref().map(|telemetry| checker.telemetry(telemetry)).transpose()?,
        drain_grace_ms: raw.drain_grace_ms.unwrap_or(10_000),
        pipelines: checker.pipelines(raw.pipeline, &egress)?,
        egress,
        secret_sources: SecretSources::default(),
    };
    config.secret_sources = checker.sources.into_inner();
    Ok(config)
}

impl Checker<'_> {
    pub(super) fn wrong(&self, offset: usize, message: String) -> ConfigError {
        ConfigError::Wrong { path: self.path.display().to_string(), line: self.line(offset), message }
    }

    /// The line, from 1, of a byte offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.line_ends.partition_point(|end| *end < offset)
    }

    pub(super) fn text(&self, raw: &Spanned<String>) -> Result<String, ConfigError> {
        interpolate(raw.get_ref(), self.environment).map_err(|message| self.wrong(raw.span().start, message))
    }

    pub(super) fn parsed<T: FromStr<Err = String>>(&self, raw: &Spanned<String>) -> Result<T, ConfigError> {
        self.text(raw)?.parse().map_err(|message| self.wrong(raw.span().start, message))
    }

    fn listen(&self, raw: Option<Spanned<String>>, default: &str) -> Result<SocketAddr, ConfigError> {
        let (text, offset) = match &raw {
            Some(raw) => (self.text(raw)?, raw.span().start),
            None => (default.to_string(), 0),
        };
        let with_address = text.replace("localhost:", "127.0.0.1:");
        with_address.parse().map_err(|_| {
            self.wrong(
                offset,
                format!("`{text}` is not an address to listen on: write HOST:PORT, such as 127.0.0.1:8080"),
            )
        })
    }

    /// A directory, relative to the configuration file.
    pub(super) fn directory(&self, raw: RawDirectory) -> Result<PathBuf, ConfigError> {
        let text = self.text(&raw.directory)?;
        if text.is_empty() {
            return Err(self.wrong(raw.directory.span().start, "the directory is empty: name one".to_string()));
        }
        Ok(self.beside_the_file(&text))
    }

    pub(super) fn beside_the_file(&self, relative: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(relative)
    }

    pub(super) fn tls(&self, raw: RawTls) -> Result<TlsFiles, ConfigError> {
        let file = |raw: &Spanned<String>| self.text(raw).map(|text| self.beside_the_file(&text));
        Ok(TlsFiles { certificate: file(&raw.certificate)?, key: file(&raw.key)? })
    }

    /// A text, the content of a file, or a table with either as `key` and what else there is to say.
    fn write_key(&self, raw: &Spanned<toml::Value>) -> Result<WriteKey, ConfigError> {
        use serde_json::Value;
        let offset = raw.span().start;
        let wrong = |message: &str| Err(self.wrong(offset, message.to_string()));
        let mut members = match self.value(raw.get_ref(), offset)? {
            Value::String(key) => serde_json::Map::from_iter([("key".to_string(), Value::String(key))]),
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        let Some(Value::String(key)) = members.remove("key") else {
            return wrong(
                "a write key is a text, \"${env:NAME}\", { file = \"...\" } or a table with one of them as `key`",
            );
        };
        let enabled = members.remove("enabled").unwrap_or(Value::Bool(true));
        let Value::Bool(enabled) = enabled else { return wrong("`enabled` of a write key is true or false") };
        let mut rate = |name: &str| match members.remove(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(1..) => Ok(value.as_u64()),
                _ => Err(self.wrong(offset, format!("`{name}` of a write key must be a whole number of at least 1"))),
            },
        };
        let (events_per_second, bytes_per_second) = (rate("events_per_second")?, rate("bytes_per_second")?);
        match members.keys().next() {
            Some(unknown) => wrong(&format!(
                "a write key has no `{unknown}`: there are key, enabled, events_per_second and bytes_per_second"
            )),
            None => Ok(WriteKey { key, enabled, events_per_second, bytes_per_second }),
        }
    }

    /// An entry of a tracking plan: the schema is a table, or the path of a JSON file.
    fn planned_event(&self, spanned: Spanned<RawPlannedEvent>) -> Result<PlannedEvent, ConfigError> {
        let offset = spanned.span().start;
        let raw = spanned.into_inner();
        let kind = raw.kind.as_ref().map(|kind| self.kind(kind)).transpose()?.unwrap_or(EventKind::Track);
        let name = raw.event.as_ref().map(|name| self.text(name)).transpose()?;
        if name.is_none() && raw.kind.is_none() {
            return Err(self.wrong(offset, "an entry of a tracking plan needs `event`, or `kind`, or both".to_string()));
        }
        let at = raw.schema.span().start;
        let schema = match self.value(raw.schema.get_ref(), at)? {
            serde_json::Value::String(path) => {
                let text = self.secret_file(&path, at)?;
                serde_json::from_str(&text).map_err(|error| self.wrong(at, format!("{path} is no JSON: {error}")))?
            }
            schema => schema,
        };
        jsonschema::validator_for(&schema)
            .map_err(|error| self.wrong(at, format!("the schema is no valid JSON Schema: {error}")))?;
        Ok(PlannedEvent { kind, name, schema, on_violation: raw.on_violation })
    }

    fn ingest_limits(&self, raw: RawIngest) -> Result<IngestLimits, ConfigError> {
        Ok(IngestLimits {
            body_bytes_max: raw.body_bytes_max.unwrap_or(8 << 20),
            event_bytes_max: raw.event_bytes_max.unwrap_or(32 << 10),
            batch_events_max: raw.batch_events_max.unwrap_or(2_500),
            read_timeout_ms: raw.read_timeout_ms.unwrap_or(30_000),
            connections_max: raw.connections_max.unwrap_or(10_000),
            bodies_bytes_max: raw.bodies_bytes_max.unwrap_or(256 << 20),
            trusted_proxies: raw.trusted_proxies.iter().map(|range| self.parsed(range)).collect::<Result<_, _>>()?,
        })
    }

    fn name(&self, raw: &Spanned<String>, what: &str) -> Result<String, ConfigError> {
        let name = self.text(raw)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
            let message = format!("`{name}` cannot name a {what}: use 1 to 64 letters, digits, '-', '_' or '.'");
            return Err(self.wrong(raw.span().start, message));
        }
        Ok(name)
    }

    fn pipelines(
        &self,
        raw: Vec<Spanned<RawPipeline>>,
        egress: &Arc<Egress>,
    ) -> Result<Vec<Arc<Pipeline>>, ConfigError> {
        let mut names = HashSet::new();
        let mut write_keys = HashSet::new();
        let mut pipelines = Vec::new();
        for spanned in raw {
            let offset = spanned.span().start;
            let pipeline = self.pipeline(spanned.into_inner(), egress)?;
            if !names.insert(pipeline.id.clone()) {
                return Err(self.wrong(offset, format!("there are two pipelines named `{}`: rename one", pipeline.id)));
            }
            for key in &pipeline.write_keys {
                if !write_keys.insert(key.key.clone()) {
                    let message = format!(
                        "pipeline `{}`: one of its write keys is used twice: a write key names one pipeline",
                        pipeline.id
                    );
                    return Err(self.wrong(offset, message));
                }
            }
            pipelines.push(Arc::new(pipeline));
        }
        Ok(pipelines)
    }

    fn pipeline(&self, raw: RawPipeline, egress: &Arc<Egress>) -> Result<Pipeline, ConfigError> {
        let name = self.name(&raw.name, "pipeline")?;
        let write_keys = raw.write_keys.iter().map(|key| self.write_key(key)).collect::<Result<Vec<_>, _>>()?;
        if write_keys.is_empty() || write_keys.iter().any(|key| key.key.is_empty() || key.key.contains(':')) {
            let message = format!("pipeline `{name}`: write_keys needs at least one key, none empty and none with ':'");
            return Err(self.wrong(raw.name.span().start, message));
        }
        let shared = self.shared_transformation(&name, raw.consent, raw.pii, raw.rule)?;
        let mut names = HashSet::new();
        let mut destinations = Vec::new();
        for spanned in raw.destination {
            let offset = spanned.span().start;
            let destination = self.destination(&name, &shared, spanned, egress)?;
            if !names.insert(destination.name.clone()) {
                let message =
                    format!("pipeline `{name}` has two destinations named `{}`: rename one", destination.name);
                return Err(self.wrong(offset, message));
            }
            destinations.push(Arc::new(destination));
        }
        let plan = raw.tracking_plan.into_iter().map(|entry| self.planned_event(entry));
        let tracking_plan = plan.collect::<Result<_, _>>()?;
        let validation = raw.validation.map(Spanned::into_inner).unwrap_or_default();
        let pii = shared.pii;
        Ok(Pipeline { id: PipelineId::from(name), write_keys, validation, tracking_plan, pii, destinations })
    }

    fn destination(
        &self,
        pipeline: &str,
        shared: &Written,
        spanned: Spanned<RawDestination>,
        egress: &Arc<Egress>,
    ) -> Result<Destination, ConfigError> {
        let offset = spanned.span().start;
        let line = self.line(offset);
        let raw = spanned.into_inner();
        let name = self.name(&raw.name, "destination")?;
        let plugin = self.name(&raw.plugin, "plugin")?;
        let only_kinds =
            raw.only_kinds.as_ref().map(|kinds| kinds.iter().map(|kind| self.kind(kind)).collect()).transpose()?;
        let only_events = raw.only_events.as_ref().map(|events| self.texts(events)).transpose()?;
        let id = DestinationId(format!("{pipeline}/{name}"));
        let written = Written {
            name: name.clone(),
            plugin: plugin.clone(),
            only_kinds,
            only_events,
            ignore_integrations: raw.ignore_integrations,
            consent: raw.consent,
            rules: self.rules(&format!("destination `{id}`"), raw.rule)?,
            pii_allowed: raw.pii_allowed,
            ..shared.clone()
        };
        Ok(Destination {
            transformation: self.transformation(&id, written, offset)?,
            id,
            plugin,
            settings: self.settings(raw.settings)?,
            allowed_hosts: raw.allowed_hosts.iter().map(|host| self.host(host)).collect::<Result<_, _>>()?,
            allowed_addresses: raw
                .allowed_addresses
                .iter()
                .map(|range| self.parsed(range))
                .collect::<Result<_, _>>()?,
            egress: egress.clone(),
            paused: raw.paused,
            from_earliest: raw.from_earliest,
            delivery: self.delivery_limits(raw.delivery, raw.name.span().start)?,
            line,
            name,
        })
    }

    pub(super) fn texts(&self, raw: &[Spanned<String>]) -> Result<Vec<String>, ConfigError> {
        raw.iter().map(|each| self.text(each)).collect()
    }

    fn kind(&self, raw: &Spanned<String>) -> Result<EventKind, ConfigError> {
        let name = self.text(raw)?;
        EventKind::from_name(&name).ok_or_else(|| {
            let known = EventKind::ALL.map(EventKind::as_str).join(", ");
            self.wrong(raw.span().start, format!("`{name}` is not a kind of event: use one of {known}"))
        })
    }

    pub(super) fn host(&self, raw: &Spanned<String>) -> Result<String, ConfigError> {
        let host = self.text(raw)?.to_ascii_lowercase();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'[' | b']' | b':');
        if host.is_empty() || !host.bytes().all(good) || host.contains("//") {
            let message = format!("`{host}` is not a host: write its name alone, such as www.google-analytics.com");
            return Err(self.wrong(raw.span().start, message));
        }
        Ok(host)
    }

    fn settings(&self, raw: Option<Spanned<toml::Table>>) -> Result<Settings, ConfigError> {
        let Some(spanned) = raw else {
            return Ok(Settings(serde_json::Value::Object(serde_json::Map::new())));
        };
        let offset = spanned.span().start;
        self.value(&toml::Value::Table(spanned.into_inner()), offset).map(Settings)
    }

    pub(super) fn value(&self, raw: &toml::Value, offset: usize) -> Result<serde_json::Value, ConfigError> {
        use serde_json::Value;
        Ok(match raw {
            toml::Value::String(text) => Value::String(interpolate(text, self.environment).map_err(|message| {
                self.wrong(self.text[offset..].find(text.as_str()).map_or(offset, |at| offset + at), message)
            })?),
            toml::Value::Integer(number) => Value::from(*number),
            toml::Value::Float(number) => Value::from(*number),
            toml::Value::Boolean(truth) => Value::Bool(*truth),
            toml::Value::Datetime(time) => Value::String(time.to_string()),
            toml::Value::Array(values) => {
                Value::Array(values.iter().map(|value| self.value(value, offset)).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => match self.secret(table, offset)? {
                Some(text) => Value::String(text),
                None => {
                    let members = table.iter().map(|(key, value)| Ok((key.clone(), self.value(value, offset)?)));
                    Value::Object(members.collect::<Result<_, ConfigError>>()?)
                }
            },
        })
    }

    fn delivery_limits(&self, raw: RawDelivery, offset: usize) -> Result<DeliveryLimits, ConfigError> {
        let limits = DeliveryLimits {
            concurrency: raw.concurrency.unwrap_or(8),
            batch_events_max: raw.batch_events_max.unwrap_or(500),
            timeout_ms: raw.timeout_ms.unwrap_or(10_000),
            attempts_max: raw.attempts_max.unwrap_or(50),
            age_ms_max: raw.age_ms_max.unwrap_or(24 * 3_600_000),
            backoff_ms_min: raw.backoff_ms_min.unwrap_or(1_000),
            backoff_ms_max: raw.backoff_ms_max.unwrap_or(300_000),
            stored_requests_max: raw.stored_requests_max.unwrap_or(1_000),
            backlog: (raw.at_backlog_max == AtBacklogMax::Expire).then(|| Backlog {
                bytes_max: raw.backlog_bytes_max.unwrap_or(8 << 30),
                age_ms_max: (raw.backlog_hours_max.unwrap_or(168.0).max(0.0) * 3_600_000.0) as u64,
            }),
            order: raw.order,
            order_held_max: raw.order_held_max.unwrap_or(1_000),
            events_per_second: raw.events_per_second,
            requests_per_second: raw.requests_per_second,
            breaker_failures: raw.breaker_failures.unwrap_or(5),
            breaker_failure_share: raw.breaker_failure_share.unwrap_or(0.5),
            breaker_open_ms_max: raw.breaker_open_ms_max.unwrap_or(30_000),
        };
        for (key, value) in [
            ("concurrency", limits.concurrency as u64),
            ("batch_events_max", limits.batch_events_max as u64),
            ("timeout_ms", limits.timeout_ms),
            ("attempts_max", u64::from(limits.attempts_max)),
            ("backoff_ms_min", limits.backoff_ms_min),
            ("stored_requests_max", limits.stored_requests_max),
            ("order_held_max", limits.order_held_max),
            ("breaker_failures", u64::from(limits.breaker_failures)),
        ] {
            if value == 0 {
                return Err(self.wrong(offset, format!("delivery.{key} is 0: it must be at least 1")));
            }
        }
        for (key, value) in
            [("events_per_second", limits.events_per_second), ("requests_per_second", limits.requests_per_second)]
        {
            // One in a day is the slowest that makes sense.
            if value.is_some_and(|value| !value.is_finite() || value < 1.0 / 86_400.0) {
                return Err(
                    self.wrong(offset, format!("delivery.{key} must be more than 0; leave it out for no limit"))
                );
            }
        }
        if !(limits.breaker_failure_share > 0.0 && limits.breaker_failure_share <= 1.0) {
            let message = "delivery.breaker_failure_share must be more than 0, and at most 1".to_string();
            return Err(self.wrong(offset, message));
        }
        if limits.backoff_ms_max < limits.backoff_ms_min {
            let message = "delivery.backoff_ms_max is smaller than delivery.backoff_ms_min".to_string();
            return Err(self.wrong(offset, message));
        }
        Ok(limits)
    }
}

fn deduplication(raw: &RawDeduplication) -> Deduplication {
    Deduplication {
        window_ms: (raw.window_minutes.unwrap_or(60.0).max(0.0) * 60_000.0) as u64,
        ids_max: raw.ids_max.unwrap_or(10_000_000),
    }
}

fn dead_letters(raw: &RawDeadLetters) -> DeadLetterLimits {
    DeadLetterLimits {
        retention_ms: (raw.retention_days.unwrap_or(30.0).max(0.0) * 86_400_000.0) as u64,
        bytes_max: raw.bytes_max.unwrap_or(1 << 30),
    }
}

fn queue_limits(raw: RawQueue) -> QueueLimits {
    QueueLimits {
        queue_bytes_max: raw.queue_bytes_max.unwrap_or(20 << 30),
        disk_reserve_bytes: raw.disk_reserve_bytes.unwrap_or(512 << 20),
        retention_ms: (raw.retention_hours.unwrap_or(24.0).max(0.0) * 3_600_000.0) as u64,
        retention_bytes: raw.retention_bytes.unwrap_or(5 << 30),
    }
}

fn guest_limits(raw: RawGuests) -> GuestLimits {
    GuestLimits {
        memory_bytes_max: raw.memory_bytes_max.unwrap_or(64 << 20),
        call_ms_max: raw.call_ms_max.unwrap_or(1_000),
        output_bytes_max: raw.output_bytes_max.unwrap_or(32 << 20),
        requests_max: raw.requests_max.unwrap_or(10_000),
        workers: raw.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from)),
    }
}
