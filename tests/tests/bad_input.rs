//! Bad input of every sort: a clear message, and nothing that was accepted is lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, eventually, message_ids};
use switchyard_tests::http::{Request, basic, gzip};
use switchyard_tests::nonsense::Nonsense;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Answer, StandIn};
use switchyard_tests::{cli, shop};

fn start(vendors: &StandIn, section: &str) -> Daemon {
    Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url())]).section(section))
}

fn events(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|at| shop::padded(&format!("{name}-{at}"), 500)).collect()
}

/// The daemon still takes events and delivers them.
fn assert_works(daemon: &Daemon, vendors: &StandIn, name: &str) {
    let events = events(name, 3);
    daemon.accept(&events);
    let ids = message_ids(&events);
    vendors.wait_until(&format!("events {name}"), SOON, |requests| all_arrived(requests, &ids));
}

#[test]
fn malformed_json_is_refused_and_nothing_of_it_stays() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    for body in ["", "{", "[1,2", "null", "\"text\"", "{\"batch\":[{\"type\":", "\u{0}\u{1}", "{'single': 1}"] {
        let response = Request::post(daemon.url("/v1/batch"), body.to_string()).write_key("wk_test").answer();
        assert_eq!(response.status, 400, "{body}: {}", response.text());
        let answer = response.json();
        assert!(answer["code"].is_string() && answer["message"].is_string(), "{answer}");
    }
    let no_utf8 = Request::post(daemon.url("/v1/track"), vec![0xff, 0xfe, 0x80]).write_key("wk_test").answer();
    assert_eq!(no_utf8.status, 400, "{}", no_utf8.text());
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 0);
    assert_works(&daemon, &vendors, "after");
}

#[test]
fn a_wrong_or_missing_key_is_refused() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    let body = json!({"event": "E", "userId": "u"}).to_string();
    let wrong = Request::post(daemon.url("/v1/track"), body.clone()).write_key("wk_wrong").answer();
    let missing = Request::post(daemon.url("/v1/track"), body).answer();
    for response in [wrong, missing] {
        assert_eq!(response.status, 401, "{}", response.text());
        assert!(
            response.json()["message"].as_str().is_some_and(|text| text.contains("write key")),
            "{}",
            response.text()
        );
    }
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 0);
}

#[test]
fn an_oversize_body_is_refused_and_one_just_within_is_not() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "[ingest]\nbody_bytes_max = 65536\n");
    let sized = |bytes: usize| {
        let body = json!({"batch": events("sized", 20)}).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let within = Request::post(daemon.url("/v1/batch"), sized(65_536)).write_key("wk_test").answer();
    assert_eq!(within.status, 200, "{}", within.text());
    let beyond = Request::post(daemon.url("/v1/batch"), sized(65_537)).write_key("wk_test").answer();
    assert_eq!(beyond.status, 413, "{}", beyond.text());
    assert!(beyond.json()["message"].as_str().is_some_and(|text| text.contains("65536")), "{}", beyond.text());
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 20);
}

#[test]
fn a_gzip_bomb_is_refused_while_it_is_inflated() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    let before = memory_kib(&daemon);
    let bomb = gzip(&vec![b' '; 512 << 20]);
    for _ in 0..4 {
        let request = Request::post(daemon.url("/v1/batch"), bomb.clone()).write_key("wk_test");
        let response = request.header("content-encoding", "gzip").answer();
        assert_eq!(response.status, 413, "{}", response.text());
    }
    let grown = memory_kib(&daemon).saturating_sub(before);
    assert!(grown < 128 << 10, "the daemon grew by {grown} KiB over {} bytes", bomb.len());
    let torn = Request::post(daemon.url("/v1/batch"), bomb[..bomb.len() / 2].to_vec()).write_key("wk_test");
    assert!(matches!(torn.header("content-encoding", "gzip").answer().status, 400 | 413));
    let no_gzip = Request::post(daemon.url("/v1/batch"), "{\"batch\":[]}").write_key("wk_test");
    assert_eq!(no_gzip.header("content-encoding", "gzip").answer().status, 400);
    assert_works(&daemon, &vendors, "after");
}

/// The most memory that it has ever had.
fn memory_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process_id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells it");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// A request in parts, by hand.
fn connect(daemon: &Daemon, body_bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(daemon.ingest()).expect("the daemon listens");
    stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
    let head = format!(
        "POST /v1/track HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-length: {body_bytes}\r\n\r\n",
        basic("wk_test", "")
    );
    stream.write_all(head.as_bytes()).expect("the daemon reads");
    stream
}

