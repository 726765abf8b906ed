//! What an answer means, in the common forms. A judge that has nothing to add answers
//! [`Judgement::default`]: events without a verdict get the host's reading of the status.

use serde_json::Value;

pub use crate::bindings::types::{Judgement, Response, Verdict};

impl Default for Judgement {
    /// Nothing to add to the status.
    fn default() -> Judgement {
        Judgement {
            verdicts: Vec::new(),
            follow_ups: Vec::new(),
            slow_until_ms: None,
            slow_quota_until_ms: None,
            pause: None,
            split: false,
        }
    }
}

impl Judgement {
    /// The same verdict for all that the request carried.
    pub fn all(response: &Response, verdict: &Verdict) -> Judgement {
        let verdicts = response.covers.iter().map(|position| (*position, verdict.clone())).collect();
        Judgement { verdicts, ..Judgement::default() }
    }

    /// Rejected: the records that the vendor names, by their place in the request, each with the
    /// vendor's reason. Delivered: all others. Record n is the n-th of `covers`.
    pub fn partial(response: &Response, failed: &[(usize, String)]) -> Judgement {
        let verdict = |record: usize| match failed.iter().find(|(index, _)| *index == record) {
            Some((_, reason)) => Verdict::Reject(reason.clone()),
            None => Verdict::Delivered,
        };
        let verdicts =
            response.covers.iter().enumerate().map(|(record, position)| (*position, verdict(record))).collect();
        Judgement { verdicts, ..Judgement::default() }
    }

    /// Refused as a whole, and perhaps for one of its events: the host halves the request down to the
    /// culprit. For a request with one event give a verdict instead.
    pub fn split() -> Judgement {
        Judgement { split: true, ..Judgement::default() }
    }

    /// The destination stops until the operator resumes it. What the request carried is tried again then.
    pub fn pause(response: &Response, why: impl Into<String>) -> Judgement {
        Judgement { pause: Some(why.into()), ..Judgement::all(response, &Verdict::RetryAfterMs(None)) }
    }
}

impl Response {
    /// The body as JSON; None when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text, at most so many characters of it: for reasons.
    pub fn text(&self, characters_max: usize) -> String {
        String::from_utf8_lossy(&self.body).trim().chars().take(characters_max).collect()
    }

    /// The first header of that name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The failed records of an answer such as `{"failed_records":[{"index":0,"message":"..."}]}`: their
/// places and reasons. None where the answer has no such list. Records without a place are left out.
pub fn failed_records(answer: &Value, list: &str, index: &str, message: &str) -> Option<Vec<(usize, String)>> {
    let records = answer.get(list)?.as_array()?;
    let read = |record: &Value| {
        let place = usize::try_from(record.get(index)?.as_u64()?).ok()?;
        let reason = match record.get(message).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => text.to_string(),
            _ => record.to_string(),
        };
        Some((place, reason))
    };
    Some(records.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Response {
        let headers = vec![("Retry-After".to_string(), "7".to_string())];
        Response { tag: vec![], covers: vec![3, 5], status: 400, headers, body: body.into() }
    }

    #[test]
    fn partial_failures_name_the_events() {
        let answer = response(r#"{"failed_records":[{"index":1,"message":"bad time"},{"message":"no place"}]}"#);
        let failed = failed_records(&answer.json().unwrap(), "failed_records", "index", "message").unwrap();
        let judgement = Judgement::partial(&answer, &failed);
        assert!(
            matches!(&judgement.verdicts[..], [(3, Verdict::Delivered), (5, Verdict::Reject(why))] if why == "bad time")
        );
        assert_eq!(failed_records(&serde_json::json!({}), "failed_records", "index", "message"), None);
    }

    #[test]
    fn an_answer_is_read() {
        let answer = response(" no JSON ");
        assert!(answer.json().is_none());
        assert_eq!(answer.text(2), "no");
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert_eq!(Judgement::pause(&answer, "gone").pause.as_deref(), Some("gone"));
    }
}
