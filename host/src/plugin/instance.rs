//! One instance of a revision, set up with one destination's settings: plans, judges, and ends.

use std::ops::Deref;
use std::sync::Arc;

use wasmtime::component::Instance as Component;
use wasmtime::{Store, Trap};

use super::check::{check_judgement, check_plan, cut};
use super::contract::Call;
use super::engine::{Bounds, Live};
use super::fault::PluginFault;
use super::plan::{Judgement, Plan, Response};
use super::revision::Revision;
use crate::event::Event;
use crate::meter::{GuestMeter, LiveInstance};

/// An instance is worn once its memory takes more than one in so many parts of what it may.
const WORN_PART: usize = 2;

/// A guest that has taken its settings. After a fault it must not be called again. It borrows its
/// revision, or shares it where it outlives the call.
pub struct Instance<R: Deref<Target = Revision>> {
    revision: R,
    store: Store<Bounds>,
    component: Component,
    /// Last, so that the store is gone when the place is free.
    live: Live,
    _metered: Option<LiveInstance>,
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
        let first_ticks = store.data().deadline.first_ticks();
        store.set_epoch_deadline(first_ticks);
        store.epoch_deadline_callback(|store| Ok(store.data().deadline.when_reached()));
        let started = revision.instantiate(&mut store).and_then(|instance| {
            let configured =
                revision.exports().configure(&mut Call { store: &mut store, instance: &instance }, settings)?;
            Ok((instance, configured))
        });
        match started {
            Ok((component, configured)) => {
                configured.map_err(|message| PluginFault::ConfigureRefused(bounded(&revision, message)))?;
                Ok(Instance { revision, store, component, live, _metered: metered })
            }
            Err(error) => Err(fault(&revision, &store, &error)),
        }
    }

    /// Turns events into a checked plan.
    pub fn plan(&mut self, now_ms: u64, events: &[Event]) -> Result<Plan, PluginFault> {
        self.restart_clock();
        let mut call = Call { store: &mut self.store, instance: &self.component };
        match self.revision.exports().plan(&mut call, now_ms, events) {
            Ok(Ok(plan)) => Ok(check_plan(plan, events.len(), self.revision.sandbox().limits())?),
            Ok(Err(message)) => Err(PluginFault::PlanRefused(bounded(&self.revision, message))),
            Err(error) => Err(fault(&self.revision, &self.store, &error)),
        }
    }

    /// Reads an answer. A plugin without a judge says nothing.
    pub fn judge(&mut self, now_ms: u64, response: &Response) -> Result<Judgement, PluginFault> {
        self.restart_clock();
        let mut call = Call { store: &mut self.store, instance: &self.component };
        match self.revision.exports().judge(&mut call, now_ms, response) {
            Ok(judgement) => check_judgement(judgement, &response.covers, self.revision.sandbox().limits())
                .map_err(PluginFault::BadJudgement),
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

    /// Whether its memory has grown so much that the next call may find too little: interpreters give
    /// nothing back, and some forget to.
    pub fn is_worn(&self) -> bool {
        self.store.data().memory_bytes > self.revision.sandbox().limits().memory_bytes_max / WORN_PART
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
        self.store.data_mut().deadline.restart();
        let first_ticks = self.store.data().deadline.first_ticks();
        self.store.set_epoch_deadline(first_ticks);
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
