//! What a sender means for this vendor only: `integrations.TikTok`.

use switchyard_sdk::prelude::*;

use crate::tables::INTEGRATIONS;

/// The vendor's member of `integrations`, when the event has it. Most have none.
#[inline]
pub fn of<'a>(event: &Event<'a>) -> Option<Value<'a>> {
    let is_own = |value: &Value<'a>| {
        value.is_object() && INTEGRATIONS.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(value.raw_key()))
    };
    event.integrations().children().find(is_own)
}
