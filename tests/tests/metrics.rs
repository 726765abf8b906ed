//! `/metrics`: who may read it, and that what it says is what happened.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, eventually};
use switchyard_tests::http::Request;
use switchyard_tests::scrape::Scrape;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, StandIn};

fn events(name: &str, count: usize) -> Vec<Value> {
    (0..count).map(|at| shop::padded(&format!("{name}-{at}"), 400)).collect()
}

/// A figure that counts.
fn count(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> u64 {
    assert!(scrape.has(name, labels), "no {name} with {labels:?} among {:?}", scrape.names());
    scrape.sum(name, labels) as u64
}

/// Conservation, by the page alone.
fn assert_balanced(scrape: &Scrape, destination: &str) {
    let of = [("destination", destination)];
    let own = |name: &str| count(scrape, &format!("switchyard_destination_{name}"), &of);
    let came = own("accepted_total") + own("replayed_total");
    assert_eq!(came, own("waiting") + own("owed") + own("outcomes_total"), "{destination}: {scrape:?}");
}

#[test]
fn a_scrape_needs_the_token_unless_it_is_open() {
    let vendors = StandIn::start();
    let shop = || Setup::shop([Destination::webhook("webhook", &vendors.url())]);
    let mut daemon = Daemon::start(shop());
    let bare = |daemon: &Daemon| Request::get(daemon.admin_url("/metrics")).answer();
    assert_eq!(bare(&daemon).status, 401);
    assert_eq!(daemon.admin_get("/metrics").status, 200);
    let outside = Request::get(daemon.url("/metrics")).answer();
    assert_eq!(outside.status, 404, "the listener for events answers no scrape");
    daemon.end();
    daemon.write_config(&daemon.config_text(&shop().section("[admin]\nmetrics_open = true")));
    daemon.restart();
    Scrape::read(&bare(&daemon).text());
    let status = Request::get(daemon.admin_url("/api/v1/status")).answer();
    assert_eq!(status.status, 401, "nothing else is open");
}

#[test]
fn every_event_is_in_the_figures_and_they_survive_a_crash() {
    let vendors = StandIn::start();
    vendors.program(1, Answer::status(503), |request| request.path == "/webhook");
    vendors.program(u64::MAX, Answer::status(404), |request| request.path == "/refuses/webhook");
    let mut daemon = Daemon::start(Setup::shop([
        Destination::webhook("well", &vendors.url()),
        Destination::webhook("refuses", &format!("{}/refuses", vendors.url())),
        Destination::webhook("elsewhere", "http://127.0.0.1:9").key("only_events", vec!["Never Sent"]),
    ]));
    daemon.accept(&events("counted", 6));
    daemon.accept(&events("counted", 2));
    let refused = daemon.post("/v1/batch", &json!({"batch": [{"type": "track", "messageId": "nameless"}]}));
    assert_eq!(refused.status, 200);
    eventually("all have ended", SOON, || {
        daemon.counter("shop/well", "delivered") == 6
            && daemon.counter("shop/refuses", "dead") == 6
            && daemon.counter("shop/elsewhere", "filtered") == 6
    });
    let scrape = Scrape::of(&daemon);
    for destination in ["shop/well", "shop/refuses", "shop/elsewhere"] {
        assert_balanced(&scrape, destination);
        assert_eq!(count(&scrape, "switchyard_destination_accepted_total", &[("destination", destination)]), 6);
    }
    let well = ("destination", "shop/well");
    let attempts = |result| count(&scrape, "switchyard_destination_attempts_total", &[well, ("result", result)]);
    assert_eq!((attempts("2xx"), attempts("5xx"), attempts("network")), (6, 1, 0));
    assert_eq!(count(&scrape, "switchyard_destination_request_seconds_count", &[well]), 7);
    assert_eq!(count(&scrape, "switchyard_destination_state", &[well, ("state", "working")]), 1);
    assert_eq!(count(&scrape, "switchyard_destination_in_flight", &[well]), 0);
    let sent: usize = vendors.requests_to("/webhook").iter().map(|request| request.body.len()).sum();
    assert_eq!(count(&scrape, "switchyard_destination_sent_bytes_total", &[well]), sent as u64);
    let dead = [("destination", "shop/refuses"), ("outcome", "dead"), ("reason", "vendor_refused")];
    assert_eq!(count(&scrape, "switchyard_destination_outcomes_total", &dead), 6);
    let source = [("source", "shop")];
    assert_eq!(count(&scrape, "switchyard_source_accepted_total", &source), 6);
    assert_eq!(count(&scrape, "switchyard_source_duplicates_total", &source), 2);
    assert_eq!(count(&scrape, "switchyard_source_rejected_total", &source), 1);
    assert_eq!(count(&scrape, "switchyard_queue_known_ids", &[]), 6);
    let commits = count(&scrape, "switchyard_queue_commits_total", &[]);
    assert_eq!(count(&scrape, "switchyard_queue_sync_seconds_count", &[]), commits);
    assert!(count(&scrape, "switchyard_queue_disk_free_bytes", &[]) > 0);
    assert!(count(&scrape, "process_resident_memory_bytes", &[]) > 1_000_000);
    daemon.kill();
    daemon.restart();
    let after = Scrape::of(&daemon);
    for name in ["accepted_total", "outcomes_total"].map(|name| format!("switchyard_destination_{name}")) {
        for destination in ["shop/well", "shop/refuses", "shop/elsewhere"] {
            let of = [("destination", destination)];
            assert_eq!(count(&after, &name, &of), count(&scrape, &name, &of), "{name} of {destination}");
        }
    }
    assert_eq!(count(&after, "switchyard_destination_attempts_total", &[well]), 0, "attempts count from the start");
}

#[test]
fn a_plugin_is_metered_and_its_faults_have_kinds() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(
        Setup::shop([
            Destination::hostile("traps", &vendors.url(), "trap"),
            Destination::hostile("spins", &vendors.url(), "spin"),
            Destination::webhook("well", &vendors.url()),
        ])
        .section("[guests]\ncall_ms_max = 300\n"),
    );
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit]);
    eventually("all have ended", SOON, || {
        daemon.counter("shop/traps", "dead") == 1
            && daemon.counter("shop/spins", "dead") == 1
            && daemon.counter("shop/well", "delivered") == 1
    });
    let scrape = Scrape::of(&daemon);
    let faults = |destination, kind| {
        count(&scrape, "switchyard_guest_faults_total", &[("destination", destination), ("kind", kind)])
    };
    assert_eq!((faults("shop/traps", "trap"), faults("shop/traps", "deadline")), (1, 0));
    assert_eq!((faults("shop/spins", "trap"), faults("shop/spins", "deadline")), (0, 1));
    let well = [("destination", "shop/well"), ("plugin", "webhook")];
    for call in ["plan", "judge"] {
        let of = [well[0], well[1], ("call", call)];
        assert_eq!(count(&scrape, "switchyard_guest_calls_total", &of), 1, "{call}");
    }
    assert_eq!(count(&scrape, "switchyard_guest_instances_made_total", &well), 2, "each call has its own");
    assert_eq!(count(&scrape, "switchyard_guest_instances", &well), 0);
    assert!(count(&scrape, "switchyard_guest_memory_peak_bytes", &well) >= 65_536);
    let cpu = |destination| scrape.sum("switchyard_guest_cpu_seconds_total", &[("destination", destination)]);
    assert!(cpu("shop/well") > 0.0);
    assert!(cpu("shop/spins") > cpu("shop/well"), "a call that spins until its deadline costs more");
}

