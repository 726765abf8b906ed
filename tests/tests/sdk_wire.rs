//! SDKs whose packages are not installed here, by what their public source says that they send, and
//! what they do with an answer: tests/sdk-wire. Each request is sent as the SDK sends it, and again as
//! the SDK sends it when it got no answer; each event arrives whole and once. Every answer of the
//! daemon is held against the SDK's own rules: 200 must be a success, and what passes must be retried.

use std::path::PathBuf;

use base64::Engine;
use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{
    SOON, all_arrived, arrivals, assert_arrived_whole, difference, eventually, message_id, message_ids,
};
use switchyard_tests::http::{Request, Response, gzip};
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, Recorded, StandIn};
use switchyard_tests::{paths, shop};

/// The folders of tests/sdk-wire. Each has a test.
const SDKS: [&str; 7] =
    ["analytics-dotnet", "analytics-go", "analytics-java", "analytics-php", "analytics-ruby", "jitsu", "metarouter"];

/// A daemon that has no room, and takes bodies up to this.
const SMALL_BODY_BYTES: usize = 65_536;

/// What an SDK's own limits must be within: the daemon's, by default.
const LIMITS: [(&str, u64); 3] =
    [("batch_events_max", 2_500), ("batch_bytes_max", 8 << 20), ("event_bytes_max", 32 << 10)];

/// One file: requests, and what the SDK makes of an answer.
struct Wire {
    name: String,
    file: Value,
}

/// What an SDK does with the events of a request when it has the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// They are delivered.
    Done,
    /// It sends them again.
    Retried,
    /// It sends them again, in smaller batches.
    Halved,
    /// It ends, and sends nothing more.
    Disabled,
    /// It gives them up.
    Dropped,
}

impl Wire {
    fn all(sdk: &str) -> Vec<Wire> {
        let mut files: Vec<PathBuf> = list(&folder().join(sdk));
        files.sort();
        files.into_iter().map(|path| Wire::read(sdk, path)).collect()
    }

    fn read(sdk: &str, path: PathBuf) -> Wire {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let form = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = format!("{sdk}-{form}");
        let text = text.replace("{{id}}", &name);
        let file = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Wire { name, file }
    }

    fn requests(&self) -> &[Value] {
        self.file["requests"].as_array().map_or(&[], Vec::as_slice)
    }

    fn rules(&self) -> &Value {
        &self.file["retries"]
    }

    fn outcome(&self, status: u16) -> Outcome {
        let lists = [
            ("success", Outcome::Done),
            ("disabled", Outcome::Disabled),
            ("halved", Outcome::Halved),
            ("retried", Outcome::Retried),
        ];
        let named = lists.into_iter().find(|(list, _)| names(&self.rules()[list], status));
        named.map_or(Outcome::Dropped, |(_, outcome)| outcome)
    }

    /// The SDK can make of the answer what it wants to: its body, and when to come again.
    fn assert_understood(&self, answer: &Response) {
        if self.rules()["answer"] == "json" {
            let body = answer.json();
            assert!(body.is_object() && body.get("error").is_none(), "{}: {body}", self.name);
            assert!(body["success"].is_boolean(), "{}: {body}", self.name);
        }
        if self.outcome(answer.status) == Outcome::Retried && self.rules()["retry_after"] != "ignored" {
            let after = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
            assert!(after.is_some_and(|seconds| seconds > 0), "{}: whole seconds, not {after:?}", self.name);
        }
    }

    /// What passes is retried, by an SDK that retries anything.
    fn assert_survives(&self, answer: &Response) {
        let retries = self.rules()["retried"].as_array().is_some_and(|retried| !retried.is_empty());
        if retries {
            assert_eq!(self.outcome(answer.status), Outcome::Retried, "{}: {}", self.name, answer.status);
        }
        self.assert_understood(answer);
    }
}

/// Whether a list like `["200", "500-599"]` names the status.
fn names(list: &Value, status: u16) -> bool {
    let number = |text: &str| text.parse::<u16>().unwrap_or_else(|error| panic!("{text}: {error}"));
    list.as_array().into_iter().flatten().filter_map(Value::as_str).any(|range| match range.split_once('-') {
        Some((first, last)) => (number(first)..=number(last)).contains(&status),
        None => number(range) == status,
    })
}

