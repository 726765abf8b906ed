//! A hostile guest in the whole daemon: each way to misbehave is contained and named in the log, in
//! `/metrics` and by `status`; the culprit goes to the dead letters with a reason, its neighbours and
//! every other destination are served.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_balanced, eventually};
use switchyard_tests::scrape::Scrape;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::stand_in::{Recorded, StandIn};
use switchyard_tests::{paths, shop, wasm};

const NEIGHBOURS: usize = 12;

/// How the host names what a guest did.
#[derive(Clone, Copy)]
enum Named {
    /// As a fault of one of these kinds: which one is up to the machine, where there are two.
    Fault(&'static [&'static str]),
    /// As a request that is not sent, for this reason.
    NotSent(&'static str),
}

impl Named {
    /// Why the culprit is dead.
    fn reason(self) -> &'static str {
        match self {
            Named::Fault(_) => "plugin_fault",
            Named::NotSent(reason) => reason,
        }
    }

    /// Short where the guest uses up its time, and else so long that no slow machine takes it for that.
    fn call_ms_max(self) -> u64 {
        match self {
            Named::Fault(kinds) if kinds.contains(&"deadline") => 300,
            _ => 10_000,
        }
    }

    /// Log, `/metrics` and `status` say it; none of them holds the guest's secret.
    fn assert_by(self, daemon: &Daemon, mode: &str) {
        let log = daemon.log();
        let names = |line: &str| ["WARN", "shop/guest", "hostile", "culprit"].iter().all(|name| line.contains(name));
        assert!(log.lines().any(names), "{mode}: the log names destination, plugin and event: {log}");
        let scrape = Scrape::of(daemon);
        let dead = [("destination", "shop/guest"), ("outcome", "dead"), ("reason", self.reason())];
        assert_eq!(scrape.sum("switchyard_destination_outcomes_total", &dead), 1.0, "{mode}");
        let status = daemon.admin_get("/api/v1/status").json();
        if let Named::Fault(kinds) = self {
            assert_fault(&scrape, &status, kinds, mode);
            let table = daemon.cli(&["status"]);
            let told = |kind: &str| matches!(kind, "trap" | "deadline") || table.contains(&kind.replace('_', " "));
            assert!(kinds.iter().any(|kind| told(kind)), "{mode}: {table}");
        }
        for shown in [log, status.to_string(), daemon.admin_get("/metrics").text()] {
            assert!(!shown.contains("planted-hostile-secret"), "{mode}: {shown}");
        }
    }
}

/// A fault of the guest of one of these kinds is counted, and `status` shows the same count.
fn assert_fault(scrape: &Scrape, status: &Value, kinds: &[&str], mode: &str) {
    let guests = status["guests"].as_array().expect("a list");
    let guest = guests.iter().find(|guest| guest["destination"] == "shop/guest").expect("the guest is there");
    let counted = |kind: &&str| {
        let labels = [("destination", "shop/guest"), ("plugin", "hostile"), ("kind", *kind)];
        let count = scrape.sum("switchyard_guest_faults_total", &labels);
        assert_eq!(guest["faults"][*kind].as_f64(), Some(count), "{mode}: {guest}");
        count > 0.0
    };
    assert!(kinds.iter().any(counted), "{mode}: none of {kinds:?} in {guest}");
}

