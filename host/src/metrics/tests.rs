//! The page as it is written.

use super::destinations::STATES;
use super::*;
use crate::delivery::health::RuntimeStatus;
use crate::ingest::SourceCounters;
use crate::meter::{AttemptMeter, AttemptResult, FaultKind, GuestMeter, Histogram};
use crate::queue::{Counters, DestinationId, DestinationStatus, StoreStatus};

fn destination(name: &str, state: &str) -> DestinationSnapshot {
    let attempts = std::sync::Arc::new(AttemptMeter::default());
    attempts.begin(12).end(AttemptResult::TooMany, 3);
    let dead_by = [("vendor \"refused\"\n".to_string(), 2)].into();
    DestinationSnapshot {
        status: DestinationStatus {
            destination: DestinationId(name.to_string()),
            counters: Counters { accepted: 9, delivered: 3, dead: 2, dead_by, ..Counters::default() },
            waiting: 3,
            owed: 1,
            stored_requests: 1,
            lag_ms: 2_500,
            paused: false,
            dead_letters: Default::default(),
        },
        runtime: RuntimeStatus { state: state.to_string(), ..RuntimeStatus::default() },
        attempts: attempts.counts(),
    }
}

fn snapshot(destinations: Vec<DestinationSnapshot>) -> Snapshot {
    let guest = GuestMeter::new(&DestinationId("shop/a".to_string()), "ga4");
    guest.fault(FaultKind::Deadline);
    let sync_times = Histogram::new(&[0.001]);
    sync_times.observe(std::time::Duration::from_millis(2));
    let source = SourceCounters { accepted: 9, ..SourceCounters::default() };
    Snapshot {
        version: "1.2.3",
        is_ready: true,
        store: StoreStatus { sync_times: sync_times.counts(), disk_free_bytes: Some(77), ..StoreStatus::default() },
        destinations,
        sources: [("shop".to_string(), source)].into(),
        guests: vec![guest.counts()],
        plugins: vec![PluginSnapshot { plugin: "ga4".to_string(), rollbacks: 3, is_on_trial: true, is_held: false }],
        process: Process::now(1_000),
    }
}

#[test]
fn figures_are_named_with_their_units() {
    let text = render(snapshot(vec![destination("shop/a", "failing")]));
    for line in [
        "switchyard_build_info{version=\"1.2.3\"} 1",
        "# UNIT switchyard_destination_lag_seconds seconds",
        "switchyard_destination_accepted_total{destination=\"shop/a\"} 9",
        "switchyard_destination_lag_seconds{destination=\"shop/a\"} 2.5",
        "switchyard_destination_lag_events{destination=\"shop/a\"} 4",
        "switchyard_destination_attempts_total{destination=\"shop/a\",result=\"429\"} 1",
        "switchyard_destination_attempts_total{destination=\"shop/a\",result=\"2xx\"} 0",
        "switchyard_destination_sent_bytes_total{destination=\"shop/a\"} 12",
        "switchyard_destination_request_seconds_count{destination=\"shop/a\"} 1",
        "switchyard_guest_faults_total{destination=\"shop/a\",plugin=\"ga4\",kind=\"deadline\"} 1",
        "switchyard_plugin_rollbacks_total{plugin=\"ga4\"} 3",
        "switchyard_plugin_on_trial{plugin=\"ga4\"} 1.0",
        "switchyard_source_accepted_total{source=\"shop\"} 9",
        "switchyard_queue_sync_seconds_bucket{le=\"0.001\"} 0",
        "switchyard_queue_sync_seconds_bucket{le=\"+Inf\"} 1",
        "switchyard_queue_disk_free_bytes 77",
        "switchyard_queue_poisoned 0",
        "process_start_time_seconds 1.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|own| own == line), "no line `{line}` in:\n{text}");
    }
}

#[test]
fn a_reason_cannot_break_out_of_its_label() {
    let text = render(snapshot(vec![destination("shop/a", "working")]));
    let line =
        r#"switchyard_destination_outcomes_total{destination="shop/a",outcome="dead",reason="vendor \"refused\"\n"} 2"#;
    assert!(text.lines().any(|own| own == line), "{text}");
}

#[test]
fn exactly_one_state_holds_a_new_one_among_them() {
    for state in STATES.into_iter().chain(["open"]) {
        let text = render(snapshot(vec![destination("shop/a", state)]));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("switchyard_destination_state{")).collect();
        let held: Vec<&&str> = rows.iter().filter(|row| row.ends_with(" 1")).collect();
        assert_eq!(held.len(), 1, "{rows:?}");
        assert!(held[0].contains(&format!("state=\"{state}\"")), "{rows:?}");
    }
}

#[test]
fn every_series_is_there_once() {
    let text = render(snapshot(vec![destination("shop/a", "working"), destination("shop/b", "paused")]));
    let series = || text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let distinct: std::collections::BTreeSet<&str> = series().map(|(series, _)| series).collect();
    assert_eq!(distinct.len(), series().count());
    let described = text.lines().filter(|line| line.starts_with("# TYPE ")).collect::<Vec<_>>();
    let once: std::collections::BTreeSet<&&str> = described.iter().collect();
    assert_eq!(once.len(), described.len(), "{described:?}");
}
