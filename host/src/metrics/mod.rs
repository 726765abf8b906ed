//! `/metrics`: what the daemon counts, in the OpenMetrics text format.
//!
//! A scrape takes a snapshot of every figure first, each with its own short look, and is written from
//! that: nothing is locked while it is written. Figures of the store are those of one commit, so they
//! balance. Nothing here counts; see [`crate::meter`] and [`crate::queue`].

mod destinations;
mod family;
mod guests;
mod plugins;
mod process;
mod queue;
mod snapshot;
mod sources;

#[cfg(test)]
mod tests;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

use family::{gauge, info};
pub use process::Process;
pub use snapshot::{DestinationSnapshot, PluginSnapshot, Snapshot};

/// What `/metrics` is answered with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes a snapshot out.
pub fn render(snapshot: Snapshot) -> String {
    let mut text = String::new();
    let mut process = Registry::with_prefix("process");
    process.register_collector(Box::new(snapshot.process.clone()));
    let mut own = Registry::with_prefix("switchyard");
    own.register_collector(Box::new(snapshot));
    [&own, &process]
        .into_iter()
        .try_for_each(|registry| encode_registry(&mut text, registry))
        .and_then(|()| encode_eof(&mut text))
        .expect("text can be written to memory");
    text
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        info(out, "build", "The version that runs", &[("version", self.version)])?;
        gauge(out, "ready", "1 when events are taken", None, [(Vec::new(), f64::from(u8::from(self.is_ready)))])?;
        destinations::write(out, &self.destinations)?;
        guests::write(out, &self.guests)?;
        plugins::write(out, &self.plugins)?;
        sources::write(out, &self.sources)?;
        queue::write(out, &self.store)
    }
}
