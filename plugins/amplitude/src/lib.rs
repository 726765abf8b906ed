//! Amplitude: what users do goes to /2/httpapi as JSON; who they are to /identify, what is known of
//! their groups to /groupidentify, and which users are one to /usermap, as forms.
//!
//! Each of these takes a list of records for many users at once, so a batch is one request to each,
//! split at the vendor's bounds and where a user's order asks for it: what is known of a user holds
//! for what she does afterwards. What would be refused is mended or left out, field by field. The
//! vendor refuses a whole request for one bad event and names it; the judge reads which.
//!
//! Sources: amplitude.com/docs/apis/analytics (http-v2, http-api-batching-retries,
//! batch-event-upload, identify, group-identify, user-mapping).

mod call;
mod context;
mod event;
mod groups;
mod identity;
mod judge;
mod options;
mod products;
mod properties;
mod request;
mod revenue;
mod rules;
mod settings;
mod tag;
#[cfg(test)]
mod tests;
mod user;

pub use judge::judge;
pub use request::plan;
pub use settings::{Amplitude, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Amplitude = Amplitude::new,
    plan: plan,
    judge: judge,
}
