//! How requests ended, and the settlement that follows: pure.
//!
//! An event is delivered when all its requests are, dead when any is, and owed while one waits.

use bytes::Bytes;

use super::payload::Payload;
use crate::queue::{Change, Death, Delivery, Lane, Note, Outcome, RequestId, Settlement, StoredRequest};

/// How one request ended, so far, for the events it covers.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Events, by their position in the deliveries, that have a final part.
    pub parts: Vec<(usize, Outcome)>,
    /// What is tried again, or follows.
    pub stored: Vec<NewStored>,
    /// What `trace` shows.
    pub notes: Vec<(Vec<usize>, Note)>,
    /// Events at which the plugin failed in a way that is the destination's trouble: it used up its time
    /// or its memory, or it failed at all events of a batch.
    pub failed: u32,
}

/// A stored request in the making.
#[derive(Clone, Debug)]
pub struct NewStored {
    /// What to do.
    pub payload: Payload,
    /// Not before this: milliseconds since 1970.
    pub due_ms: u64,
    /// The deliveries it carries, by position.
    pub covers: Vec<usize>,
    /// The lanes it stands in.
    pub lanes: Vec<Lane>,
}

impl End {
    /// All of `covers` ended with the same outcome.
    pub fn all(covers: impl IntoIterator<Item = usize>, outcome: Outcome) -> End {
        End { parts: covers.into_iter().map(|at| (at, outcome.clone())).collect(), ..End::default() }
    }

    /// Adds what another request, or another part of the same one, came to.
    pub fn join(&mut self, other: End) {
        self.parts.extend(other.parts);
        self.stored.extend(other.stored);
        self.notes.extend(other.notes);
        self.failed += other.failed;
    }

    /// The same, told about some of the deliveries alone: those at `positions`, which are sorted and all
    /// that it speaks of.
    pub fn among(mut self, positions: &[usize]) -> End {
        let renumber =
            |at: &mut usize| *at = positions.binary_search(at).expect("an end speaks of these deliveries alone");
        self.parts.iter_mut().for_each(|(at, _)| renumber(at));
        self.notes.iter_mut().flat_map(|(covers, _)| covers).for_each(renumber);
        self.stored.iter_mut().flat_map(|stored| &mut stored.covers).for_each(renumber);
        self
    }
}

/// Where the deliveries came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// From the queue, for the first time.
    First,
    /// From this stored request.
    Stored(RequestId),
}

/// The settlement of deliveries whose requests have all ended, so far, as `end` says.
/// `new_id` names stored requests.
pub fn settlement(
    origin: Origin,
    deliveries: &[Delivery],
    end: End,
    mut new_id: impl FnMut() -> RequestId,
) -> Settlement {
    let mut changes = Vec::with_capacity(deliveries.len() + end.notes.len() + end.stored.len());
    for (covers, note) in end.notes {
        changes.push(Change::Note { covers: covers.into_iter().map(|at| deliveries[at].id).collect(), note });
    }
    let mut waits = vec![0_u32; deliveries.len()];
    for stored in &end.stored {
        for at in &stored.covers {
            waits[*at] += 1;
        }
    }
    let outcomes = outcomes(deliveries.len(), end.parts);
    let same_again = matches!(origin, Origin::Stored(_))
        && end.stored.len() == 1
        && end.stored[0].covers.len() == deliveries.len()
        && outcomes.iter().all(Option::is_none);
    match origin {
        Origin::First => first_changes(deliveries, outcomes, &waits, &mut changes),
        Origin::Stored(_) if same_again => {}
        Origin::Stored(id) => {
            changes.push(Change::Delete(id));
            for ((delivery, outcome), waits) in deliveries.iter().zip(outcomes).zip(&waits) {
                let outcome = outcome.unwrap_or(Outcome::Delivered);
                changes.push(Change::Part { delivery: delivery.id, outcome, follow_ups: *waits });
            }
        }
    }
    for stored in end.stored {
        let id = match origin {
            Origin::Stored(id) if same_again => id,
            _ => new_id(),
        };
        let covers = stored.covers.iter().map(|at| deliveries[*at].id).collect();
        let payload: Bytes = stored.payload.encode();
        changes.push(Change::Put(StoredRequest { id, due_ms: stored.due_ms, covers, lanes: stored.lanes, payload }));
    }
    Settlement { changes }
}

fn first_changes(deliveries: &[Delivery], outcomes: Vec<Option<Outcome>>, waits: &[u32], changes: &mut Vec<Change>) {
    for ((delivery, outcome), waits) in deliveries.iter().zip(outcomes).zip(waits) {
        match (outcome, *waits) {
            (outcome, 0) => changes.push(Change::Finish {
                delivery: delivery.id,
                outcome: outcome.unwrap_or_else(|| lost_track(delivery)),
            }),
            (outcome, requests) => {
                let dead = match outcome {
                    Some(Outcome::Dead(death)) => Some(death),
                    _ => None,
                };
                changes.push(Change::Owe { delivery: delivery.clone(), requests, dead });
            }
        }
    }
}