/// A batch with one culprit among its neighbours, through a destination in this mode.
fn check(mode: &str, named: Named) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(
        Setup::shop([
            Destination::hostile("guest", &vendors.url(), mode),
            Destination::webhook("webhook", &vendors.url()),
        ])
        .section(&format!("[guests]\ncall_ms_max = {}\n", named.call_ms_max())),
    );
    let mut events: Vec<Value> = (0..NEIGHBOURS).map(|at| shop::padded(&format!("neighbour-{at}"), 400)).collect();
    events.insert(NEIGHBOURS / 2, json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"}));
    daemon.accept(&events);
    eventually("the neighbours are delivered", SOON * 2, || {
        daemon.counter("shop/guest", "delivered") == NEIGHBOURS as u64
    });
    eventually("the culprit is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
    eventually("the other destination has all", SOON, || {
        daemon.counter("shop/webhook", "delivered") == NEIGHBOURS as u64 + 1
    });
    let to_guest: Vec<Recorded> = vendors.requests_to("/webhook-guest");
    let ids: Vec<String> = (0..NEIGHBOURS).map(|at| format!("neighbour-{at}")).collect();
    assert!(all_arrived(&to_guest, &ids), "{mode}");
    assert!(!all_arrived(&to_guest, &["culprit".to_string()]), "{mode}: nothing of the culprit left");
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let letter = &letters.as_array().expect("a list")[0];
    assert_eq!(letter["message_id"], "culprit", "{mode}: {letters}");
    assert!(letter["death"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{mode}: {letters}");
    assert!(!letters.to_string().contains("planted-hostile-secret"), "{mode}: {letters}");
    assert_eq!(letter["death"]["reason"], named.reason(), "{mode}: {letters}");
    named.assert_by(&daemon, mode);
    assert_balanced(&daemon.counters("shop/guest"));
    assert_balanced(&daemon.counters("shop/webhook"));
}

/// A judge that fails decides nothing: the host reads the status itself.
fn check_judge(mode: &str, kinds: &[&str]) {
    let vendors = StandIn::start();
    let daemon = Daemon::start(
        Setup::shop([Destination::hostile("guest", &vendors.url(), mode)]).section("[guests]\ncall_ms_max = 300\n"),
    );
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit, shop::padded("neighbour", 400)]);
    eventually("both are delivered", SOON, || daemon.counter("shop/guest", "delivered") == 2);
    assert_eq!(vendors.requests().len(), 2, "{mode}: nothing is sent twice");
    let named = |line: &str| ["shop/guest", "hostile", "the judge failed"].iter().all(|name| line.contains(name));
    assert!(daemon.log().lines().any(named), "{mode}: the log names destination and plugin");
    assert_fault(&Scrape::of(&daemon), &daemon.admin_get("/api/v1/status").json(), kinds, mode);
    assert_balanced(&daemon.counters("shop/guest"));
}

/// What comes after a time-out waits in the queue, and is probed with one at a time.
#[test]
fn a_guest_that_fails_at_each_event_opens_its_breaker_and_what_comes_waits() {
    let vendors = StandIn::start();
    let guest = Destination::hostile("guest", &vendors.url(), "always-trap")
        .delivery("backoff_ms_max", 3_600_000)
        .delivery("breaker_failures", 5)
        .delivery("backoff_ms_min", 3_600_000)
        .delivery("breaker_open_ms_max", 3_600_000);
    let daemon = Daemon::start(Setup::shop([guest]));
    let events = |name: &str| (0..20).map(|at| shop::padded(&format!("{name}-{at}"), 400)).collect::<Vec<Value>>();
    daemon.accept(&events("before"));
    daemon.wait_for_log("the circuit breaker is open");
    daemon.accept(&events("after"));
    eventually("those that were tried alone are dead", SOON, || daemon.counter("shop/guest", "dead") >= 8);
    let counters = daemon.counters("shop/guest");
    assert_eq!(counters["state"], "failing");
    assert_eq!((&counters["dead"], &counters["owed"]), (&json!(8), &json!(12)), "the others were not: {counters}");
    assert!(counters["waiting"].as_u64() >= Some(20), "those that came later wait: {counters}");
    assert_balanced(&counters);
}

/// A plugin that fails at everything costs the events that it was tried with alone, and no others.
#[test]
fn when_a_guest_that_fails_at_each_event_is_mended_what_was_not_tried_is_delivered() {
    let vendors = StandIn::start();
    let setup = |mode: &str| {
        let guest = Destination::hostile("guest", &vendors.url(), mode).delivery("backoff_ms_min", 200);
        Setup::shop([guest.delivery("breaker_open_ms_max", 3_600_000)])
    };
    let daemon = Daemon::start(setup("always-trap"));
    let events: Vec<Value> = (0..40).map(|at| shop::padded(&format!("event-{at}"), 400)).collect();
    daemon.accept(&events);
    daemon.wait_for_log("the circuit breaker is open");
    daemon.write_config(&daemon.config_text(&setup("honest")));
    eventually("each has ended", SOON, || {
        daemon.counter("shop/guest", "delivered") + daemon.counter("shop/guest", "dead") == 40
    });
    let counters = daemon.counters("shop/guest");
    assert!(counters["dead"].as_u64() >= Some(8) && counters["delivered"].as_u64() >= Some(1), "{counters}");
    assert_eq!(vendors.requests().len() as u64, counters["delivered"].as_u64().unwrap_or(0), "each is sent once");
    assert_balanced(&counters);
}

#[test]
fn a_guest_that_always_spins_opens_its_breaker() {
    let vendors = StandIn::start();
    let guest = Destination::hostile("guest", &vendors.url(), "always-spin").delivery("breaker_failures", 1);
    let guest = guest.delivery("backoff_ms_min", 50);
    let daemon = Daemon::start(
        Setup::shop([guest, Destination::webhook("webhook", &vendors.url())]).section("[guests]\ncall_ms_max = 300\n"),
    );
    daemon.accept(&[shop::padded("one", 400)]);
    daemon.wait_for_log("the circuit breaker is open");
    eventually("status says so", SOON, || daemon.counters("shop/guest")["state"] == "failing");
    daemon.accept(&[shop::padded("two", 400), shop::padded("three", 400)]);
    eventually("each was tried", SOON * 4, || daemon.counter("shop/guest", "dead") == 3);
    eventually("the other destination has all", SOON, || daemon.counter("shop/webhook", "delivered") == 3);
    assert_eq!(vendors.requests_to("/webhook-guest").len(), 0);
    assert_balanced(&daemon.counters("shop/guest"));
}

/// A judge that never has enough costs its own event.
#[test]
fn a_judge_that_asks_for_follow_ups_without_end() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::hostile("guest", &vendors.url(), "judge-follow-ups")]));
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit, shop::padded("neighbour", 400)]);
    eventually("the neighbour is delivered", SOON, || daemon.counter("shop/guest", "delivered") == 1);
    eventually("the culprit is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
    assert_eq!(vendors.requests().len(), 1 + 1 + 4, "the neighbour, the culprit, and four steps");
    let letters = daemon.cli_json(&["dead-letters", "list"]);
    let detail = letters[0]["death"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("follow-ups"), "{letters}");
    Named::NotSent("plugin_fault").assert_by(&daemon, "judge-follow-ups");
    assert_balanced(&daemon.counters("shop/guest"));
}

