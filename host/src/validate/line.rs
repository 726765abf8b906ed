//! An event as a plugin's author has it in a file, for trying a plugin out.

use bytes::Bytes;

use super::fields::Text;
use super::time;
use super::times::read_ms;
use super::write::Writer;
use crate::event::index::{Kind, View};
use crate::event::scan::{Bounds, canonical};
use crate::event::{Event, EventKind, MessageId};

/// Reads one JSON object as an event. Nothing is required but a known `type`, and nothing is
/// changed: only where there is no `timestamp`, one is added from `originalTimestamp` or `now_ms`.
/// The identity is its `messageId`, or the given one; when it was received, its `receivedAt` or
/// `now_ms` (milliseconds since 1970).
///
/// # Errors
/// A sentence for the author: the line is no JSON, no object, or has no known `type`.
pub fn event_from_line(line: &[u8], message_id: &str, now_ms: u64) -> Result<Event, String> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let made = canonical(line, &Bounds::STORED).map_err(|error| error.to_string())?;
    let root = View::new(&made.json, &made.index).root();
    if root.kind() != Kind::Object {
        return Err("not a JSON object".into());
    }
    let member = |name| root.member(name);
    let kind = member("type").and_then(|kind| EventKind::from_name(&kind.as_str()?));
    let kind =
        kind.ok_or_else(|| format!("`type` must be one of {}", EventKind::ALL.map(EventKind::as_str).join(", ")))?;
    let message_id = match Text::of(member("messageId")) {
        Some(text) => MessageId::from(&*text.as_str()),
        None => MessageId::from(message_id),
    };
    let received_ms = member("receivedAt").and_then(|received| read_ms(&received));
    let received_ms = received_ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(now_ms);
    let timed = member("timestamp").is_some_and(|time| time.kind() != Kind::Null);
    let (json, index) = match timed {
        true => (made.json, made.index),
        false => with_timestamp(View::new(&made.json, &made.index), now_ms),
    };
    let (json, index) = (Bytes::from(json), Bytes::from(index));
    Ok(Event { kind, message_id, received_ms, json, index })
}

fn with_timestamp(view: View<'_>, now_ms: u64) -> (Vec<u8>, Vec<u8>) {
    let original = view.get(&["originalTimestamp"]).filter(|time| read_ms(time).is_some());
    let timestamp = match original {
        Some(original) if original.kind() == Kind::String => Text::Sent(original),
        Some(original) => Text::owned(time::format(read_ms(&original).unwrap_or_default())),
        None => Text::owned(time::format(i64::try_from(now_ms).unwrap_or(i64::MAX))),
    };
    let (mut json, mut index) = (Vec::new(), Vec::new());
    let (mut writer, root) = Writer::begin(&mut json, &mut index);
    for member in view.root().children().filter(|member| !member.key_is("timestamp")) {
        writer.run(&member.run_to(&member));
    }
    writer.text("timestamp", &timestamp);
    writer.finish(root);
    (json, index)
}
