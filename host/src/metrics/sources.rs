//! The metrics by source.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::family::{Labels, counter};
use crate::ingest::SourceCounters;

/// Writes them.
pub(super) fn write(out: &mut DescriptorEncoder<'_>, all: &BTreeMap<String, SourceCounters>) -> fmt::Result {
    let help = "Events that were new, durable and answered with 200 since the start";
    counter(out, "source_accepted", help, None, each(all, |source| source.accepted))?;
    let help = "Events that were sent again and kept once since the start";
    counter(out, "source_duplicates", help, None, each(all, |source| source.duplicates))?;
    counter(out, "source_repaired", "Events repaired since the start", None, each(all, |source| source.repaired))?;
    let help = "Items refused since the start, by reason";
    let rejected = all.iter().flat_map(|(name, source)| {
        source.rejected_by.iter().map(|(reason, count)| (vec![label(name), ("reason", reason.as_str())], *count))
    });
    counter(out, "source_rejected", help, None, rejected)?;
    let help = "Requests refused since the start because of their key's limits";
    counter(out, "source_rate_limited", help, None, each(all, |source| source.rate_limited))?;
    let help = "Violations of the tracking plan since the start, by its entry";
    let violations = all.iter().flat_map(|(name, source)| {
        let sums = source.violations.iter();
        sums.map(|(entry, texts)| (vec![label(name), ("entry", entry.as_str())], texts.values().sum::<u64>()))
    });
    counter(out, "source_violations", help, None, violations)
}

fn label(name: &str) -> (&'static str, &str) {
    ("source", name)
}

fn each<'a>(
    all: &'a BTreeMap<String, SourceCounters>,
    figure: impl Fn(&SourceCounters) -> u64,
) -> impl Iterator<Item = (Labels<'a>, u64)> {
    all.iter().map(move |(name, source)| (vec![label(name)], figure(source)))
}
