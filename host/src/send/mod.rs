//! Sends: the only place that opens sockets to vendors.
//!
//! Invariants:
//! - A request leaves only for a host that its destination was granted ([`egress`]), and only to an
//!   address that was checked after it was resolved; the connection uses that very address.
//! - Secrets are put in at the last moment ([`auth`]) and appear in nothing that is logged or kept.
//! - Redirects are never followed, answers are cut at a bound, every attempt ends in time.
//! - It decides nothing: what an answer means is said by `delivery`.

pub mod auth;
pub mod client;
pub mod egress;
