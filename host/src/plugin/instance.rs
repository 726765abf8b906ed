//! One instance of a revision, set up with one destination's settings: plans, judges, and ends.

use std::ops::Deref;
use std::sync::Arc;

use wasmtime::component::{Instance as Component, TypedFunc};
use wasmtime::{Store, Trap};

use super::check::{check_judgement, check_plan, cut};
use super::engine::{Bounds, Live};
use super::fault::PluginFault;
use super::plan::{Judgement, Plan, Response};
use super::revision::{Planner, Revision};
use super::wire::{WireEvent, WireJudgement, WirePlan, WireResponse};
use crate::event::Event;
use crate::meter::{GuestMeter, LiveInstance};

type Configure = TypedFunc<(&'static str,), (Result<(), String>,)>;
type Plain = TypedFunc<(u64, &'static [WireEvent<'static>]), (Result<WirePlan, String>,)>;
type Indexed = TypedFunc<(u64, &'static [WireEvent<'static>], &'static [&'static [u8]]), (Result<WirePlan, String>,)>;
type Judge = TypedFunc<(u64, WireResponse<'static>), (WireJudgement,)>;

/// A guest that has taken its settings. After a fault it must not be called again. It borrows its
/// revision, or shares it where it outlives the call.
pub struct Instance<R: Deref<Target = Revision>> {
    revision: R,
    store: Store<Bounds>,
    component: Component,
    plan: PlanCall,
    /// Last, so that the store is gone when the place is free.
    live: Live,
    _metered: Option<LiveInstance>,
}

#[derive(Clone, Copy)]
enum PlanCall {
    Plain(Plain),
    Indexed(Indexed),
}

impl<R: Deref<Target = Revision>> Instance<R> {
    /// Makes an instance and hands it `settings`, JSON with handles in place of secrets. `meter` counts
    /// it, when it is given.
    pub fn start(revision: R, settings: &str, meter: Option<&Arc<GuestMeter>>) -> Result<Instance<R>, PluginFault> {
        let sandbox = revision.sandbox();
        let live = sandbox.enter();
        let metered = meter.map(GuestMeter::instance);
        let mut store = Store::new(sandbox.engine(), Bounds::new(sandbox.limits(), meter.cloned()));
        store.limiter(|bounds| bounds);
        store.set_hostcall_fuel(sandbox.limits().output_bytes_max);
        store.set_epoch_deadline(sandbox.deadline_ticks());
        let started = revision.instantiate(&mut store).and_then(|component| {
            let configure: Configure = component.get_typed_func(&mut store, revision.exports().configure)?;
            let plan = match revision.exports().planner {
                Planner::Plain(index) => PlanCall::Plain(component.get_typed_func(&mut store, index)?),
                Planner::Indexed(index) => PlanCall::Indexed(component.get_typed_func(&mut store, index)?),
            };
            let configured = configure.call(&mut store, (settings,))?.0;
            Ok((component, plan, configured))
        });
        let mut instance = match started {
            Ok((component, plan, configured)) => {
                configured.map_err(|message| PluginFault::ConfigureRefused(bounded(&revision, message)))?;
                Instance { revision, store, component, plan, live, _metered: metered }
            }
            Err(error) => return Err(fault(&revision, &store, &error)),
        };
        instance.restart_clock();
        Ok(instance)
    }

    /// Turns events into a checked plan.
    pub fn plan(&mut self, now_ms: u64, events: &[Event]) -> Result<Plan, PluginFault> {
        self.restart_clock();
        let wire: Vec<WireEvent<'_>> = events.iter().map(WireEvent::new).collect();
        let answered = match self.plan {
            PlanCall::Plain(plan) => plan.call(&mut self.store, (now_ms, &wire)),
            PlanCall::Indexed(plan) => {
                let index: Vec<&[u8]> = events.iter().map(|event| &event.index[..]).collect();
                plan.call(&mut self.store, (now_ms, &wire, &index))
            }
        };
        match answered {
            Ok((Ok(plan),)) => Ok(check_plan(plan.unchecked(), events.len(), self.revision.sandbox().limits())?),
            Ok((Err(message),)) => Err(PluginFault::PlanRefused(bounded(&self.revision, message))),
            Err(error) => Err(fault(&self.revision, &self.store, &error)),
        }
    }

    /// Reads an answer. A plugin without a judge says nothing.
    pub fn judge(&mut self, now_ms: u64, response: &Response) -> Result<Judgement, PluginFault> {
        let Some(index) = self.revision.exports().judge else { return Ok(Judgement::default()) };
        self.restart_clock();
        let answered = self
            .component
            .get_typed_func(&mut self.store, index)
            .and_then(|judge: Judge| judge.call(&mut self.store, (now_ms, WireResponse::new(response))));
        match answered {
            Ok((judgement,)) => {
                check_judgement(judgement.unchecked(), &response.covers, self.revision.sandbox().limits())
                    .map_err(PluginFault::BadJudgement)
            }
            Err(error) => Err(fault(&self.revision, &self.store, &error)),
        }
    }

    /// What the guest has said to its author since it was last asked.
    pub fn take_log(&mut self) -> String {
        self.store.data_mut().log.take()
    }

    /// The revision that it is of.
    pub fn revision(&self) -> &R {
        &self.revision
    }

    /// Lets it rest between two calls, when there is room for another one that does.
    pub(super) fn rest(&mut self) -> bool {
        self.live.rest()
    }

    /// Its rest is over: it waits until it may live.
    pub(super) fn wake(&mut self) {
        self.live.wake();
    }

    fn restart_clock(&mut self) {
        self.store.set_epoch_deadline(self.revision.sandbox().deadline_ticks());
    }
}

fn bounded(revision: &Revision, mut message: String) -> String {
    cut(&mut message, revision.sandbox().limits().text_bytes_max);
    message
}

/// What an error of the sandbox says of the guest.
fn fault(revision: &Revision, store: &Store<Bounds>, error: &wasmtime::Error) -> PluginFault {
    let limits = revision.sandbox().limits();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => PluginFault::Deadline { ms_max: limits.call_ms_max },
        _ if store.data().memory_refused => PluginFault::Memory { bytes_max: limits.memory_bytes_max },
        Some(trap) => PluginFault::Trap(trap.to_string()),
        None => PluginFault::Output(bounded(revision, format!("{:#}", error))),
    }
}