fn folder() -> PathBuf {
    paths::root().join("tests/sdk-wire")
}

fn list(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder can be read").path()).collect()
}

/// The request as the SDK sends it with this write key, or as it sends it again.
fn request(daemon: &Daemon, form: &Value, key: &str, again: bool) -> Request {
    let body = filled(&form["body"], key).to_string();
    request_of(daemon, form, key, again, &escaped(body, &form["escaped"]))
}

fn request_of(daemon: &Daemon, form: &Value, key: &str, again: bool, body: &str) -> Request {
    let is_gzip = form["gzip"] == true;
    let bytes = if is_gzip { gzip(body.as_bytes()) } else { body.as_bytes().to_vec() };
    let path = form["path"].as_str().expect("a request has a path");
    let mut request = Request::post(daemon.url(path), bytes);
    assert_eq!(form["method"], "POST", "SDKs send events with POST");
    let more = if again { filled(&form["retry_headers"], key) } else { Value::Null };
    for headers in [filled(&form["headers"], key), more] {
        for (name, value) in headers.as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
    }
    request
}

/// With the write key where its placeholders are.
fn filled(value: &Value, key: &str) -> Value {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
    let text = value.to_string().replace("{{write_key}}", key).replace("{{basic}}", &basic);
    serde_json::from_str(&text).expect("a key changes nothing about the JSON")
}

/// The JSON text with what the SDK's writer escapes: all of it can stand in strings only.
fn escaped(json: String, rule: &Value) -> String {
    let characters = rule["characters"].as_str().unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '/' && characters.contains('/') {
            text.push_str("\\/");
        } else if characters.contains(character) || (rule["non_ascii"] == true && !character.is_ascii()) {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(character);
        }
    }
    text
}

/// The events of a request, as they are meant: ids are texts, null says nothing, and the write key is
/// none of a vendor's business.
fn events(form: &Value) -> Vec<Value> {
    let body = &form["body"];
    let events = body["batch"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    events.into_iter().map(|event| meant(event, form)).collect()
}

fn meant(mut event: Value, form: &Value) -> Value {
    let id = message_id(&event).to_string();
    let fields = event.as_object_mut().expect("an event is an object");
    fields.retain(|name, value| !value.is_null() && name != "writeKey");
    for name in ["userId", "anonymousId"] {
        if let Some(number) = fields.get(name).filter(|value| value.is_number()).map(Value::to_string) {
            fields[name] = json!(number);
        }
    }
    let time = fields.get("timestamp").cloned();
    fields.extend(time.map(|time| ("originalTimestamp".to_string(), time)));
    fields.extend(form["arrives"][&id].as_object().cloned().unwrap_or_default());
    event
}

fn replay(sdk: &str) {
    let wires = Wire::all(sdk);
    assert!(!wires.is_empty(), "{sdk} has no fixture");
    for wire in &wires {
        for (limit, most) in LIMITS {
            let own = wire.rules()[limit].as_u64();
            assert!(own.is_none_or(|own| own <= most), "{}: {limit} is {own:?}, beyond {most}", wire.name);
        }
    }
    taken(&wires);
    refused(&wires);
}

/// Each request is taken, also a second time, and each event arrives whole and once.
fn taken(wires: &[Wire]) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    let mut sent = Vec::new();
    for wire in wires {
        for form in wire.requests() {
            assert_preflight(&daemon, form);
            for again in [false, true] {
                let answer = request(&daemon, form, "wk_test", again).answer();
                assert_eq!((answer.status, wire.outcome(200)), (200, Outcome::Done), "{}", answer.text());
                assert_eq!(answer.json()["rejected"], json!([]), "{}", wire.name);
                wire.assert_understood(&answer);
            }
            sent.extend(events(form).into_iter().map(|event| (event, form["body"]["context"].clone())));
        }
    }
    let ids: Vec<String> = sent.iter().map(|(event, _)| message_id(event).to_string()).collect();
    vendors.wait_until("every event", SOON, |requests| all_arrived(requests, &ids));
    eventually("all is settled", SOON, || daemon.counter("shop/webhook", "waiting") == 0);
    let requests = vendors.requests();
    assert!(arrivals(&requests).values().all(|count| *count == 1), "{:?}", arrivals(&requests));
    let arrived: Vec<Value> = requests.iter().flat_map(Recorded::objects).collect();
    assert_eq!(arrived.len(), sent.len(), "nothing arrives that was not sent");
    for (event, of_batch) in &sent {
        let found = arrived.iter().find(|found| message_id(found) == message_id(event)).expect("it arrived");
        assert_arrived_whole(event, found);
        if of_batch.is_object() && event.get("context").is_none() {
            assert_eq!(difference(of_batch, &found["context"], "/context"), None, "{found}");
        }
    }
}