/// No request and no fate spoke of the delivery. The check of plans makes this impossible; should it
/// happen all the same, the event is kept where a person sees it.
fn lost_track(delivery: &Delivery) -> Outcome {
    tracing::error!(message_id = %delivery.event.message_id, "a delivery ended without an outcome");
    Outcome::Dead(Death {
        reason: "no_outcome".to_string(),
        detail: "neither a request nor a fate spoke of the event".to_string(),
        attempts: 0,
        revision: String::new(),
        request: None,
        answer: None,
    })
}

/// One outcome an event from those of its parts: dead if any is, else delivered if any is, else
/// filtered.
fn outcomes(len: usize, parts: Vec<(usize, Outcome)>) -> Vec<Option<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; len];
    for (at, part) in parts {
        let slot = &mut outcomes[at];
        let replaces = match (&*slot, &part) {
            (None, _) => true,
            (Some(Outcome::Dead(_)), _) => false,
            (Some(_), Outcome::Dead(_)) => true,
            (Some(Outcome::Filtered { .. }), Outcome::Delivered) => true,
            _ => false,
        };
        if replaces {
            *slot = Some(part);
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, MessageId};
    use crate::queue::DeliveryId;

    fn deliveries(count: u64) -> Vec<Delivery> {
        (0..count)
            .map(|number| Delivery {
                id: DeliveryId(number),
                event: Event {
                    kind: EventKind::Track,
                    message_id: MessageId::from("m"),
                    received_ms: 0,
                    json: Bytes::from_static(b"{}"),
                    index: Bytes::new(),
                },
            })
            .collect()
    }

    fn death(reason: &str) -> Outcome {
        Outcome::Dead(Death {
            reason: reason.into(),
            detail: String::new(),
            attempts: 1,
            revision: String::new(),
            request: None,
            answer: None,
        })
    }

    fn filtered() -> Outcome {
        Outcome::Filtered { reason: "kind".into() }
    }

    fn waiting(covers: &[usize]) -> NewStored {
        NewStored { payload: Payload::replay(), due_ms: 5, covers: covers.to_vec(), lanes: vec![] }
    }

    /// The changes in short: what, which, how.
    fn shown(origin: Origin, count: u64, end: End) -> Vec<String> {
        let mut next = 100;
        let settlement = settlement(origin, &deliveries(count), end, || {
            next += 1;
            RequestId(next)
        });
        let name = |outcome: &Outcome| match outcome {
            Outcome::Delivered => "delivered".to_string(),
            Outcome::Filtered { reason } => format!("filtered {reason}"),
            Outcome::Dead(death) => format!("dead {}", death.reason),
        };
        settlement
            .changes
            .iter()
            .map(|change| match change {
                Change::Finish { delivery, outcome } => format!("finish {} {}", delivery.0, name(outcome)),
                Change::Owe { delivery, requests, dead } => {
                    format!("owe {} {requests} {}", delivery.id.0, dead.as_ref().map_or("", |dead| &dead.reason))
                }
                Change::Put(stored) => {
                    format!("put {} {:?}", stored.id.0, stored.covers.iter().map(|id| id.0).collect::<Vec<_>>())
                }
                Change::Delete(id) => format!("delete {}", id.0),
                Change::Part { delivery, outcome, follow_ups } => {
                    format!("part {} {} {follow_ups}", delivery.0, name(outcome))
                }
                Change::Expire(id) => format!("expire {}", id.0),
                Change::Note { .. } => "note".to_string(),
            })
            .collect()
    }

    #[test]
    fn first_attempts() {
        let check = |end: End, expected: &[&str]| assert_eq!(shown(Origin::First, 2, end), expected);
        check(End::all([0, 1], Outcome::Delivered), &["finish 0 delivered", "finish 1 delivered"]);
        let parts = |parts: Vec<(usize, Outcome)>, stored| End { parts, stored, ..End::default() };
        check(
            parts(vec![(0, Outcome::Delivered), (0, death("x")), (1, filtered()), (1, Outcome::Delivered)], vec![]),
            &["finish 0 dead x", "finish 1 delivered"],
        );
        check(
            parts(vec![(0, filtered()), (1, death("first")), (1, death("second"))], vec![]),
            &["finish 0 filtered kind", "finish 1 dead first"],
        );
        check(
            parts(vec![(0, death("x"))], vec![waiting(&[0, 1]), waiting(&[1])]),
            &["owe 0 1 x", "owe 1 2 ", "put 101 [0, 1]", "put 102 [1]"],
        );
        check(parts(vec![(0, Outcome::Delivered)], vec![]), &["finish 0 delivered", "finish 1 dead no_outcome"]);
    }

    #[test]
    fn later_attempts() {
        let check = |end: End, expected: &[&str]| assert_eq!(shown(Origin::Stored(RequestId(7)), 2, end), expected);
        check(End::all([0, 1], Outcome::Delivered), &["delete 7", "part 0 delivered 0", "part 1 delivered 0"]);
        let parts = |parts: Vec<(usize, Outcome)>, stored| End { parts, stored, ..End::default() };
        check(parts(vec![], vec![waiting(&[0, 1])]), &["put 7 [0, 1]"]);
        check(
            parts(vec![(0, Outcome::Delivered)], vec![waiting(&[1])]),
            &["delete 7", "part 0 delivered 0", "part 1 delivered 1", "put 101 [1]"],
        );
    }
}
