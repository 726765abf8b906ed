//! The operator's interface: JSON under `/api/v1`, for the CLI, the console and scripts, and the guard
//! before the console.
//!
//! Every call but the health checks needs a token: the one that was made at the first start, which is
//! kept in the data directory, or one of the configuration, which knows its hash alone. A token's role
//! says what its holder may do. Every change is in the audit log. Nothing here decides; it asks the
//! daemon. Pages and calls show the same views, made by the same functions.

pub mod access;
pub mod audit;
pub mod configuration;
pub mod destinations;
pub mod diff;
pub mod events;
mod failure;
pub mod groups;
pub mod guard;
pub mod health;
mod kept_events;
pub(crate) mod letters;
pub mod masking;
mod openapi;
mod operations;
pub mod overview;
pub mod plugins;
mod replays;
mod routes;
mod sign_ins;
pub mod sources;
mod token;
pub mod transformations;
mod upkeep;

pub use access::{Access, Caller, Person, Refused, SignedIn};
pub use audit::AuditLog;
pub use failure::Failure;
pub use letters::{shown, shown_whole};
pub use plugins::SIGNATURE_HEADER;
pub use replays::{Replay, Replays};
pub use routes::{SESSION_COOKIE, cookie, events_call, handle, health, pairs_of, percent_decoded, window_of};
pub use token::{TOKEN_FILE, Token, random_hex};
