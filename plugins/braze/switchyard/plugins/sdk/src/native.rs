//! Runs plans and judgements outside the sandbox, for a plugin's own tests under `cargo test`.
//!
//! The index is made here by writing parsed JSON anew; the host makes it in one scan of the event's
//! bytes. Both have the same layout.

use serde_json::{Map, Value, json};

use crate::bindings::types;
use crate::bindings::types::{Auth, Fate};
use crate::judge::{Judgement, Response, Verdict};
use crate::{Batch, Plan};

/// A batch of events, given as they are stored: with `type` and `messageId`. They are received at
/// `now_ms`, milliseconds since 1970.
pub fn batch(now_ms: u64, events: &[Value]) -> Batch {
    let (mut made, mut indexes) = (Vec::new(), Vec::new());
    for event in events {
        let (json, index) = indexed(event);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_string();
        let event = types::Event {
            kind: text("type"),
            message_id: text("messageId"),
            received_ms: now_ms,
            consent: consent(event),
            json,
        };
        made.push(event);
        indexes.push(index);
    }
    Batch::new(now_ms, made, indexes)
}

fn consent(event: &Value) -> Option<Vec<(String, bool)>> {
    let preferences = event.pointer("/context/consent/categoryPreferences")?.as_object()?;
    Some(preferences.iter().filter_map(|(purpose, granted)| Some((purpose.clone(), granted.as_bool()?))).collect())
}

/// Plans events and shows the plan as `switchyard plugin run` does, but for what the host adds when
/// it sends: `auth` stands as it was planned.
pub fn plan<S>(state: &S, plan_batch: fn(&S, &Batch, &mut Plan), now_ms: u64, events: &[Value]) -> Value {
    let batch = batch(now_ms, events);
    let mut plan = Plan::new();
    plan_batch(state, &batch, &mut plan);
    shown(&plan.finish(batch))
}

/// An answer to a request that carried the events at these positions.
pub fn response(status: u16, body: &str, covers: &[u32], tag: &[u8]) -> Response {
    Response { tag: tag.to_vec(), covers: covers.to_vec(), status, headers: Vec::new(), body: body.into() }
}

/// A plan as JSON.
pub fn shown(plan: &types::Plan) -> Value {
    let fates: Vec<Value> = plan.fates.iter().map(|(index, fate)| fate_shown(*index, fate)).collect();
    json!({"requests": plan.requests.iter().map(request_shown).collect::<Vec<Value>>(), "fates": fates})
}

fn fate_shown(index: u32, fate: &Fate) -> Value {
    match fate {
        Fate::Skip(reason) => json!({"index": index, "fate": "skip", "reason": reason}),
        Fate::Reject(reason) => json!({"index": index, "fate": "reject", "reason": reason}),
        Fate::DeferUntilMs(at) => json!({"index": index, "fate": "defer", "until_ms": at}),
    }
}

fn request_shown(request: &types::Request) -> Value {
    let headers: Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let mut shown = json!({
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": String::from_utf8_lossy(&request.body),
        "covers": request.covers,
        "auth": request.auth.iter().map(auth_shown).collect::<Vec<Value>>(),
    });
    if let Ok(body) = serde_json::from_slice::<Value>(&request.body) {
        shown["body_json"] = body;
    }
    shown["key"] = request.key.as_str().into();
    shown["lanes"] = json!(request.lanes);
    shown["quota"] = json!(request.quota);
    shown["not_after_ms"] = json!(request.not_after_ms);
    shown
}

fn auth_shown(auth: &Auth) -> Value {
    match auth {
        Auth::Bearer(token) => json!({"bearer": token}),
        Auth::Basic((user, password)) => json!({"basic": [user, password]}),
        Auth::Header((name, value)) => json!({"header": [name, value]}),
        Auth::Query((name, value)) => json!({"query": [name, value]}),
        Auth::Named(scheme) => json!({"named": scheme}),
    }
}

