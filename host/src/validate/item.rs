//! One item of a body: the rules it must meet, and the form in which it is stored.
//!
//! An event is written as: type, messageId, event, groupId, previousId, userId, anonymousId,
//! timestamp, originalTimestamp, receivedAt, sentAt; then its other members in their order; then
//! context and integrations, which the batch may add to; then `_switchyard`, where something was
//! repaired. What all plugins read stands at the front.

use std::ops::Range;

use bytes::Bytes;

use super::batch::{Broken, Piece, Read};
use super::fields::{Fields, Merge, Text};
use super::times::{Received, Times};
use super::write::{Writer, Written};
use super::{Facts, Form, Limits, Rejection};
use crate::event::index::{Kind, Value};
use crate::event::scan::Repairs;
use crate::event::{Event, EventKind, MessageId};

/// A reason, for counting and for a person.
pub(super) type Refusal = (&'static str, String);

/// An accepted item, until all of its body are written.
pub(super) struct Draft {
    kind: EventKind,
    message_id: Identity,
    written: Written,
    write_key: Option<String>,
    pub repairs: Repairs,
}

enum Identity {
    /// Stands in the list of JSON bytes, without escapes.
    At(Range<usize>),
    Apart(String),
}

impl Draft {
    /// The event, as a part of the finished lists.
    pub fn into_event(self, json: &Bytes, index: &Bytes, ms: u64) -> (Event, Option<String>) {
        let message_id = match self.message_id {
            Identity::At(range) => json.slice(range),
            Identity::Apart(text) => Bytes::from(text),
        };
        let event = Event {
            kind: self.kind,
            message_id: MessageId::from_utf8(message_id),
            received_ms: ms,
            json: json.slice(self.written.json),
            index: index.slice(self.written.index),
        };
        (event, self.write_key)
    }
}

impl From<Broken> for Rejection {
    fn from(broken: Broken) -> Rejection {
        let Broken { code, message } = broken;
        Rejection { index: 0, message_id: None, code, message }
    }
}

/// Checks the items of one body.
pub(super) struct Checker<'a, 'f> {
    read: &'a Read<'a>,
    form: Form,
    facts: &'a mut Facts<'f>,
    limits: &'a Limits,
    received: Received,
    /// What stands beside the items of a batch.
    context: Option<Value<'a>>,
    integrations: Option<Value<'a>>,
    sent_at: Option<Value<'a>>,
    repairs_beside: Repairs,
}

impl<'a, 'f> Checker<'a, 'f> {
    pub fn new(read: &'a Read<'a>, form: Form, facts: &'a mut Facts<'f>, limits: &'a Limits) -> Checker<'a, 'f> {
        let received = Received::new(facts.received_ms);
        let pieces = [&read.context, &read.integrations, &read.sent_at];
        let mut repairs_beside = Repairs::NONE;
        pieces.into_iter().flatten().for_each(|piece| repairs_beside.add(piece.repairs));
        let [context, integrations, sent_at] = pieces.map(|piece| piece.as_ref().map(|piece| read.view(piece).root()));
        Checker { read, form, facts, limits, received, context, integrations, sent_at, repairs_beside }
    }

    /// Checks an item and, when it is an event, appends it to both lists.
    pub fn check(&mut self, piece: &Piece, json: &mut Vec<u8>, index: &mut Vec<u8>) -> Result<Draft, Rejection> {
        let mut repairs = piece.repairs;
        repairs.add(self.repairs_beside);
        let mut fields = Fields::of(self.read.view(piece)).map_err(unnamed)?;
        let message_id = self.message_id(&fields, &mut repairs).map_err(unnamed)?;
        let kind = self.kind(&fields).and_then(|kind| {
            if kind == EventKind::Alias && fields.previous_id.is_none() {
                // Who logs in was the visitor until then: MetaRouter's mobile SDKs leave it at that.
                fields.previous_id = fields.anonymous_id.clone();
            }
            required(kind, &fields).map(|()| kind)
        });
        let kind = kind.map_err(|(code, message)| Rejection {
            message_id: Some(message_id.as_str().into_owned()),
            ..unnamed((code, message))
        })?;
        let sent_at = fields.sent_at.filter(is_said).or(self.sent_at);
        let times = Times::of(&fields, sent_at, &self.received);
        if times.unreadable {
            repairs.add(Repairs::TIME);
        }
        if times.out_of_range {
            repairs.add(Repairs::TIME_RANGE);
        }

        let (mut writer, root) = Writer::begin(json, index);
        writer.text("type", &Text::borrowed(kind.as_str()));
        let at = writer.text("messageId", &message_id);
        let message_id = match at {
            Some(range) => Identity::At(range),
            None => Identity::Apart(message_id.as_str().into_owned()),
        };
        fields.write_ids(&mut writer);
        times.write(&self.received, &mut writer);
        fields.write_others(&mut writer, !repairs.is_empty());
        let context = Merge { own: fields.context, of_batch: self.context, ip: self.facts.ip };
        context.write("context", &mut writer);
        let (own, of_batch) = (fields.integrations, self.integrations);
        Merge { own, of_batch, ip: None }.write("integrations", &mut writer);
        write_repairs(repairs, &mut writer);
        let written = writer.finish(root);
        let write_key = match self.form {
            Form::Batch => fields.write_key.and_then(|key| Some(key.as_str()?.into_owned())),
            Form::Single(_) | Form::Typed => None,
        };
        Ok(Draft { kind, message_id, written, write_key, repairs })
    }

    fn message_id<'v>(&mut self, fields: &Fields<'v>, repairs: &mut Repairs) -> Result<Text<'v>, Refusal> {
        if let Some(message_id) = Text::of(fields.message_id) {
            let most = self.limits.message_id_chars_max;
            let text = message_id.as_str();
            if text.len() > most && text.chars().nth(most).is_some() {
                let message = format!("`messageId` has more than {most} characters");
                return Err(("message_id_too_long", message));
            }
            return Ok(message_id);
        }
        let blank = |value: &Value<'_>| !is_said(value) || value.kind() == Kind::String;
        if fields.message_id.is_some_and(|value| !blank(&value)) {
            repairs.add(Repairs::MESSAGE_ID);
        }
        Ok(Text::owned((self.facts.make_message_id)()))
    }

    fn kind(&self, fields: &Fields<'_>) -> Result<EventKind, Refusal> {
        if let Form::Single(kind) = self.form {
            return Ok(kind);
        }
        let Some(said) = fields.kind.filter(is_said) else {
            return Err(("missing_type", "`type` is missing".into()));
        };
        let name = said.as_str();
        name.as_deref().and_then(EventKind::from_name).ok_or_else(|| {
            let names = EventKind::ALL.map(EventKind::as_str).join(", ");
            ("unknown_type", format!("`type` is none of {names}"))
        })
    }
}