/// A browser asks whether it may send these headers.
fn assert_preflight(daemon: &Daemon, form: &Value) {
    let Some(wanted) = form["preflight"].as_array() else { return };
    let path = form["path"].as_str().unwrap_or_default();
    let names: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    let asked = Request::post(daemon.url(path), "").method("OPTIONS").header("origin", "https://shop.example");
    let asked = asked.header("access-control-request-method", "POST");
    let answer = asked.header("access-control-request-headers", names.join(",")).answer();
    let allowed = answer.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    let allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
    for name in names {
        assert!(allowed.contains(&name), "{name} is not among {allowed:?}");
    }
}

/// What the daemon answers when it takes nothing, and what the SDK makes of it.
fn refused(wires: &[Wire]) {
    let vendors = StandIn::start();
    let full =
        format!("[queue]\ndisk_reserve_bytes = 1152921504606846976\n[ingest]\nbody_bytes_max = {SMALL_BODY_BYTES}\n");
    let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(&full));
    for wire in wires {
        for form in wire.requests() {
            let no_room = request(&daemon, form, "wk_test", false).answer();
            assert_eq!(no_room.status, 429, "{}", no_room.text());
            wire.assert_survives(&no_room);
            let check = |answer: Response, status: u16| {
                assert_eq!(answer.status, status, "{}: {}", wire.name, answer.text());
                wire.assert_understood(&answer);
            };
            check(request(&daemon, form, "wk_unknown", false).answer(), 401);
            let broken = &filled(&form["body"], "wk_test").to_string()[..20];
            if form["headers"].get("authorization").is_some() {
                check(request_of(&daemon, form, "wk_test", false, broken).answer(), 400);
            }
            let mut large = form.clone();
            large["body"]["padding"] = json!("x".repeat(SMALL_BODY_BYTES));
            check(request(&daemon, &large, "wk_test", false).answer(), 413);
        }
    }
    assert_eq!(vendors.requests().len(), 0);
}

#[test]
fn go() {
    replay("analytics-go");
}

#[test]
fn java() {
    replay("analytics-java");
}

#[test]
fn php() {
    replay("analytics-php");
}

#[test]
fn ruby() {
    replay("analytics-ruby");
}

#[test]
fn dotnet() {
    replay("analytics-dotnet");
}

#[test]
fn jitsu() {
    replay("jitsu");
}

#[test]
fn metarouter() {
    replay("metarouter");
}

#[test]
fn every_sdk_has_its_test() {
    let mut folders: Vec<String> =
        list(&folder()).iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    folders.sort();
    assert_eq!(folders, SDKS);
}

/// A store that fails is answered with 503: an SDK that retries does so, and loses nothing by it.
#[test]
fn a_store_that_fails_is_survived() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let mut daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    daemon.set_file_kib_max(Some(12 << 10));
    daemon.restart();
    let mut answers = (0..2_000).map(|batch| {
        let events: Vec<Value> = (0..20).map(|at| shop::padded(&format!("store-{batch}-{at}"), 20_000)).collect();
        (daemon.post("/v1/batch", &json!({"batch": events})), message_ids(&events))
    });
    let (refused, _) = answers.find(|(answer, _)| answer.status != 200).expect("the disk is full at some time");
    assert_eq!(refused.status, 503, "{}", refused.text());
    SDKS.iter().flat_map(|sdk| Wire::all(sdk)).for_each(|wire| wire.assert_survives(&refused));
}
