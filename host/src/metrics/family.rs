//! Writes families of metrics: all rows of one name together, as the format wants it.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::meter::HistogramCounts;

/// Labels by name and value.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes counters. `_total` is added to the name, after the unit.
pub(super) fn counter<'a, V: EncodeCounterValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    rows: impl IntoIterator<Item = (Labels<'a>, V)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, &sentence(help), unit.as_ref(), MetricType::Counter)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, V, f64>(&value, None)?;
    }
    Ok(())
}

/// Writes gauges.
pub(super) fn gauge<'a, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    rows: impl IntoIterator<Item = (Labels<'a>, V)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, &sentence(help), unit.as_ref(), MetricType::Gauge)?;
    for (labels, value) in rows {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// Writes histograms of seconds.
pub(super) fn histogram<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (Labels<'a>, &'a HistogramCounts)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, &sentence(help), Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, counts) in rows {
        let mut own = family.encode_family(&labels)?;
        own.encode_histogram::<NoLabelSet>(counts.sum_seconds, counts.count(), &counts.buckets, None)?;
    }
    Ok(())
}

/// Writes a text that does not change while the daemon runs.
pub(super) fn info(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    labels: &[(&'static str, &str)],
) -> fmt::Result {
    out.encode_descriptor(name, &sentence(help), None, MetricType::Info)?.encode_info(&labels)
}

fn sentence(help: &str) -> String {
    format!("{help}.")
}
