//! Meta Conversions API: what people do on a website, in an app or elsewhere, as server events of one
//! dataset (a pixel is one too).
//!
//! The vendor takes a request whole or not at all, and one bad or old event costs all the others. So
//! everything that its pages ask for is checked here: what would be refused is mended or left out,
//! field by field, and an event that cannot be sent is rejected with the field's name. The judge reads
//! the vendor's error codes, has a refused request halved down to the culprit, and slows down by the
//! usage that the vendor tells in its headers.
//!
//! Sources: developers.facebook.com/documentation/ads-commerce/conversions-api (using-the-api,
//! best-practices, parameters and their pages, app-events, support),
//! developers.facebook.com/docs/marketing-apis/data-processing-options,
//! developers.facebook.com/docs/graph-api (guides/error-handling, overview/rate-limiting).

mod app;
mod choices;
mod custom;
mod error;
mod event;
mod judge;
mod money;
mod names;
mod origin;
mod person;
mod privacy;
mod products;
mod request;
mod rules;
mod said;
mod settings;
#[cfg(test)]
mod tests;
mod usage;
mod user;

pub use judge::judge;
pub use request::plan;
pub use settings::{Meta, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Meta = Meta::new,
    plan: plan,
    judge: judge,
}