/// What the daemon says until it closes; a reset counts as a close.
fn rest_of(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_slow_client_is_given_up_and_hinders_nobody() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "[ingest]\nread_timeout_ms = 500\n");
    let mut slow_heads: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(daemon.ingest()).expect("the daemon listens");
            stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
            stream.write_all(b"POST /v1/track HTTP/1.1\r\nhost:").expect("the daemon reads");
            stream
        })
        .collect();
    let mut slow_body = connect(&daemon, 1_000);
    slow_body.write_all(b"{\"event\":").expect("the daemon reads");
    assert_works(&daemon, &vendors, "beside");
    let answer = rest_of(&mut slow_body);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    for stream in &mut slow_heads {
        let answer = rest_of(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 3);
}

#[test]
fn a_half_closed_client_leaves_no_half_event() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    let event = json!({"event": "Half", "userId": "u", "messageId": "half"}).to_string();
    let mut half = connect(&daemon, event.len());
    half.write_all(&event.as_bytes()[..20]).expect("the daemon reads");
    half.shutdown(Shutdown::Write).expect("it is open");
    let answer = rest_of(&mut half);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    let mut gone = connect(&daemon, event.len());
    gone.write_all(&event.as_bytes()[..20]).expect("the daemon reads");
    drop(gone);
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 0);
    // A whole request before the half-close is a request.
    let mut whole = connect(&daemon, event.len());
    whole.write_all(event.as_bytes()).expect("the daemon reads");
    whole.shutdown(Shutdown::Write).expect("it is open");
    let answer = rest_of(&mut whole);
    assert!(answer.starts_with("HTTP/1.1 200"), "a whole request is answered: {answer:?}");
    vendors.wait_until("the event", SOON, |requests| all_arrived(requests, &["half".to_string()]));
}

#[test]
fn below_the_disk_reserve_nothing_is_accepted() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "[queue]\ndisk_reserve_bytes = 1152921504606846976\n");
    let response = daemon.post("/v1/batch", &json!({"batch": events("full", 2)}));
    assert_eq!((response.status, response.header("retry-after")), (429, Some("2")), "{}", response.text());
    assert!(response.json()["message"].as_str().is_some_and(|text| text.contains("disk")), "{}", response.text());
    assert_eq!(daemon.counter("shop/webhook", "accepted"), 0);
}

#[test]
fn a_full_disk_is_503_before_any_200_and_nothing_is_lost() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let mut daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    daemon.set_file_kib_max(Some(24 << 10));
    daemon.restart();
    let mut acknowledged = Vec::new();
    let mut refused = None;
    for batch in 0..4_000 {
        let events: Vec<Value> = (0..20).map(|at| shop::padded(&format!("disk-{batch}-{at}"), 20_000)).collect();
        let response = daemon.post("/v1/batch", &json!({"batch": events}));
        if response.status != 200 {
            refused = Some(response);
            break;
        }
        acknowledged.extend(message_ids(&events));
    }
    let refused = refused.expect("the disk is full at some time");
    assert_eq!(refused.status, 503, "{}", refused.text());
    let body = refused.json();
    assert!(body["code"].is_string() && body["message"].is_string(), "{body}");
    assert!(!acknowledged.is_empty());
    daemon.kill();
    daemon.set_file_kib_max(None);
    vendors.heal();
    daemon.restart();
    vendors.wait_until("all that was accepted", SOON * 4, |requests| all_arrived(requests, &acknowledged));
}

