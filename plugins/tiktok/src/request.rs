//! The requests of a batch: one for each event source, id and test code.

use switchyard_sdk::Positions;
use switchyard_sdk::prelude::*;
use switchyard_sdk::text::cut;

use crate::name::{Refusal, Title, title};
use crate::record;
use crate::rules::{BODY_BYTES_MAX, EVENTS_MAX, TAG_CHARACTERS_MAX};
use crate::settings::TikTok;
use crate::source::Route;

/// Bytes of an order with some products: room is made for as many, so that a body need not move.
const EVENT_BYTES: usize = 1_500;
/// What stands behind the last event.
const CLOSING: &[u8] = b"]}";

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
    while let Some(first) = positions.peek().copied() {
        let mut covers = Vec::with_capacity(left.min(EVENTS_MAX));
        let mut json = JsonWriter::with_capacity(head.len() + (left * EVENT_BYTES).min(BODY_BYTES_MAX + EVENT_BYTES));
        json.verbatim(head);
        let mut not_after_ms = u64::MAX;
        while let Some(position) = positions.peek().copied().filter(|_| covers.len() < EVENTS_MAX) {
            let event = batch.event(position);
            let title = titles[position as usize].as_ref().expect("an event of a group has a title");
            let before = json.len();
            json.begin_object();
            let written = record::write(tiktok, &event, title, batch.now_ms(), &mut json);
            json.end_object();
            let is_small = json.len() + CLOSING.len() <= BODY_BYTES_MAX;
            if !is_small && !covers.is_empty() {
                json.truncate(before);
                break;
            }
            match written {
                Ok(event_not_after_ms) if is_small => {
                    covers.push(position);
                    not_after_ms = not_after_ms.min(event_not_after_ms);
                }
                Ok(_) => plan.reject(&event, "properties: make the event larger than the 1 MB of a request"),
                Err(reason) => plan.reject(&event, reason),
            }
            if covers.last() != Some(&position) {
                json.truncate(before);
            }
            positions.next();
            left -= 1;
        }
        if covers.is_empty() {
            break;
        }
        json.verbatim(CLOSING);
        let request = plan.post(tiktok.url.as_str()).key("track");
        request.json(json).covers(covers).secret_header("Access-Token", &tiktok.access_token).not_after(not_after_ms);
        if let Some(id) = Route::of(tiktok, &batch.event(first)).foreign_id(tiktok) {
            request.tag(cut(&id, TAG_CHARACTERS_MAX).as_bytes());
        }
    }
}
