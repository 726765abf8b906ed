//! Plans and judgements as people and fixtures read them: the requests as they would be sent, secrets
//! included.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::handles::Handles;
use super::plan::{Fate, Judgement, Plan, Request, Verdict};
use crate::send::auth::{self, AuthError};
use crate::send::oauth::TokenRequest;

/// A plan as JSON, in the form of `switchyard plugin run`.
pub fn plan_json(plan: &Plan, handles: &Handles, now_ms: u64) -> Result<Value, AuthError> {
    let requests = requests_json(&plan.requests, handles, now_ms)?;
    let fates: Vec<Value> = plan.fates.iter().map(|(event, fate)| fate_json(*event, fate)).collect();
    Ok(json!({"requests": requests, "fates": fates}))
}

/// A judgement as JSON, in the form of `switchyard plugin judge`; what it does not say is left out.
pub fn judgement_json(judgement: &Judgement, handles: &Handles, now_ms: u64) -> Result<Value, AuthError> {
    let verdicts: Vec<Value> =
        judgement.verdicts.iter().map(|(event, verdict)| verdict_json(*event, verdict)).collect();
    let mut shown = json!({"verdicts": verdicts});
    if !judgement.follow_ups.is_empty() {
        shown["follow_ups"] = requests_json(&judgement.follow_ups, handles, now_ms)?.into();
    }
    if let Some(until_ms) = judgement.slow_until_ms {
        shown["slow_until_ms"] = json!(until_ms);
    }
    if let Some(until_ms) = judgement.slow_quota_until_ms {
        shown["slow_quota_until_ms"] = json!(until_ms);
    }
    if let Some(why) = &judgement.pause {
        shown["pause"] = json!(why);
    }
    if judgement.split {
        shown["split"] = json!(true);
    }
    Ok(shown)
}

fn requests_json(requests: &[Request], handles: &Handles, now_ms: u64) -> Result<Vec<Value>, AuthError> {
    requests.iter().map(|request| request_json(request, handles, now_ms)).collect()
}

fn request_json(request: &Request, handles: &Handles, now_ms: u64) -> Result<Value, AuthError> {
    let signed = auth::apply(request, handles, now_ms)?;
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in signed.headers {
        // A header that is there twice reads as one list.
        let joined = match headers.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value,
        };
        headers.insert(name, Value::String(joined));
    }
    if let Some(token) = &signed.token {
        headers.insert("authorization".to_string(), format!("Bearer (a token from {})", token.endpoint()).into());
    }
    let mut shown = json!({
        "method": request.method,
        "url": signed.url,
        "headers": headers,
        "body": String::from_utf8_lossy(&signed.body),
    });
    if let Ok(parsed) = serde_json::from_slice::<Value>(&signed.body) {
        shown["body_json"] = parsed;
    }
    if let Some(token) = &signed.token {
        shown["token"] = token_json(token);
    }
    shown["covers"] = json!(request.covers);
    if !request.key.is_empty() {
        shown["key"] = json!(request.key);
    }
    if !request.lanes.is_empty() {
        shown["lanes"] = json!(request.lanes);
    }
    if let Some(quota) = &request.quota {
        shown["quota"] = json!(quota);
    }
    if let Some(not_after_ms) = request.not_after_ms {
        shown["not_after_ms"] = json!(not_after_ms);
    }
    if !request.tag.is_empty() {
        match std::str::from_utf8(&request.tag) {
            Ok(text) => shown["tag"] = json!(text),
            Err(_) => shown["tag_base64"] = json!(STANDARD.encode(&request.tag)),
        }
    }
    Ok(shown)
}

/// How the access token would be asked for.
fn token_json(token: &TokenRequest) -> Value {
    match token.outgoing(None) {
        Ok(outgoing) => {
            let headers: Map<String, Value> =
                outgoing.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            let body = String::from_utf8_lossy(&outgoing.body);
            json!({"method": outgoing.method, "url": outgoing.url, "headers": headers, "body": body})
        }
        Err(why) => json!({"url": token.endpoint(), "error": why}),
    }
}

fn fate_json(event: u32, fate: &Fate) -> Value {
    match fate {
        Fate::Skip(reason) => json!({"index": event, "fate": "skip", "reason": reason}),
        Fate::Reject(reason) => json!({"index": event, "fate": "reject", "reason": reason}),
        Fate::DeferUntilMs(until_ms) => json!({"index": event, "fate": "defer", "until_ms": until_ms}),
    }
}

fn verdict_json(event: u32, verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Delivered => json!({"index": event, "verdict": "delivered"}),
        Verdict::Warned(warning) => json!({"index": event, "verdict": "delivered", "warning": warning}),
        Verdict::RetryAfterMs(None) => json!({"index": event, "verdict": "retry"}),
        Verdict::RetryAfterMs(Some(wait_ms)) => json!({"index": event, "verdict": "retry", "after_ms": wait_ms}),
        Verdict::Skip(reason) => json!({"index": event, "verdict": "skip", "reason": reason}),
        Verdict::Reject(reason) => json!({"index": event, "verdict": "reject", "reason": reason}),
        Verdict::AuthExpired => json!({"index": event, "verdict": "auth-expired"}),
    }
}
