//! The configuration file is watched: a valid change takes effect without a restart, an invalid one
//! is refused loudly, and nothing in flight is lost or answered with an error.

use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, eventually};
use switchyard_tests::http::Request;
use switchyard_tests::load::Load;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Recorded, StandIn};

fn to<'a>(requests: &'a [Recorded], path: &'a str) -> Vec<Recorded> {
    requests.iter().filter(|request| request.path == path).cloned().collect()
}

#[test]
fn a_valid_change_takes_effect_under_load() {
    let vendors = StandIn::start();
    let first = Destination::webhook("first", &vendors.url());
    let second =
        Destination::webhook("second", &vendors.url()).setting("url", format!("{}/webhook-second", vendors.url()));
    let daemon = Daemon::start(Setup::shop([first.clone()]));
    let load = Load::start(&daemon.url(""), "wk_test", 2, "change");
    eventually("events are taken", SOON, || load.acknowledged() > 50);
    daemon.write_config(&daemon.config_text(&Setup::shop([first.clone(), second])));
    vendors.wait_until("the new destination gets events", SOON, |requests| !to(requests, "/webhook-second").is_empty());
    let moved = first.setting("url", format!("{}/webhook-moved", vendors.url()));
    daemon.write_config(&daemon.config_text(&Setup::shop([moved])));
    vendors.wait_until("the changed url gets events", SOON, |requests| !to(requests, "/webhook-moved").is_empty());
    let sent = load.stop();
    assert_eq!((sent.refusals, sent.failures), (Vec::new(), 0));
    vendors.wait_until("all at one url or the other", SOON * 4, |requests| {
        let both = [to(requests, "/webhook"), to(requests, "/webhook-moved")].concat();
        all_arrived(&both, &sent.acknowledged)
    });
}

#[test]
fn an_invalid_change_is_refused_and_the_running_configuration_stays() {
    let vendors = StandIn::start();
    let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
    let daemon = Daemon::start(setup.clone());
    let good = daemon.config_text(&setup);
    for bad in [
        good.replace("[data]", "[data"),
        format!("colour = 1\n{good}"),
        good.replace("/webhook\"", "\"").replace("http:", "nohttp:"),
        String::new(),
    ] {
        let logged = daemon.log().len();
        daemon.write_config(&bad);
        eventually("the refusal is logged", SOON, || {
            let log = daemon.log();
            log[logged..].contains("refused") && log[logged..].contains("switchyard.toml")
        });
        let event = shop::padded(&format!("still-{logged}"), 400);
        daemon.accept(std::slice::from_ref(&event));
        let ids = [event["messageId"].as_str().unwrap_or_default().to_string()];
        vendors.wait_until("it is delivered as before", SOON, |requests| all_arrived(requests, &ids));
    }
    daemon.write_config(&good);
    daemon.accept(&[shop::padded("at-last", 400)]);
    vendors.wait_until("it goes on", SOON, |requests| all_arrived(requests, &["at-last".to_string()]));
}

#[test]
fn a_write_key_can_be_changed() {
    let vendors = StandIn::start();
    let webhook = Destination::webhook("webhook", &vendors.url());
    let daemon = Daemon::start(Setup::shop([webhook.clone()]));
    let status_with = |key: &str| {
        let body = shop::padded("keyed", 400).to_string();
        Request::post(daemon.url("/v1/track"), body).write_key(key).answer().status
    };
    assert_eq!((status_with("wk_test"), status_with("wk_new")), (200, 401));
    daemon.write_config(&daemon.config_text(&Setup::default().pipeline("shop", "wk_new", [webhook])));
    eventually("the new key is known", SOON, || status_with("wk_new") == 200);
    assert_eq!(status_with("wk_test"), 401, "the old key is not");
}

/// What cannot be changed while the daemon runs is refused by its name, and all of the change with it.
#[test]
fn a_change_that_needs_a_restart_is_refused_and_names_its_key() {
    let vendors = StandIn::start();
    let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
    let daemon = Daemon::start(setup.clone());
    let good = daemon.config_text(&setup);
    for (from, to, key) in [
        ("directory = \"plugins\"", "directory = \"others\"", "plugins.directory"),
        ("directory = \"data\"", "directory = \"elsewhere\"", "data.directory"),
        ("[data]", "[guests]\ncall_ms_max = 77\n[data]", "guests"),
        ("[data]", "[queue]\nretention_hours = 1\n[data]", "queue"),
    ] {
        let logged = daemon.log().len();
        let other = good.replacen(from, to, 1).replace("wk_test", "wk_other");
        assert_ne!(other, good);
        daemon.write_config(&other);
        let says = format!("`{key}` takes effect only at a start: restart the daemon");
        eventually(&says, SOON, || daemon.log()[logged..].contains(&says));
        daemon.accept(&[shop::padded(key, 400)]);
        let status = daemon.admin_get("/api/v1/status").json();
        assert!(status["configuration"]["refused"].as_str().is_some_and(|why| why.contains(key)), "{status}");
        daemon.write_config(&good);
        eventually("the refusal is over", SOON, || {
            daemon.admin_get("/api/v1/status").json()["configuration"]["refused"].is_null()
        });
    }
}
