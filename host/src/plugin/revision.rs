//! A loaded revision: a plugin's exact bytes, compiled, with its manifest. Cheap to share; nothing in
//! it changes but what is known of its conduct.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::Store;
use wasmtime::component::{Component, Instance as ComponentInstance, InstancePre, Linker};

use super::contract::{self, Exports};
use super::engine::{Bounds, Sandbox};
use super::fault::{PluginError, PluginFault};
use super::instance::Instance;
use super::limits::Limits;
use super::log;
use super::manifest::Manifest;
use super::plan::{Judgement, Plan, Response};
use super::settings::Schema;
use crate::event::Event;

/// A loaded revision.
pub struct Revision {
    manifest: Manifest,
    digest: String,
    schema: Schema,
    sandbox: Arc<Sandbox>,
    pre: InstancePre<Bounds>,
    exports: Box<dyn Exports>,
    /// It was rolled back, and only reads the answers to what it had planned.
    taken_back: AtomicBool,
    /// Its judge has used up its time or its memory.
    judge_ran_out: AtomicBool,
}

impl Revision {
    /// Links compiled code: to the author's log alone, so a plugin that imports anything else is refused.
    pub(super) fn link(
        sandbox: Arc<Sandbox>,
        component: &Component,
        manifest: Manifest,
        digest: String,
    ) -> Result<Revision, PluginError> {
        let schema = Schema::new(&manifest)?;
        let exports = contract::exports(sandbox.engine(), component, &manifest.contract)?;
        let mut linker = Linker::new(sandbox.engine());
        let pre = log::link(&mut linker)
            .and_then(|()| linker.instantiate_pre(component))
            .map_err(|error| PluginError::Code(format!("{error:#}")))?;
        let (taken_back, judge_ran_out) = Default::default();
        Ok(Revision { manifest, digest, schema, sandbox, pre, exports, taken_back, judge_ran_out })
    }

    /// What the plugin says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The settings it takes.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The SHA-256 of the plugin's file, in lower-case hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The first 12 digits of the digest, for people.
    pub fn short_digest(&self) -> &str {
        &self.digest[..12]
    }

    /// Whether it reads answers.
    pub fn has_judge(&self) -> bool {
        self.exports.has_judge()
    }

    /// Whether it gets the host's index.
    pub fn is_indexed(&self) -> bool {
        self.exports.is_indexed()
    }

    /// Says whether it was rolled back. Its judge is then not asked again once it has used up its time: the
    /// answers to all that was in flight would wait for it, and the events of the revision before with them.
    pub fn set_taken_back(&self, taken_back: bool) {
        self.taken_back.store(taken_back, Ordering::Relaxed);
    }

    /// Whether its judge is not asked any more.
    pub(super) fn judges_no_more(&self) -> bool {
        self.taken_back.load(Ordering::Relaxed) && self.judge_ran_out.load(Ordering::Relaxed)
    }

    /// Its judge has used up its time or its memory.
    pub(super) fn note_judge_ran_out(&self) {
        self.judge_ran_out.store(true, Ordering::Relaxed);
    }

    /// The bounds on its calls.
    pub fn limits(&self) -> &Limits {
        self.sandbox.limits()
    }

    /// Plans a batch in a fresh instance. Takes up to twice the time of one call, so it belongs on a
    /// worker thread.
    pub fn plan(&self, settings: &str, now_ms: u64, events: &[Event]) -> Result<Plan, PluginFault> {
        guarded(|| Instance::start(self, settings, None)?.plan(now_ms, events))
    }

    /// Plans as [`Revision::plan`] does, and returns what the guest said to its author as well.
    pub fn plan_heard(&self, settings: &str, now_ms: u64, events: &[Event]) -> (Result<Plan, PluginFault>, String) {
        let mut heard = String::new();
        let planned = guarded(|| {
            let mut instance = Instance::start(self, settings, None)?;
            let planned = instance.plan(now_ms, events);
            heard = instance.take_log();
            planned
        });
        (planned, heard)
    }

    /// Reads an answer in a fresh instance, as [`Revision::plan`] plans.
    pub fn judge(&self, settings: &str, now_ms: u64, response: &Response) -> Result<Judgement, PluginFault> {
        guarded(|| Instance::start(self, settings, None)?.judge(now_ms, response))
    }

    /// Tries settings in a fresh instance: real ones with handles in place of secrets.
    pub fn try_settings(&self, settings: &str) -> Result<(), PluginFault> {
        guarded(|| Instance::start(self, settings, None).map(|_| ()))
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub(super) fn exports(&self) -> &dyn Exports {
        &*self.exports
    }

    pub(super) fn instantiate(&self, store: &mut Store<Bounds>) -> wasmtime::Result<ComponentInstance> {
        self.pre.instantiate(store)
    }
}

/// A panic of the host or of the sandbox in one call must not take the daemon down.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, PluginFault>) -> Result<T, PluginFault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(PluginFault::Host(text.unwrap_or("a panic without a message").to_string()))
    })
}