#[test]
fn a_store_that_failed_is_still_scraped() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    daemon.set_file_kib_max(Some(8 << 10));
    daemon.restart();
    assert_eq!(count(&Scrape::of(&daemon), "switchyard_queue_poisoned", &[]), 0);
    let mut number = 0;
    eventually("the store has failed", SOON * 2, || {
        number += 1;
        let batch: Vec<Value> = (0..100).map(|at| shop::padded(&format!("full-{number}-{at}"), 20_000)).collect();
        daemon.post("/v1/batch", &json!({"batch": batch})).status == 503
    });
    let scrape = Scrape::of(&daemon);
    assert_eq!(count(&scrape, "switchyard_queue_poisoned", &[]), 1);
    assert_eq!(count(&scrape, "switchyard_ready", &[]), 0);
}

#[test]
fn the_status_shows_what_plugins_cost_and_which_plans_are_violated() {
    let vendors = StandIn::start();
    let plan = r#"
  [[pipeline.tracking_plan]]
  event = "Order Completed"
  on_violation = "mark"
  schema = { required = ["total"], properties = { total = { type = "number" } } }
"#;
    let daemon = Daemon::start(
        Setup::shop([
            Destination::webhook("well", &vendors.url()),
            Destination::hostile("bad", &vendors.url(), "trap"),
        ])
        .of_pipelines(plan),
    );
    let order = json!({"type": "track", "event": "Order Completed", "userId": "u", "messageId": "o", "properties": {}});
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[order, culprit]);
    eventually("both have ended", SOON, || {
        daemon.counter("shop/well", "delivered") == 2 && daemon.counter("shop/bad", "dead") == 1
    });
    let shown = daemon.cli(&["status"]);
    let row = |begins: &str| {
        let row =
            shown.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("no {begins} in {shown}"));
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_string).collect::<Vec<_>>()
    };
    let of = |title: &str, cells: &[String]| {
        let at =
            row("plugin ").iter().position(|cell| cell == title).unwrap_or_else(|| panic!("no {title} in {shown}"));
        cells[at].clone()
    };
    assert_eq!(of("traps", &row("hostile ")), "2", "the batch and the culprit: {shown}");
    assert_eq!(
        (of("calls", &row("webhook ")), of("traps", &row("webhook "))),
        ("3".to_string(), "0".to_string()),
        "a plan and two answers: {shown}"
    );
    assert!(of("memory peak", &row("webhook ")).ends_with(" MB"), "{shown}");
    let violation = row("shop  ");
    assert!(violation[1].contains("Order Completed") && violation[2] == "1", "{shown}");
    assert!(violation[3].contains("total"), "{shown}");
}