/// A plugin that fails before it plans anything is refused; its events wait for a better one.
fn check_refused(name: &str, bad: &[u8], good: &[u8], cause: &str) {
    let vendors = StandIn::start();
    let mut daemon = Daemon::prepare(Setup::shop([
        Destination::hostile("guest", &vendors.url(), "honest"),
        Destination::webhook("webhook", &vendors.url()),
    ]));
    daemon.put_plugin("hostile", bad);
    daemon.restart();
    daemon.accept(&[shop::padded("one", 400), shop::padded("two", 400)]);
    eventually("the other destination has all", SOON, || daemon.counter("shop/webhook", "delivered") == 2);
    assert_eq!(daemon.counter("shop/guest", "waiting"), 2);
    eventually("status says why", SOON, || daemon.counters("shop/guest")["state"] == "waiting for the plugin");
    let table = daemon.cli(&["status"]);
    assert!(table.contains(cause), "{name}: {table}");
    let log = daemon.log();
    assert!(log.lines().any(|line| line.contains("hostile") && line.contains(cause)), "{name}: {log}");
    let state = [("destination", "shop/guest"), ("state", "waiting for the plugin")];
    assert_eq!(Scrape::of(&daemon).sum("switchyard_destination_state", &state), 1.0, "{name}");
    daemon.put_plugin("hostile", good);
    eventually("what waited is delivered", SOON, || daemon.counter("shop/guest", "delivered") == 2);
    assert_balanced(&daemon.counters("shop/guest"));
}

#[test]
fn a_guest_that_spins_or_traps_over_its_settings() {
    let good = std::fs::read(paths::plugin("hostile")).expect("it is built");
    let revision = |letter: &str| {
        let name = format!("hostile-revision-{letter}");
        wasm::patched(&good, b"hostile-revision-A", name.as_bytes())
    };
    check_refused("spins", &revision("S"), &good, "took longer than");
    check_refused("traps", &revision("T"), &good, "trapped");
}

#[test]
fn a_guest_that_spins_or_traps_when_an_instance_is_made() {
    let good = std::fs::read(paths::plugin("hostile")).expect("it is built");
    check_refused("spins", &wasm::with_start(&good, wasm::SPIN), &good, "took longer than");
    check_refused("traps", &wasm::with_start(&good, wasm::TRAP), &good, "trapped");
}

/// There is nothing to print to: a guest that wants it is refused with the name of what it wants.
#[test]
fn a_guest_that_prints_without_end() {
    let good = std::fs::read(paths::plugin("hostile")).expect("it is built");
    let import = "wasi:cli/stdout@0.2.0";
    check_refused("prints", &wasm::with_an_import(&good, import), &good, import);
}

#[test]
fn a_judge_that_spins() {
    check_judge("judge-spin", &["deadline"]);
}

#[test]
fn a_judge_that_traps() {
    check_judge("judge-trap", &["trap"]);
}

#[test]
fn a_judge_of_events_that_are_not_there() {
    check_judge("judge-range", &["bad_judgement"]);
}

#[test]
fn a_judge_that_grows_its_memory() {
    check_judge("judge-grow", &["memory", "deadline"]);
}

