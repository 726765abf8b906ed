//! The requests of a batch: one for each event source, id and test code.

use switchyard_sdk::Positions;
use switchyard_sdk::bindings::types;
use switchyard_sdk::prelude::*;

use crate::name::{Refusal, Title, title};
use crate::record;
use crate::rules::{BODY_BYTES_MAX, SHARED_BYTES_MAX};
use crate::settings::TikTok;
use crate::source::Route;

/// Bytes of an order with some products: room is made for as many, so that a body need not move.
const EVENT_BYTES: usize = 1_500;

/// Plans a batch.
pub fn plan(tiktok: &TikTok, batch: &Batch, plan: &mut Plan) {
    let mut groups = Groups::with_capacity(batch.len());
    let mut titles = Vec::with_capacity(batch.len());
    for event in batch.iter() {
        let route = Route::of(tiktok, &event);
        let title = title(tiktok, &event, route.source).and_then(|title| {
            // A body's beginning is the key of what shares it.
            groups.try_add(event.position(), |key| {
                let mut json = JsonWriter::append_to(std::mem::take(key));
                let written = route.write_head(tiktok, &mut json);
                *key = json.into_bytes();
                written.map_err(|reason| Refusal::Reject(reason.into()))
            })?;
            Ok(title)
        });
        match title {
            Ok(title) => titles.push(Some(title)),
            Err(refusal) => {
                titles.push(None);
                refusal.into_fate(&event, plan);
            }
        }
    }
    for (head, positions) in groups.iter() {
        requests(tiktok, batch, head, positions, &titles, plan);
    }
}

/// The requests of events that share the beginning of their body.
fn requests(
    tiktok: &TikTok,
    batch: &Batch,
    head: &[u8],
    positions: Positions<'_>,
    titles: &[Option<Title<'_>>],
    plan: &mut Plan,
) {
    let mut left = positions.clone().count();
    let mut positions = positions.peekable();
    while positions.peek().is_some() {
        let mut covers = Vec::with_capacity(left);
        let mut body = Body::new(head, left * EVENT_BYTES);
        while let Some(position) = positions.peek().copied() {
            let event = batch.event(position);
            let title = titles[position as usize].as_ref().expect("an event of a group has a title");
            let before = body.bytes();
            let written = body.event(|json| record::write(tiktok, &event, title, batch.now_ms(), json));
            if !covers.is_empty() && body.bytes() > SHARED_BYTES_MAX {
                body.take_back(before);
                break;
            }
            let is_small = body.bytes() <= BODY_BYTES_MAX;
            match written {
                Ok(()) if is_small => covers.push(position),
                Ok(()) => plan.reject(&event, "properties: make the event larger than the 1 MB of a request"),
                Err(reason) => plan.reject(&event, reason),
            }
            if covers.last() != Some(&position) {
                body.take_back(before);
            }
            positions.next();
            left -= 1;
        }
        if !covers.is_empty() {
            body.plan(tiktok, covers, plan);
        }
    }
}

/// The request with some of the events of a refused one, as a judgement takes it.
pub fn part(tiktok: &TikTok, head: &[u8], events: &[&[u8]], covers: &[u32]) -> Vec<types::Request> {
    let mut body = Body::new(head, 0);
    for event in events {
        body.line(event);
    }
    let mut plan = Plan::new();
    body.plan(tiktok, covers.to_vec(), &mut plan);
    plan.finish(Batch::new(0, Vec::new(), Vec::new())).requests
}

/// A body: the head, and a line for each event.
struct Body {
    json: JsonWriter,
    head_bytes: usize,
}

impl Body {
    const CLOSING: &[u8] = b"]}";

    /// One that begins so, with room for so many bytes of events.
    fn new(head: &[u8], bytes: usize) -> Body {
        let mut json = JsonWriter::with_capacity(head.len() + bytes.min(SHARED_BYTES_MAX + EVENT_BYTES));
        json.verbatim(head);
        Body { json, head_bytes: head.len() }
    }

    /// What it will have when it is closed.
    fn bytes(&self) -> usize {
        self.json.len() + Body::CLOSING.len()
    }

    fn begin_line(&mut self) {
        self.json.verbatim(if self.json.len() == self.head_bytes { b"\n" } else { b",\n" });
    }

    /// An event that is written already.
    fn line(&mut self, event: &[u8]) {
        self.begin_line();
        self.json.verbatim(event);
    }

    /// An event whose members `write` writes.
    fn event<E>(&mut self, write: impl FnOnce(&mut JsonWriter) -> Result<(), E>) -> Result<(), E> {
        self.begin_line();
        self.json.verbatim(b"{");
        let written = write(&mut self.json);
        self.json.verbatim(b"}");
        written
    }

    /// Leaves out what is behind so many bytes of [`Body::bytes`].
    fn take_back(&mut self, bytes: usize) {
        self.json.truncate(bytes - Body::CLOSING.len());
    }

    /// Plans the request. Its key is always the same, so that any part of it is found again when its
    /// events are planned anew.
    fn plan(mut self, tiktok: &TikTok, covers: Vec<u32>, plan: &mut Plan) {
        let request = plan.post(tiktok.url.as_str()).key("track");
        let tag_bytes = if covers.len() > 1 { self.json.len() } else { self.head_bytes };
        request.tag(&self.json.as_bytes()[..tag_bytes]);
        self.json.verbatim(Body::CLOSING);
        request.json(self.json).covers(covers).secret_header("Access-Token", &tiktok.access_token);
    }
}
