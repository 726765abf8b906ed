//! Slack: a message in a channel, by an incoming webhook, for each event that the operator chose.
//!
//! The webhook's URL is the secret and names the channel. The vendor takes one message a second for
//! each, so the requests of a webhook share a lane, events that wait together share a message, and the
//! judge asks for a pause after each answer. What an event says is escaped, so that no sender can
//! mention a channel or forge a link. The vendor has no ids to deduplicate by: a message whose answer
//! was lost may show twice.
//!
//! Sources: docs.slack.dev (messaging/sending-messages-using-incoming-webhooks,
//! messaging/formatting-message-text, reference/block-kit, apis/web-api/rate-limits), its changelog of
//! 2016-05-17 on errors and of 2018-04 on long messages, and the destinations of Segment and
//! RudderStack.

mod choice;
mod condition;
mod fields;
mod judge;
mod message;
mod mrkdwn;
mod pattern;
mod request;
mod rules;
mod settings;
mod slack;
mod template;

pub use judge::judge;
pub use request::plan;
pub use settings::Settings;
pub use slack::Slack;

switchyard_sdk::destination! {
    settings: Settings,
    configure: Slack = Slack::new,
    plan: plan,
    judge: judge,
}
