//! An event on its way into requests: what must be known of it before anything is written.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;
use switchyard_sdk::time::{format_iso8601, parse_iso8601_us};

use crate::identity::Identity;
use crate::rules::TIME_AHEAD_MS_MAX;
use crate::settings::{Klaviyo, OrderUniqueId};
use crate::shop::Act;
use crate::title::Title;

/// A track, a page or a screen.
pub struct Draft<'a> {
    pub title: Title<'a>,
    pub who: Identity<'a>,
    /// When it happened, in ISO 8601.
    pub time: Cow<'a, str>,
    /// What the vendor knows the event by, together with the metric and the profile.
    pub unique_id: Id<'a>,
}

impl<'a> Draft<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Why it is not sent.
    pub fn of(klaviyo: &'a Klaviyo, event: &Event<'a>, now_ms: u64) -> Result<Draft<'a>, Refusal> {
        let title = Title::of(klaviyo, event)?;
        let who = Identity::of(klaviyo, event)?;
        let (time_ms, time) = time(event);
        if time_ms < klaviyo.time_ms_min {
            return Err(Refusal::Reject("timestamp: is earlier than the vendor takes"));
        }
        if time_ms > now_ms as i64 + TIME_AHEAD_MS_MAX {
            return Err(Refusal::Reject("timestamp: is more than a year ahead"));
        }
        let unique_id = unique_id(klaviyo, event, &title);
        Ok(Draft { title, who, time, unique_id })
    }

    /// Whether the event's products become events too.
    pub fn is_purchase(&self) -> bool {
        self.title.shop.is_some_and(|shop| shop.is == Act::Purchase)
    }

    /// Appends what the vendor tells events by: of two with the same it refuses both, and all others
    /// of the job with them.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self.title.metric.as_bytes());
        key.push(255);
        key.extend_from_slice(self.unique_id.bytes());
    }
}

/// When it happened, in milliseconds since 1970 and as text: as the sender writes it where the vendor
/// reads that too, in UTC, as most do.
fn time<'a>(event: &Event<'a>) -> (i64, Cow<'a, str>) {
    let quoted = event.get("timestamp").quoted().unwrap_or_default();
    match (parse_iso8601_us(quoted), std::str::from_utf8(quoted)) {
        (Some(time_us), Ok(text)) if is_plain(text) => (time_us.div_euclid(1_000), Cow::Borrowed(text)),
        _ => (event.timestamp_ms(), Cow::Owned(format_iso8601(event.timestamp_ms()))),
    }
}

/// Whether a time is written as `2023-11-14T22:13:20.000Z`, with up to three decimals. The vendor may
/// know no leap seconds.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_whole = (20..=24).contains(&bytes.len()) && bytes[10] == b'T' && bytes[16] == b':';
    is_whole && bytes[17] < b'6' && matches!(bytes[19], b'.' | b'Z') && text.ends_with('Z')
}

/// The messageId; by the operator's choice the order's id, by which the vendor finds the order that is
/// cancelled or refunded.
fn unique_id<'a>(klaviyo: &Klaviyo, event: &Event<'a>, title: &Title<'_>) -> Id<'a> {
    let is_order = title.shop.is_some_and(|shop| matches!(shop.is, Act::Purchase | Act::Order));
    let order_id = is_order && klaviyo.order_unique_id == OrderUniqueId::OrderId;
    let of_order = order_id.then(|| Id::of(event.properties().child("order_id"))).flatten();
    of_order.unwrap_or(Id::message(event))
}
