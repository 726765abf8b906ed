//! The generic webhook: each event, or a batch of them, to a URL of the operator's choice.
//!
//! There is no vendor to say what is right, so every rule is a setting; without settings but `url` it
//! posts each event whole, as it is stored, one a request.

mod body;
mod form;
mod hashing;
mod header;
mod judge;
mod node;
mod request;
mod scheme;
mod settings;
mod template;
mod url;
mod webhook;
mod xml;

pub use judge::judge;
pub use request::plan;
pub use settings::Settings;
pub use webhook::Webhook;

switchyard_sdk::destination! {
    settings: Settings,
    configure: Webhook = Webhook::new,
    plan: plan,
    judge: judge,
}
