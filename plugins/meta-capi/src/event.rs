//! One record of a request: an event with its time, its place, its user and what happened. Source:
//! developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event.

use switchyard_sdk::prelude::*;

use crate::choices::WhenDenied;
use crate::names::{self, Named};
use crate::origin::{self, Origin};
use crate::rules::{AGE_S_MAX, ActionSource, STORE_AGE_S_MAX, WAY_S};
use crate::said::{Said, Term};
use crate::settings::Meta;
use crate::{app, custom, privacy, user};

/// An event that can be sent, as far as can be told before it is written.
pub struct Record<'e, 'a> {
    meta: &'e Meta,
    event: &'e Event<'a>,
    named: Named<'e>,
    said: Said<'a>,
    origin: Origin<'a>,
    time_s: i64,
    not_after_ms: i64,
}

impl<'e, 'a> Record<'e, 'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Why it is not sent.
    pub fn of(meta: &'e Meta, event: &'e Event<'a>, now_ms: u64) -> Result<Record<'e, 'a>, Refusal> {
        let named = names::of(meta, event)?;
        if meta.when_denied == WhenDenied::Skip && privacy::is_denied(meta, event) {
            return Err(Refusal::Skip("context.consent: the user denied the purpose of the setting consent_purpose"));
        }
        let said = Said::of(event);
        let origin = Origin::of(meta, event, &said)?;
        let (time_s, not_after_ms) = times(event, origin.source, now_ms)?;
        Ok(Record { meta, event, named, said, origin, time_s, not_after_ms })
    }

    /// When it is too old to be sent: milliseconds since 1970.
    pub fn not_after_ms(&self) -> u64 {
        self.not_after_ms as u64
    }

    /// Whether it is of an app.
    pub fn is_of_app(&self) -> bool {
        self.origin.source == ActionSource::App
    }

    /// Writes it.
    ///
    /// # Errors
    /// What is missing.
    pub fn write(&self, json: &mut JsonWriter) -> Result<(), &'static str> {
        let Record { meta, event, named, said, origin, .. } = self;
        json.begin_object();
        json.member(key!("event_name"), &*named.name);
        json.member(key!("event_time"), self.time_s);
        match said.get(Term::EventId).and_then(|value| value.as_filled_text()) {
            Some(id) => json.member(key!("event_id"), id.trim()),
            None => json.member(key!("event_id"), event.message_id()),
        }
        json.member(key!("action_source"), origin.source.name());
        if let Some(url) = origin.url {
            json.member(key!("event_source_url"), url);
        }
        if let Some(referrer) = origin::referrer(event) {
            json.member(key!("referrer_url"), referrer);
        }
        if let Some(channel) = origin.channel.filter(|_| origin.source == ActionSource::BusinessMessaging) {
            json.member(key!("messaging_channel"), channel);
        }
        privacy::write(meta, event, said, json);
        user::write(meta, event, origin, said, json)?;
        custom::write(meta, event, named.rule, json)?;
        if let Some(system) = origin.system.filter(|_| self.is_of_app()) {
            app::write(event, said, system, json);
        }
        write_original(said, json);
        json.end_object();
        Ok(())
    }
}

/// When it happened, in seconds, and when it is too old, in milliseconds. What is to happen yet has happened
/// when the host had it: a sender's clock was fast.
fn times(event: &Event<'_>, source: ActionSource, now_ms: u64) -> Result<(i64, i64), Refusal> {
    let time_ms = event.timestamp_ms().min(event.received_ms() as i64);
    let age_s_max = if source == ActionSource::PhysicalStore { STORE_AGE_S_MAX } else { AGE_S_MAX };
    let not_after_ms = time_ms + (age_s_max - WAY_S) * 1_000;
    if now_ms as i64 <= not_after_ms {
        return Ok((time_ms.div_euclid(1_000), not_after_ms));
    }
    Err(Refusal::Reject(match source {
        ActionSource::PhysicalStore => "timestamp: is more than 62 days ago, and the vendor refuses what is older",
        _ => "timestamp: is more than 7 days ago, and the vendor refuses what is older",
    }))
}

/// The event that a later one belongs to. Source:
/// developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/original-event.
fn write_original(said: &Said<'_>, json: &mut JsonWriter) {
    let Some(original) = said.get(Term::OriginalEvent).filter(Value::is_object) else { return };
    let before = json.len();
    json.member_key(key!("original_event_data"));
    json.begin_object();
    let empty = json.len();
    for key in [key!("event_name"), key!("order_id"), key!("event_id")] {
        if let Some(text) = original.child(key.name()).as_filled_text() {
            json.member(key, text.trim());
        }
    }
    if let Some(time_s) = original.child("event_time").as_i64().filter(|time_s| *time_s > 0) {
        json.member(key!("event_time"), time_s);
    }
    let is_empty = json.len() == empty;
    json.end_object();
    if is_empty {
        json.truncate(before);
    }
}
