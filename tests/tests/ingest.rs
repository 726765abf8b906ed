//! What SDKs send, and what they are answered: write keys, encodings, required fields, sizes, times.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, message_id};
use switchyard_tests::http::{Request, Response, gzip};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;

struct Bench {
    vendors: StandIn,
    daemon: Daemon,
}

impl Bench {
    fn new() -> Bench {
        let vendors = StandIn::start();
        let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
        Bench { vendors, daemon }
    }

    /// The event as the vendor got it.
    fn arrived(&self, id: &str) -> Value {
        let ids = [id.to_string()];
        self.vendors.wait_until(&format!("event {id}"), SOON, |requests| all_arrived(requests, &ids));
        let requests = self.vendors.requests();
        let mut events = requests.iter().filter(|request| request.accepted()).flat_map(|request| request.objects());
        events.find(|event| message_id(event) == id).expect("it just arrived")
    }
}

fn track(id: &str) -> Value {
    json!({"type": "track", "event": "Signed Up", "userId": "u1", "messageId": id})
}

fn assert_error(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    assert!(body["code"].is_string() && body["message"].is_string(), "SDKs want code and message: {body}");
}

#[test]
fn every_form_of_the_write_key_is_taken() {
    let bench = Bench::new();
    let url = bench.daemon.url("/v1/track");
    let send = |id: &str, form: &dyn Fn(Request) -> Request, body: Value| {
        let response = form(Request::post(&url, body.to_string())).answer();
        assert_eq!(response.status, 200, "{id}: {}", response.text());
        assert_eq!(bench.arrived(id)["event"], "Signed Up");
    };
    let with = |id: &str, key: Value| {
        let mut event = track(id);
        event["writeKey"] = key;
        event
    };
    send("basic", &|request| request.write_key("wk_test"), track("basic"));
    send("no-colon", &|request| request.header("authorization", "Basic d2tfdGVzdA=="), track("no-colon"));
    send("header", &|request| request.header("x-write-key", "wk_test"), track("header"));
    send("jitsu", &|request| request.header("x-write-key", "wk_test:secret"), track("jitsu"));
    send("bearer", &|request| request.header("authorization", "Bearer token"), with("bearer", json!("wk_test")));
    send("body", &|request| request, with("body", json!("wk_test")));
    send("masked", &|request| request.write_key("wk_test"), with("masked", json!("***")));
    let query = Request::post(format!("{url}?writeKey=wk_test"), track("query").to_string()).answer();
    assert_eq!(query.status, 200, "{}", query.text());
    bench.arrived("query");
}

#[test]
fn a_batch_names_its_key_for_all_or_in_each_event() {
    let bench = Bench::new();
    let url = bench.daemon.url("/v1/batch");
    let whole = json!({"batch": [track("whole")], "writeKey": "wk_test", "sentAt": "2026-01-05T10:00:00Z"});
    assert_eq!(Request::post(&url, whole.to_string()).answer().status, 200);
    let mut event = track("each");
    event["writeKey"] = json!("wk_test");
    assert_eq!(Request::post(&url, json!({"batch": [event]}).to_string()).answer().status, 200);
    bench.arrived("whole");
    bench.arrived("each");
}

#[test]
fn an_event_keeps_no_write_key() {
    let bench = Bench::new();
    let mut event = track("kept");
    event["writeKey"] = json!("wk_test");
    assert_eq!(bench.daemon.post("/v1/track", &event).status, 200);
    assert!(bench.arrived("kept").get("writeKey").is_none(), "a vendor must not learn the write key");
}

#[test]
fn bodies_are_read_by_their_encoding_whatever_their_type_says() {
    let bench = Bench::new();
    let url = bench.daemon.url("/v1/batch");
    let body = |id: &str| json!({"batch": [track(id)]}).to_string();
    let check = |id: &str, content_type: &str, compressed: bool| {
        let bytes = if compressed { gzip(body(id).as_bytes()) } else { body(id).into_bytes() };
        let mut request = Request::post(&url, bytes).write_key("wk_test").header("content-type", content_type);
        if compressed {
            request = request.header("content-encoding", "gzip");
        }
        let response = request.answer();
        assert_eq!(response.status, 200, "{id}: {}", response.text());
        bench.arrived(id);
    };
    check("plain", "application/json", false);
    check("charset", "application/json;charset=utf-8", false);
    check("browser", "text/plain", false);
    check("rudder-node", "application/x-www-form-urlencoded", true);
    check("rudder-python", "application/json", true);
}

