//! What a source may send and how: every form of a request, its keys and their limits, strictness,
//! tracking plans, events that are sent again, proxies.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, arrivals, assert_balanced, eventually, message_id};
use switchyard_tests::http::{Request, Response};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::StandIn;

struct Bench {
    vendors: StandIn,
    daemon: Daemon,
}

impl Bench {
    fn new(shape: impl FnOnce(Setup) -> Setup) -> Bench {
        let vendors = StandIn::start();
        let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
        Bench { daemon: Daemon::start(shape(setup)), vendors }
    }

    fn plain() -> Bench {
        Bench::new(|setup| setup)
    }

    /// The event as the vendor got it.
    fn arrived(&self, id: &str) -> Value {
        let ids = [id.to_string()];
        self.vendors.wait_until(&format!("event {id}"), SOON, |requests| all_arrived(requests, &ids));
        let requests = self.vendors.requests();
        let mut events = requests.iter().filter(|request| request.accepted()).flat_map(|request| request.objects());
        events.find(|event| message_id(event) == id).expect("it just arrived")
    }

    fn get(&self, path: &str) -> Response {
        Request::get(self.daemon.url(path)).answer()
    }

    fn source(&self) -> Value {
        self.daemon.admin_get("/api/v1/status").json()["sources"]["shop"].clone()
    }
}

fn track(id: &str) -> Value {
    json!({"type": "track", "event": "Signed Up", "userId": "u1", "messageId": id})
}

fn assert_gif(response: &Response) {
    assert_eq!((response.status, response.header("content-type")), (200, Some("image/gif")));
    assert!(response.body.starts_with(b"GIF89a"));
}

#[test]
fn jitsus_paths_are_served() {
    let bench = Bench::plain();
    for (path, id) in [("/api/s/s2s/track", "s2s"), ("/api/s/track", "browser"), ("/api/s/s2s/event", "typed")] {
        let request = Request::post(bench.daemon.url(path), track(id).to_string());
        let response = request.header("x-write-key", "wk_test:secret").answer();
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        bench.arrived(id);
    }
}

