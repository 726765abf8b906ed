//! An event as the vendor takes it: an element of `data`. Source: portal/docs?id=1771100865818625.

use std::borrow::Cow;

use switchyard_sdk::prelude::*;

use crate::members::{Context, Lead, Own, Properties};
use crate::name::Title;
use crate::page::Page;
use crate::settings::TikTok;
use crate::source::Source;
use crate::user::Person;
use crate::values::{is_said, object, text};
use crate::{app, options, properties};

/// Writes the members of an event, and says when it is too old to be sent: milliseconds since 1970.
///
/// # Errors
/// Why it cannot be sent; what was written is to be taken back.
pub fn write(
    tiktok: &TikTok,
    event: &Event<'_>,
    title: &Title<'_>,
    now_ms: u64,
    json: &mut JsonWriter,
) -> Result<u64, Cow<'static, str>> {
    let time_s = event_time_s(event, now_ms);
    let not_after_s = not_after_s(tiktok, title.source, time_s, now_ms)?;
    let own = options::of(event).map(Own::of).unwrap_or_default();
    let given = Properties::of(event.properties());
    let context = Context::of(event.context());
    let page = Page::of(event, context.page, &given);
    json.member(key!("event"), &*title.name);
    json.member(key!("event_time"), time_s);
    match given.event_id.filter(is_said) {
        Some(id) => text(key!("event_id"), Some(id), json),
        None => json.member(key!("event_id"), event.message_id()),
    }
    let mut is_known = false;
    object(key!("user"), json, |json| {
        let person = Person { event, own: &own, properties: &given, context: &context };
        is_known |= person.write(tiktok, &page, json);
        if title.source == Source::App {
            is_known |= app::Device::of(&own, event.properties(), &context).write(tiktok, json);
        }
    });
    match title.source {
        Source::App => {
            app::write(tiktok, &context, json)?;
            app::write_ad(own.ad.unwrap_or(event.properties()), json);
        }
        Source::Crm => is_known |= lead(own.lead.unwrap_or(event.properties()), json),
        Source::Web | Source::Offline => {}
    }
    if !is_known {
        return Err("userId: is missing, and so is anything else by which the vendor knows people".into());
    }
    if title.source != Source::App {
        page.write(json);
    }
    properties::write(tiktok, event, &given, title.worth, json);
    if let Some(is_limited) = limited_data_use(tiktok, event, own.limited_data_use.or(given.limited_data_use)) {
        json.member(key!("limited_data_use"), is_limited);
    }
    Ok(not_after_s as u64 * 1_000)
}

/// How old an event may be, and what is said of an older one.
#[derive(Clone, Debug)]
pub struct Age {
    seconds_max: i64,
    reason: String,
}

impl Age {
    /// So many days, by that setting.
    pub fn days(days: u32, setting: &str) -> Age {
        let reason = format!("timestamp: is too old, the setting {setting} is {days}");
        Age { seconds_max: i64::from(days) * 86_400, reason }
    }
}

/// Seconds since 1970. A time to come is a clock that is wrong: the time of receipt is nearer.
fn event_time_s(event: &Event<'_>, now_ms: u64) -> i64 {
    let time_s = event.timestamp_s();
    if time_s > (now_ms / 1_000) as i64 { (event.received_ms() / 1_000) as i64 } else { time_s }
}

/// When an event is too old: seconds since 1970.
fn not_after_s(tiktok: &TikTok, source: Source, time_s: i64, now_ms: u64) -> Result<i64, Cow<'static, str>> {
    let age = match source {
        Source::Web | Source::App => &tiktok.age,
        Source::Offline | Source::Crm => &tiktok.offline_age,
    };
    let not_after_s = time_s + age.seconds_max;
    if (now_ms / 1_000) as i64 > not_after_s {
        return Err(Cow::Owned(age.reason.clone()));
    }
    Ok(not_after_s)
}

/// Writes `lead`, what a sales system knows. Whether the vendor can know the person by it.
fn lead(lead: Value<'_>, json: &mut JsonWriter) -> bool {
    let lead = Lead::of(lead);
    object(key!("lead"), json, |json| {
        text(key!("lead_id"), lead.lead_id, json);
        text(key!("lead_event_source"), lead.lead_event_source, json);
    });
    lead.lead_id.is_some_and(|id| is_said(&id))
}

/// Whether the vendor is to limit what it does with an event. None: nobody says. One who says so is
/// enough. Source: portal/docs?id=1771101204435970.
fn limited_data_use(tiktok: &TikTok, event: &Event<'_>, said: Option<Value<'_>>) -> Option<bool> {
    let is_denied = event.consent(&tiktok.limited_data_use_purpose) == Some(false);
    if tiktok.limited_data_use || is_denied { Some(true) } else { said.and_then(|said| said.as_bool()) }
}
