//! The members of an item that mean something to the host, and the copying of the rest.

use std::borrow::Cow;
use std::collections::HashSet;

use super::item::Refusal;
use super::write::Writer;
use crate::event::index::{Kind, Value, View};

/// A text that an event has, or that is made for it.
#[derive(Clone)]
pub(super) enum Text<'a> {
    /// A string of the item.
    Sent(Value<'a>),
    /// What the host, a batch or a number says.
    Made(Cow<'a, str>),
}

impl<'a> Text<'a> {
    /// The text of a field: a string that is not blank, or a number as it was written. All else
    /// counts as absent.
    pub fn of(value: Option<Value<'a>>) -> Option<Text<'a>> {
        let value = value?;
        match value.kind() {
            Kind::String if value.raw_str()?.trim_ascii().is_empty() => None,
            Kind::String => Some(Text::Sent(value)),
            Kind::Number => Some(Text::Made(Cow::Borrowed(value.as_number()?))),
            _ => None,
        }
    }

    /// A text that needs no copy.
    pub fn borrowed(text: &'a str) -> Text<'a> {
        Text::Made(Cow::Borrowed(text))
    }

    /// A text that was made for this event.
    pub fn owned(text: String) -> Text<'static> {
        Text::Made(Cow::Owned(text))
    }

    pub fn as_str(&self) -> Cow<'_, str> {
        match self {
            Text::Sent(value) => value.as_str().unwrap_or_default(),
            Text::Made(text) => Cow::Borrowed(text),
        }
    }
}

/// An item's members by name. What is absent, or no text where a text is needed, is `None`.
pub(super) struct Fields<'a> {
    pub kind: Option<Value<'a>>,
    pub message_id: Option<Value<'a>>,
    pub event: Option<Text<'a>>,
    pub group_id: Option<Text<'a>>,
    pub previous_id: Option<Text<'a>>,
    pub user_id: Option<Text<'a>>,
    pub anonymous_id: Option<Text<'a>>,
    pub timestamp: Option<Value<'a>>,
    pub original_timestamp: Option<Value<'a>>,
    pub sent_at: Option<Value<'a>>,
    pub write_key: Option<Value<'a>>,
    pub context: Option<Value<'a>>,
    pub integrations: Option<Value<'a>>,
    own_repairs: Option<Value<'a>>,
    /// First and last of each row of members that are copied as they stand.
    others: Vec<(Value<'a>, Value<'a>)>,
}

impl<'a> Fields<'a> {
    /// Sorts the members of an item.
    pub fn of(view: View<'a>) -> Result<Fields<'a>, Refusal> {
        if view.root().kind() != Kind::Object {
            return Err(("not_an_object", "the item is not a JSON object".into()));
        }
        let mut fields = Fields::none();
        let mut row: Option<(Value<'a>, Value<'a>)> = None;
        for member in view.root().children() {
            if fields.take(member) {
                fields.others.extend(row.take());
            } else {
                row = Some((row.map_or(member, |(first, _)| first), member));
            }
        }
        fields.others.extend(row);
        Ok(fields)
    }

    fn none() -> Fields<'a> {
        Fields {
            kind: None,
            message_id: None,
            event: None,
            group_id: None,
            previous_id: None,
            user_id: None,
            anonymous_id: None,
            timestamp: None,
            original_timestamp: None,
            sent_at: None,
            write_key: None,
            context: None,
            integrations: None,
            own_repairs: None,
            others: Vec::new(),
        }
    }

    /// Whether the host writes this member itself, or leaves it out.
    fn take(&mut self, member: Value<'a>) -> bool {
        let text = |slot: &mut Option<Text<'a>>| {
            *slot = Text::of(Some(member));
            slot.is_some()
        };
        let key = match member.has_escaped_key() {
            true => member.key().map(|key| Cow::Owned(key.into_owned().into_bytes())),
            false => member.raw_key().map(Cow::Borrowed),
        };
        let slot = match key.as_deref().unwrap_or_default() {
            b"event" => return text(&mut self.event),
            b"groupId" => return text(&mut self.group_id),
            b"previousId" => return text(&mut self.previous_id),
            b"userId" => return text(&mut self.user_id),
            b"anonymousId" => return text(&mut self.anonymous_id),
            b"type" => &mut self.kind,
            b"messageId" => &mut self.message_id,
            b"timestamp" => &mut self.timestamp,
            b"originalTimestamp" => &mut self.original_timestamp,
            b"sentAt" => &mut self.sent_at,
            b"receivedAt" => return true,
            b"writeKey" => &mut self.write_key,
            b"context" => &mut self.context,
            b"integrations" => &mut self.integrations,
            b"_switchyard" => &mut self.own_repairs,
            _ => return false,
        };
        *slot = Some(member);
        true
    }

    /// Writes the texts that stand at an event's front, behind its messageId.
    pub fn write_ids(&self, writer: &mut Writer<'_>) {
        for (key, text) in [
            ("event", &self.event),
            ("groupId", &self.group_id),
            ("previousId", &self.previous_id),
            ("userId", &self.user_id),
            ("anonymousId", &self.anonymous_id),
        ] {
            if let Some(text) = text {
                writer.text(key, text);
            }
        }
    }

    /// Copies the members that mean nothing to the host; an earlier host's record of repairs too,
    /// unless this one writes its own.
    pub fn write_others(&self, writer: &mut Writer<'_>, own_record: bool) {
        for (first, last) in &self.others {
            writer.run(&first.run_to(last));
        }
        if let (Some(record), false) = (&self.own_repairs, own_record) {
            writer.run(&record.run_to(record));
        }
    }
}

/// What becomes of one object of an event.
pub(super) struct Merge<'a> {
    /// The item's own.
    pub own: Option<Value<'a>>,
    /// What stands beside the items.
    pub of_batch: Option<Value<'a>>,
    /// The sender's address, as `ip`.
    pub ip: Option<&'a str>,
}

impl Merge<'_> {
    /// Writes a member of the item together with what the batch (and the connection, an address)
    /// adds to it: members that it has itself win. What is no object is left as it is.
    pub fn write(&self, key: &str, writer: &mut Writer<'_>) {
        let own = self.own;
        let absent = own.is_none_or(|own| own.kind() == Kind::Null);
        let object = own.filter(|own| own.kind() == Kind::Object);
        let has = |key: &str| object.is_some_and(|own| own.member(key).is_some());
        let added = self.of_batch.map(|of_batch| missing(object, of_batch)).unwrap_or_default();
        let ip = self.ip.filter(|_| !has("ip") && !added.iter().any(|child| child.key_is("ip")));
        if (!absent && object.is_none()) || (added.is_empty() && ip.is_none()) {
            if let Some(own) = own {
                writer.run(&own.run_to(&own));
            }
            return;
        }
        let open = writer.open(key);
        if let Some(own) = object {
            let mut children = own.children();
            if let Some(first) = children.next() {
                writer.run(&first.run_to(&children.last().unwrap_or(first)));
            }
        }
        for child in added {
            writer.run(&child.run_to(&child));
        }
        if let Some(ip) = ip {
            writer.text("ip", &Text::borrowed(ip));
        }
        writer.close(open);
    }
}

/// The members of the batch's object that the item's own object does not have.
fn missing<'a>(own: Option<Value<'a>>, of_batch: Value<'a>) -> Vec<Value<'a>> {
    // A set: both may have thousands of members.
    let own: HashSet<Cow<'_, str>> = own.iter().flat_map(Value::children).filter_map(|child| child.key()).collect();
    let of_batch = of_batch.children();
    of_batch.filter(|child| child.key().is_some_and(|key| !own.contains(&key))).collect()
}
