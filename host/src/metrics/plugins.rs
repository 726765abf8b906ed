//! The metrics by plugin.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::family::{Labels, counter, gauge};
use super::snapshot::PluginSnapshot;

/// Writes them.
pub(super) fn write(out: &mut DescriptorEncoder<'_>, all: &[PluginSnapshot]) -> fmt::Result {
    let help = "How often a plugin was rolled back, by itself or by the operator";
    counter(out, "plugin_rollbacks", help, None, all.iter().map(|plugin| (labels(plugin), plugin.rollbacks)))?;
    let truth = |truth: bool| f64::from(u8::from(truth));
    let rows = all.iter().map(|plugin| (labels(plugin), truth(plugin.is_on_trial)));
    gauge(out, "plugin_on_trial", "1 while a new revision is on trial", None, rows)?;
    let rows = all.iter().map(|plugin| (labels(plugin), truth(plugin.is_held)));
    gauge(out, "plugin_held", "1 while a revision waits for a grant", None, rows)
}

fn labels(plugin: &PluginSnapshot) -> Labels<'_> {
    vec![("plugin", &plugin.plugin)]
}
