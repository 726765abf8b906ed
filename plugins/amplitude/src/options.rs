//! What a sender means for this vendor only: `integrations.Amplitude`.

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::parse_iso8601_us;

use crate::rules::INTEGRATIONS;

/// The vendor's member of `integrations`, when the event has it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    own: Option<Value<'a>>,
}

impl<'a> Options<'a> {
    /// Those of an event; most have none.
    #[inline]
    pub fn of(event: &Event<'a>) -> Options<'a> {
        let is_own =
            |value: &Value<'a>| value.is_object() && INTEGRATIONS.iter().any(|name| name.as_bytes() == value.raw_key());
        Options { own: event.integrations().children().find(is_own) }
    }

    fn child(&self, key: &str) -> Option<Value<'a>> {
        self.own.map(|own| own.child(key)).filter(|value| !value.is_null())
    }

    /// When the session began, in milliseconds since 1970; -1 is none.
    pub fn session_id(&self, of_context: Option<Value<'a>>) -> i64 {
        self.child("session_id").or(of_context).and_then(session_id).unwrap_or(-1)
    }

    /// Groups that the event is of.
    pub fn groups(&self) -> Option<Value<'a>> {
        self.child("groups")
    }

    /// Whether the event is to leave the user's properties as they are.
    pub fn skips_user_properties_sync(&self) -> bool {
        self.child("skipUserPropertiesSync").and_then(|value| value.as_bool()) == Some(true)
    }

    /// The user whose mapping an alias takes back.
    pub fn unmap(&self) -> Option<Value<'a>> {
        self.child("unmap")
    }
}

/// A number of milliseconds, a text that is one, or a time.
fn session_id(value: Value<'_>) -> Option<i64> {
    let text = value.as_text()?;
    let text = text.trim();
    let ms = match value.as_i64().or_else(|| text.parse().ok()) {
        Some(ms) => ms,
        None => parse_iso8601_us(text.as_bytes())?.div_euclid(1_000),
    };
    (ms >= 0).then_some(ms)
}
