//! Calls of a revision that are counted for whose they are.

use std::sync::Arc;

use super::answers::ToJudge;
use super::fault::PluginFault;
use super::kept::Kept;
use super::plan::{Judgement, Plan, Request};
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
    let planned = meter.timed(Call::Plan, call);
    let index_bytes = |event: &Event| if revision.is_indexed() { event.index.len() } else { 0 };
    let bytes_in: usize = events.iter().map(|event| event.json.len() + index_bytes(event)).sum();
    let bytes_out = planned.as_ref().map_or(0, |plan| plan.requests.iter().map(bytes_of).sum());
    meter.bytes(bytes_in, bytes_out);
    counted(meter, planned)
}

/// What a request is made of: its body, URL, headers and tag.
fn bytes_of(request: &Request) -> usize {
    let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
    request.body.len() + request.url.len() + request.tag.len() + headers.sum::<usize>()
}

/// Reads answers of one revision as [`Revision::judge`] does, one after the other; says nothing for a judge
/// that is not asked any more. Ends after one that used up its time or its memory: there are fewer
/// judgements than answers then.
pub fn judge(kept: &Kept, asked: &[ToJudge]) -> Vec<Result<Judgement, PluginFault>> {
    let Some(ToJudge { revision, settings, meter, .. }) = asked.first() else { return Vec::new() };
    if revision.judges_no_more() {
        return asked.iter().map(|_| Ok(Judgement::default())).collect();
    }
    let mut session = kept.session(revision, settings, meter);
    let mut judgements: Vec<Result<Judgement, PluginFault>> = Vec::with_capacity(asked.len());
    for ToJudge { now_ms, response, .. } in asked {
        let call = || guarded(|| session.call(|instance| instance.judge(*now_ms, response)));
        let judged = meter.timed(Call::Judge, call);
        let bytes_out = judged.as_ref().map_or(0, |judgement| judgement.follow_ups.iter().map(bytes_of).sum());
        meter.bytes(response.body.len() + response.tag.len(), bytes_out);
        let ran_out = judged.as_ref().is_err_and(PluginFault::is_exhaustion);
        judgements.push(counted(meter, judged));
        if ran_out {
            revision.note_judge_ran_out();
            break;
        }
    }
    session.end();
    judgements
}

/// Counts a call's fault, if it has one.
pub(super) fn counted<T>(meter: &GuestMeter, result: Result<T, PluginFault>) -> Result<T, PluginFault> {
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
