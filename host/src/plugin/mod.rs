//! The plugin host: loads the code of integrations, calls it in a sandbox, and checks every answer.
//!
//! Invariants:
//! - A guest computes and nothing else: the only import that is linked takes what it says to its author
//!   ([`log`]), so it has no network, no files, no clock and no randomness. Secrets reach it as handles
//!   ([`handles`]).
//! - Every call is bounded in time, memory and output ([`limits`]); a guest that fails in whatever way
//!   is a [`fault::PluginFault`], never a panic and never a wait without end.
//! - A fresh instance for every batch of events, and one for answers that wait together ([`answers`]), unless
//!   the plugin asks for less ([`kept`]): nothing of one batch is seen by the next, and the same events give
//!   the same plan.
//! - Nothing of a guest's answer is used before [`check`] has seen it.
//!
//! It knows nothing of HTTP, of the queue or of the configuration file, and it sends nothing.

pub mod answers;
pub mod aot;
pub mod bench;
pub mod build;
pub mod check;
pub mod contract;
pub mod deadline;
pub mod difference;
pub mod engine;
pub mod explain;
pub mod fair;
pub mod fault;
pub mod fixtures;
pub mod handles;
pub mod hiding;
pub mod host;
pub mod inspect;
pub mod instance;
pub mod kept;
pub mod limits;
pub mod lineage;
pub mod log;
pub mod manifest;
pub mod metered;
pub mod permissions;
pub mod plan;
mod priority;
pub mod project;
pub mod registry;
pub mod revision;
pub mod run;
pub mod settings;
pub mod sheet;
pub mod shelf;
pub mod shown;
pub mod signature;
pub mod source;
pub mod split;
pub mod workers;

#[cfg(test)]
mod tests;
