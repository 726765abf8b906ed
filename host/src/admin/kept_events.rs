//! The events that the queue keeps, for previews and comparisons.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde_json::json;

use super::routes::{failure, store_failure};
use crate::daemon::Daemon;
use crate::http::{self, Body};
use crate::queue::PipelineId;

/// Events in one answer: 10 MB in real events, and 320 MB at 32 KiB each.
const LAST_MAX: usize = 10_000;

/// The last events of a pipeline, oldest first, one JSON object a line.
pub(super) async fn last(daemon: &Daemon, pipeline: &str, query: Option<&str>) -> Response<Body> {
    let last = query.and_then(|query| query.split('&').find_map(|part| part.strip_prefix("last=")));
    let last = last.map_or(Ok(100), str::parse::<usize>);
    let Some(last) = last.ok().filter(|last| (1..=LAST_MAX).contains(last)) else {
        let message = format!("`last` is a number from 1 to {LAST_MAX}");
        return failure(StatusCode::BAD_REQUEST, "bad_last", &message);
    };
    match daemon.store.recent(&PipelineId::from(pipeline), last).await {
        Ok(events) => {
            let mut lines = Vec::new();
            for event in events {
                let head = json!({"message_id": event.message_id.as_str(), "received_ms": event.received_ms, "kind": event.kind.as_str()});
                let head = head.to_string();
                // The event stands in it as it is kept.
                lines.extend_from_slice(head.trim_end_matches('}').as_bytes());
                lines.extend_from_slice(b",\"event\":");
                lines.extend_from_slice(&event.json);
                lines.extend_from_slice(b"}\n");
            }
            http::whole(StatusCode::OK, "application/x-ndjson", Bytes::from(lines))
        }
        Err(error) => store_failure(&error),
    }
}