#[test]
fn beacons_and_pixels_are_served() {
    let bench = Bench::plain();
    let beacon = Request::post(
        bench.daemon.url("/beacon/v1/batch?writeKey=wk_test"),
        json!({"batch": [track("beacon")]}).to_string(),
    );
    assert_eq!(beacon.header("content-type", "text/plain").answer().status, 200);
    bench.arrived("beacon");
    let query =
        "writeKey=wk_test&messageId=query-pixel&anonymousId=a&event=Mail+Opened&properties.campaign=May%20%26%20June";
    assert_gif(&bench.get(&format!("/pixel/v1/track?{query}")));
    assert_eq!(bench.arrived("query-pixel")["properties"]["campaign"], "May & June");
    let event = json!({"writeKey": "wk_test", "userId": "u", "event": "Mail Opened", "messageId": "data-pixel"});
    let data = base64(event.to_string().as_bytes());
    assert_gif(&bench.get(&format!("/v1/pixel/track?data={data}")));
    assert_eq!(bench.arrived("data-pixel")["event"], "Mail Opened");
    for bad in ["/v1/pixel/track?data=%25", "/v1/pixel/track", "/pixel/v1/page?writeKey=none&anonymousId=a"] {
        assert_gif(&bench.get(bad));
    }
    assert_eq!(bench.daemon.counter("shop/webhook", "accepted"), 3);
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn custom_events_say_what_they_are_in_three_places() {
    let bench = Bench::plain();
    let url = bench.daemon.url("/v1/custom/event");
    let in_body =
        json!({"total": 3, "_metarouter": {"writeKey": "wk_test", "eventName": "Bought", "eventID": "by-body"}});
    assert_eq!(Request::post(&url, in_body.to_string()).answer().status, 200);
    let header = json!({"writeKey": "wk_test", "eventName": "Bought", "eventID": "by-header"}).to_string();
    let by_header = Request::post(&url, r#"{"total":3}"#).header("x-event-metadata", header);
    assert_eq!(by_header.answer().status, 200);
    let query = format!("{url}?writeKey=wk_test&eventName=Bought&eventID=by-query");
    assert_eq!(Request::post(query, r#"{"total":3}"#).answer().status, 200);
    for id in ["by-body", "by-header", "by-query"] {
        let event = bench.arrived(id);
        assert_eq!((&event["type"], &event["event"]), (&json!("track"), &json!("Bought")), "{event}");
        assert_eq!(event["properties"], json!({"total": 3}), "{event}");
    }
    let nameless = Request::post(&url, r#"{"_metarouter":{"writeKey":"wk_test"}}"#).answer();
    assert_eq!((nameless.status, nameless.json()["code"].as_str()), (400, Some("no_custom_event")));
    let keyless = Request::post(&url, r#"{"_metarouter":{"eventName":"Bought"}}"#).answer();
    assert_eq!(keyless.status, 401, "{}", keyless.text());
}

#[test]
fn a_browsers_sdk_is_told_to_come_here() {
    let bench = Bench::plain();
    let settings = bench.get("/v1/projects/wk_test/settings");
    assert_eq!(settings.status, 200);
    assert_eq!(settings.header("access-control-allow-origin"), Some("*"));
    let segment = settings.json()["integrations"]["Segment.io"].clone();
    assert_eq!(segment["apiKey"], "wk_test");
    assert_eq!(segment["apiHost"], format!("{}/v1", bench.daemon.ingest()));
    assert_eq!(segment["protocol"], "http");
    assert_eq!(bench.get("/v1/projects/none/settings").status, 401);
}

#[test]
fn a_disabled_key_is_refused_by_its_name() {
    let bench = Bench::new(|setup| setup.write_key(r#"{ key = "wk_old", enabled = false }"#));
    let response = Request::post(bench.daemon.url("/v1/track"), track("old").to_string()).write_key("wk_old").answer();
    assert_eq!((response.status, response.json()["code"].as_str()), (401, Some("disabled_write_key")));
}

#[test]
fn a_key_may_send_what_its_limits_say_and_no_more() {
    let bench = Bench::new(|setup| {
        setup
            .write_key(r#"{ key = "wk_events", events_per_second = 20 }"#)
            .write_key(r#"{ key = "wk_bytes", bytes_per_second = 2000 }"#)
    });
    for key in ["wk_events", "wk_bytes"] {
        let events: Vec<Value> = (0..60).map(|at| track(&format!("{key}-{at}"))).collect();
        let batch = json!({"batch": events}).to_string();
        let send = || Request::post(bench.daemon.url("/v1/batch"), batch.clone()).write_key(key).answer();
        assert_eq!(send().status, 200, "a batch beyond a second's worth passes");
        let refused = send();
        assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("rate_limited")));
        let seconds = refused.header("retry-after").and_then(|value| value.parse::<u64>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=3).contains(&seconds)), "whole seconds: {seconds:?}");
        let other = bench.daemon.post("/v1/track", &track(&format!("other-{key}")));
        assert_eq!(other.status, 200, "another key's limits are its own");
        eventually("the key may send again", SOON, || send().status == 200);
    }
    assert!(bench.source()["rate_limited"].as_u64() >= Some(2));
}

#[test]
fn a_strict_source_refuses_what_a_lenient_one_repairs() {
    let strict = Bench::new(|setup| setup.of_pipelines("validation = \"strict\""));
    let lenient = Bench::plain();
    let items = [
        (r#"{"type":"track","event":"E","userId":"u","messageId":"dup","properties":{"a":1,"a":2}}"#, "duplicate_key"),
        (r#"{"type":"track","event":"E","userId":"u","messageId":"time","timestamp":"yesterday"}"#, "unreadable_time"),
        (
            r#"{"type":"track","event":"E","userId":"u","messageId":"old","timestamp":"1979-12-31T23:59:59Z"}"#,
            "time_out_of_range",
        ),
        (
            r#"{"type":"track","event":"E","userId":"u","messageId":"far","timestamp":"9000-01-01T00:00:00Z"}"#,
            "time_out_of_range",
        ),
    ];
    let good = r#"{"type":"track","event":"E","userId":"u","messageId":"good","timestamp":"1980-01-01T00:00:00Z"}"#;
    let all: Vec<&str> = items.iter().map(|(item, _)| *item).chain([good]).collect();
    let body = format!(r#"{{"batch":[{}]}}"#, all.join(","));
    let send = |bench: &Bench| Request::post(bench.daemon.url("/v1/batch"), body.clone()).write_key("wk_test").answer();
    let answer = send(&strict).json();
    assert_eq!(answer["accepted"], 1, "{answer}");
    for (at, (_, repair)) in items.iter().enumerate() {
        let rejected = &answer["rejected"][at];
        assert_eq!((&rejected["index"], &rejected["code"]), (&json!(at), &json!("needs_repair")), "{answer}");
        assert!(rejected["message"].as_str().is_some_and(|message| message.contains(repair)), "{rejected}");
    }
    strict.arrived("good");
    let answer = send(&lenient).json();
    assert_eq!(answer["accepted"], 5, "{answer}");
    for (id, (_, repair)) in ["dup", "time", "old", "far"].into_iter().zip(items) {
        let event = lenient.arrived(id);
        assert_eq!(event["_switchyard"]["repairs"], json!([repair]), "{event}");
    }
    assert_eq!(lenient.arrived("old")["originalTimestamp"], "1979-12-31T23:59:59Z", "what was said is kept");
    assert_eq!(strict.source()["rejected_by"]["needs_repair"], 4);
}

#[test]
fn a_tracking_plan_marks_drops_or_rejects() {
    let plan = |event: &str, action: &str| {
        format!(
            "[[pipeline.tracking_plan]]\nevent = \"{event}\"\non_violation = \"{action}\"\n\
             [pipeline.tracking_plan.schema]\nproperties = {{ total = {{ type = \"number\" }} }}\nrequired = [\"order_id\"]\n"
        )
    };
    let plans =
        [("Marked", "mark"), ("Dropped", "drop"), ("Refused", "reject")].map(|(event, action)| plan(event, action));
    let bench = Bench::new(|setup| setup.of_pipelines(&plans.concat()));
    let event = |name: &str| json!({"type": "track", "event": name, "userId": "u", "messageId": name, "properties": {"total": "3", "order_id": "o"}});
    let events = ["Marked", "Dropped", "Refused", "Free"].map(event);
    let batch = json!({"batch": events});
    let answer = bench.daemon.post("/v1/batch", &batch).json();
    assert_eq!(answer["accepted"], 3, "{answer}");
    assert_eq!((&answer["rejected"][0]["index"], &answer["rejected"][0]["code"]), (&json!(2), &json!("tracking_plan")));
    assert!(answer["rejected"][0]["message"].as_str().is_some_and(|message| message.contains("properties.total")));
    let marked = bench.arrived("Marked");
    assert_eq!(marked["properties"]["total"], "3");
    assert!(marked["_switchyard"]["violations"][0].as_str().is_some_and(|text| text.contains("total")), "{marked}");
    assert_eq!(bench.arrived("Dropped")["properties"], json!({"order_id": "o"}));
    assert_eq!(bench.arrived("Free")["properties"]["total"], "3");
    let counted = bench.source()["violations"].clone();
    for title in ["track Marked", "track Dropped", "track Refused"] {
        assert_eq!(counted[title].as_object().map(|texts| texts.len()), Some(1), "{counted}");
    }
}

#[test]
fn an_event_that_is_sent_again_is_delivered_once_also_after_a_kill() {
    let mut bench = Bench::plain();
    let events: Vec<Value> = (0..30).map(|at| track(&format!("again-{at}"))).collect();
    let batch = json!({"batch": events});
    assert_eq!(bench.daemon.post("/v1/batch", &batch).json()["accepted"], 30);
    let again = bench.daemon.post("/v1/batch", &batch);
    assert_eq!((again.status, again.json()["duplicates"].as_u64()), (200, Some(30)), "{}", again.text());
    eventually("all are delivered and settled", SOON, || bench.daemon.counter("shop/webhook", "delivered") == 30);
    bench.daemon.kill();
    bench.daemon.restart();
    let mut more = events.clone();
    more.push(track("new"));
    let mixed = bench.daemon.post("/v1/batch", &json!({"batch": more})).json();
    assert_eq!((&mixed["accepted"], &mixed["duplicates"]), (&json!(31), &json!(30)), "{mixed}");
    bench.arrived("new");
    assert_eq!(arrivals(&bench.vendors.requests()).len(), 31);
    assert_eq!(bench.source()["duplicates"], 30, "since this start");
    assert_eq!(bench.daemon.counter("shop/webhook", "accepted"), 31);
    assert_balanced(&bench.daemon.counters("shop/webhook"));
}

#[test]
fn deduplication_can_be_switched_off() {
    let bench = Bench::new(|setup| setup.section("[deduplication]\nwindow_minutes = 0"));
    for _ in 0..2 {
        assert_eq!(bench.daemon.post("/v1/track", &track("twice")).status, 200);
    }
    assert_eq!(bench.daemon.counter("shop/webhook", "accepted"), 2);
}

#[test]
fn only_a_trusted_proxy_says_whom_it_heard() {
    let trusting = Bench::new(|setup| setup.section("[ingest]\ntrusted_proxies = [\"127.0.0.0/8\"]"));
    let plain = Bench::plain();
    let send = |bench: &Bench| {
        let request = Request::post(bench.daemon.url("/v1/track"), track("proxied").to_string()).write_key("wk_test");
        assert_eq!(request.header("x-forwarded-for", "203.0.113.7").answer().status, 200);
        bench.arrived("proxied")["context"]["ip"].clone()
    };
    assert_eq!(send(&trusting), "203.0.113.7");
    assert_eq!(send(&plain), "127.0.0.1");
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    use std::io::{Read, Write};
    let bench = Bench::plain();
    let mut stream = std::net::TcpStream::connect(bench.daemon.ingest()).expect("the daemon listens");
    stream.set_read_timeout(Some(SOON)).expect("a limit can be set");
    let request = |id: &str, last: bool| {
        let body = track(id).to_string();
        let connection = if last { "close" } else { "keep-alive" };
        format!(
            "POST /v1/track HTTP/1.1\r\nhost: x\r\nx-write-key: wk_test\r\nconnection: {connection}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let all = [("one", false), ("two", false), ("three", true)].map(|(id, last)| request(id, last)).concat();
    stream.write_all(all.as_bytes()).expect("the daemon reads");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("the daemon answers all and closes");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    ["one", "two", "three"].into_iter().for_each(|id| drop(bench.arrived(id)));
}
