//! Google Analytics 4, by its Measurement Protocol.
//!
//! The vendor answers 2xx to anything, a wrong secret and malformed data included, so everything is
//! checked here: what would be refused is mended or left out, field by field. Events that agree in
//! client, user, consent and the like share a request. There is no judge, because an answer never
//! says more than its status.
//!
//! Sources: developers.google.com/analytics/devguides/collection/protocol/ga4, its reference, its
//! limits and its page on user-provided data.

mod fields;
mod items;
mod params;
mod request;
mod rules;
mod settings;
mod user;

pub use request::plan;
pub use settings::{Ga4, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Ga4 = Ga4::new,
    plan: plan,
}
