//! Carries the requests of a group out, each in its turn, and gathers what came of them.

use std::sync::Arc;

use futures_util::future::join_all;

use super::attempt::{Attempts, Work};
use super::end::{End, Origin};
use super::health::Health;
use super::lanes::{Go, Turn};
use super::payload::{Payload, StoredPlan, Unreadable};
use super::replan::Asked;
use super::replayed;
use crate::queue::{Death, Delivery, Outcome, StoredRequest};

/// A request and when it goes.
pub struct Start {
    /// The request.
    pub work: Work,
    /// When.
    pub go: Go,
}

/// What came of a group.
pub struct Carried {
    /// Where its deliveries came from.
    pub origin: Origin,
    /// Its deliveries.
    pub deliveries: Vec<Delivery>,
    /// How its requests ended.
    pub end: End,
    /// What the attempts say of the destination.
    pub health: Health,
    /// The turns of requests that have still to be sent: to be dropped once they are stored.
    pub turns: Vec<Turn>,
}

/// Carries requests out, each in its turn, all at once otherwise. `end` is what came of others.
pub async fn carry(
    attempts: Arc<Attempts>,
    origin: Origin,
    deliveries: Vec<Delivery>,
    starts: Vec<Start>,
    mut end: End,
) -> Carried {
    let mut health = Health::default();
    let mut turns = Vec::new();
    let each = starts.into_iter().map(|start| carry_one(&attempts, &deliveries, start));
    for (one_end, one_health, turn) in all_of(each).await {
        end.join(one_end);
        health.join(one_health);
        turns.extend(turn);
    }
    Carried { origin, deliveries, end, health, turns }
}

/// All at once. Most groups have one request, which needs no list of futures.
async fn all_of<F: Future>(mut each: impl ExactSizeIterator<Item = F>) -> Vec<F::Output> {
    match each.len() {
        1 => vec![each.next().expect("there is one").await],
        _ => join_all(each).await,
    }
}

/// Answers the turn, too, when something of the request has still to be sent.
async fn carry_one(attempts: &Attempts, deliveries: &[Delivery], start: Start) -> (End, Health, Option<Turn>) {
    let turn = match start.go {
        Go::Held(mut turn) => {
            turn.come().await;
            return (attempts.held(deliveries, &start.work), Health::default(), Some(turn.will_be_stored()));
        }
        Go::Free => None,
        Go::InTurn(mut turn) => {
            if !turn.come().await {
                let held = attempts.held(deliveries, &start.work);
                return (held, Health::default(), Some(turn.will_be_stored()));
            }
            Some(turn)
        }
        Go::OutOfOrder(mut turn) => {
            turn.come().await;
            Some(turn)
        }
    };
    // In a place of its own, which is taken when it goes: what waits, and is handed from task to task, stays small.
    let permit = attempts.permit(&start.work).await;
    let (end, health) = Box::pin(attempts.carry_out(deliveries, start.work, permit)).await;
    match turn {
        Some(turn) if end.stored.is_empty() => {
            turn.clear();
            (end, health, None)
        }
        turn => (end, health, turn.map(Turn::will_be_stored)),
    }
}

/// Carries a stored request out.
pub async fn carry_stored(attempts: Arc<Attempts>, stored: StoredRequest, deliveries: Vec<Delivery>) -> Carried {
    let origin = Origin::Stored(stored.id);
    // A request counts its events by place. Should one of them have ended, it cannot go as it is.
    let is_whole = deliveries.len() == stored.covers.len();
    let task = if is_whole { read(&stored.payload) } else { read(&Payload::replanned(&stored.payload)) };
    let attempts = match &task {
        Ok(Task::Plan(StoredPlan { revision, .. })) if revision.is_empty() => attempts.planning(),
        Ok(Task::Send(_, revision) | Task::Plan(StoredPlan { revision, .. })) => attempts.with_revision(revision).await,
        Err(_) => attempts,
    };
    let group = attempts.lock_lanes().group();
    match task {
        Ok(Task::Send(work, _)) => {
            let go = match &stored.lanes[..] {
                [] => Go::Free,
                // It is the first of those that are stored: nothing comes before it.
                lanes => Go::OutOfOrder(attempts.lock_lanes().take_stored_turn(group, lanes)),
            };
            carry(attempts, origin, deliveries, vec![Start { work: *work, go }], End::default()).await
        }
        Ok(Task::Plan(plan)) => {
            let (works, end) = match plan.key.as_deref() {
                None => replayed::plan(&attempts, &deliveries, plan.tries).await,
                Some(key) => {
                    let covers: Vec<usize> = (0..deliveries.len()).collect();
                    attempts.plan_again(&deliveries, &covers, Asked { key: Some(key), tries: plan.tries }).await
                }
            };
            let starts = {
                // All at once, so that no other request comes to stand between them.
                let mut lanes = attempts.lock_lanes();
                let start = |work: Work| match &attempts.lanes_of(&deliveries, &work)[..] {
                    [] => Start { work, go: Go::Free },
                    own => Start { work, go: Go::InTurn(lanes.take_stored_turn(group, own)) },
                };
                works.into_iter().map(start).collect()
            };
            carry(attempts.clone(), origin, deliveries, starts, end).await
        }
        Err(unreadable) => {
            let death = Death {
                reason: "unreadable".to_string(),
                detail: unreadable.to_string(),
                attempts: 0,
                revision: String::new(),
                request: None,
                answer: None,
            };
            let end = End::all(0..deliveries.len(), Outcome::Dead(death));
            carry(attempts, origin, deliveries, Vec::new(), end).await
        }
    }
}

/// What a stored request asks for.
enum Task {
    /// With the revision that planned it.
    Send(Box<Work>, String),
    Plan(StoredPlan),
}

fn read(payload: &[u8]) -> Result<Task, Unreadable> {
    match Payload::decode(payload)? {
        Payload::Plan(plan) => Ok(Task::Plan(plan)),
        Payload::Send(send) => {
            let request = send.request()?;
            let origin_key = if send.origin_key.is_empty() { request.key.clone() } else { send.origin_key };
            let work = Work { request, tries: send.tries, step: send.step, origin_key };
            Ok(Task::Send(Box::new(work), send.revision))
        }
    }
}
