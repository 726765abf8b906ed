//! Version 1.0.0: see wit/1.0.0/destination.wit.

mod wire;

use wasmtime::component::{Component, ComponentExportIndex, TypedFunc};

use super::{Call, Exports, PACKAGE};
use crate::event::Event;
use crate::plugin::fault::PluginError;
use crate::plugin::plan::{Judgement, Plan, Response};
use wire::{WireEvent, WireJudgement, WirePlan, WireResponse};

/// The version.
pub(super) const NUMBER: &str = "1.0.0";

type Configure = TypedFunc<(&'static str,), (Result<(), String>,)>;
type Plain = TypedFunc<(u64, &'static [WireEvent<'static>]), (Result<WirePlan, String>,)>;
type Indexed = TypedFunc<(u64, &'static [WireEvent<'static>], &'static [&'static [u8]]), (Result<WirePlan, String>,)>;
type Judge = TypedFunc<(u64, WireResponse<'static>), (WireJudgement,)>;

/// Where the functions are.
struct Functions {
    /// Of the planner that is used.
    configure: ComponentExportIndex,
    plan: Planner,
    judge: Option<ComponentExportIndex>,
}

/// Which of the two planners it is.
enum Planner {
    /// Reads the JSON itself.
    Plain(ComponentExportIndex),
    /// Gets the index beside it.
    Indexed(ComponentExportIndex),
}

/// Finds the functions by the interfaces that a component exports; of two planners the indexed one is
/// used.
pub(super) fn exports(component: &Component) -> Result<Box<dyn Exports>, PluginError> {
    let function = |interface: &str, function: &str| {
        let interface = component.get_export_index(None, format!("{PACKAGE}{interface}@{NUMBER}"))?;
        component.get_export_index(Some(&interface), function)
    };
    let (interface, plan) = match (function("indexed-planner", "plan-batch"), function("planner", "plan-batch")) {
        (Some(index), _) => ("indexed-planner", Planner::Indexed(index)),
        (None, Some(index)) => ("planner", Planner::Plain(index)),
        (None, None) => return Err(PluginError::Exports(format!("{PACKAGE}planner@{NUMBER} or indexed-planner"))),
    };
    let configure =
        function(interface, "configure").ok_or_else(|| PluginError::Exports(format!("{interface}/configure")))?;
    Ok(Box::new(Functions { configure, plan, judge: function("judge", "judge-response") }))
}

impl Exports for Functions {
    fn has_judge(&self) -> bool {
        self.judge.is_some()
    }

    fn is_indexed(&self) -> bool {
        matches!(self.plan, Planner::Indexed(_))
    }

    fn configure(&self, call: &mut Call<'_>, settings: &str) -> wasmtime::Result<Result<(), String>> {
        let configure: Configure = call.instance.get_typed_func(&mut *call.store, self.configure)?;
        Ok(configure.call(&mut *call.store, (settings,))?.0)
    }

    fn plan(&self, call: &mut Call<'_>, now_ms: u64, events: &[Event]) -> wasmtime::Result<Result<Plan, String>> {
        let wire: Vec<WireEvent<'_>> = events.iter().map(WireEvent::new).collect();
        let planned = match self.plan {
            Planner::Plain(index) => {
                let plan: Plain = call.instance.get_typed_func(&mut *call.store, index)?;
                plan.call(&mut *call.store, (now_ms, &wire))?.0
            }
            Planner::Indexed(index) => {
                let plan: Indexed = call.instance.get_typed_func(&mut *call.store, index)?;
                let index: Vec<&[u8]> = events.iter().map(|event| &event.index[..]).collect();
                plan.call(&mut *call.store, (now_ms, &wire, &index))?.0
            }
        };
        Ok(planned.map(WirePlan::unchecked))
    }

    fn judge(&self, call: &mut Call<'_>, now_ms: u64, response: &Response) -> wasmtime::Result<Judgement> {
        let Some(index) = self.judge else { return Ok(Judgement::default()) };
        let judge: Judge = call.instance.get_typed_func(&mut *call.store, index)?;
        Ok(judge.call(&mut *call.store, (now_ms, WireResponse::new(response)))?.0.unchecked())
    }
}
