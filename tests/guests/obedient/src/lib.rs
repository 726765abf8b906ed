//! A guest that uses what the contract has as it is asked to: an event's properties say how its
//! request looks, and the vendor's answer says what the judge makes of it.

use switchyard_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    endpoint: String,
}

/// One request an event. The properties that are read: `quota`, `not_after_ms`.
fn plan(settings: &Settings, batch: &Batch, plan: &mut Plan) {
    for event in batch.iter() {
        let properties = event.properties();
        let not_after_ms = properties.child("not_after_ms").as_i64().map(i64::unsigned_abs);
        if not_after_ms.is_some_and(|not_after_ms| not_after_ms < batch.now_ms()) {
            plan.skip(&event, "not_after_ms: is past");
            continue;
        }
        let request = plan.post(&settings.endpoint).json_event(&event).tag(event.message_id().as_bytes());
        if let Some(quota) = properties.child("quota").as_str() {
            request.quota(&quota);
        }
        if let Some(not_after_ms) = not_after_ms {
            request.not_after(not_after_ms);
        }
    }
}

/// What an answer asks the judge for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    warning: Option<String>,
    retry_after_ms: Option<u64>,
    slow_ms: Option<u64>,
    slow_quota_ms: Option<u64>,
}

fn judge(_: &Settings, now_ms: u64, response: &Response) -> Judgement {
    let asked: Asked = response.json().and_then(|json| Asked::deserialize(json).ok()).unwrap_or_default();
    let verdict = match (asked.warning, asked.retry_after_ms) {
        (Some(warning), _) => Some(Verdict::Warned(warning)),
        (None, Some(wait_ms)) => Some(Verdict::RetryAfterMs(Some(wait_ms))),
        (None, None) => None,
    };
    Judgement {
        slow_until_ms: asked.slow_ms.map(|wait_ms| now_ms + wait_ms),
        slow_quota_until_ms: asked.slow_quota_ms.map(|wait_ms| now_ms + wait_ms),
        ..verdict.map_or(Judgement::default(), |verdict| Judgement::all(response, &verdict))
    }
}

switchyard_sdk::destination! { settings: Settings, plan: plan, judge: judge }
