//! The console in a real browser: the scripts in tests/console do what an operator does, this file is the
//! vendors and the senders.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::paths;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};

const VIEWER: &str = "token-of-a-viewer";

fn daemon(vendors: &StandIn) -> Daemon {
    let sha256: String = Sha256::digest(VIEWER).iter().map(|byte| format!("{byte:02x}")).collect();
    let viewer = format!("[[admin.token]]\nname = \"vera\"\nrole = \"viewer\"\nsha256 = \"{sha256}\"\n");
    let dead = Destination::webhook("dead", "").setting("url", format!("{}/webhook-dead", vendors.url()));
    let hook = Destination::webhook("hook", &vendors.url());
    let daemon = Daemon::prepare(Setup::shop([hook, dead, Destination::ga4("ga4", &vendors.url())]).section(&viewer));
    let mut daemon = daemon;
    daemon.restart();
    daemon
}

/// Runs a walk; `each` gets what it says as it says it.
fn walk(script: &str, given: &Value, mut each: impl FnMut(&Value)) {
    let script = paths::target().join("clients/console").join(script);
    assert!(script.exists(), "{} is not there: run `cargo xtask clients` first", script.display());
    let mut child = Command::new("node")
        .arg(script)
        .arg(given.to_string())
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node can be started");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    for line in stdout.lines() {
        let line = line.expect("the walk's output can be read");
        each(&serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
    }
    let output = child.wait_with_output().expect("the walk ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn order(message_id: &str) -> Value {
    json!({
        "type": "track", "event": "Order Completed", "messageId": message_id, "userId": "ana@shop.example",
        "properties": {"order_id": "HP-1", "total": 1298.0, "currency": "EUR", "email": "ana@shop.example", "coupon": "november"},
        "context": {"ip": "83.92.14.207"},
    })
}

/// The parameters of a GA4 request's event, without what each event has of its own.
fn params(request: &Value) -> Value {
    let mut params = request["events"][0]["params"].clone();
    for own in ["event_id", "message_id", "transaction_id"] {
        params.as_object_mut().map(|params| params.remove(own));
    }
    params
}

#[test]
fn an_operator_walks_through_the_console() {
    let vendors = StandIn::start();
    let refusal = Answer::Status {
        status: 400,
        headers: Vec::new(),
        body: r#"{"error":{"message":"no such pixel"}}"#.to_string(),
    };
    vendors.program(3, refusal, |request| request.path == "/webhook-dead");
    let daemon = daemon(&vendors);
    daemon.accept(&[order("walk-1"), order("walk-2"), order("walk-3")]);
    eventually("they are dead", SOON, || daemon.counter("shop/dead", "dead") == 3);
    let given = json!({
        "base": daemon.admin_url(""), "token": daemon.admin_token(), "viewer": VIEWER,
        "ga4": format!("{}/ga4", vendors.url()),
    });
    let mut did = Vec::new();
    walk("walk.mjs", &given, |said| {
        let what = said["did"].as_str().unwrap_or_default().to_string();
        match what.as_str() {
            // With the one that came meanwhile.
            "replayed" => eventually("the vendor has them now", SOON, || daemon.counter("shop/dead", "delivered") == 4),
            "transformed" => {
                // What the preview showed is what the vendor then gets.
                let request = said["request"].as_str().unwrap_or_default();
                let body = &request[request.find("\n{").expect("the request has a body")..];
                let shown: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
                daemon.accept(&[order("walk-transformed")]);
                vendors.wait_until("the transformed event", SOON, |requests| {
                    requests.iter().any(|request| params(&request.json()) == params(&shown))
                });
            }
            "watching" => daemon.accept(&[order("walk-live")]),
            _ => {}
        }
        did.push(what);
    });
    assert_eq!(
        did,
        [
            "added",
            "rolled back",
            "transformed",
            "transformations rolled back",
            "replayed",
            "watching",
            "watched",
            "viewed"
        ]
    );
    let text = std::fs::read_to_string(daemon.config()).expect("the configuration is there");
    assert!(
        text.contains("name = \"analytics\"") && text.contains("G-WALK") && !text.contains("walk-secret"),
        "{text}"
    );
}

/// Two events of which the vendor refuses each once, and what a walk is given.
fn with_two_dead_letters(vendors: &StandIn) -> (Daemon, Value) {
    vendors.program(2, Answer::status(400), |request| request.path == "/webhook-dead");
    let daemon = daemon(vendors);
    daemon.accept(&[order("walk-1"), order("walk-2")]);
    eventually("they are dead", SOON, || daemon.counter("shop/dead", "dead") == 2);
    let given =
        json!({"base": daemon.admin_url(""), "token": daemon.admin_token(), "ga4": format!("{}/ga4", vendors.url())});
    (daemon, given)
}

/// Runs a walk; answers what it did.
fn did(script: &str, given: &Value) -> Vec<String> {
    let mut did = Vec::new();
    walk(script, given, |said| did.push(said["did"].as_str().unwrap_or_default().to_string()));
    did
}

#[test]
fn without_script_it_works_by_forms_and_links() {
    let vendors = StandIn::start();
    let (daemon, given) = with_two_dead_letters(&vendors);
    assert_eq!(did("forms.mjs", &given), ["signed in", "added", "saved", "undone", "resumed", "replayed"]);
    eventually("the vendor has them now", SOON, || daemon.counter("shop/dead", "delivered") == 2);
    let text = std::fs::read_to_string(daemon.config()).expect("the configuration is there");
    assert!(text.contains("name = \"plain\"") && !text.contains("SEK"), "added, and the rule undone: {text}");
}

#[test]
fn by_the_keyboard_alone_everything_is_reached_and_done() {
    let vendors = StandIn::start();
    let (daemon, given) = with_two_dead_letters(&vendors);
    assert_eq!(did("keys.mjs", &given), ["signed in", "skipped", "went along", "saved", "replayed"]);
    eventually("the vendor has them now", SOON, || daemon.counter("shop/dead", "delivered") == 2);
    let text = std::fs::read_to_string(daemon.config()).expect("the configuration is there");
    assert!(text.contains("SEK"), "{text}");
}

#[test]
fn every_page_is_accessible_and_fits_from_400_to_1600() {
    let vendors = StandIn::start();
    vendors.program(2, Answer::status(400), |request| request.path == "/webhook-dead");
    let daemon = daemon(&vendors);
    let more: Vec<Value> = (0..40).map(|at| order(&format!("walk-more-{at}"))).collect();
    daemon.accept(&[order("walk-1"), order("walk-live")]);
    daemon.accept(&more);
    eventually("they are dead", SOON, || daemon.counter("shop/dead", "dead") == 2);
    eventually("the others are not", SOON, || daemon.counter("shop/dead", "delivered") == 40);
    // The one that is replayed dies again.
    vendors.program(1, Answer::status(400), |request| request.path == "/webhook-dead");
    daemon.cli(&["pause", "shop/ga4"]);
    let mut given = json!({"base": daemon.admin_url(""), "token": daemon.admin_token(), "viewer": VIEWER});
    given["directory"] = daemon.directory().to_string_lossy().into_owned().into();
    // Named when the pictures of host/docs/console are made anew.
    if let Some(folder) = std::env::var_os("SWITCHYARD_SCREENSHOTS") {
        given["folder"] = folder.to_string_lossy().into_owned().into();
    }
    let mut count = 0;
    walk("pages.mjs", &given, |said| count = said["count"].as_u64().unwrap_or_default());
    assert!(count >= 15, "{count} pages");
}
