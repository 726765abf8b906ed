//! HubSpot: who users are goes to contacts, what they belong to to companies, what they do to custom
//! events.
//!
//! Records are written by upserts of up to 100, events by batches of up to 500. A group takes several
//! steps: its company, the contacts, and the links between them; each step's answer names what the
//! next one needs (`chain`). HubSpot knows only properties and events that were defined in the
//! account, and refuses a record or an event with any other. So what goes out is what HubSpot always
//! has (`rules`) and what the settings name; the rest is sent only where the settings say so.
//!
//! Sources: developers.hubspot.com/docs, guides and reference of contacts, companies, associations,
//! search, custom events, error handling and usage guidelines.

mod answer;
mod calls;
mod chain;
mod company;
mod contact;
mod field;
mod identity;
mod judge;
mod occurrence;
mod properties;
mod request;
mod rules;
mod settings;
mod single;
mod step;
mod value;

pub use judge::judge;
pub use request::plan;
pub use settings::{HubSpot, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: HubSpot = HubSpot::new,
    plan: plan,
    judge: judge,
}
