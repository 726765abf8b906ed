//! Klaviyo: what people do becomes events, who they are becomes profiles, what they agree to becomes
//! subscriptions.
//!
//! Events of a batch go into one job, the products of orders into another, so that neither costs the
//! other; profiles go one by one, because only then the vendor says at once what it thinks of them.
//! A job is taken whole or not at all: what would be refused is mended or left out, field by field,
//! and nothing is in it twice. The judge reads which record of a job the vendor refused.
//!
//! Sources: developers.klaviyo.com/en/reference (create_event, bulk_create_events,
//! create_or_update_profile, bulk_import_profiles, bulk_subscribe_profiles, bulk_unsubscribe_profiles,
//! events_api_overview), its guides rate_limits_and_error_handling and
//! guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration, and github.com/klaviyo/openapi.

mod contact;
mod draft;
mod events;
mod identity;
mod items;
mod job;
mod judge;
mod money;
mod names;
mod occurrence;
mod people;
mod profile;
mod properties;
mod renamed;
mod request;
mod rules;
mod settings;
mod shop;
mod subscription;
#[cfg(test)]
mod tests;
mod title;
mod traits;
mod values;

pub use judge::judge;
pub use request::plan;
pub use settings::{Klaviyo, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Klaviyo = Klaviyo::new,
    plan: plan,
    judge: judge,
}
