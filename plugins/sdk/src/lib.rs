//! What a Rust author needs to write a Switchyard integration, and nothing else.
//!
//! A plugin computes: it turns events into requests, and the host sends them. This one posts each
//! event as JSON:
//!
//! ```
//! use switchyard_sdk::prelude::*;
//!
//! #[derive(Deserialize, Settings)]
//! struct Settings {
//!     /// URL
//!     /// Where events are sent.
//!     url: String,
//! }
//!
//! fn plan(settings: &Settings, batch: &Batch, plan: &mut Plan) {
//!     for event in batch.iter() {
//!         plan.post(&settings.url).json_event(&event);
//!     }
//! }
//!
//! switchyard_sdk::destination! { settings: Settings, plan: plan }
//! ```
//!
//! Where things are: [`Event`] and [`Value`] read events through the host's index, without parsing;
//! [`JsonWriter`] writes a body and copies what is JSON already; [`Groups`] puts events together that
//! share a request, [`body::Body`] cuts what they write at the vendor's bounds; [`Plan`] takes requests and
//! fates; [`judge`] reads answers; [`schema`] describes settings; [`normalise`], [`hash`], [`money`], [`time`], [`url`] and [`name`] hold what vendors ask for again and again.
//!
//! What makes a plugin slow is memory that is touched for the first time. Write one body at a time,
//! copy raw values, and make no text for each event where a borrowed one does.

// Generated code names this crate as plugins do.
extern crate self as switchyard_sdk;

#[cfg(all(target_arch = "wasm32", feature = "bump-allocator"))]
mod allocator;
pub mod bindings;
pub mod body;
mod bytes;
mod event;
mod group;
pub mod hash;
mod id;
mod json;
pub mod judge;
mod members;
pub mod money;
pub mod name;
#[cfg(any(test, feature = "native"))]
pub mod native;
pub mod normalise;
mod plan;
#[doc(hidden)]
pub mod plugin;
mod refusal;
pub mod schema;
pub mod settings;
pub mod spec;
pub mod text;
pub mod time;
pub mod url;
mod value;

pub use event::{Batch, Event, Kind};
pub use group::{Groups, Positions};
pub use id::Id;
pub use json::{Json, JsonWriter, Key};
pub use plan::{Plan, Request};
pub use refusal::Refusal;
pub use switchyard_sdk_macros::Settings;
pub use value::{Children, Value, ValueKind};
#[doc(hidden)]
pub use wit_bindgen;

/// Everything that most plugins use.
pub mod prelude {
    pub use crate::bindings::types::Auth;
    pub use crate::judge::{Judgement, Response, Verdict};
    pub use crate::{
        Batch, Event, Groups, Id, Json, JsonWriter, Key, Kind, Plan, Refusal, Request, Settings, Value, key,
    };
    pub use serde::Deserialize;
}
