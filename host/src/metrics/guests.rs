//! The metrics by plugin and destination.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::family::{Labels, counter, gauge};
use crate::meter::GuestCounts;

/// Writes them.
pub(super) fn write(out: &mut DescriptorEncoder<'_>, all: &[GuestCounts]) -> fmt::Result {
    let help = "Processor time of a plugin's calls since the start";
    counter(out, "guest_cpu", help, Some(Unit::Seconds), each(all, |guest| guest.cpu_seconds))?;
    let calls = all.iter().flat_map(|guest| {
        [("plan", guest.plan_calls), ("judge", guest.judge_calls)]
            .map(|(call, count)| (with(guest, "call", call), count))
    });
    counter(out, "guest_calls", "Calls since the start", None, calls)?;
    let help = "Instances made since the start";
    counter(out, "guest_instances_made", help, None, each(all, |guest| guest.instances))?;
    gauge(out, "guest_instances", "Instances that live", None, each(all, |guest| guest.instances_live))?;
    let help = "The most memory that one instance has had since the start";
    gauge(out, "guest_memory_peak", help, Some(Unit::Bytes), each(all, |guest| guest.memory_peak_bytes))?;
    let help = "Bytes of events, indexes and answers that a plugin was handed since the start";
    counter(out, "guest_in", help, Some(Unit::Bytes), each(all, |guest| guest.bytes_in))?;
    let help = "Bytes of a plugin's plans and judgements since the start";
    counter(out, "guest_out", help, Some(Unit::Bytes), each(all, |guest| guest.bytes_out))?;
    let faults = all
        .iter()
        .flat_map(|guest| guest.faults.iter().map(|(kind, count)| (with(guest, "kind", kind.as_str()), *count)));
    counter(out, "guest_faults", "Calls that failed since the start, by kind", None, faults)
}

fn labels(guest: &GuestCounts) -> Labels<'_> {
    vec![("destination", &guest.destination.0), ("plugin", &guest.plugin)]
}

fn with<'a>(guest: &'a GuestCounts, label: &'static str, value: &'a str) -> Labels<'a> {
    let mut labels = labels(guest);
    labels.push((label, value));
    labels
}

fn each<'a, V>(all: &'a [GuestCounts], figure: impl Fn(&GuestCounts) -> V) -> impl Iterator<Item = (Labels<'a>, V)> {
    all.iter().map(move |guest| (labels(guest), figure(guest)))
}
