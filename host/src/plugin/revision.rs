//! A loaded revision: a plugin's exact bytes, compiled, with its manifest. Cheap to share; nothing in
//! it changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance as ComponentInstance, InstancePre, Linker};

use super::engine::{Bounds, Sandbox};
use super::fault::{PluginError, PluginFault};
use super::instance::Instance;
use super::limits::Limits;
use super::log;
use super::manifest::{CONTRACT, Manifest};
use super::plan::{Judgement, Plan, Response};
use super::settings::Schema;
use crate::event::Event;

/// The package that the contract's interfaces are in.
const PACKAGE: &str = "switchyard:destination/";

/// A loaded revision.
pub struct Revision {
    manifest: Manifest,
    digest: String,
    schema: Schema,
    sandbox: Arc<Sandbox>,
    pre: InstancePre<Bounds>,
    exports: Exports,
}

/// Where the contract's functions are among a component's exports.
pub struct Exports {
    /// `configure` of the planner that is used.
    pub(super) configure: ComponentExportIndex,
    /// `plan-batch`.
    pub(super) planner: Planner,
    /// `judge-response`.
    pub(super) judge: Option<ComponentExportIndex>,
}

/// Which of the two planners it is.
pub enum Planner {
    /// Reads the JSON itself.
    Plain(ComponentExportIndex),
    /// Gets the index beside it.
    Indexed(ComponentExportIndex),
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
        let exports = exports(&sandbox, component)?;
        let mut linker = Linker::new(sandbox.engine());
        let pre = log::link(&mut linker)
            .and_then(|()| linker.instantiate_pre(component))
            .map_err(|error| PluginError::Code(format!("{error:#}")))?;
        Ok(Revision { manifest, digest, schema, sandbox, pre, exports })
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
        self.exports.judge.is_some()
    }

    /// Whether it gets the host's index.
    pub fn is_indexed(&self) -> bool {
        matches!(self.exports.planner, Planner::Indexed(_))
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

    pub(super) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(super) fn instantiate(&self, store: &mut Store<Bounds>) -> wasmtime::Result<ComponentInstance> {
        self.pre.instantiate(store)
    }
}

/// Whether a guest may import it: the author's log, and the contract's types, which are named as an
/// import though there is nothing in them to call.
pub(super) fn is_given(import: &str) -> bool {
    import == log::INTERFACE || is_types(import)
}

/// Whether it is the interface that holds the contract's types and no function.
pub(super) fn is_types(import: &str) -> bool {
    import == format!("{PACKAGE}types@{CONTRACT}")
}

/// A panic of the host or of the sandbox in one call must not take the daemon down.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, PluginFault>) -> Result<T, PluginFault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(PluginFault::Host(text.unwrap_or("a panic without a message").to_string()))
    })
}

/// Finds the contract's functions; of two planners the indexed one is used.
fn exports(sandbox: &Sandbox, component: &Component) -> Result<Exports, PluginError> {
    let component_type = component.component_type();
    let imports: Vec<String> = component_type.imports(sandbox.engine()).map(|(name, _)| name.to_string()).collect();
    let names = component_type.exports(sandbox.engine()).map(|(name, _)| name);
    let other = names.chain(imports.iter().map(String::as_str)).find_map(|name| {
        let (_, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        (version != CONTRACT).then(|| version.to_string())
    });
    if let Some(found) = other {
        return Err(PluginError::Contract { found });
    }
    let wanted: Vec<String> = imports.into_iter().filter(|name| !is_given(name)).collect();
    if !wanted.is_empty() {
        return Err(PluginError::Imports(wanted));
    }
    let function = |interface: &str, function: &str| {
        let interface = component.get_export_index(None, format!("{PACKAGE}{interface}@{CONTRACT}"))?;
        component.get_export_index(Some(&interface), function)
    };
    let (interface, planner) = match (function("indexed-planner", "plan-batch"), function("planner", "plan-batch")) {
        (Some(index), _) => ("indexed-planner", Planner::Indexed(index)),
        (None, Some(index)) => ("planner", Planner::Plain(index)),
        (None, None) => return Err(PluginError::Exports(format!("{PACKAGE}planner@{CONTRACT} or indexed-planner"))),
    };
    let configure =
        function(interface, "configure").ok_or_else(|| PluginError::Exports(format!("{interface}/configure")))?;
    Ok(Exports { configure, planner, judge: function("judge", "judge-response") })
}
