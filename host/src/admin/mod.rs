//! The operator's interface: JSON under /api/v1, for the CLI, the console and scripts.
//!
//! Every call but the health checks needs the token that was made at the first start and is kept in
//! the data directory, readable by its owner alone. Nothing here decides; it asks the daemon.

mod events;
mod letters;
mod routes;
mod token;
mod upkeep;

pub use routes::{handle, health};
pub use token::{TOKEN_FILE, Token};