#[test]
fn an_unreadable_configuration_is_refused_with_its_place() {
    let daemon = Daemon::prepare(Setup::shop([]));
    let good = daemon.config_text(&Setup::shop([]));
    let path = daemon.config().display().to_string();
    let check = |text: String, line: Option<usize>, says: &str| {
        daemon.write_config(&text);
        for command in ["check", "run"] {
            let output = cli::run(&[command, "--config", &path]);
            let said = output.all();
            assert!(!output.success, "{command} took it: {text}");
            assert!(said.contains("switchyard.toml"), "the file is named: {said}");
            assert!(
                line.is_none_or(|line| said.contains(&format!(":{line}")) || said.contains(&format!("line {line}"))),
                "line {line:?} is named: {said}"
            );
            assert!(said.contains(says), "says `{says}`: {said}");
        }
    };
    check(format!("colour = 1\n{good}"), Some(1), "colour");
    check(good.replace("ingest = ", "ingest = \"nowhere\" #"), Some(2), "127.0.0.1:8080");
    check(good.replace("[listen]", "[listen"), Some(1), "");
    check(format!("{good}name = \"shop\"\n"), None, "name");
    check(good.replace("wk_test", "${env:SWITCHYARD_NOT_SET}"), None, "SWITCHYARD_NOT_SET");
    std::fs::remove_file(daemon.config()).expect("it is there");
    let missing = cli::run(&["run", "--config", &path]);
    assert!(!missing.success && missing.all().contains(&path), "{}", missing.all());
    std::fs::create_dir(daemon.config()).expect("the name is free");
    let directory = cli::run(&["check", "--config", &path]);
    assert!(!directory.success && directory.all().contains(&path), "{}", directory.all());
}

#[test]
fn a_second_daemon_on_the_same_data_is_refused() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    let other = daemon.directory().join("other.toml");
    let listen = |text: &str| text.replace(&daemon.ingest().to_string(), "127.0.0.1:0");
    let text = listen(&std::fs::read_to_string(daemon.config()).expect("it is there"));
    let admin = daemon.admin_url("").replace("http://", "");
    std::fs::write(&other, text.replace(&admin, "127.0.0.1:0")).expect("the directory takes a file");
    let output = cli::run(&["run", "--config", &other.display().to_string()]);
    assert!(!output.success);
    let data = daemon.data().display().to_string();
    assert!(output.all().contains(&data), "names the directory: {}", output.all());
    assert_works(&daemon, &vendors, "first");
}

#[test]
fn a_vendor_that_is_down_costs_nothing() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    vendors.go_down();
    let events = events("down", 20);
    daemon.accept(&events);
    eventually("requests wait for the vendor", SOON, || daemon.counter("shop/webhook", "owed") > 0);
    vendors.come_back();
    let ids = message_ids(&events);
    vendors.wait_until("all events", SOON, |requests| all_arrived(requests, &ids));
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 20);
}

#[test]
fn a_vendor_that_is_slow_costs_nothing() {
    let vendors = StandIn::start();
    let slow = Destination::webhook("webhook", &vendors.url()).delivery("timeout_ms", 300);
    let daemon = Daemon::start(Setup::shop([slow]));
    vendors.program(2, Answer::Hang, |_| true);
    vendors.program(2, Answer::SlowBody, |_| true);
    let events = events("slow", 10);
    daemon.accept(&events);
    let ids = message_ids(&events);
    vendors.wait_until("all events", SOON, |requests| all_arrived(requests, &ids));
    eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 10);
}

#[test]
fn a_vendor_that_answers_nonsense_costs_nothing() {
    for nonsense in [
        &b"\x00\x01\x02 what?\r\n\r\n"[..],
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour",
        b"",
    ] {
        let vendor = Nonsense::start(nonsense);
        let (address, url) = (vendor.address(), vendor.url());
        let daemon = Daemon::start(Setup::shop([Destination::webhook("webhook", &url)]));
        let events = events("nonsense", 5);
        daemon.accept(&events);
        eventually("it answered", SOON, || vendor.answered() > 0);
        vendor.end();
        let vendors = StandIn::start_on(address).expect("the port is free again");
        let ids = message_ids(&events);
        // A short body behind a good status may count as delivered; everything else comes again.
        if !nonsense.starts_with(b"HTTP/1.1 200") {
            vendors.wait_until("all events", SOON, |requests| all_arrived(requests, &ids));
        }
        eventually("all are delivered", SOON, || daemon.counter("shop/webhook", "delivered") == 5);
    }
}

#[test]
fn a_huge_answer_is_cut_off() {
    let vendors = StandIn::start();
    let daemon = start(&vendors, "");
    let before = memory_kib(&daemon);
    vendors.program(4, Answer::Huge(256 << 20), |_| true);
    let events = events("huge", 8);
    daemon.accept(&events);
    eventually("all are delivered", Duration::from_secs(60), || daemon.counter("shop/webhook", "delivered") == 8);
    let grown = memory_kib(&daemon).saturating_sub(before);
    assert!(grown < 128 << 10, "the daemon grew by {grown} KiB");
}
