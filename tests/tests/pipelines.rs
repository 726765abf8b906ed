//! examples/pipelines: a shop's events through each of them, to vendors that stand in. Every event has
//! its outcome, none is dead, no vendor objects, and what consent denies or a rule leaves out does not
//! arrive.

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, assert_balanced, eventually, message_id};
use switchyard_tests::stand_in::{Recorded, StandIn, now_ms};
use switchyard_tests::{cli, paths, shop};

/// From here on an order is large, as shop/switchyard.toml has it.
const LARGE: f64 = 500.0;

const SHOP: [&str; 4] = ["shop/ga4", "shop/meta", "shop/klaviyo", "shop/slack"];
const SAAS: [&str; 3] = ["saas/amplitude", "saas/customerio", "saas/hubspot"];

fn start(example: &str, vendors: &StandIn) -> Daemon {
    let folder = format!("pipelines/{example}");
    let (ingest, admin) = (paths::free_address(), paths::free_address());
    let mut daemon = Daemon::example(&folder, ingest, admin, &vendors.url(), None);
    daemon.set_environment("SHOP_WRITE_KEY", "wk_test");
    daemon.set_environment("SAAS_WRITE_KEY", "wk_test");
    daemon.restart();
    daemon
}

/// Sends the events, and waits until each has its outcome in each destination; none may be dead.
fn send(daemon: &Daemon, destinations: &[&str], events: &[Value]) {
    events.chunks(20).for_each(|batch| daemon.accept(batch));
    for destination in destinations {
        eventually("every event has its outcome", SOON * 4, || {
            let counters = daemon.counters(destination);
            let ended = ["delivered", "filtered", "dead", "expired"].map(|name| counters[name].as_u64().unwrap_or(0));
            ended.iter().sum::<u64>() == events.len() as u64
        });
        let counters = daemon.counters(destination);
        assert_balanced(&counters);
        assert_eq!((&counters["dead"], &counters["expired"]), (&json!(0), &json!(0)), "{counters}");
        assert!(counters["delivered"].as_u64() > Some(0), "{counters}");
    }
}

