//! The versions of the contract that this host knows: one adapter each, behind one trait.
//!
//! A version stands in a folder of wit/ and never changes. To the rest of the host every plugin is an
//! [`Exports`]; what its version calls things stays in its adapter. A version that is added is a
//! folder in wit/, a module here, and a line in `VERSIONS`; the compiled plugins of all versions are
//! kept in tests/corpus and must plan the same bytes for ever.

mod v1_0_0;

use wasmtime::component::{Component, Instance};
use wasmtime::{Engine, Store};

use super::engine::Bounds;
use super::fault::PluginError;
use super::log;
use super::plan::{Judgement, Plan, Response};
use crate::event::Event;

/// The version that plugins are built for.
pub const CURRENT: &str = v1_0_0::NUMBER;

/// The package that the contract's interfaces are in, in every version.
const PACKAGE: &str = "switchyard:destination/";

/// Where a version's functions are among a component's exports, and how they are called.
pub trait Exports: Send + Sync {
    /// Whether the plugin reads answers.
    fn has_judge(&self) -> bool;

    /// Whether it gets the host's index.
    fn is_indexed(&self) -> bool;

    /// Hands an instance its settings.
    fn configure(&self, call: &mut Call<'_>, settings: &str) -> wasmtime::Result<Result<(), String>>;

    /// Has an instance plan a batch. The plan is not checked yet.
    fn plan(&self, call: &mut Call<'_>, now_ms: u64, events: &[Event]) -> wasmtime::Result<Result<Plan, String>>;

    /// Has an instance read an answer; nothing where the plugin has no judge. Not checked yet.
    fn judge(&self, call: &mut Call<'_>, now_ms: u64, response: &Response) -> wasmtime::Result<Judgement>;
}

/// An instance to be called.
pub struct Call<'a> {
    /// Its memory and bounds.
    pub store: &'a mut Store<Bounds>,
    /// Its exports.
    pub instance: &'a Instance,
}

/// A version of the contract.
struct Version {
    number: &'static str,
    /// Finds the functions; an error names what is missing.
    exports: fn(&Component) -> Result<Box<dyn Exports>, PluginError>,
}

/// All of them, the oldest first.
const VERSIONS: [Version; 1] = [Version { number: v1_0_0::NUMBER, exports: v1_0_0::exports }];

fn version(number: &str) -> Result<&'static Version, PluginError> {
    VERSIONS
        .iter()
        .find(|version| version.number == number)
        .ok_or_else(|| PluginError::Contract { found: number.to_string() })
}

/// Whether this host knows a version.
///
/// # Errors
/// When it does not.
pub fn check_version(number: &str) -> Result<(), PluginError> {
    version(number).map(drop)
}

/// The numbers of all versions, for messages.
pub fn known() -> String {
    VERSIONS.map(|version| version.number).join(", ")
}

/// Whether an import is only the interface that holds a version's types: components name it, and there
/// is nothing in it to call.
pub fn is_types_interface(import: &str) -> bool {
    let number = import.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix("types@"));
    number.is_some_and(|number| check_version(number).is_ok())
}

/// Whether a guest may import it: its author's log, and the contract's types.
fn is_given(import: &str) -> bool {
    import == log::INTERFACE || is_types_interface(import)
}

/// Finds the functions of the version that a plugin was built for. It may import nothing but its
/// author's log.
pub fn exports(engine: &Engine, component: &Component, number: &str) -> Result<Box<dyn Exports>, PluginError> {
    let version = version(number)?;
    let component_type = component.component_type();
    let imports: Vec<String> = component_type.imports(engine).map(|(name, _)| name.to_string()).collect();
    let names = component_type.exports(engine).map(|(name, _)| name);
    let other = names.chain(imports.iter().map(String::as_str)).find_map(|name| {
        let (_, found) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        (found != number).then(|| found.to_string())
    });
    if let Some(found) = other {
        return Err(match check_version(&found) {
            Ok(()) => {
                PluginError::Exports(format!("version {number} of the contract, but {found}, other than it says"))
            }
            Err(unknown) => unknown,
        });
    }
    let wanted: Vec<String> = imports.into_iter().filter(|name| !is_given(name)).collect();
    if !wanted.is_empty() {
        return Err(PluginError::Imports(wanted));
    }
    (version.exports)(component)
}
