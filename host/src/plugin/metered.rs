//! Calls of a revision that are counted for whose they are.

use std::sync::Arc;

use super::fault::PluginFault;
use super::kept::Kept;
use super::plan::{Judgement, Plan, Response};
use super::revision::{Revision, guarded};
use crate::event::Event;
use crate::meter::{Call, FaultKind, GuestMeter};

/// Plans a batch as [`Revision::plan`] does.
pub fn plan(
    kept: &Kept,
    revision: &Arc<Revision>,
    settings: &str,
    now_ms: u64,
    events: &[Event],
    meter: &Arc<GuestMeter>,
) -> Result<Plan, PluginFault> {
    let call = || guarded(|| kept.call(revision, settings, meter, |instance| instance.plan(now_ms, events)));
    counted(meter, meter.timed(Call::Plan, call))
}

/// Reads an answer as [`Revision::judge`] does.
pub fn judge(
    kept: &Kept,
    revision: &Arc<Revision>,
    settings: &str,
    now_ms: u64,
    response: &Response,
    meter: &Arc<GuestMeter>,
) -> Result<Judgement, PluginFault> {
    let call = || guarded(|| kept.call(revision, settings, meter, |instance| instance.judge(now_ms, response)));
    counted(meter, meter.timed(Call::Judge, call))
}

fn counted<T>(meter: &GuestMeter, result: Result<T, PluginFault>) -> Result<T, PluginFault> {
    if let Err(fault) = &result {
        meter.fault(kind(fault));
    }
    result
}

fn kind(fault: &PluginFault) -> FaultKind {
    match fault {
        PluginFault::Trap(_) => FaultKind::Trap,
        // A call never ends as not tried; the time for its batch was over.
        PluginFault::Deadline { .. } | PluginFault::NotTried(_) => FaultKind::Deadline,
        PluginFault::Memory { .. } => FaultKind::Memory,
        PluginFault::Output(_) => FaultKind::Output,
        PluginFault::BadPlan(_) => FaultKind::BadPlan,
        PluginFault::BadJudgement(_) => FaultKind::BadJudgement,
        PluginFault::ConfigureRefused(_) => FaultKind::ConfigureRefused,
        PluginFault::PlanRefused(_) => FaultKind::PlanRefused,
        PluginFault::Host(_) => FaultKind::Host,
    }
}
