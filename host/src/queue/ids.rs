//! What names pipelines, destinations, deliveries, stored requests and lanes.

use std::fmt;
use std::sync::Arc;

use twox_hash::XxHash64;

/// A pipeline's name, as configured. Cheap to clone: each event in flight has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub struct PipelineId(Arc<str>);

impl PipelineId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PipelineId {
    fn from(name: String) -> PipelineId {
        PipelineId(name.into())
    }
}

impl From<&str> for PipelineId {
    fn from(name: &str) -> PipelineId {
        PipelineId(name.into())
    }
}

impl From<PipelineId> for String {
    fn from(id: PipelineId) -> String {
        id.as_str().to_string()
    }
}

/// A destination's name: `<pipeline>/<destination>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct DestinationId(pub String);

impl fmt::Display for PipelineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names one delivery of a destination. Opaque to callers; never used twice by one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub u64);

/// Names one stored request of a destination. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Requests that keep the order of their events: at most one of a lane is handed out, and one that
/// is tried again keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(pub u64);

impl Lane {
    /// The lane of that name. Names of different `space`s never mean the same lane. Stored, so it
    /// stays the same in all versions.
    pub fn named(space: &str, name: &str) -> Lane {
        Lane(XxHash64::oneshot(XxHash64::oneshot(0, space.as_bytes()), name.as_bytes()))
    }
}
