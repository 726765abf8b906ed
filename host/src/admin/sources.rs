//! Sources: write keys, limits, counts, and events to try them with.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::Caller;
use super::destinations::{needs, record};
use super::failure::Failure;
use super::overview::tail;
use super::token::random_hex;
use crate::config::edit::Editor;
use crate::config::{Pipeline, Role, Validation};
use crate::daemon::{Change, Daemon};
use crate::ingest::{self, SourceCounters};

/// A source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceView {
    /// The name of its pipeline.
    pub pipeline: String,
    /// Whether events that need a repair are refused.
    pub strict: bool,
    /// Entries of its tracking plan.
    pub tracking_plan: usize,
    /// Its write keys, in the order of the configuration.
    pub write_keys: Vec<WriteKeyView>,
    /// What came from it since the start.
    pub counters: SourceCounters,
    /// What names the configuration's text, for `If-Match`.
    pub etag: String,
}

/// A write key.
#[derive(Clone, Debug, Serialize)]
pub struct WriteKeyView {
    /// Its place, from 0.
    pub number: usize,
    /// The key; its end alone for a viewer.
    pub key: String,
    /// Whether it is taken.
    pub enabled: bool,
    /// Events it may send a second.
    pub events_per_second: Option<u64>,
    /// Bytes it may send a second.
    pub bytes_per_second: Option<u64>,
}

/// All sources.
///
/// # Errors
/// When the configuration cannot be read.
pub async fn sources(daemon: &Daemon, caller: &Caller) -> Result<Vec<SourceView>, Failure> {
    let etag = daemon.configuration().await?.etag;
    let counters = daemon.gate.counters();
    let configured = daemon.configured().await;
    let view = |pipeline: &std::sync::Arc<Pipeline>| SourceView {
        pipeline: pipeline.id.to_string(),
        strict: pipeline.validation == Validation::Strict,
        tracking_plan: pipeline.tracking_plan.len(),
        write_keys: write_keys(pipeline, caller),
        counters: counters.get(pipeline.id.as_str()).cloned().unwrap_or_default(),
        etag: etag.clone(),
    };
    Ok(configured.config.pipelines.iter().map(view).collect())
}

fn write_keys(pipeline: &Pipeline, caller: &Caller) -> Vec<WriteKeyView> {
    let view = |(number, own): (usize, &crate::config::WriteKey)| WriteKeyView {
        number,
        key: if caller.may(Role::Editor) { own.key.clone() } else { tail(&own.key) },
        enabled: own.enabled,
        events_per_second: own.events_per_second,
        bytes_per_second: own.bytes_per_second,
    };
    pipeline.write_keys.iter().enumerate().map(view).collect()
}

/// Makes a write key. Those that are there stay, so that senders can change over one by one.
///
/// # Errors
/// Nothing has changed then.
pub async fn add_write_key(
    daemon: &Daemon,
    caller: &Caller,
    pipeline: &str,
    etag: Option<&str>,
) -> Result<(String, u64), Failure> {
    needs(caller, Role::Editor)?;
    let key = format!("wk_{}", &random_hex()[..32]);
    let what = format!("write key {} of {pipeline} made", tail(&key));
    let change = Change { who: &caller.person.name, what: &what, etag };
    let number = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            editor.add_write_key(pipeline, &key)?;
            Ok(editor.text())
        })
        .await?;
    record(daemon, caller, "write key made", pipeline, &tail(&key)).await;
    Ok((key, number))
}

/// A change of a write key: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// Whether it is taken.
    pub enabled: Option<bool>,
    /// Its limits a second: events, bytes; 0: none.
    pub events_per_second: Option<u64>,
    /// Bytes a second; 0: no limit.
    pub bytes_per_second: Option<u64>,
}

