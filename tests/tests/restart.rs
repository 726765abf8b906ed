//! A restart without a gap: the sockets go from the process to its successor, and whoever sends
//! meanwhile waits a moment instead of being refused.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, assert_balanced, eventually};
use switchyard_tests::http::{Kept, Request};
use switchyard_tests::load::Load;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::StandIn;

/// How often it is restarted.
const RESTARTS: usize = 20;

fn start(vendors: &StandIn) -> Daemon {
    // In batches, so that the destination keeps up with senders that never rest.
    Daemon::start(Setup::shop([Destination::webhook("webhook", &vendors.url()).setting("batching", "array")]))
}

#[test]
fn twenty_restarts_under_load_refuse_and_reset_nobody() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let fresh = Load::start(&daemon.url(""), "wk_test", 2, "fresh");
    let kept = Load::start_keeping(&daemon.url(""), "wk_test", 2, "kept");
    for restart in 0..RESTARTS {
        let (before, taken) = (daemon.started_ms(), (fresh.acknowledged(), kept.acknowledged()));
        daemon.signal("USR2");
        eventually("the successor runs", SOON, || daemon.started_after(before));
        eventually("events are taken again", SOON, || fresh.acknowledged() > taken.0 && kept.acknowledged() > taken.1);
        assert!(daemon.process_id() > 0, "restart {restart} keeps the process's id");
    }
    for sent in [fresh.stop(), kept.stop()] {
        assert_eq!((sent.refusals, sent.failures), (Vec::new(), 0), "nobody is refused or reset");
        vendors.wait_until("all that was acknowledged", SOON * 4, |requests| all_arrived(requests, &sent.acknowledged));
    }
    eventually("all are settled", SOON * 4, || daemon.counter("shop/webhook", "waiting") == 0);
    assert_balanced(&daemon.counters("shop/webhook"));
}

#[test]
fn a_restart_may_be_asked_for_at_any_moment() {
    let vendors = StandIn::start();
    let mut daemon = start(&vendors);
    let begun = daemon.started_ms();
    let asking = Instant::now() + Duration::from_secs(3);
    // Without a pause: many of these come to a process that has just become its successor.
    while Instant::now() < asking {
        daemon.signal("USR2");
    }
    assert_eq!(daemon.exited(), None, "{}", daemon.log());
    daemon.accept(&[shop::padded("after-all", 400)]);
    vendors.wait_until("it arrives", SOON, |requests| all_arrived(requests, &["after-all".to_string()]));
    eventually("it was restarted", SOON, || daemon.started_after(begun));
}

#[test]
fn an_open_connection_is_asked_to_come_again() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let client = Kept::new();
    let send = |id: &str| {
        let request = Request::post(daemon.url("/v1/track"), shop::padded(id, 400).to_string());
        client.send(request.write_key("wk_test")).expect("an answer")
    };
    assert_eq!(send("before").header("connection"), None);
    let before = daemon.started_ms();
    daemon.signal("USR2");
    let mut number = 0;
    eventually("an answer says so", SOON, || {
        number += 1;
        let answer = send(&format!("during-{number}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("connection") == Some("close") || daemon.started_after(before)
    });
}

#[test]
fn a_successor_that_would_not_start_is_refused_and_this_process_goes_on() {
    let vendors = StandIn::start();
    let daemon = start(&vendors);
    let before = daemon.started_ms();
    daemon.write_config("colour = 1");
    daemon.signal("USR2");
    eventually("the refusal is logged", SOON, || daemon.log().contains("the restart is refused"));
    assert!(daemon.log().contains("colour"), "with the reason");
    daemon.accept(&[shop::padded("still-here", 400)]);
    assert_eq!(daemon.started_ms(), before);
}

#[test]
fn sockets_come_from_systemd() {
    let vendors = StandIn::start();
    let mut daemon = Daemon::prepare(Setup::shop([Destination::webhook("webhook", &vendors.url())]));
    // What systemd does: the socket is the third descriptor, and the environment says for whom.
    let script = format!(
        "import os, socket, sys\n\
         listener = socket.create_server(('127.0.0.1', {port}))\n\
         os.dup2(listener.fileno(), 3)\n\
         os.set_inheritable(3, True)\n\
         os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
         os.execv(sys.argv[1], sys.argv[1:])\n",
        port = daemon.ingest().port()
    );
    let wrapper = daemon.directory().join("systemd.sh");
    std::fs::write(&wrapper, format!("#!/bin/sh\nexec python3 -c \"{script}\" \"$@\"\n"))
        .expect("a file can be written");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    daemon.set_wrapper(wrapper);
    daemon.restart();
    daemon.accept(&[shop::padded("activated", 400)]);
    vendors.wait_until("it arrives", SOON, |requests| all_arrived(requests, &["activated".to_string()]));
}
