//! Braze: what users do, what they buy and what is known of them goes to /users/track; visitors who
//! become users to /users/identify, and users who become one to /users/merge.
//!
//! A request to /users/track has three lists and objects of many users, 75 at most. Who somebody is
//! must be known before what they do next, so the requests of a batch go in steps, one after the
//! other. What would be refused is mended or left out, field by field. The judge reads which objects
//! the vendor refused, and whose they are.
//!
//! Sources: braze.com/docs/api (endpoints/user_data: post_user_track, post_user_identify,
//! post_users_merge; objects_filters: user_attributes_object, event_object, purchase_object; errors;
//! api_limits), and its pages on recommended events and on custom attributes and event properties.

mod attributes;
mod body;
mod draft;
mod events;
mod identity;
mod join;
mod judge;
mod names;
mod nested;
mod profile;
mod properties;
mod purchases;
mod recommended;
mod request;
mod rest;
mod rules;
mod settings;
mod steps;
mod tag;
#[cfg(test)]
mod tests;
mod values;

pub use judge::judge;
pub use request::plan;
pub use settings::{Braze, Settings};

switchyard_sdk::destination! {
    settings: Settings,
    configure: Braze = Braze::new,
    plan: plan,
    judge: judge,
}
