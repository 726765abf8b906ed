//! A request to /users/track on its way: filled piece by piece, cut at the vendor's bounds, and then
//! written list by list, so that the body is written once.

use switchyard_sdk::prelude::*;

use crate::draft::{Draft, Shape, Store};
use crate::rest::Rest;
use crate::rules::{BODY_BYTES_MAX, OBJECT_BYTES};
use crate::settings::Braze;
use crate::tag::{self, Counts};
use crate::{events, purchases, recommended};

/// The objects of one event that go into one request.
#[derive(Clone, Copy)]
struct Piece {
    /// The place of its draft.
    draft: usize,
    counts: Counts,
    /// The number of its first purchase in the order.
    first_purchase: usize,
}

/// Where all requests of a batch go, and what they are made of.
pub struct Track<'t, 'a> {
    pub braze: &'t Braze,
    pub batch: &'a Batch,
    pub drafts: &'t [Draft<'a>],
    pub store: &'t Store<'a>,
    pub lane: &'t str,
}

/// A request.
pub struct Body<'t, 'a> {
    track: Track<'t, 'a>,
    pieces: Vec<Piece>,
    counts: Counts,
    /// At most so many bytes.
    bytes: usize,
    rest: Rest<'a>,
}

impl<'t, 'a> Body<'t, 'a> {
    /// Nothing yet.
    pub fn new(track: Track<'t, 'a>) -> Body<'t, 'a> {
        Body { track, pieces: Vec::new(), counts: Counts::default(), bytes: 0, rest: Rest::new() }
    }

    /// Makes room for the objects of one user where they fit into a request of their own: the vendor keeps
    /// no order between requests.
    pub fn make_room(&mut self, counts: Counts, plan: &mut Plan) {
        if !self.fits(self.counts.plus(counts)) && self.fits(counts) {
            self.finish(plan);
        }
    }

    /// Adds an event's objects. Those of an order that is too large for one request get requests of their
    /// own, each with a key of its own, so that the same event planned again gives the same.
    pub fn add(&mut self, draft: usize, plan: &mut Plan) {
        let counts = self.track.drafts[draft].counts;
        if self.fits(counts) {
            return self.push(Piece { draft, counts, first_purchase: 0 }, plan);
        }
        self.finish(plan);
        let (mut left, mut part) = (counts, 1);
        while left.sum() > 0 {
            let taken = self.share(left);
            self.pieces.push(Piece { draft, counts: taken, first_purchase: counts.purchases - left.purchases });
            let key = if part == 1 { "track".to_string() } else { format!("track-{part}") };
            self.finish_as(&key, plan);
            left = left.minus(taken);
            part += 1;
        }
    }

    /// As many of these objects as one request takes.
    fn share(&self, left: Counts) -> Counts {
        let max = self.track.braze.objects_max;
        let room = |before: usize| if self.track.braze.limit_each_kind { max } else { max - before };
        let attributes = left.attributes.min(max);
        let events = left.events.min(room(attributes));
        let purchases = left.purchases.min(room(attributes + events));
        Counts { attributes, events, purchases }
    }

    fn push(&mut self, piece: Piece, plan: &mut Plan) {
        let bytes = piece.counts.sum() * (self.track.drafts[piece.draft].bytes + OBJECT_BYTES);
        let is_full = !self.fits(self.counts.plus(piece.counts)) || self.bytes + bytes > BODY_BYTES_MAX;
        if is_full {
            self.finish(plan);
        }
        self.pieces.push(piece);
        self.counts = self.counts.plus(piece.counts);
        self.bytes += bytes;
    }

    fn fits(&self, counts: Counts) -> bool {
        let max = self.track.braze.objects_max;
        let Counts { attributes, events, purchases } = counts;
        if self.track.braze.limit_each_kind {
            return attributes <= max && events <= max && purchases <= max;
        }
        counts.sum() <= max
    }

    /// The request of what was added, if anything was. There is nothing in it then.
    pub fn finish(&mut self, plan: &mut Plan) {
        self.finish_as("track", plan);
    }

    fn finish_as(&mut self, key: &str, plan: &mut Plan) {
        let pieces = std::mem::take(&mut self.pieces);
        (self.counts, self.bytes) = (Counts::default(), 0);
        if pieces.is_empty() {
            return;
        }
        let mut covers = Vec::with_capacity(pieces.len());
        let mut tag = Vec::with_capacity(pieces.len() * 5);
        for piece in &pieces {
            covers.push(self.track.drafts[piece.draft].position);
            tag::push(&mut tag, piece.counts);
        }
        let Track { braze, lane, .. } = self.track;
        let json = self.write(&pieces);
        plan.post(&braze.track_url).key(key).json(json).bearer(&braze.api_key).covers(covers).lane(lane).tag(&tag);
    }

    fn write(&mut self, pieces: &[Piece]) -> JsonWriter {
        let Body { track, rest, .. } = self;
        let Track { braze, batch, drafts, store, .. } = *track;
        let event = |piece: &Piece| batch.event(drafts[piece.draft].position);
        let mut json = JsonWriter::new();
        json.begin_object();
        list(
            key!("attributes"),
            pieces,
            |counts| counts.attributes,
            &mut json,
            |piece, json| {
                json.raw(&store.attributes.as_bytes()[drafts[piece.draft].attributes.clone()]);
            },
        );
        list(
            key!("events"),
            pieces,
            |counts| counts.events,
            &mut json,
            |piece, json| {
                let Draft { who, shape, .. } = &drafts[piece.draft];
                match shape {
                    Shape::Recommended(rule) => recommended::write(braze, &event(piece), rule, who, json),
                    Shape::Custom => events::write(braze, &event(piece), who, json),
                    Shape::Nothing | Shape::Order => {}
                }
            },
        );
        list(
            key!("purchases"),
            pieces,
            |counts| counts.purchases,
            &mut json,
            |piece, json| {
                let Draft { who, bought, .. } = &drafts[piece.draft];
                let numbers = piece.first_purchase..piece.first_purchase + piece.counts.purchases;
                purchases::write(braze, &event(piece), who, &store.bought[bought.clone()], numbers, rest, json);
            },
        );
        json.end_object();
        json
    }
}

/// A list, unless nothing is in it.
fn list(
    key: Key,
    pieces: &[Piece],
    count: fn(Counts) -> usize,
    json: &mut JsonWriter,
    mut write: impl FnMut(&Piece, &mut JsonWriter),
) {
    let mut own = pieces.iter().filter(|piece| count(piece.counts) > 0).peekable();
    if own.peek().is_none() {
        return;
    }
    json.member_key(key);
    json.begin_array();
    own.for_each(|piece| write(piece, json));
    json.end_array();
}
