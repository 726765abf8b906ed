//! TikTok, by its Events API 2.0: what users do on a website, in an app, in a shop or in a sales system.
//!
//! A request carries events of one event source, one id of it and one test code, so a batch is one
//! request for each of these. The vendor refuses a whole request for one field of one event, so what it
//! would refuse is mended or left out here, field by field. It answers 200 to nearly everything and says
//! in the body's `code` what it means; the judge reads that, and has a refused request halved.
//!
//! Sources: business-api.tiktok.com/portal/docs (Events API 2.0) as the vendor's own code has it:
//! github.com/tiktok/tiktok-business-api-sdk, github.com/tiktok/gtm-template-eapi, and the destinations
//! that the vendor maintains in github.com/segmentio/action-destinations (tiktok-conversions,
//! tiktok-app-events, tiktok-offline-conversions); ads.tiktok.com/help.

mod app;
mod contents;
mod judge;
mod members;
mod name;
mod options;
mod page;
mod places;
mod properties;
mod record;
mod request;
mod rules;
mod settings;
mod source;
mod tables;
#[cfg(test)]
mod tests;
mod user;
mod values;

pub use judge::judge;
pub use request::plan;
pub use settings::{Settings, TikTok};

switchyard_sdk::destination! {
    settings: Settings,
    configure: TikTok = TikTok::new,
    plan: plan,
    judge: judge,
}