fn unnamed((code, message): Refusal) -> Rejection {
    Rejection { index: 0, message_id: None, code, message }
}

fn is_said(value: &Value<'_>) -> bool {
    value.kind() != Kind::Null
}

/// The fields that the Segment specification requires of a kind.
fn required(kind: EventKind, fields: &Fields<'_>) -> Result<(), Refusal> {
    let need = |field: &Option<Text<'_>>, code, name| match field {
        Some(_) => Ok(()),
        None => {
            let article = if matches!(kind, EventKind::Alias | EventKind::Identify) { "an" } else { "a" };
            Err((code, format!("{article} {kind} needs `{name}`")))
        }
    };
    match kind {
        EventKind::Track => need(&fields.event, "missing_event", "event")?,
        EventKind::Group => need(&fields.group_id, "missing_group_id", "groupId")?,
        EventKind::Alias => {
            need(&fields.previous_id, "missing_previous_id", "previousId")?;
            need(&fields.user_id, "missing_user_id", "userId")?;
        }
        EventKind::Identify | EventKind::Page | EventKind::Screen => {}
    }
    match (&fields.user_id, &fields.anonymous_id) {
        (None, None) => Err(("missing_id", "`userId` or `anonymousId` is needed".into())),
        _ => Ok(()),
    }
}

fn write_repairs(repairs: Repairs, writer: &mut Writer<'_>) {
    if repairs.is_empty() {
        return;
    }
    let open = writer.open("_switchyard");
    writer.texts("repairs", repairs.names());
    writer.close(open);
}