/// All that came to a vendor, as one text.
fn said_to(vendors: &StandIn, path: &str) -> String {
    let requests = vendors.requests_to(path);
    assert!(!requests.is_empty(), "nothing came to {path}");
    requests
        .iter()
        .map(|request| String::from_utf8_lossy(&request.content()).into_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Wants texts that stand in the shop's stream to have stayed here.
fn assert_kept_back(said: &str, texts: &[&str]) {
    let found: Vec<&&str> = texts.iter().filter(|text| said.to_lowercase().contains(&text.to_lowercase())).collect();
    assert!(found.is_empty(), "{found:?} in {said}");
}

/// The outcome of an event in a destination.
fn outcome(daemon: &Daemon, id: &str, destination: &str) -> String {
    let outcomes = ["delivered", "filtered", "dead", "expired"];
    let steps = daemon.steps(id);
    let mut found = steps.iter().filter(|step| step["destination"] == destination);
    let step = found.find_map(|step| step["step"].as_str().filter(|step| outcomes.contains(step)));
    step.unwrap_or_else(|| panic!("no outcome of {id} in {destination}: {steps:?}")).to_string()
}

/// The events with this word on their consent.
fn with_consent(mut events: Vec<Value>, purposes: &Value) -> Vec<Value> {
    for event in &mut events {
        event["context"]["consent"] = json!({"categoryPreferences": purposes});
    }
    events
}

/// The shop's stream, with orders of both sizes.
fn shop_stream() -> Vec<Value> {
    let events = shop::stream(5, 12, now_ms() - 120_000);
    let sizes: Vec<bool> = orders(&events).iter().map(|(_, total)| *total >= LARGE).collect();
    assert!(sizes.contains(&true) && sizes.contains(&false), "{sizes:?}");
    events
}

/// The orders and their totals.
fn orders(events: &[Value]) -> Vec<(String, f64)> {
    let completed = events.iter().filter(|event| event["event"] == "Order Completed");
    let order = |event: &Value| {
        let properties = &event["properties"];
        Some((properties["order_id"].as_str()?.to_string(), properties["total"].as_f64()?))
    };
    completed.map(|event| order(event).expect("an order has an id and a total")).collect()
}

#[test]
fn the_shop_reaches_its_four_vendors_and_slack_hears_of_large_orders_only() {
    let vendors = StandIn::start();
    let daemon = start("shop", &vendors);
    let events = shop_stream();
    send(&daemon, &SHOP, &events);
    let said = said_to(&vendors, "/slack/");
    for (order, total) in orders(&events) {
        assert_eq!(said.contains(&format!("{order}:")), total >= LARGE, "{order}, {total}: {said}");
    }
    assert_kept_back(&said, &["@example.com", "user-", "anon-", "Núñez"]);
    assert_kept_back(&said_to(&vendors, "/meta-capi/"), &["203.0.113.", "@example.com", "Núñez", "901820"]);
    assert_kept_back(&said_to(&vendors, "/ga4/"), &["203.0.113.", "@example.com", "Núñez", "901820"]);
    assert_kept_back(&said_to(&vendors, "/klaviyo/"), &["203.0.113.", "901820"]);
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn the_shop_tells_nobody_who_advertises_of_those_who_deny_it() {
    let vendors = StandIn::start();
    let daemon = start("shop", &vendors);
    let granted = with_consent(shop::stream(1, 3, now_ms() - 60_000), &json!({"advertising": true}));
    let denied = shop::stream(2, 3, now_ms() - 60_000);
    let denied = with_consent(denied, &json!({"advertising": false, "email_marketing": false}));
    send(&daemon, &SHOP, &[granted.clone(), denied.clone()].concat());
    for event in &denied {
        assert_eq!(outcome(&daemon, message_id(event), "shop/meta"), "filtered", "{event}");
    }
    let said = said_to(&vendors, "/meta-capi/");
    assert!(said.contains("shop-1-") && !said.contains("shop-2-"), "{said}");
    assert!(granted.iter().any(|event| outcome(&daemon, message_id(event), "shop/meta") == "delivered"));
    // Google gets the denial with the events, and nothing of the person.
    let of_denied = |request: &&Recorded| request.json()["consent"]["ad_user_data"] == "DENIED";
    let requests = vendors.requests_to("/ga4/");
    let requests: Vec<&Recorded> = requests.iter().filter(of_denied).collect();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.json()["user_data"].is_null()));
    // Klaviyo is told to write no more.
    assert!(!vendors.requests_to("/klaviyo/profile-subscription-bulk-delete-jobs").is_empty());
    assert!(vendors.requests_to("/klaviyo/profile-subscription-bulk-create-jobs").is_empty());
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn the_product_reaches_its_three_vendors_with_the_traits_that_may_go() {
    let vendors = StandIn::start();
    let daemon = start("saas", &vendors);
    // HubSpot finds the contact of an event by its e-mail address.
    let mut events = shop::stream(5, 9, now_ms() - 60_000);
    for event in events.iter_mut().filter(|event| event["event"] == "Order Completed") {
        event["context"]["traits"] = json!({"email": "visitor0@example.com"});
    }
    send(&daemon, &SAAS, &events);
    let of_amplitude = said_to(&vendors, "/amplitude/");
    assert_kept_back(&of_amplitude, &["203.0.113.", "example.com", "Núñez", "901820", "10178"]);
    assert!(of_amplitude.contains("member"), "{of_amplitude}");
    let of_customerio = said_to(&vendors, "/customerio/");
    assert_kept_back(&of_customerio, &["901820", "Núñez", "10178"]);
    assert!(of_customerio.contains("xample.com"), "{of_customerio}");
    let of_hubspot = said_to(&vendors, "/hubspot/");
    assert!(of_hubspot.contains("pe1234567_order_completed"), "{of_hubspot}");
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn the_product_keeps_back_whom_the_sender_rules_out_and_unsubscribes_who_denies() {
    let vendors = StandIn::start();
    let daemon = start("saas", &vendors);
    let allowed = shop::stream(1, 3, now_ms() - 60_000);
    let mut denied = with_consent(shop::stream(2, 3, now_ms() - 60_000), &json!({"messages": false}));
    for event in &mut denied {
        event["integrations"] = json!({"All": true, "amplitude": false, "hubspot": false});
    }
    send(&daemon, &SAAS, &[allowed, denied.clone()].concat());
    for event in &denied {
        for destination in ["saas/amplitude", "saas/hubspot"] {
            assert_eq!(outcome(&daemon, message_id(event), destination), "filtered", "{event}");
        }
    }
    let said = said_to(&vendors, "/amplitude/");
    assert!(said.contains("anon-1-") && !said.contains("anon-2-"), "{said}");
    let unsubscribed = vendors.requests_to("/customerio/").iter().any(|request| {
        let items = request.json()["batch"].as_array().cloned().unwrap_or_default();
        items.iter().any(|item| item["attributes"]["unsubscribed"] == true)
    });
    assert!(unsubscribed, "{}", said_to(&vendors, "/customerio/"));
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

#[test]
fn the_product_sends_nothing_of_those_who_deny_a_vendors_purpose() {
    let vendors = StandIn::start();
    let daemon = start("saas", &vendors);
    let granted = with_consent(shop::stream(1, 3, now_ms() - 60_000), &json!({"analytics": true, "sales": true}));
    let denied = with_consent(shop::stream(2, 3, now_ms() - 60_000), &json!({"analytics": false, "sales": false}));
    send(&daemon, &SAAS, &[granted, denied.clone()].concat());
    for event in &denied {
        for destination in ["saas/amplitude", "saas/hubspot"] {
            assert_eq!(outcome(&daemon, message_id(event), destination), "filtered", "{event}");
        }
    }
    let of_amplitude = daemon.counters("saas/amplitude")["filtered_by"].clone();
    assert_eq!(of_amplitude["consent: analytics"].as_u64(), Some(denied.len() as u64), "{of_amplitude}");
    let said = said_to(&vendors, "/amplitude/");
    assert!(said.contains("anon-1-") && !said.contains("anon-2-"), "{said}");
    assert_eq!(vendors.violations(), Vec::<String>::new());
}

/// What the READMEs say to leave out for real: nothing then leads to this machine.
#[test]
fn without_the_lines_for_the_stand_in_each_is_a_good_configuration() {
    for example in ["shop", "saas"] {
        let file = paths::root().join("examples/pipelines").join(example).join("switchyard.toml");
        let text = std::fs::read_to_string(&file).expect("the example is there");
        let for_tests =
            |line: &&str| line.trim().starts_with("endpoint =") || line.trim().starts_with("allowed_addresses =");
        let real: Vec<&str> = text.lines().filter(|line| !for_tests(line)).collect();
        let real = real.join("\n");
        assert!(!real.contains("SWITCHYARD_SINK") && real.contains("allowed_hosts"), "{real}");
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("switchyard.toml");
        std::fs::write(&config, real).expect("the directory takes a file");
        let plugins = paths::target().join("plugins").display().to_string();
        let checked = cli::run_with(
            &["check", "--config", &config.display().to_string()],
            &[("SWITCHYARD_PLUGINS", &plugins), ("SWITCHYARD_DATA", "data")],
        );
        assert!(checked.success, "{example}: {}", checked.all());
    }
}
