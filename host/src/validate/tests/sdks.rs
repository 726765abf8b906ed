//! The bodies that SDKs send, from `fixtures/`.

use super::*;

#[track_caller]
fn fixture(body: &[u8], accepted: usize, repaired: usize, body_write_key: Option<&str>) -> (Vec<Json>, Checked) {
    let checked = check(body, Form::Batch);
    assert_eq!(checked.rejected, []);
    assert_eq!((checked.accepted.len(), checked.repaired()), (accepted, repaired));
    assert_eq!(checked.body_write_key.as_deref(), body_write_key);
    (checked.accepted.iter().map(parsed).collect(), checked)
}

/// All that was sent is stored, but for what the host sets itself.
#[track_caller]
fn holds(stored: &Json, sent: &Json) {
    for (key, value) in sent.as_object().unwrap() {
        match key.as_str() {
            "timestamp" | "originalTimestamp" | "sentAt" | "writeKey" => {}
            "context" => {
                let mut context = stored["context"].clone();
                let ip = context.as_object_mut().unwrap().remove("ip");
                assert_eq!((&context, ip), (value, Some(json!("203.0.113.9"))));
            }
            _ => assert_eq!(stored.get(key), Some(value), "{key}"),
        }
    }
}

#[test]
fn segment_node() {
    let body = include_bytes!("../fixtures/segment_node.json");
    let (stored, checked) = fixture(body, 6, 1, Some("wk_demo"));
    let readable = String::from_utf8_lossy(body).replace(r"\ud83d", r"\ufffd");
    let sent: Json = serde_json::from_str(&readable).unwrap();
    for (stored, sent) in stored.iter().zip(sent["batch"].as_array().unwrap()) {
        holds(stored, sent);
        assert_eq!(stored["originalTimestamp"], sent["timestamp"]);
        assert_eq!(stored["sentAt"], "2026-11-24T04:56:18.229Z");
    }
    assert_eq!(stored[0]["traits"]["name"], "Zo\u{eb} \u{FFFD}");
    assert_eq!(stored[0]["_switchyard"]["repairs"], json!(["lone_surrogate"]));
    assert_eq!(stored[1]["properties"]["nul"], "a\0b");
    // 2026-11-24T04:00:00 - (04:56:18.229 - 03:59:05.678)
    assert_eq!(stored[1]["timestamp"], "2026-11-24T03:02:47.449Z");
    let kinds: Vec<_> = checked.accepted.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["identify", "track", "page", "screen", "group", "alias"]);
}

#[test]
fn segment_python() {
    let body = include_bytes!("../fixtures/segment_python.json");
    let (stored, _) = fixture(body, 7, 1, Some("wk_demo"));
    let readable = String::from_utf8_lossy(body).replace(r"\ud83d", r"\ufffd");
    let readable = readable.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null");
    let sent: Json = serde_json::from_str(&readable).unwrap();
    stored.iter().zip(sent["batch"].as_array().unwrap()).for_each(|(stored, sent)| holds(stored, sent));
    assert_eq!(stored[1]["_switchyard"]["repairs"], json!(["nan_to_null", "lone_surrogate"]));
    let text = stored[1]["properties"].to_string();
    assert!(text.contains(r#""ratio":null,"most":null,"least":null"#), "{text}");
    assert_eq!(stored[1]["originalTimestamp"], "2026-11-24T03:59:05.678+00:00");
    assert_eq!(stored[0]["sentAt"], "2026-11-24T04:56:19.048Z");
    let accepted = check(body, Form::Batch).accepted;
    let properties = View::new(&accepted[1].json, &accepted[1].index).get(&["properties", "big"]).unwrap();
    assert_eq!(properties.as_number(), Some("1180591620717411303424"));
}

#[test]
fn rudder_node() {
    let (stored, _) = fixture(include_bytes!("../fixtures/rudder_node.json"), 1, 0, None);
    assert_eq!(stored[0]["originalTimestamp"], "2026-11-01T12:00:00.000Z");
    assert_eq!(stored[0]["timestamp"], "2026-11-01T12:00:54.000Z");
}

#[test]
fn rudder_rust() {
    let (stored, _) = fixture(include_bytes!("../fixtures/rudder_rust.json"), 2, 2, None);
    assert_eq!(stored[0]["messageId"], "made-1");
    assert_eq!(stored[0]["originalTimestamp"], "2026-11-24T03:59:05.678901234+00:00");
    assert_eq!(stored[0]["timestamp"], "2026-11-24T03:59:59.978Z");
    assert_eq!(stored[1]["_switchyard"]["repairs"], json!(["duplicate_key"]));
    assert_eq!(stored[1]["context"], json!({"ip": "203.0.113.9"}));
}

#[test]
fn segment_rust() {
    let (stored, _) = fixture(include_bytes!("../fixtures/segment_rust.json"), 2, 0, None);
    let library = json!({"name": "analytics-rust", "version": "0.2.3"});
    assert_eq!(stored[0]["context"], json!({"locale": "nl", "library": library, "ip": "198.51.100.4"}));
    assert_eq!(stored[1]["context"], json!({"locale": "en", "library": library, "ip": "198.51.100.4"}));
    assert_eq!(stored[1]["integrations"], json!({"All": true}));
}

#[test]
fn metarouter_react_native() {
    let (stored, checked) = fixture(include_bytes!("../fixtures/metarouter_react_native.json"), 2, 0, None);
    assert_eq!(checked.item_write_keys, [Some("wk_demo".into()), Some("wk_other".into())]);
    assert_eq!(stored[1]["timestamp"], "2026-11-24T03:59:59.678Z");
}
