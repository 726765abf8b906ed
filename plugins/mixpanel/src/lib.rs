//! Mixpanel: what users do goes to /import, who they are to /engage, what they belong to to /groups.
//!
//! Each of these takes a list of records for many users at once, so a batch is one request to each,
//! split only at the vendor's bounds. Every record has what strict validation wants; what would be
//! refused is mended or left out, field by field. The judge reads which records the vendor refused.
//!
//! Sources: docs.mixpanel.com/reference (import-events, profile-batch-update, group-batch-update,
//! create-identity, identity-merge, limits), its page on the error 400, and openapi/ingestion.

mod browser;
mod call;
mod context;
mod groups;
mod identity;
mod import;
mod judge;
mod merge;
mod operators;
mod profile;
mod properties;
mod request;
mod rules;
mod settings;
#[cfg(test)]
mod tests;

pub use judge::judge;
pub use request::plan;
pub use settings::{Mixpanel, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Mixpanel = Mixpanel::new,
    plan: plan,
    judge: judge,
}
