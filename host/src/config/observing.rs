//! The sections on what the daemon tells of itself: `[alerts]` and `[telemetry]`.

use serde::Deserialize;
use toml::Spanned;

use super::check::Checker;
use super::{AddressRange, ConfigError};
use crate::send::egress::host_of;

/// Alerts by webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    /// Where they go. It may hold a secret, as Slack's does.
    pub url: AlertUrl,
    /// Addresses that are not public and that the webhook may have.
    pub allowed_addresses: Vec<AddressRange>,
    /// When to say what.
    pub limits: AlertLimits,
}

/// The URL of the webhook, whose Debug prints nothing.
#[derive(Clone, PartialEq)]
pub struct AlertUrl(pub String);

impl std::fmt::Debug for AlertUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AlertUrl(..)")
    }
}

/// When to say what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertLimits {
    /// A destination that does not work is said after so long, in milliseconds. 5 minutes: longer
    /// than a vendor's deployment.
    pub down_for_ms: u64,
    /// Dead letters have ended when none came for so long, in milliseconds. 10 minutes.
    pub quiet_for_ms: u64,
    /// At least so long between two messages, in milliseconds. 10 seconds: Slack takes one a second.
    pub gap_ms: u64,
}

/// Traces by OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// The receiver's base URL, without a slash at its end; `/v1/traces` is added.
    pub otlp_endpoint: String,
    /// The share of traces that is sent, in 0..=1.
    pub sample_ratio: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlerts {
    url: Spanned<toml::Value>,
    #[serde(default)]
    allowed_addresses: Vec<Spanned<String>>,
    down_for_seconds: Option<f64>,
    quiet_for_seconds: Option<f64>,
    gap_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTelemetry {
    otlp_endpoint: Spanned<String>,
    sample_ratio: Option<Spanned<f64>>,
}

impl Checker<'_> {
    pub(super) fn alerts(&self, raw: RawAlerts) -> Result<AlertConfig, ConfigError> {
        let offset = raw.url.span().start;
        let url = self.value(raw.url.get_ref(), offset)?;
        let url = url.as_str().filter(|url| is_base(url)).ok_or_else(|| {
            let message = "alerts.url must be an http or https URL: a text, \"${env:NAME}\" or { file = \"...\" }";
            self.wrong(offset, message.to_string())
        })?;
        let milliseconds = |seconds: Option<f64>, default: f64| (seconds.unwrap_or(default).max(0.0) * 1e3) as u64;
        Ok(AlertConfig {
            url: AlertUrl(url.to_string()),
            allowed_addresses: raw
                .allowed_addresses
                .iter()
                .map(|range| self.parsed(range))
                .collect::<Result<_, _>>()?,
            limits: AlertLimits {
                down_for_ms: milliseconds(raw.down_for_seconds, 300.0),
                quiet_for_ms: milliseconds(raw.quiet_for_seconds, 600.0),
                gap_ms: milliseconds(raw.gap_seconds, 10.0),
            },
        })
    }

    pub(super) fn telemetry(&self, raw: &RawTelemetry) -> Result<TelemetryConfig, ConfigError> {
        let offset = raw.otlp_endpoint.span().start;
        let endpoint = self.text(&raw.otlp_endpoint)?.trim_end_matches('/').to_string();
        if !is_base(&endpoint) {
            let message = "telemetry.otlp_endpoint must be a URL such as http://127.0.0.1:4318 (OTLP over HTTP)";
            return Err(self.wrong(offset, message.to_string()));
        }
        let sample_ratio = raw.sample_ratio.as_ref().map_or(1.0, |ratio| *ratio.get_ref());
        if !(0.0..=1.0).contains(&sample_ratio) {
            let at = raw.sample_ratio.as_ref().map_or(offset, |ratio| ratio.span().start);
            return Err(self.wrong(at, "telemetry.sample_ratio must lie between 0 and 1".to_string()));
        }
        Ok(TelemetryConfig { otlp_endpoint: endpoint, sample_ratio })
    }
}

fn is_base(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://")) && host_of(url).is_some()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(section: &str) -> Result<Config, String> {
        let text = format!("[data]\ndirectory = \"d\"\n[plugins]\ndirectory = \"p\"\n{section}");
        Config::parse(&text, Path::new("/c.toml"), &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_daemon_tells_of_itself_is_off_until_it_is_configured() {
        let config = parse("").unwrap();
        assert!(config.alerts.is_none() && config.telemetry.is_none() && !config.admin.metrics_open);
    }

    #[test]
    fn alerts_and_telemetry_have_defaults() {
        let config = parse("[alerts]\nurl = \"https://hooks.example/s3cret\"\ndown_for_seconds = 0.5").unwrap();
        let alerts = config.alerts.unwrap();
        assert_eq!(
            (alerts.limits.down_for_ms, alerts.limits.quiet_for_ms, alerts.limits.gap_ms),
            (500, 600_000, 10_000)
        );
        assert!(!format!("{alerts:?}").contains("s3cret"), "a URL may hold a secret");
        let telemetry = parse("[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318/\"").unwrap().telemetry.unwrap();
        assert_eq!((telemetry.otlp_endpoint.as_str(), telemetry.sample_ratio), ("http://127.0.0.1:4318", 1.0));
    }

    #[test]
    fn mistakes_name_the_key_and_what_would_be_right() {
        for (section, line, says) in [
            ("[alerts]\nurl = 7", 6, "alerts.url must be an http or https URL"),
            ("[alerts]\nurl = \"hooks.example/x\"", 6, "alerts.url must be an http or https URL"),
            ("[telemetry]\notlp_endpoint = \"127.0.0.1:4317\"", 6, "http://127.0.0.1:4318"),
            ("[telemetry]\notlp_endpoint = \"http://a:1\"\nsample_ratio = 1.1", 7, "between 0 and 1"),
        ] {
            let error = parse(section).unwrap_err();
            assert!(error.contains(says) && error.contains(&format!(":{line}:")), "{section}: {error}");
        }
        assert!(parse("[telemetry]\notlp_endpoint = \"http://a:1\"\nsample_ratio = 1.0").is_ok());
    }
}
