//! The metrics by destination.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::family::{Labels, counter, gauge, histogram};
use super::snapshot::DestinationSnapshot;

/// The states of a destination, each of which is shown as 0 or 1. A state that is not among them is
/// shown while it holds.
pub(super) const STATES: [&str; 4] = ["working", "failing", "paused", "waiting for the plugin"];

/// The states of a circuit breaker, each of which is shown as 0 or 1.
const BREAKER_STATES: [&str; 3] = ["closed", "half-open", "open"];

/// Writes them.
pub(super) fn write(out: &mut DescriptorEncoder<'_>, all: &[DestinationSnapshot]) -> fmt::Result {
    write_events(out, all)?;
    write_state(out, all)?;
    write_attempts(out, all)
}

fn name(destination: &DestinationSnapshot) -> (&'static str, &str) {
    ("destination", destination.status.destination.0.as_str())
}

/// One figure for each destination.
fn each<'a, V>(
    all: &'a [DestinationSnapshot],
    figure: impl Fn(&'a DestinationSnapshot) -> V,
) -> impl Iterator<Item = (Labels<'a>, V)> {
    all.iter().map(move |each| (vec![name(each)], figure(each)))
}

fn write_events(out: &mut DescriptorEncoder<'_>, all: &[DestinationSnapshot]) -> fmt::Result {
    let help = "Events of its pipeline since it was configured first; exact across restarts";
    counter(out, "destination_accepted", help, None, each(all, |each| each.status.counters.accepted))?;
    let help = "Deliveries made anew; exact across restarts";
    counter(out, "destination_replayed", help, None, each(all, |each| each.status.counters.replayed))?;
    let help = "Deliveries that have ended, by outcome and reason (64 reasons an outcome, the others as `other`); exact across restarts";
    counter(out, "destination_outcomes", help, None, all.iter().flat_map(outcomes))?;
    let help = "Deliveries in the queue or in flight for the first time";
    gauge(out, "destination_waiting", help, None, each(all, |each| each.status.waiting))?;
    let help = "Deliveries that wait for another attempt";
    gauge(out, "destination_owed", help, None, each(all, |each| each.status.owed))?;
    let help = "Requests that are stored for another attempt";
    gauge(out, "destination_stored_requests", help, None, each(all, |each| each.status.stored_requests))?;
    let help = "Deliveries that have not ended: waiting and owed";
    gauge(out, "destination_lag_events", help, None, each(all, |each| each.status.waiting + each.status.owed))?;
    let help = "Age of the oldest event that waits in the queue or in flight";
    let lag = each(all, |each| each.status.lag_ms as f64 / 1e3);
    gauge(out, "destination_lag", help, Some(Unit::Seconds), lag)
}

/// Each outcome with its reasons; those without a reason have none.
fn outcomes(destination: &DestinationSnapshot) -> Vec<(Labels<'_>, u64)> {
    let counters = &destination.status.counters;
    let row = |outcome, reason, count| (vec![name(destination), ("outcome", outcome), ("reason", reason)], count);
    let mut rows = vec![row("delivered", "", counters.delivered), row("expired", "", counters.expired)];
    for (outcome, total, reasons) in
        [("filtered", counters.filtered, &counters.filtered_by), ("dead", counters.dead, &counters.dead_by)]
    {
        rows.extend(reasons.iter().map(|(reason, count)| row(outcome, reason, *count)));
        if reasons.is_empty() {
            rows.push(row(outcome, "", total));
        }
    }
    rows
}

fn write_state(out: &mut DescriptorEncoder<'_>, all: &[DestinationSnapshot]) -> fmt::Result {
    let rows = all.iter().flat_map(|destination| {
        let state = destination.runtime.state.as_str();
        let others = Some(state).filter(|state| !state.is_empty() && !STATES.contains(state));
        let shown = STATES.into_iter().chain(others);
        shown.map(move |known| (vec![name(destination), ("state", known)], u64::from(known == state)))
    });
    gauge(out, "destination_state", "1 for the state that holds", None, rows)?;
    let breakers = all.iter().flat_map(|destination| {
        let shown = BREAKER_STATES.into_iter();
        shown.map(move |known| {
            (vec![name(destination), ("state", known)], u64::from(known == destination.runtime.breaker))
        })
    });
    gauge(out, "destination_breaker", "The circuit breaker: 1 for the state that holds", None, breakers)?;
    let help = "Requests that may be in flight now; adapts to what the vendor bears";
    gauge(out, "destination_concurrency", help, None, each(all, |each| each.runtime.concurrency as u64))?;
    let help = "Requests for which the order of a user was given up since the start";
    counter(out, "destination_order_given_up", help, None, each(all, |each| each.runtime.order_given_up))?;
    let help = "Dead letters that are kept";
    gauge(out, "destination_dead_letters", help, None, each(all, |each| each.status.dead_letters.kept))?;
    let help = "Groups of requests in the works: planned, in flight or about to be settled";
    gauge(out, "destination_in_flight_groups", help, None, each(all, |each| each.runtime.in_flight as u64))
}

fn write_attempts(out: &mut DescriptorEncoder<'_>, all: &[DestinationSnapshot]) -> fmt::Result {
    let help = "Attempts in flight";
    gauge(out, "destination_in_flight", help, None, each(all, |each| each.attempts.running))?;
    let help = "Attempts since the start, by result";
    let rows = all.iter().flat_map(|destination| {
        let results = destination.attempts.results.iter();
        results.map(|(result, count)| (vec![name(destination), ("result", result.as_str())], *count))
    });
    counter(out, "destination_attempts", help, None, rows)?;
    let help = "Bytes of the bodies sent since the start";
    counter(out, "destination_sent", help, Some(Unit::Bytes), each(all, |each| each.attempts.sent_bytes))?;
    let help = "Bytes of the answers' bodies read since the start";
    counter(out, "destination_received", help, Some(Unit::Bytes), each(all, |each| each.attempts.received_bytes))?;
    let help = "Time of an attempt, from its beginning to the end of the answer";
    histogram(out, "destination_request", help, each(all, |each| &each.attempts.latency))
}
