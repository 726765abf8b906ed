//! Delivery: from the queue to the vendors, once an event and destination.
//!
//! Each destination has a runtime of its own ([`runtime`]): a task that owns its feed, takes
//! deliveries, routes them and has them planned (`launch`), carries requests out ([`attempt`], `judging`),
//! and settles what came of them; [`health`] is what it makes of how the vendor and the plugin do.
//! What is decided on the way is pure: `ahead`, [`group`], [`verdict`], [`retry`], [`end`], [`breaker`],
//! [`rate`](crate::rate) and the adapting limit of [`limiter`].
//!
//! Invariants:
//! - A delivery handed out is settled exactly once, or handed out again after a restart.
//! - A destination waits only for itself: its own task, permits, client and place in the queue.
//! - The unit of retry is the request, with the same bytes; accepted requests are not sent again.
//! - In a lane ([`lanes`]) nothing overtakes what came before, retries included, until the bound at
//!   which order is given up.

pub mod active;
mod ahead;
pub mod attempt;
pub mod breaker;
pub mod carry;
pub mod end;
mod gate;
pub mod group;
pub mod guest;
pub mod health;
mod judging;
pub mod lanes;
mod launch;
pub mod limiter;
pub mod live;
mod no_token;
pub mod payload;
pub mod picked;
pub mod quotas;
mod replan;
pub mod replayed;
pub mod retry;
pub mod runtime;
mod steps;
mod story;
pub mod thresholds;
pub mod trial;
pub mod verdict;

#[cfg(test)]
mod tests;
