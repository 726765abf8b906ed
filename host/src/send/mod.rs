//! Sends: the only place that opens sockets to vendors.
//!
//! Invariants:
//! - A request leaves only for a host that its destination was granted ([`egress`]), and only to an
//!   address that was checked after it was resolved; the connection uses that very address.
//! - Secrets are put in at the last moment ([`auth`]) and appear in nothing that is logged or kept.
//! - Access tokens are fetched here too, from hosts that are granted as every other ([`tokens`]).
//! - With a proxy the addresses are the proxy's to check; the hosts are still checked here.
//! - Redirects are never followed, answers are cut at a bound, every attempt ends in time.
//! - It decides nothing: what an answer means is said by `delivery`.

pub mod auth;
pub mod client;
mod connector;
pub mod download;
pub mod egress;
pub mod oauth;
mod pool;
mod scheme;
mod sigv4;
pub mod tokens;
mod trust;
