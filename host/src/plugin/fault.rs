//! What can be wrong: with a plugin's file ([`PluginError`]), with a call ([`PluginFault`]), with an
//! answer ([`BadPlan`]).

use std::path::PathBuf;

/// Why a plugin cannot be built, loaded or set up.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        cause: std::io::Error,
    },
    /// The sandbox cannot be set up on this machine.
    #[error("the sandbox cannot be set up: {0}")]
    Sandbox(String),
    /// The file is larger than the host takes.
    #[error("the file has {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The bytes are no WebAssembly, or are cut off.
    #[error("not a whole WebAssembly file: {0}")]
    Malformed(String),
    /// There is no manifest.
    #[error("the file has no manifest: build it with `switchyard plugin build`")]
    NoManifest,
    /// The manifest, or what it is made of, is not good.
    #[error("{0}")]
    Manifest(String),
    /// It was built for another contract.
    #[error(
        "the plugin is for version {found} of the contract; this daemon knows {}: rebuild the plugin, or upgrade the daemon",
        super::contract::known()
    )]
    Contract {
        /// Its version.
        found: String,
    },
    /// It wants something from outside, and a plugin gets nothing but its author's log.
    #[error("the plugin imports {}; a plugin may import nothing but {} (for a Rust plugin, build for wasm32-unknown-unknown)", .0.join(", "), super::log::INTERFACE)]
    Imports(Vec<String>),
    /// It lacks what every plugin exports.
    #[error("the plugin does not export {0}: it must export one of the worlds of the contract")]
    Exports(String),
    /// The code does not compile under the host's limits.
    #[error("the code is refused: {0}")]
    Code(String),
    /// A setting is wrong; the message names it.
    #[error("{0}")]
    Settings(String),
    /// The plugin fails when it is tried.
    #[error("{0}")]
    Fault(#[from] PluginFault),
    /// A fixture does not give the plan it names.
    #[error("fixture `{name}`: {what}")]
    Fixture {
        /// Which.
        name: String,
        /// The difference.
        what: String,
    },
    /// It is not signed as it must be.
    #[error("{0}")]
    Signature(String),
    /// The build tool failed.
    #[error("{0}")]
    Build(String),
}

/// How a guest failed. The host and all other guests are not touched by it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PluginFault {
    /// The code hit an instruction that ends it: a panic in the plugin, a recursion too deep.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// It took too long.
    #[error("the plugin took longer than {ms_max} ms")]
    Deadline {
        /// The limit.
        ms_max: u64,
    },
    /// It wanted more memory than it may have.
    #[error("the plugin wanted more than {bytes_max} bytes of memory")]
    Memory {
        /// The limit.
        bytes_max: usize,
    },
    /// Its answer is too large, or is not readable.
    #[error("the plugin's answer is not usable: {0}")]
    Output(String),
    /// Its plan breaks a rule of the contract.
    #[error("the plugin's plan is not valid: {0}")]
    BadPlan(#[from] BadPlan),
    /// Its judgement breaks a rule of the contract.
    #[error("the plugin's judgement is not valid: {0}")]
    BadJudgement(BadPlan),
    /// It does not take its settings.
    #[error("the plugin does not take its settings: {0}")]
    ConfigureRefused(String),
    /// It answered that it cannot plan the batch.
    #[error("the plugin cannot plan the batch: {0}")]
    PlanRefused(String),
    /// The batch failed, and this event was not tried alone: the splitting took as long as it may, or no
    /// event of the batch could be planned.
    #[error("the plugin kept failing, and this event was not tried alone; the last failure: {0}")]
    NotTried(String),
    /// The host failed in the call. A mistake in the host or in the sandbox.
    #[error("the host failed while it called the plugin: {0}")]
    Host(String),
}

impl PluginFault {
    /// Whether the call used up the time or the memory that it may have, and so cost the daemon dearly.
    pub fn is_exhaustion(&self) -> bool {
        matches!(self, PluginFault::Deadline { .. } | PluginFault::Memory { .. } | PluginFault::NotTried(_))
    }
}

/// The rule that an answer breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadPlan {
    /// A position behind the last event.
    #[error("it names event {event}, and the batch has {events_len}")]
    OutOfRange {
        /// The position.
        event: u32,
        /// Events in the batch.
        events_len: usize,
    },
    /// An event that nothing is said of.
    #[error("event {event} has neither a request nor a fate")]
    LeftOut {
        /// Its position.
        event: usize,
    },
    /// An event that is both sent and not.
    #[error("event {event} has both a request and a fate")]
    Both {
        /// Its position.
        event: u32,
    },
    /// An event with two ends.
    #[error("event {event} has two fates")]
    TwoFates {
        /// Its position.
        event: u32,
    },
    /// A request names an event twice.
    #[error("request {request} covers event {event} twice")]
    CoveredTwice {
        /// The request's position in the plan.
        request: usize,
        /// The event's position.
        event: u32,
    },
    /// A request for nothing.
    #[error("request {request} covers no event")]
    CoversNothing {
        /// The request's position in the plan.
        request: usize,
    },
    /// A follow-up or a verdict for an event that the answer is not about.
    #[error("it names event {event}, which the request did not cover")]
    NotCovered {
        /// The event's position.
        event: u32,
    },
    /// More of something than there may be.
    #[error("it has {count} {what}; the limit is {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A text that is too long.
    #[error("request {request}: its {what} has {bytes} bytes; the limit is {max}")]
    TooLong {
        /// The request's position in the plan.
        request: usize,
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A method that the host does not send.
    #[error("request {request}: `{method}` is none of GET, HEAD, POST, PUT, PATCH, DELETE")]
    Method {
        /// The request's position in the plan.
        request: usize,
        /// The method.
        method: String,
    },
    /// A URL that cannot be sent to.
    #[error("request {request}: the URL `{url}` is not usable: {why}")]
    Url {
        /// The request's position in the plan.
        request: usize,
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A header that is none, or that is the host's.
    #[error("request {request}: the header `{header}` {why}")]
    Header {
        /// The request's position in the plan.
        request: usize,
        /// Its name.
        header: String,
        /// What is wrong with it.
        why: &'static str,
    },
}
