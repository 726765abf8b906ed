//! Alerts: what an operator should know without looking, sent to a webhook.
//!
//! Invariants:
//! - Each trouble is said once when it begins and once when it ends ([`watch`], pure).
//! - At most one message in a configured time, whatever happens ([`outbox`]).
//! - A message holds no event, no secret and nothing that a vendor answered.
//! - Nothing polls while all is well: a look follows a change.

pub mod outbox;
pub mod watch;