/// Enables, disables or bounds a write key.
///
/// # Errors
/// Nothing has changed then.
pub async fn change_write_key(
    daemon: &Daemon,
    caller: &Caller,
    (pipeline, number): (&str, usize),
    call: &KeyChange,
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let known = known_key(daemon, caller, pipeline, number).await?;
    let what = format!("write key {} of {pipeline} changed", tail(&known.key));
    let change = Change { who: &caller.person.name, what: &what, etag };
    let limit = |asked: Option<u64>, known: Option<u64>| asked.map_or(known, |limit| (limit > 0).then_some(limit));
    let limits =
        (limit(call.events_per_second, known.events_per_second), limit(call.bytes_per_second, known.bytes_per_second));
    let saved = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            if let Some(enabled) = call.enabled {
                editor.enable_write_key(pipeline, number, enabled)?;
            }
            editor.limit_write_key(pipeline, number, limits)?;
            Ok(editor.text())
        })
        .await?;
    let detail = match call.enabled {
        Some(true) => format!("{} enabled", tail(&known.key)),
        Some(false) => format!("{} disabled", tail(&known.key)),
        None => format!("{} bounded: {limits:?}", tail(&known.key)),
    };
    record(daemon, caller, "write key changed", pipeline, &detail).await;
    Ok(saved)
}

/// Removes a write key.
///
/// # Errors
/// Nothing has changed then.
pub async fn remove_write_key(
    daemon: &Daemon,
    caller: &Caller,
    (pipeline, number): (&str, usize),
    etag: Option<&str>,
) -> Result<u64, Failure> {
    needs(caller, Role::Editor)?;
    let known = known_key(daemon, caller, pipeline, number).await?;
    let what = format!("write key {} of {pipeline} removed", tail(&known.key));
    let change = Change { who: &caller.person.name, what: &what, etag };
    let saved = daemon
        .configure(change, |text| {
            let mut editor = Editor::new(text)?;
            editor.remove_write_key(pipeline, number)?;
            Ok(editor.text())
        })
        .await?;
    record(daemon, caller, "write key removed", pipeline, &tail(&known.key)).await;
    Ok(saved)
}

async fn known_key(daemon: &Daemon, caller: &Caller, pipeline: &str, number: usize) -> Result<WriteKeyView, Failure> {
    let all = sources(daemon, caller).await?;
    let source = all.into_iter().find(|source| source.pipeline == pipeline).ok_or_else(|| unknown(pipeline))?;
    let message = format!("`{pipeline}` has no write key {number}: `GET sources` numbers them");
    source.write_keys.into_iter().nth(number).ok_or_else(|| Failure::unknown("unknown_write_key", message))
}

fn unknown(pipeline: &str) -> Failure {
    Failure::unknown("unknown_pipeline", format!("there is no pipeline `{pipeline}`"))
}

/// Accepts an event made here as if the source had sent it. Answers its messageId.
///
/// # Errors
/// When it is not accepted.
pub async fn test_event(daemon: &Daemon, caller: &Caller, pipeline: &str) -> Result<String, Failure> {
    needs(caller, Role::Editor)?;
    let all = sources(daemon, caller).await?;
    let source = all.into_iter().find(|source| source.pipeline == pipeline).ok_or_else(|| unknown(pipeline))?;
    let no_key = || Failure::new(hyper::StatusCode::CONFLICT, "no_write_key", "no write key of it is enabled");
    let key = source.write_keys.into_iter().find(|key| key.enabled).ok_or_else(no_key)?.key;
    let message_id = format!("test-{}", &random_hex()[..20]);
    let event = json!({
        "type": "track", "event": "Test Event", "messageId": message_id, "anonymousId": "switchyard-console",
        "properties": {"sent_by": "the console", "value": 42.5, "currency": "EUR", "items": [{"sku": "TEST-1", "quantity": 1}]},
        "context": {"library": {"name": "switchyard-console", "version": env!("CARGO_PKG_VERSION")}},
    });
    let accepted = ingest::take_own(&daemon.gate, &key, event.to_string().into(), caller.from).await;
    accepted
        .map_err(|error| Failure::new(hyper::StatusCode::UNPROCESSABLE_ENTITY, "event_refused", error.to_string()))?;
    record(daemon, caller, "test event sent", pipeline, &message_id).await;
    Ok(message_id)
}
