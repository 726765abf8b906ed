//! The four times of an event.
//!
//! The sender's clock may be wrong, but it is wrong by the same amount when an event happens and
//! when it is sent: timestamp = receivedAt - (sentAt - originalTimestamp), as Segment documents.
//! Without sentAt nothing is corrected. A time that no event can have, after that, is replaced by the
//! time of arrival; originalTimestamp keeps what was said.

use super::fields::{Fields, Text};
use super::time;
use super::write::Writer;
use crate::event::index::{Kind, Value};

/// No event is older: 1980-01-01, in milliseconds since 1970. Clocks that were never set say 1970, and
/// some devices the day on which their clock begins, which is 1980 or before.
const EARLIEST_MS: i64 = 315_532_800_000;

/// How far ahead of its arrival an event may be: a day, in milliseconds. A clock that says another
/// time zone's time is wrong by up to 14 hours.
const AHEAD_MS_MAX: i64 = 24 * 60 * 60 * 1_000;

/// When a body was received.
pub(super) struct Received {
    ms: i64,
    text: Text<'static>,
}

impl Received {
    pub fn new(received_ms: u64) -> Received {
        let ms = i64::try_from(received_ms).unwrap_or(i64::MAX);
        Received { ms, text: Text::owned(time::format(ms)) }
    }
}

/// An event's times, as they are stored.
pub(super) struct Times<'a> {
    timestamp: Text<'a>,
    original: Text<'a>,
    sent: Option<Text<'a>>,
    /// A time was given that cannot be read.
    pub unreadable: bool,
    /// The time was none that an event can have.
    pub out_of_range: bool,
}

impl<'a> Times<'a> {
    /// `timestamp` is what the user said, where it is given: one SDK has the time of its own call
    /// in `originalTimestamp` then.
    pub fn of(fields: &Fields<'a>, sent_at: Option<Value<'_>>, received: &Received) -> Times<'a> {
        let mut unreadable = false;
        let mut read = |value: Option<Value<'_>>| {
            let value = value.filter(is_given)?;
            let ms = read_ms(&value);
            unreadable |= ms.is_none();
            ms
        };
        let said = [fields.timestamp, fields.original_timestamp];
        let said = said.into_iter().flatten().find_map(|value| Some((value, read(Some(value))?)));
        let sent_ms = read(sent_at);
        let (original, original_ms) = match said {
            Some((value, ms)) if value.kind() == Kind::String => (Text::Sent(value), ms),
            Some((_, ms)) => (Text::owned(time::format(ms)), ms),
            None => (Text::owned(time::format(received.ms)), received.ms),
        };
        let skew_ms = match (said, sent_ms) {
            (Some(_), Some(sent_ms)) => received.ms.saturating_sub(sent_ms),
            _ => 0,
        };
        let timestamp_ms = original_ms.saturating_add(skew_ms);
        let out_of_range = !(EARLIEST_MS..=received.ms.saturating_add(AHEAD_MS_MAX)).contains(&timestamp_ms);
        Times {
            timestamp: Text::owned(time::format(if out_of_range { received.ms } else { timestamp_ms })),
            original,
            sent: sent_ms.map(|ms| Text::owned(time::format(ms))),
            unreadable,
            out_of_range,
        }
    }

    pub fn write(&self, received: &Received, writer: &mut Writer<'_>) {
        writer.text("timestamp", &self.timestamp);
        writer.text("originalTimestamp", &self.original);
        writer.text("receivedAt", &received.text);
        if let Some(sent) = &self.sent {
            writer.text("sentAt", sent);
        }
    }
}

/// Null and blank texts say no time.
fn is_given(value: &Value<'_>) -> bool {
    match value.raw_str() {
        Some(text) => !text.trim_ascii().is_empty(),
        None => value.kind() != Kind::Null,
    }
}

/// The time that a value says: a text as [`time::parse`] reads it (and nobody escapes what a time is
/// made of), or a number of milliseconds.
pub(super) fn read_ms(value: &Value<'_>) -> Option<i64> {
    match value.kind() {
        Kind::String => time::parse(value.raw_str()?),
        Kind::Number => time::from_number(value.as_number()?),
        _ => None,
    }
}