#[test]
fn every_type_has_its_path() {
    let bench = Bench::new();
    let events = [
        ("track", "t", json!({"event": "Signed Up"})),
        ("identify", "i", json!({"traits": {"plan": "pro"}})),
        ("page", "p", json!({"name": "Home"})),
        ("screen", "s", json!({"name": "Home"})),
        ("group", "g", json!({"groupId": "g1"})),
        ("alias", "a", json!({"previousId": "anon"})),
    ];
    for (kind, short, own) in events {
        for path in [kind, short] {
            let id = format!("path-{path}");
            let mut event = own.clone();
            event["userId"] = json!("u1");
            event["messageId"] = json!(id);
            let response = bench.daemon.post(&format!("/v1/{path}"), &event);
            assert_eq!(response.status, 200, "{path}: {}", response.text());
            assert_eq!(response.json()["success"], true);
            assert_eq!(bench.arrived(&id)["type"], kind);
        }
    }
    for path in ["/v1/b", "/v1/import"] {
        let id = format!("path-{path}");
        assert_eq!(bench.daemon.post(path, &json!({"batch": [track(&id)]})).status, 200, "{path}");
        bench.arrived(&id);
    }
}

#[test]
fn what_is_required_is_required_by_type() {
    let bench = Bench::new();
    let refuse = |path: &str, event: Value| assert_error(&bench.daemon.post(path, &event), 400);
    refuse("/v1/track", json!({"event": "No Identity"}));
    refuse("/v1/track", json!({"event": "Null", "userId": null, "anonymousId": null}));
    refuse("/v1/track", json!({"userId": "no-event"}));
    refuse("/v1/group", json!({"userId": "no-group"}));
    refuse("/v1/alias", json!({"userId": "no-previous"}));
    refuse("/v1/identify", json!([1, 2, 3]));
    let number = bench.daemon.post("/v1/track", &json!({"event": "Number", "userId": 42, "messageId": "number"}));
    assert_eq!(number.status, 200, "{}", number.text());
    assert_eq!(bench.arrived("number")["userId"], "42", "a number becomes a text");
}

#[test]
fn a_bad_item_never_costs_its_neighbours() {
    let bench = Bench::new();
    let oversize = json!({"type": "track", "event": "Big", "userId": "u", "messageId": "big", "properties": {"x": "y".repeat(40_000)}});
    let batch = json!([track("first"), {"type": "track", "userId": "u"}, "no object", {"userId": "no type"}, oversize, track("last")]);
    let response = bench.daemon.post("/v1/batch", &json!({"batch": batch}));
    assert_eq!(response.status, 200, "{}", response.text());
    bench.arrived("first");
    bench.arrived("last");
    let text = response.text();
    for index in 1..=4 {
        assert!(text.contains(&format!("\"index\":{index}")), "item {index} has its result: {text}");
    }
    assert_eq!(bench.daemon.counter("shop/webhook", "accepted"), 2);
}

#[test]
fn an_item_may_have_32_kib_and_no_more() {
    let bench = Bench::new();
    let sized = |id: &str, bytes: usize| {
        let mut event = json!({"event": "Sized", "userId": "u1", "messageId": id, "properties": {"x": ""}});
        let missing = bytes - event.to_string().len();
        event["properties"]["x"] = json!("x".repeat(missing));
        event
    };
    let within = bench.daemon.post("/v1/track", &sized("within", 32 << 10));
    assert_eq!(within.status, 200, "{}", within.text());
    bench.arrived("within");
    let beyond = bench.daemon.post("/v1/track", &sized("beyond", (32 << 10) + 1));
    assert!(matches!(beyond.status, 400 | 413), "{}", beyond.text());
    assert_error(&beyond, beyond.status);
}

#[test]
fn a_batch_may_have_2500_events_and_no_more() {
    let bench = Bench::new();
    let batch = |events: usize| json!({"batch": (0..events).map(|at| track(&format!("many-{events}-{at}"))).collect::<Vec<_>>()});
    assert_eq!(bench.daemon.post("/v1/batch", &batch(2_500)).status, 200);
    let beyond = bench.daemon.post("/v1/batch", &batch(2_501));
    assert!(matches!(beyond.status, 400 | 413), "{}", beyond.text());
    assert_error(&beyond, beyond.status);
    assert_eq!(bench.daemon.counter("shop/webhook", "accepted"), 2_500);
}

