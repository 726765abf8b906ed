//! Customer.io: what people do, who they are, what they belong to and the devices they have go to the
//! Track API, /api/v2/batch.
//!
//! A request is a list of items about many people, in the order in which they must be read: what is
//! known of somebody comes before what they do next. An item that the vendor refuses costs that item
//! only; what would be refused is mended or left out, field by field. The judge reads which items the
//! vendor refused, and whose they are.
//!
//! Sources: docs.customer.io/integrations/api/track (limits, track_v2: entity and batch), its
//! description docs.customer.io/files/journeys-track.json, docs.customer.io/journeys/invalid-api-requests,
//! and docs.customer.io/integrations/data-in/semantic-events/cio-journeys.

mod attributes;
mod body;
mod commands;
mod dates;
mod device;
mod event_id;
mod events;
mod identity;
mod item;
mod judge;
mod object;
mod person;
mod request;
mod rules;
mod settings;
mod tag;
#[cfg(test)]
mod tests;

pub use judge::judge;
pub use request::plan;
pub use settings::{CustomerIo, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: CustomerIo = CustomerIo::new,
    plan: plan,
    judge: judge,
}
