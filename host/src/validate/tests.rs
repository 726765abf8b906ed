//! Rules one by one, limits in pairs, the bodies of real SDKs; damage is in [`damage`].

mod damage;
mod sdks;

use serde_json::{Value as Json, json};

use super::*;
use crate::event::index::View;
use crate::event::scan::index_canonical;

/// 2026-11-24T04:00:00.000Z
const RECEIVED_MS: u64 = 1_795_492_800_000;
const TRACK: Form = Form::Single(EventKind::Track);

fn try_check(body: &[u8], form: Form, limits: &Limits) -> Result<Checked, BodyError> {
    let mut made = 0;
    let mut make_message_id = || {
        made += 1;
        format!("made-{made}")
    };
    let mut facts = Facts { received_ms: RECEIVED_MS, ip: Some("203.0.113.9"), make_message_id: &mut make_message_id };
    let checked = check_body(body, form, &mut facts, limits)?;
    checked.accepted.iter().for_each(check_event);
    assert_eq!(checked.accepted.len(), checked.item_write_keys.len());
    Ok(checked)
}

#[track_caller]
fn check(body: &[u8], form: Form) -> Checked {
    try_check(body, form, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()))
}

/// What holds of every accepted event, whatever was sent.
fn check_event(event: &Event) {
    assert_eq!(index_canonical(&event.json).unwrap(), event.index, "{}", event.json.escape_ascii());
    let view = View::new(&event.json, &event.index);
    let text = |key: &str| view.get(&[key]).unwrap().as_str().unwrap().into_owned();
    assert_eq!(text("type"), event.kind.as_str());
    assert_eq!(text("messageId"), event.message_id.as_str());
    assert_eq!(text("receivedAt"), "2026-11-24T04:00:00.000Z");
    assert_eq!(event.received_ms, RECEIVED_MS);
    assert!(time::parse(text("timestamp").as_bytes()).is_some());
    assert!(time::parse(text("originalTimestamp").as_bytes()).is_some());
    assert!(view.get(&["writeKey"]).is_none());
}

fn parsed(event: &Event) -> Json {
    serde_json::from_slice(&event.json).unwrap()
}

/// The one event of a body.
#[track_caller]
fn single(body: &Json, form: Form) -> Json {
    let checked = check(body.to_string().as_bytes(), form);
    assert_eq!(checked.rejected, []);
    assert_eq!(checked.accepted.len(), 1);
    parsed(&checked.accepted[0])
}

#[track_caller]
fn rejected(body: &str, form: Form, code: &str) -> Rejection {
    let mut checked = check(body.as_bytes(), form);
    let rejection = checked.rejected.pop().unwrap_or_else(|| panic!("accepted: {body}"));
    assert_eq!((rejection.code, checked.rejected.len()), (code, 0), "{body}");
    rejection
}

#[test]
fn the_stored_form() {
    let body = br#" { "properties" : {"a": 1, "b": [2, {}]}, "userId": "u", "writeKey": "wk", "name": "n",
        "messageId": "m", "context": {"x": 1}, "custom": null, "event": "E", "timestamp": "2026-11-24T03:59:05.678Z" } "#;
    let checked = check(body, TRACK);
    assert_eq!(checked.body_write_key.as_deref(), Some("wk"));
    assert_eq!((checked.repaired(), checked.item_write_keys), (0, vec![None]));
    let expected = concat!(
        r#"{"type":"track","messageId":"m","event":"E","userId":"u","timestamp":"2026-11-24T03:59:05.678Z","#,
        r#""originalTimestamp":"2026-11-24T03:59:05.678Z","receivedAt":"2026-11-24T04:00:00.000Z","#,
        r#""properties":{"a":1,"b":[2,{}]},"name":"n","custom":null,"context":{"x":1,"ip":"203.0.113.9"}}"#,
    );
    assert_eq!(String::from_utf8_lossy(&checked.accepted[0].json), expected);
}

#[test]
fn an_alias_that_names_no_previous_id_ends_the_visitor() {
    let of_visitor = json!({"userId": "u", "anonymousId": "a"});
    assert_eq!(single(&of_visitor, Form::Single(EventKind::Alias))["previousId"], "a");
    let of_user = json!({"userId": "u", "anonymousId": "a", "previousId": "p"});
    assert_eq!(single(&of_user, Form::Single(EventKind::Alias))["previousId"], "p");
}

