//! What an event becomes: how many objects in which list, and whether it joins two profiles.

use std::ops::Range;

use switchyard_sdk::prelude::*;

use crate::identity::{Who, user};
use crate::join::Join;
use crate::purchases::Purchase;
use crate::rules::Recommended;
use crate::settings::{AnonymousUsers, Braze, PreviousId, SendTraits};
use crate::tag::Counts;
use crate::{attributes, purchases, recommended};

/// What drafts share, so that each is small.
pub struct Store<'a> {
    /// Objects of `attributes`, side by side.
    pub attributes: JsonWriter,
    pub bought: Vec<Purchase<'a>>,
}

/// Products of an order, as most have: so much room is reserved, since what grows is copied.
const PRODUCTS: usize = 4;

impl<'a> Store<'a> {
    /// Nothing yet, of so many events.
    pub fn new(events: usize) -> Store<'a> {
        Store { attributes: JsonWriter::new(), bought: Vec::with_capacity(events * PRODUCTS) }
    }
}

/// An event on its way into a request.
pub struct Draft<'a> {
    pub position: u32,
    /// Bytes of its JSON.
    pub bytes: usize,
    pub who: Who<'a>,
    /// Its object of `attributes`, which is written already: where it stands.
    pub attributes: Range<usize>,
    /// What it bought: where that stands among all that was bought.
    pub bought: Range<usize>,
    pub shape: Shape,
    pub counts: Counts,
    pub join: Option<Box<Join<'a>>>,
}

/// What it becomes beside attributes.
#[derive(Clone, Copy)]
pub enum Shape {
    Nothing,
    Custom,
    Recommended(&'static Recommended),
    Order,
}

impl<'a> Draft<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Why it is not sent.
    pub fn of(braze: &Braze, event: &Event<'a>, store: &mut Store<'a>) -> Result<Draft<'a>, Refusal> {
        let written = &mut store.attributes;
        let start = written.len();
        let mut draft = match event.kind() {
            Kind::Alias => return alias(braze, event),
            Kind::Other => return Err(Refusal::Skip("type: the vendor has nothing for it")),
            Kind::Track | Kind::Page | Kind::Screen => done(braze, event, &mut store.bought)?,
            Kind::Identify | Kind::Group => Draft::new(event, Who::of(braze, event)?),
        };
        match event.kind() {
            Kind::Identify => {
                draft.join = join(braze, event)?;
                attributes::write(braze, event, &draft.who, written);
            }
            Kind::Group => attributes::write_group(braze, event, &draft.who, written)?,
            _ if braze.send_traits == SendTraits::Always => {
                attributes::write(braze, event, &draft.who, written);
            }
            _ => {}
        }
        draft.attributes = start..written.len();
        draft.counts.attributes = usize::from(!draft.attributes.is_empty());
        if draft.counts.sum() == 0 && draft.join.is_none() {
            return Err(Refusal::Skip("traits: hold nothing to write on the profile"));
        }
        Ok(draft)
    }

    fn new(event: &Event<'a>, who: Who<'a>) -> Draft<'a> {
        Draft {
            position: event.position(),
            bytes: event.json().len(),
            who,
            attributes: 0..0,
            bought: 0..0,
            shape: Shape::Nothing,
            counts: Counts::default(),
            join: None,
        }
    }
}

/// What somebody did.
fn done<'a>(braze: &Braze, event: &Event<'a>, bought: &mut Vec<Purchase<'a>>) -> Result<Draft<'a>, Refusal> {
    if event.kind() == Kind::Track && event.event_name().as_filled_str().is_none() {
        return Err(Refusal::Reject("event: is missing"));
    }
    let mut draft = Draft::new(event, Who::of(braze, event)?);
    if purchases::is_order(braze, event) {
        draft.shape = Shape::Order;
        let start = bought.len();
        draft.counts.purchases = purchases::read(braze, event, bought)?;
        draft.bought = start..bought.len();
    } else {
        draft.shape = recommended::find(braze, event).map_or(Shape::Custom, Shape::Recommended);
        draft.counts.events = 1;
    }
    Ok(draft)
}

/// What an identify joins: the visitor's profile with the user's.
fn join<'a>(braze: &Braze, event: &Event<'a>) -> Result<Option<Box<Join<'a>>>, Refusal> {
    let Who::User(user) = Who::of(braze, event)? else { return Ok(None) };
    Ok(match Who::visitor(braze, event) {
        // A visitor who has the user's own id has no profile apart.
        Ok(Who::Alias(name, None)) if name == user => None,
        Ok(visitor @ (Who::Alias(..) | Who::Email(_) | Who::Phone(_))) => {
            Some(Box::new(Join::Identify { user, visitor }))
        }
        _ => None,
    })
}

/// Two ids of one user.
fn alias<'a>(braze: &Braze, event: &Event<'a>) -> Result<Draft<'a>, Refusal> {
    let keep =
        user(event.get("userId"), "userId: has more than 987 bytes")?.ok_or(Refusal::Reject("userId: is missing"))?;
    let previous = Id::of(event.get("previousId")).ok_or(Refusal::Reject("previousId: is missing"))?;
    if keep == previous {
        return Err(Refusal::Skip("previousId: is the userId itself"));
    }
    let join = match (braze.previous_id_is, braze.anonymous_users) {
        (PreviousId::User, _) => {
            user(event.get("previousId"), "previousId: has more than 987 bytes")?;
            Join::Merge { keep, previous }
        }
        (PreviousId::Visitor, AnonymousUsers::Alias) => {
            Join::Identify { user: keep, visitor: Who::Alias(previous, None) }
        }
        (PreviousId::Visitor, _) => {
            return Err(Refusal::Skip("previousId: is a visitor's, and visitors have no profile by their anonymousId"));
        }
    };
    Ok(Draft { join: Some(Box::new(join)), ..Draft::new(event, Who::User(keep)) })
}