#[test]
fn a_judge_that_recurses() {
    check_judge("judge-recurse", &["trap"]);
}

#[test]
fn a_judge_with_a_million_verdicts() {
    check_judge("judge-million", &["memory", "output", "deadline"]);
}

#[test]
fn a_judge_whose_output_is_huge() {
    check_judge("judge-huge", &["output"]);
    check_judge("judge-huge-pause", &["output"]);
}

#[test]
fn a_judge_whose_output_is_a_gigabyte() {
    check_judge("judge-gigabyte", &["output"]);
}

#[test]
fn a_judge_that_asks_for_more_follow_ups_than_the_host_takes() {
    check_judge("judge-too-many", &["bad_judgement"]);
}

#[test]
fn a_judge_whose_follow_up_is_for_another_event() {
    check_judge("judge-follow-range", &["bad_judgement"]);
}

#[test]
fn a_judge_whose_follow_up_is_nonsense() {
    check_judge("judge-follow-url", &["bad_judgement"]);
}

/// A follow-up is held to the same hosts as a request, and takes no secret elsewhere.
#[test]
fn a_judge_whose_follow_up_wants_another_host() {
    let vendors = StandIn::start();
    let daemon = Daemon::start(Setup::shop([Destination::hostile("guest", &vendors.url(), "judge-follow-elsewhere")]));
    let culprit = json!({"type": "track", "event": "Culprit", "userId": "u", "messageId": "culprit"});
    daemon.accept(&[culprit, shop::padded("neighbour", 400)]);
    eventually("the neighbour is delivered", SOON, || daemon.counter("shop/guest", "delivered") == 1);
    eventually("the culprit is dead", SOON, || daemon.counter("shop/guest", "dead") == 1);
    assert_eq!(vendors.requests().len(), 2);
    Named::NotSent("egress_refused").assert_by(&daemon, "judge-follow-elsewhere");
    assert_balanced(&daemon.counters("shop/guest"));
}

#[test]
fn a_guest_that_spins() {
    check("spin", Named::Fault(&["deadline"]));
}

#[test]
fn a_guest_that_recurses() {
    check("recurse", Named::Fault(&["trap"]));
}

#[test]
fn a_guest_that_grows_its_memory() {
    check("grow", Named::Fault(&["memory", "deadline"]));
}

#[test]
fn a_guest_that_traps() {
    check("trap", Named::Fault(&["trap"]));
}

#[test]
fn a_guest_that_answers_with_an_error() {
    check("error", Named::Fault(&["plan_refused"]));
}

#[test]
fn a_guest_that_plans_a_million_requests() {
    check("million", Named::Fault(&["memory", "deadline"]));
}

#[test]
fn a_guest_that_plans_more_requests_than_the_host_takes() {
    check("too-many", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_whose_output_is_huge() {
    check("huge", Named::Fault(&["output"]));
}

#[test]
fn a_guest_whose_output_is_a_gigabyte() {
    check("gigabyte", Named::Fault(&["output"]));
}

#[test]
fn a_guest_whose_covers_are_out_of_range() {
    check("range", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_that_covers_an_event_twice() {
    check("covers-twice", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_with_the_fate_of_an_event_that_is_not_there() {
    check("fate-range", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_with_a_user_in_its_url() {
    check("user-info", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_that_puts_a_secret_into_the_path() {
    check("secret-in-path", Named::NotSent("not_sendable"));
}

#[test]
fn a_guest_that_puts_a_secret_into_a_header_of_its_own() {
    check("secret-in-header", Named::NotSent("not_sendable"));
}

#[test]
fn a_guest_that_sends_a_secret_to_another_host() {
    check("secret-elsewhere", Named::NotSent("egress_refused"));
}

#[test]
fn a_judge_that_says_two_things_of_an_event() {
    check_judge("judge-twice", &["bad_judgement"]);
}

#[test]
fn a_guest_that_leaves_an_event_out() {
    check("left-out", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_that_gives_a_fate_and_a_request() {
    check("both", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_that_gives_two_fates() {
    check("two-fates", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_with_a_newline_in_a_header() {
    check("newline", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_with_a_header_that_is_the_hosts() {
    check("host-header", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_that_wants_another_host() {
    check("elsewhere", Named::NotSent("egress_refused"));
}

#[test]
fn a_guest_that_wants_a_link_local_address() {
    check("link-local", Named::NotSent("egress_refused"));
}

#[test]
fn a_guest_whose_url_is_nonsense() {
    check("nonsense-url", Named::Fault(&["bad_plan"]));
}

#[test]
fn a_guest_whose_method_is_nonsense() {
    check("nonsense-method", Named::Fault(&["bad_plan"]));
}