/// A judgement as JSON: `{"verdicts":[{"index","verdict","reason"}],"pause","slow_until_ms","split"}`.
pub fn judgement_shown(judgement: &Judgement) -> Value {
    let verdict = |(index, verdict): &(u32, Verdict)| match verdict {
        Verdict::Delivered => json!({"index": index, "verdict": "delivered"}),
        Verdict::Warned(warning) => json!({"index": index, "verdict": "delivered", "warning": warning}),
        Verdict::RetryAfterMs(after) => json!({"index": index, "verdict": "retry", "after_ms": after}),
        Verdict::Skip(reason) => json!({"index": index, "verdict": "skip", "reason": reason}),
        Verdict::Reject(reason) => json!({"index": index, "verdict": "reject", "reason": reason}),
        Verdict::AuthExpired => json!({"index": index, "verdict": "auth-expired"}),
    };
    json!({
        "verdicts": judgement.verdicts.iter().map(verdict).collect::<Vec<Value>>(),
        "pause": judgement.pause,
        "slow_until_ms": judgement.slow_until_ms,
        "slow_quota_until_ms": judgement.slow_quota_until_ms,
        "split": judgement.split,
    })
}

/// An event's canonical JSON and its index.
pub fn indexed(event: &Value) -> (Vec<u8>, Vec<u8>) {
    let mut builder = Builder { json: Vec::new(), index: vec![0; 16] };
    builder.index[0] = 1;
    builder.value(event, "", false);
    let entries = (builder.index.len() / 16 - 1) as u32;
    builder.index[4..8].copy_from_slice(&entries.to_le_bytes());
    (builder.json, builder.index)
}

struct Builder {
    json: Vec<u8>,
    index: Vec<u8>,
}

impl Builder {
    /// Writes a value and its entry; `key` as it stands between quotes.
    fn value(&mut self, value: &Value, key: &str, member: bool) {
        let entry_at = self.index.len();
        self.index.extend([0; 16]);
        let start = self.json.len() as u32;
        match value {
            Value::Array(items) => {
                self.json.push(b'[');
                for item in items {
                    self.comma(b'[');
                    self.value(item, "", false);
                }
                self.json.push(b']');
            }
            Value::Object(members) => {
                self.json.push(b'{');
                for (key, member) in members {
                    self.comma(b'{');
                    let key = Value::from(key.as_str()).to_string();
                    self.json.extend_from_slice(key.as_bytes());
                    self.json.push(b':');
                    self.value(member, &key[1..key.len() - 1], true);
                }
                self.json.push(b'}');
            }
            scalar => self.json.extend_from_slice(scalar.to_string().as_bytes()),
        }
        let kind: u8 = match value {
            Value::Null => 0,
            Value::Bool(false) => 1,
            Value::Bool(true) => 2,
            Value::Number(_) => 3,
            Value::String(_) => 4,
            Value::Array(_) => 5,
            Value::Object(_) => 6,
        };
        let escaped = value.is_string() && self.json[start as usize..].contains(&b'\\');
        let flags = u8::from(escaped) | u8::from(key.contains('\\')) << 1 | u8::from(member) << 2;
        let next = (self.index.len() / 16 - 1) as u32;
        let mut entry = Vec::with_capacity(16);
        entry.extend(start.to_le_bytes());
        entry.extend((self.json.len() as u32).to_le_bytes());
        entry.extend(next.to_le_bytes());
        entry.extend((key.len() as u16).to_le_bytes());
        entry.extend([kind, flags]);
        self.index[entry_at..entry_at + 16].copy_from_slice(&entry);
    }