#[test]
fn json_that_strict_parsers_refuse_is_repaired() {
    let bench = Bench::new();
    let items = [
        r#"{"type":"track","event":"E","userId":"u","messageId":"dup","properties":{"a":1,"a":2}}"#,
        r#"{"type":"track","type":"track","event":"E","userId":"u","messageId":"dup-type"}"#,
        r#"{"type":"track","event":"E","userId":"u","messageId":"half","properties":{"a":"x\ud83dy"}}"#,
        r#"{"type":"track","event":"E","userId":"u","messageId":"nan","properties":{"a":NaN,"b":-Infinity}}"#,
        r#"{"type":"track","event":"E","userId":"u","messageId":"nul","properties":{"a":"x\u0000y"}}"#,
        r#"{"type":"track","event":"E","userId":"u","messageId":"big","properties":{"a":123456789012345678901234567890}}"#,
        r#"{"type":"track","event":"E","userId":"u","messageId":"plain"}"#,
    ];
    let body = format!(r#"{{"batch":[{}]}}"#, items.join(" , "));
    let response = Request::post(bench.daemon.url("/v1/batch"), body).write_key("wk_test").answer();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(bench.arrived("dup")["properties"]["a"], 2, "the last one wins");
    assert_eq!(bench.arrived("half")["properties"]["a"], "x\u{fffd}y");
    assert_eq!(bench.arrived("nan")["properties"], json!({"a": null, "b": null}));
    for id in ["dup-type", "nul", "big", "plain"] {
        bench.arrived(id);
    }
}

#[test]
fn what_a_batch_says_holds_for_each_item() {
    let bench = Bench::new();
    let mut own = track("own");
    own["context"] = json!({"ip": "198.51.100.7"});
    let body = json!({
        "batch": [track("merged"), own],
        "context": {"ip": "203.0.113.9", "library": {"name": "l"}}, "integrations": {"GA4": false},
    });
    assert_eq!(bench.daemon.post("/v1/batch", &body).status, 200);
    let merged = bench.arrived("merged");
    assert_eq!(merged["context"]["ip"], "203.0.113.9");
    assert_eq!(merged["integrations"]["GA4"], false);
    let own = bench.arrived("own");
    assert_eq!(own["context"]["ip"], "198.51.100.7", "the item's own value wins");
    assert_eq!(own["context"]["library"]["name"], "l");
}

#[test]
fn an_event_without_an_id_gets_one_and_its_times() {
    let bench = Bench::new();
    let event = json!({"event": "No Id", "userId": "u", "messageId": "  "});
    assert_eq!(bench.daemon.post("/v1/track", &event).status, 200);
    bench.vendors.wait_until("the event", SOON, |requests| !requests.is_empty());
    let arrived = bench.vendors.requests()[0].objects().remove(0);
    assert!(!message_id(&arrived).trim().is_empty(), "{arrived}");
    for time in ["receivedAt", "timestamp"] {
        assert!(arrived[time].as_str().is_some_and(|text| text.ends_with('Z')), "{time}: {arrived}");
    }
}

#[test]
fn a_senders_wrong_clock_is_corrected() {
    let bench = Bench::new();
    // An hour before it was sent, by a clock that is years behind.
    let mut event = track("skewed");
    event["timestamp"] = json!("2020-01-01T00:00:00.000Z");
    let body = json!({"batch": [event], "sentAt": "2020-01-01T01:00:00.000Z"});
    assert_eq!(bench.daemon.post("/v1/batch", &body).status, 200);
    let arrived = bench.arrived("skewed");
    let text = |key: &str| arrived[key].as_str().unwrap_or_default().to_string();
    assert!(text("timestamp").as_str() > "2026" && text("timestamp") < text("receivedAt"), "{arrived}");
    assert_eq!(text("originalTimestamp"), "2020-01-01T00:00:00.000Z", "{arrived}");
}

#[test]
fn nothing_is_redirected_and_errors_survive_every_sdk() {
    let bench = Bench::new();
    let slash = bench.daemon.post("/v1/batch/", &json!({"batch": [track("slash")]}));
    assert_eq!(slash.status, 200, "{}", slash.text());
    bench.arrived("slash");
    assert_error(&bench.daemon.post("/v1/nothing", &json!({})), 404);
    assert_error(&Request::get(bench.daemon.url("/v1/batch")).answer(), 405);
    assert_error(&bench.daemon.post("/v1/batch", &json!({"events": []})), 400);
}

#[test]
fn browsers_are_let_in() {
    let bench = Bench::new();
    let preflight = Request::get(bench.daemon.url("/v1/t"))
        .method("OPTIONS")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,authorization")
        .answer();
    assert!(matches!(preflight.status, 200 | 204), "{}", preflight.status);
    assert!(preflight.header("access-control-allow-origin").is_some());
}
