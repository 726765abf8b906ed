//! From new deliveries to requests on their way: what the rules let go, and what becomes of a plan.

use std::sync::Arc;

use futures_util::FutureExt;

use super::attempt::{Attempts, Work};
use super::carry::{Start, carry};
use super::end::{End, Origin};
use super::group::groups;
use super::guest::Planned;
use super::lanes::{Go, Group};
use super::replan::Asked;
use super::runtime::{Runtime, TaskEnd};
use super::steps::planned_step;
use crate::event::Event;
use crate::plugin::manifest::Order;
use crate::queue::{Delivery, StoreError};

impl Runtime {
    /// Settles what the rules filter; the rest goes on, with its events in the form that they are planned in.
    /// The deliveries keep theirs: what is stored and shown of an event is what came.
    pub(super) async fn route(
        &mut self,
        attempts: &Attempts,
        deliveries: Vec<Delivery>,
    ) -> Result<(Vec<Delivery>, Vec<Event>), StoreError> {
        let all: Vec<usize> = (0..deliveries.len()).collect();
        let (goes, events, end) = attempts.transformed(&deliveries, &all);
        if goes.len() == deliveries.len() {
            return Ok((deliveries, events));
        }
        let ended = all.into_iter().filter(|at| goes.binary_search(at).is_err()).collect();
        self.settle_some(&deliveries, ended, end).await?;
        Ok((goes.into_iter().map(|at| deliveries[at].clone()).collect(), events))
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
            ended.push(position as usize);
            end.join(attempts.fate(&deliveries, position as usize, fate));
        }
        for (position, fault) in planned.faults {
            ended.push(position as usize);
            end.join(attempts.fault(&deliveries, position as usize, &fault, Asked::default()));
        }
        if hopeless {
            end.failed = ended.len() as u32;
        }
        self.settle_some(&deliveries, ended, end).await?;
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
            let is_held = starts.iter().all(|start| matches!(start.go, Go::Held(_)));
            let carried = carry(attempts.clone(), Origin::First, own, starts, End::default());
            let mut task = Box::pin(async move { TaskEnd::Carried(Box::new(carried.await)) });
            // What is held mostly waits for nothing: it is stored at once, in the order of the plan.
            let ended = if is_held { (&mut task).now_or_never() } else { None };
            match ended {
                Some(TaskEnd::Carried(carried)) => self.settle_carried(*carried).await?,
                _ => drop(self.tasks.spawn(task)),
            }
        }
        Ok(())
    }

    /// Settles those of the deliveries that have ended.
    async fn settle_some(
        &mut self,
        deliveries: &[Delivery],
        mut ended: Vec<usize>,
        end: End,
    ) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        ended.sort_unstable();
        let own: Vec<Delivery> = ended.iter().map(|at| deliveries[*at].clone()).collect();
        self.settle(Origin::First, &own, end.among(&ended)).await
    }

    /// Gives a planned request its place in its lanes.
    fn start(&mut self, attempts: &Attempts, group: Group, deliveries: &[Delivery], work: Work) -> Start {
        let own = attempts.lanes_of(deliveries, &work);
        let held_max = if attempts.order == Order::Strict { u64::MAX } else { self.limits.order_held_max };
        let go = self.lock_lanes().place(group, &own, held_max);
        self.order_given_up += u64::from(matches!(go, Go::OutOfOrder(_)));
        Start { work, go }
    }
}