    fn comma(&mut self, opening: u8) {
        if self.json.last() != Some(&opening) {
            self.json.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, ValueKind};

    fn order() -> Value {
        json!({
            "type": "track", "messageId": "m-1", "event": "Order \"Completed\"", "userId": 7, "anonymousId": " ",
            "timestamp": "2023-11-14T22:13:20.5Z",
            "properties": {
                "n": 10.5, "text": "é\n", "t": true, "f": false, "nothing": null, "list": [1, [2, {"x": "y"}], []],
                "a\"b": 1, "dotted.key": 2, "whole": 5.0, "as_text": " 12.5 ", "empty": {}
            },
            "context": {"traits": {"email": "a@b.c"}, "consent": {"categoryPreferences": {"ads": false, "x": 1}}},
        })
    }

    #[test]
    fn an_event_is_read_through_its_index() {
        let batch = batch(1_700_000_000_000, &[order()]);
        let event = batch.event(0);
        assert_eq!(event.kind(), Kind::Track);
        assert_eq!(event.message_id(), "m-1");
        assert_eq!(event.event_name().as_str().unwrap(), "Order \"Completed\"");
        assert_eq!(event.user_id().as_deref(), Some("7"));
        assert_eq!(event.anonymous_id(), None);
        assert_eq!(event.timestamp_us(), 1_700_000_000_500_000);
        assert_eq!(event.timestamp_ms(), 1_700_000_000_500);
        assert_eq!(event.consent("ads"), Some(false));
        assert_eq!(event.consent("x"), None);
        assert_eq!(event.user_traits().child("email").as_str().unwrap(), "a@b.c");
        assert_eq!(event.get("properties.list").children().count(), 3);
        assert_eq!(event.get("context.consent.categoryPreferences.ads").as_bool(), Some(false));
        assert!(event.get("properties.missing.deeper").is_null());
        assert_eq!(event.get("messageId").raw(), b"\"m-1\"");
        assert_eq!(event.root().raw(), event.json());
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let batch = batch(0, &[order()]);
        let event = batch.event(0);
        let value = |key: &str| event.properties().child(key);
        assert_eq!(value("n").as_f64(), Some(10.5));
        assert_eq!(value("n").as_i64(), None);
        assert_eq!(value("whole").as_i64(), Some(5));
        assert_eq!(value("n").raw(), b"10.5");
        assert_eq!(value("text").as_str().as_deref(), Some("é\n"));
        assert_eq!(value("t").as_bool(), Some(true));
        assert_eq!(value("f").as_text().as_deref(), Some("false"));
        assert_eq!(value("a\"b").as_i64(), Some(1));
        assert_eq!(value("a\"b").key(), "a\"b");
        assert_eq!(value("dotted.key").as_i64(), Some(2));
        assert_eq!(value("as_text").number_text(), Some(&b"12.5"[..]));
        assert_eq!(value("text").number_text(), None);
        assert_eq!(value("nothing").kind(), ValueKind::Null);
        assert_eq!(value("missing").raw(), b"null");
        assert_eq!(value("empty").children().count(), 0);
        assert_eq!(value("list").get("x").kind(), ValueKind::Null);
        let inner = value("list").children().nth(1).unwrap().children().nth(1).unwrap();
        assert_eq!(inner.child("x").as_str().as_deref(), Some("y"));
        assert_eq!(event.properties().first(&["nothing", "n", "t"]).as_f64(), Some(10.5));
    }

    #[test]
    fn an_index_that_is_damaged_shows_nothing_and_does_not_panic() {
        let (json, index) = indexed(&order());
        let events = |index: Vec<u8>| {
            let event = types::Event {
                kind: "track".into(),
                message_id: "m".into(),
                received_ms: 0,
                consent: None,
                json: json.clone(),
            };
            Batch::new(0, vec![event], vec![index])
        };
        let mut other_layout = index.clone();
        other_layout[0] = 2;
        for damaged in [Vec::new(), index[..20].to_vec(), other_layout, [&index[..16], &[255; 64]].concat()] {
            let batch = events(damaged);
            let event = batch.event(0);
            assert!(event.get("properties.n").is_null());
            assert_eq!(event.timestamp_us(), 0);
        }
        assert_eq!(Batch::new(0, Vec::new(), Vec::new()).iter().count(), 0);
    }

    #[test]
    fn an_event_that_two_requests_carry_is_whole_in_both() {
        fn twice(_: &(), batch: &Batch, plan: &mut Plan) {
            for name in ["a", "b"] {
                batch.iter().for_each(|event| {
                    plan.post("https://v.example/").key(name).json_event(&event);
                });
            }
        }
        let events = [order(), json!({"type": "page", "messageId": "m-2"})];
        let shown = plan(&(), twice, 0, &events);
        assert_eq!(shown["requests"].as_array().unwrap().len(), 4);
        for (number, request) in shown["requests"].as_array().unwrap().iter().enumerate() {
            assert_eq!(request["body_json"]["messageId"], events[number % 2]["messageId"]);
        }
    }
}
