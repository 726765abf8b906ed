//! From new deliveries to requests on their way: what the rules let go, and what becomes of a plan.

use std::sync::Arc;

use super::attempt::{Attempts, Work};
use super::carry::{Go, Start, carry};
use super::end::{End, Origin};
use super::group::groups;
use super::guest::Planned;
use super::lanes::Group;
use super::retry::Tries;
use super::runtime::{Runtime, TaskEnd};
use super::steps::{filtered_note, filtered_step, planned_step};
use crate::event::Event;
use crate::plugin::manifest::Order;
use crate::queue::{Delivery, Outcome, StoreError};
use crate::transformation::Routing;

impl Runtime {
    /// Settles what the rules filter; the rest goes on, with its events in the form that they are planned in.
    /// The deliveries keep theirs: what is stored and shown of an event is what came.
    pub(super) async fn route(
        &mut self,
        attempts: &Attempts,
        deliveries: Vec<Delivery>,
    ) -> Result<(Vec<Delivery>, Vec<Event>), StoreError> {
        let kinds = &attempts.guest.revision.manifest().kinds;
        let mut goes = Vec::with_capacity(deliveries.len());
        let mut events = Vec::with_capacity(deliveries.len());
        let mut filtered = Vec::new();
        let mut end = End::default();
        for delivery in deliveries {
            match attempts.active.destination.transformation.apply(kinds, &delivery.event) {
                Routing::Goes(event) => {
                    goes.push(delivery);
                    events.push(event);
                }
                Routing::Filtered(rule) => {
                    let at = filtered.len();
                    let told = [&delivery.event.message_id];
                    self.shared.live.tell(told, || filtered_step(attempts, &delivery, &rule));
                    end.notes.push((vec![at], filtered_note((self.shared.now)(), &rule)));
                    end.parts.push((at, Outcome::Filtered { reason: rule.into_owned() }));
                    filtered.push(delivery);
                }
                Routing::Refused(why) => {
                    filtered.push(delivery);
                    end.join(attempts.refused(&filtered, filtered.len() - 1, why));
                }
            }
        }
        if !filtered.is_empty() {
            self.settle(Origin::First, &filtered, end).await?;
        }
        Ok((goes, events))
    }

    /// Starts the requests of a plan, and settles the events that get none.
    pub(super) async fn launch(
        &mut self,
        attempts: Arc<Attempts>,
        deliveries: Vec<Delivery>,
        planned: Planned,
    ) -> Result<(), StoreError> {
        let told = deliveries.iter().map(|delivery| &delivery.event.message_id);
        self.shared.live.tell(told, || planned_step(&attempts, &deliveries, &planned));
        let hopeless = planned.is_hopeless();
        let mut ended = Vec::new();
        let mut end = End::default();
        for (position, fate) in planned.fates {
            end.join(shifted(attempts.fate(&deliveries, position as usize, fate), position as usize, ended.len()));
            ended.push(deliveries[position as usize].clone());
        }
        for (position, fault) in planned.faults {
            end.join(shifted(
                attempts.fault(&deliveries, position as usize, &fault, None, Tries::default()),
                position as usize,
                ended.len(),
            ));
            ended.push(deliveries[position as usize].clone());
        }
        if hopeless {
            end.failed = ended.len() as u32;
        }
        if !ended.is_empty() {
            self.settle(Origin::First, &ended, end).await?;
        }
        for mut group in groups(planned.requests, deliveries.len()) {
            let own: Vec<Delivery> = group.events.iter().map(|event| deliveries[*event as usize].clone()).collect();
            for request in &mut group.requests {
                for cover in &mut request.covers {
                    let at = group.events.binary_search(cover).expect("a group holds what its requests cover");
                    *cover = at as u32;
                }
            }
            let together = self.lock_lanes().group();
            let start = |request| self.start(&attempts, together, &own, Work::new(request));
            let starts: Vec<Start> = group.requests.into_iter().map(start).collect();
            let carried = carry(attempts.clone(), Origin::First, own, starts, End::default());
            self.tasks.spawn(Box::pin(async move { TaskEnd::Carried(Box::new(carried.await)) }));
        }
        Ok(())
    }

    /// Whether a planned request may go: behind stored requests of its lanes it is stored, too, until
    /// these are so many that the order is given up.
    fn start(&mut self, attempts: &Attempts, group: Group, deliveries: &[Delivery], work: Work) -> Start {
        let own = attempts.lanes_of(deliveries, &work);
        if own.is_empty() {
            return Start { work, go: Go::Free };
        }
        let mut lanes = self.lanes.lock().expect("nobody panics while holding the lanes");
        let stored = lanes.stored(&own);
        let is_kept = attempts.order == Order::Strict || stored < self.limits.order_held_max;
        if stored > 0 && is_kept {
            return Start { work, go: Go::Held };
        }
        let turn = lanes.take_turn(group, &own);
        if stored > 0 {
            self.order_given_up += 1;
            return Start { work, go: Go::OutOfOrder(turn) };
        }
        Start { work, go: Go::InTurn(turn) }
    }
}

/// An end about the delivery at `from`, told about the one at `to`.
fn shifted(mut end: End, from: usize, to: usize) -> End {
    let shift = |at: &mut usize| {
        debug_assert_eq!(*at, from);
        *at = to;
    };
    end.parts.iter_mut().for_each(|(at, _)| shift(at));
    end.notes.iter_mut().flat_map(|(covers, _)| covers).for_each(shift);
    end.stored.iter_mut().flat_map(|stored| &mut stored.covers).for_each(shift);
    end
}