#[test]
fn required_fields() {
    use EventKind::{Alias, Group, Identify, Page, Screen};
    for kind in [Identify, Page, Screen] {
        single(&json!({"userId": "u"}), Form::Single(kind));
        single(&json!({"anonymousId": "a"}), Form::Single(kind));
        rejected("{}", Form::Single(kind), "missing_id");
    }
    for absent in [r#""userId":null"#, r#""userId":"""#, r#""userId":" ""#, r#""userId":{}"#, r#""userId":true"#] {
        rejected(&format!("{{{absent}}}"), Form::Single(Page), "missing_id");
        rejected(&format!(r#"{{"event":"E",{absent},"anonymousId":null}}"#), TRACK, "missing_id");
    }
    rejected(r#"{"userId":"u"}"#, TRACK, "missing_event");
    rejected(r#"{"userId":"u","event":""}"#, TRACK, "missing_event");
    rejected(r#"{"userId":"u"}"#, Form::Single(Group), "missing_group_id");
    rejected(r#"{"userId":"u"}"#, Form::Single(Alias), "missing_previous_id");
    rejected(r#"{"previousId":"u","anonymousId":"a"}"#, Form::Single(Alias), "missing_user_id");
    let named = rejected(r#"{"userId":"u","messageId":"m\u0031"}"#, TRACK, "missing_event");
    assert_eq!(named.message_id.as_deref(), Some("m1"));
    rejected(r#"{"batch":[{"userId":"u"}]}"#, Form::Batch, "missing_type");
    rejected(r#"{"batch":[{"userId":"u","type":null}]}"#, Form::Batch, "missing_type");
    rejected(r#"{"batch":[{"userId":"u","type":"buy"}]}"#, Form::Batch, "unknown_type");
    rejected(r#"{"batch":[{"userId":"u","type":1}]}"#, Form::Batch, "unknown_type");
    rejected(r#"{"batch":["x"]}"#, Form::Batch, "not_an_object");
}

#[test]
fn the_path_names_the_type() {
    let stored = single(&json!({"type": "identify", "userId": "u", "event": "E"}), TRACK);
    assert_eq!(stored["type"], "track");
}

#[test]
fn numbers_become_texts() {
    let body = r#"{"userId":1180591620717411303424,"anonymousId":-0,"groupId":1.50,"messageId":7}"#;
    let stored = parsed(&check(body.as_bytes(), Form::Single(EventKind::Group)).accepted[0]);
    assert_eq!(stored["userId"], "1180591620717411303424");
    assert_eq!((&stored["anonymousId"], &stored["groupId"]), (&json!("-0"), &json!("1.50")));
    assert_eq!(stored["messageId"], "7");
}

#[test]
fn what_counts_as_absent_stays_as_it_was_sent() {
    let stored =
        single(&json!({"userId": "u", "anonymousId": null, "groupId": "", "event": {}}), Form::Single(EventKind::Page));
    assert_eq!((&stored["anonymousId"], &stored["groupId"]), (&Json::Null, &json!("")));
    assert_eq!(stored["event"], json!({}));
}

#[test]
fn message_ids() {
    for absent in [json!({}), json!({"messageId": null}), json!({"messageId": ""}), json!({"messageId": " "})] {
        let mut body = json!({"userId": "u", "event": "E"});
        body.as_object_mut().unwrap().extend(absent.as_object().unwrap().clone());
        let stored = single(&body, TRACK);
        assert_eq!((&stored["messageId"], stored.get("_switchyard")), (&json!("made-1"), None));
    }
    let stored = single(&json!({"userId": "u", "event": "E", "messageId": []}), TRACK);
    assert_eq!(stored["messageId"], "made-1");
    assert_eq!(stored["_switchyard"], json!({"repairs": ["message_id_replaced"]}));
    let escaped = check(br#"{"userId":"u","event":"E","messageId":"\u00e9\""}"#, TRACK);
    assert_eq!(escaped.accepted[0].message_id.as_str(), "\u{e9}\"");
    // Characters count, not bytes.
    for character in ["x", "\u{e9}", "\u{1F600}"] {
        let within = json!({"userId": "u", "event": "E", "messageId": character.repeat(99)});
        assert_eq!(single(&within, TRACK)["messageId"], within["messageId"]);
        let beyond = json!({"userId": "u", "event": "E", "messageId": character.repeat(100)});
        rejected(&beyond.to_string(), TRACK, "message_id_too_long");
    }
}

#[test]
fn write_keys_are_not_stored() {
    let body =
        br#"{"batch":[{"type":"page","userId":"u","writeKey":"own"},{"type":"page","userId":"u"}],"writeKey":"wk"}"#;
    let checked = check(body, Form::Batch);
    assert_eq!(checked.item_write_keys, [Some("own".into()), None]);
    assert_eq!(checked.body_write_key.as_deref(), Some("wk"));
    assert!(!checked.accepted.iter().any(|event| event.json.escape_ascii().to_string().contains("writeKey")));
}

#[test]
fn peeking_finds_the_write_key_that_reading_finds() {
    for (body, expected) in [
        (r#"{"writeKey":"wk","batch":[]}"#, Some("wk")),
        (r#" { "batch" : [{"writeKey":"inner","a":"}]\""},[]], "x": 1, "writeKey" : "w\u006b" } "#, Some("wk")),
        ("\u{FEFF}{\"batch\":[],\"wr\\u0069teKey\":\"wk\"}", Some("wk")),
        (r#"{"writeKey":"a","writeKey":"b","batch":[]}"#, Some("b")),
        (r#"{"writeKey":7,"batch":[]}"#, None),
        (r#"{"batch":[{"writeKey":"inner"}]}"#, None),
    ] {
        assert_eq!(peek_write_key(body.as_bytes()).as_deref(), expected, "{body}");
        assert_eq!(check(body.as_bytes(), Form::Batch).body_write_key.as_deref(), expected, "{body}");
    }
    for broken in ["", "[]", "{", r#"{"writeKey"#, r#"{"writeKey":"w"#, r#"{"a":{],"writeKey":"w"}"#, "{,}"] {
        assert_eq!(peek_write_key(broken.as_bytes()), None, "{broken}");
    }
    let large = format!(r#"{{"event":"{}","writeKey":"wk"}}"#, "x".repeat(40_000));
    let checked = check(large.as_bytes(), TRACK);
    assert_eq!((checked.rejected[0].code, checked.body_write_key.as_deref()), ("too_large", Some("wk")));
}

#[test]
fn times() {
    #[track_caller]
    fn times(given: Json, timestamp: &str, original: &str, sent: Option<&str>, repaired: bool) {
        let mut body = json!({"userId": "u", "event": "E"});
        body.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let stored = single(&body, TRACK);
        assert_eq!(stored["timestamp"], timestamp, "{given}");
        assert_eq!(stored["originalTimestamp"], original, "{given}");
        assert_eq!(stored.get("sentAt").and_then(Json::as_str), sent, "{given}");
        assert_eq!(stored["receivedAt"], "2026-11-24T04:00:00.000Z");
        let marked = stored.get("_switchyard") == Some(&json!({"repairs": ["unreadable_time"]}));
        assert_eq!(marked, repaired, "{given}");
    }
    let received = "2026-11-24T04:00:00.000Z";
    let (five, ten) = ("2026-11-24T05:00:05.000Z", "2026-11-24T05:00:10.000Z");
    // Sent 5 s after it happened, by a clock that is an hour fast.
    times(json!({"timestamp": five, "sentAt": ten}), "2026-11-24T03:59:55.000Z", five, Some(ten), false);
    times(json!({"originalTimestamp": five, "sentAt": ten}), "2026-11-24T03:59:55.000Z", five, Some(ten), false);
    times(json!({"timestamp": five}), five, five, None, false);
    times(json!({"timestamp": five, "originalTimestamp": ten}), five, five, None, false);
    times(json!({}), received, received, None, false);
    times(json!({"timestamp": null, "sentAt": ""}), received, received, None, false);
    times(json!({"sentAt": ten}), received, received, Some(ten), false);
    let offset = "2026-11-24T06:00:05.123456+01:00";
    times(
        json!({"timestamp": offset, "sentAt": "2026-11-24T05:00:10Z"}),
        "2026-11-24T03:59:55.123Z",
        offset,
        Some(ten),
        false,
    );
    times(
        json!({"timestamp": 1_795_492_800_001_u64}),
        "2026-11-24T04:00:00.001Z",
        "2026-11-24T04:00:00.001Z",
        None,
        false,
    );
    times(json!({"timestamp": "yesterday"}), received, received, None, true);
    times(json!({"timestamp": {}, "originalTimestamp": five}), five, five, None, true);
    times(json!({"timestamp": five, "sentAt": "soon"}), five, five, None, true);
    times(json!({"timestamp": five, "receivedAt": "1999-01-01"}), five, five, None, false);
}

#[test]
fn a_time_that_no_event_can_have_is_replaced() {
    let received = "2026-11-24T04:00:00.000Z";
    let check = |given: Json, timestamp: &str, repairs: Json| {
        let mut event = json!({"type": "page", "userId": "u"});
        event.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let checked = check(json!({"batch": [event]}).to_string().as_bytes(), Form::Batch);
        let stored = parsed(&checked.accepted[0]);
        assert_eq!(stored["timestamp"], timestamp, "{given}");
        assert_eq!(stored["_switchyard"]["repairs"], repairs, "{given}");
    };
    let out = || json!(["time_out_of_range"]);
    check(json!({"timestamp": "1980-01-01T00:00:00Z"}), "1980-01-01T00:00:00.000Z", Json::Null);
    check(json!({"timestamp": "1979-12-31T23:59:59.999Z"}), received, out());
    check(json!({"timestamp": "2026-11-25T04:00:00Z"}), "2026-11-25T04:00:00.000Z", Json::Null);
    check(json!({"timestamp": "2026-11-25T04:00:00.001Z"}), received, out());
    check(json!({"timestamp": "9999-12-31T00:00:00Z", "sentAt": "0001-01-01"}), received, out());
    check(json!({"timestamp": "0001-01-01", "sentAt": "9999-12-31T00:00:00Z"}), received, out());
    // By a clock that was never set: right once it is corrected.
    check(
        json!({"timestamp": "1970-01-01T00:01:00Z", "sentAt": "1970-01-01T00:02:00Z"}),
        "2026-11-24T03:59:00.000Z",
        Json::Null,
    );
}

#[test]
fn a_batch_adds_to_its_items() {
    let body = json!({
        "context": {"app": {"name": "shop"}, "locale": "en", "ip": "198.51.100.1"},
        "integrations": {"All": false, "GA4": true}, "sentAt": "2026-11-24T03:59:59Z", "timestamp": "ignored",
        "batch": [
            {"type": "page", "userId": "1", "context": {"locale": "nl", "app": {}, "page": {"x": 1}}},
            {"type": "page", "userId": "2", "context": null, "integrations": {"All": true}},
            {"type": "page", "userId": "3", "context": {}, "sentAt": "2026-11-24T03:59:58Z"},
            {"type": "page", "userId": "4", "context": "odd", "integrations": {"GA4": false, "All": true}},
            {"type": "page", "userId": "5", "context": {"ip": "", "app": 1, "locale": 2}},
        ],
    });
    let checked = check(body.to_string().as_bytes(), Form::Batch);
    let stored: Vec<Json> = checked.accepted.iter().map(parsed).collect();
    let whole = &body["context"];
    let first = json!({"locale": "nl", "app": {}, "page": {"x": 1}, "ip": "198.51.100.1"});
    let contexts: Vec<&Json> = stored.iter().map(|event| &event["context"]).collect();
    assert_eq!(contexts, [&first, whole, whole, &json!("odd"), &json!({"ip": "", "app": 1, "locale": 2})]);
    let integrations: Vec<&Json> = stored.iter().map(|event| &event["integrations"]).collect();
    let (of_batch, second) = (&body["integrations"], json!({"All": true, "GA4": true}));
    assert_eq!(integrations, [of_batch, &second, of_batch, &json!({"GA4": false, "All": true}), of_batch]);
    assert_eq!(stored[0]["sentAt"], "2026-11-24T03:59:59.000Z");
    assert_eq!(stored[2]["sentAt"], "2026-11-24T03:59:58.000Z");
}

#[test]
fn repairs_are_recorded_on_their_event_only() {
    let body = br#"{"batch":[{"type":"page","userId":"a","x":NaN,"y":"\ud800"},{"type":"page","userId":"b"}]}"#;
    let checked = check(body, Form::Batch);
    assert_eq!(checked.repaired(), 1);
    assert_eq!(parsed(&checked.accepted[0])["_switchyard"], json!({"repairs": ["nan_to_null", "lone_surrogate"]}));
    assert!(parsed(&checked.accepted[1]).get("_switchyard").is_none());
    // An earlier host's record stays, unless there is a new one.
    let earlier = json!({"userId": "u", "event": "E", "_switchyard": {"repairs": ["x"]}});
    assert_eq!(single(&earlier, TRACK)["_switchyard"], earlier["_switchyard"]);
    let again = br#"{"userId":"u","event":"E","_switchyard":{"repairs":["x"]},"n":NaN}"#;
    assert_eq!(parsed(&check(again, TRACK).accepted[0])["_switchyard"], json!({"repairs": ["nan_to_null"]}));
    // What stands beside the items is repaired for all of them.
    let beside = br#"{"context":{"x":NaN},"batch":[{"type":"page","userId":"a"},{"type":"page","userId":"b"}]}"#;
    assert_eq!(check(beside, Form::Batch).repaired(), 2);
    let known = br#"{"\u0075serId":"a","userId":"b","\u0065vent":"E"}"#;
    let stored = parsed(&check(known, TRACK).accepted[0]);
    assert_eq!((&stored["userId"], &stored["event"]), (&json!("b"), &json!("E")));
}

#[test]
fn bodies_that_are_none() {
    #[track_caller]
    fn refused(body: &str, form: Form, code: &str) {
        let error = try_check(body.as_bytes(), form, &Limits::default()).expect_err(body);
        assert_eq!(error.code(), code, "{body}: {error}");
    }
    for form in [TRACK, Form::Batch] {
        refused("", form, "empty_body");
        refused(" \n", form, "empty_body");
        refused("[]", form, "not_an_object");
        refused("\"x\"", form, "not_an_object");
        refused("null", form, "not_an_object");
        refused("hello", form, "malformed_json");
        refused("\u{1}", form, "malformed_json");
        refused("{\"a\":1}}", form, "malformed_json");
        refused("{\"a\":1", form, "truncated_json");
        refused("{a:1}", form, "malformed_json");
    }
    refused("{}", Form::Batch, "missing_batch");
    refused(r#"{"events":[]}"#, Form::Batch, "missing_batch");
    refused(r#"{"batch":{}}"#, Form::Batch, "batch_not_an_array");
    refused(r#"{"batch":null}"#, Form::Batch, "batch_not_an_array");
    refused(r#"{"batch":[] "a":1}"#, Form::Batch, "malformed_json");
    refused(r#"{"batch":[],"a":tru}"#, Form::Batch, "malformed_json");
    refused(r#"{"batch":[],}"#, Form::Batch, "malformed_json");
    refused(
        &format!(r#"{{"batch":[],"context":{{"x":"{}"}}}}"#, "x".repeat(40_000)),
        Form::Batch,
        "envelope_too_large",
    );
    let whole =
        r#"{"batch":[{"type":"page","userId":"u","x":{"y":[1,"\u00e9"]}},{"type":"page","userId":"u"}],"sentAt":null}"#;
    check(whole.as_bytes(), Form::Batch);
    for end in 1..whole.len() {
        refused(&whole[..end], Form::Batch, "truncated_json");
    }
}

#[test]
fn limits_just_within_and_just_beyond() {
    let limits =
        Limits { batch_events_max: 3, values_max: 10, depth_max: 3, event_bytes_max: 100, ..Limits::default() };
    let codes = |items: &[&str]| {
        let body = format!(r#"{{"batch":[{}]}}"#, items.join(","));
        try_check(body.as_bytes(), Form::Batch, &limits).map(|checked| {
            assert_eq!(checked.accepted.len() + checked.rejected.len(), items.len());
            let codes = checked.rejected.iter().map(|rejection| (rejection.index, rejection.code));
            codes.collect::<Vec<_>>()
        })
    };
    let good = r#"{"type":"page","userId":"u"}"#;
    assert_eq!(codes(&[good, good, good]), Ok(vec![]));
    assert_eq!(codes(&[good, good, good, good]), Err(BodyError::TooManyEvents { max: 3 }));
    let with = |x: &str| format!(r#"{{"type":"page","userId":"u","x":{x}}}"#);
    let (deep, deeper) = (with("[[]]"), with("[[[]]]"));
    assert_eq!(codes(&[good, &deep, good]), Ok(vec![]));
    assert_eq!(codes(&[good, &deeper, good]), Ok(vec![(1, "too_deep")]));
    let (many, more) = (with("[1,2,3,4,5,6]"), with("[1,2,3,4,5,6,7]"));
    assert_eq!(codes(&[good, &many, good]), Ok(vec![]));
    assert_eq!(codes(&[good, &more, good]), Ok(vec![(1, "too_many_values")]));
    let of_size = |bytes: usize| with(&format!("\"{}\"", "x".repeat(bytes - with("\"\"").len())));
    assert_eq!(codes(&[good, &of_size(100), good]), Ok(vec![]));
    assert_eq!(codes(&[good, &of_size(101), good]), Ok(vec![(1, "too_large")]));
    let key = format!(r#"{{"type":"page","userId":"u","{}":1}}"#, "k".repeat(65_536));
    assert_eq!(codes(&[good, &key, good]), Ok(vec![(1, "key_too_long")]));
    // A refused event that holds events is still one item.
    let nested = with(&format!(r#"[{good},{good},{good},{good}]"#));
    assert_eq!(codes(&[good, &nested, good]), Ok(vec![(1, "too_many_values")]));

    let adding = |items: usize| {
        let body = format!(r#"{{"context":{{"a":"b"}},"batch":[{}]}}"#, vec![good; items].join(","));
        // {"a":"b"} and two entries
        let limits = Limits { added_bytes_max: 3 * (9 + 32), ..Limits::default() };
        try_check(body.as_bytes(), Form::Batch, &limits).map(|checked| checked.accepted.len())
    };
    assert_eq!((adding(3), adding(4)), (Ok(3), Err(BodyError::AddsTooMuch)));

    let default = Limits::default();
    let event = |bytes: usize| format!(r#"{{"userId":"u","event":"{}"}}"#, "x".repeat(bytes - 25));
    assert_eq!(event(32_768).len(), 32_768);
    assert_eq!(try_check(event(32_768).as_bytes(), TRACK, &default).unwrap().accepted.len(), 1);
    assert_eq!(try_check(event(32_769).as_bytes(), TRACK, &default).unwrap().rejected[0].code, "too_large");
    let deep = |depth: usize| {
        format!(r#"{{"userId":"u","event":"E","x":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    assert_eq!(try_check(deep(64).as_bytes(), TRACK, &default).unwrap().accepted.len(), 1);
    assert_eq!(try_check(deep(65).as_bytes(), TRACK, &default).unwrap().rejected[0].code, "too_deep");
    let batch = |items: usize| format!(r#"{{"batch":[{}]}}"#, vec![good; items].join(","));
    assert_eq!(try_check(batch(2500).as_bytes(), Form::Batch, &default).unwrap().accepted.len(), 2500);
    let error = try_check(batch(2501).as_bytes(), Form::Batch, &default).unwrap_err();
    assert_eq!(error, BodyError::TooManyEvents { max: 2500 });
}

#[test]
fn an_event_from_a_line() {
    let read = |line: &str| event_from_line(line.as_bytes(), "line-1", RECEIVED_MS);
    let as_given = r#"{"type":"page","timestamp":"any","messageId":"m","receivedAt":"2026-11-24T04:00:01Z","n":1.0}"#;
    let event = read(as_given).unwrap();
    assert_eq!((event.kind, event.message_id.as_str(), event.received_ms), (EventKind::Page, "m", RECEIVED_MS + 1000));
    assert_eq!(event.json, as_given.as_bytes());
    let event =
        read(r#" { "type": "alias" , "timestamp": null, "originalTimestamp": "2026-11-24T03:00:00+01:00"} "#).unwrap();
    assert_eq!((event.message_id.as_str(), event.received_ms), ("line-1", RECEIVED_MS));
    let expected =
        r#"{"type":"alias","originalTimestamp":"2026-11-24T03:00:00+01:00","timestamp":"2026-11-24T03:00:00+01:00"}"#;
    assert_eq!(String::from_utf8_lossy(&event.json), expected);
    assert_eq!(index_canonical(&event.json).unwrap(), event.index);
    let event = read(r#"{"type":"track"}"#).unwrap();
    assert_eq!(event.json, &br#"{"type":"track","timestamp":"2026-11-24T04:00:00.000Z"}"#[..]);
    for wrong in ["", "[]", "{}", r#"{"type":"buy"}"#, r#"{"type":"page"} x"#, r#"{"type":"page""#] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
