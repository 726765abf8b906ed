//! Planning deliveries again: the halves of a request that was refused as a whole, the events of a
//! partial retry, and what becomes of events that get no request.

use super::attempt::{Attempts, Work, positions};
use super::end::{End, NewStored};
use super::lanes;
use super::payload::{Payload, StoredPlan};
use super::retry::{self, Next, Tries};
use super::steps::{filtered_note, filtered_step};
use crate::event::Event;
use crate::plugin::fault::PluginFault;
use crate::plugin::plan::Fate;
use crate::queue::{Death, Delivery, Outcome};
use crate::transformation::Routing;

/// For what events are planned: for all that the plugin makes of them, as at first, or once more for one
/// request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'k> {
    /// The key of the request; only requests of that key are kept then.
    pub key: Option<&'k str>,
    /// What was tried before.
    pub tries: Tries,
}

impl Attempts {
    /// Plans the two halves of a refused request again, for that request only.
    pub(super) async fn halves(&self, deliveries: &[Delivery], work: &Work) -> (Vec<Work>, End) {
        let covers = positions(&work.request);
        let mut halves = Vec::new();
        let mut end = End::default();
        for half in covers.chunks(covers.len().div_ceil(2)) {
            let (works, planned) = self.plan_again(deliveries, half, work.asked()).await;
            halves.extend(works);
            end.join(planned);
        }
        (halves, end)
    }

    /// Plans some of the deliveries again.
    pub(super) async fn plan_again(
        &self,
        deliveries: &[Delivery],
        covers: &[usize],
        asked: Asked<'_>,
    ) -> (Vec<Work>, End) {
        let (covers, events, mut end) = self.transformed(deliveries, covers);
        if covers.is_empty() {
            return (Vec::new(), end);
        }
        let planned = self.guests.plan(self.search, &self.guest, (self.now)(), events).await;
        let hopeless = if planned.is_hopeless() { planned.faults.len() as u32 } else { 0 };
        let mut spoken_of = vec![false; covers.len()];
        for (position, fate) in planned.fates {
            spoken_of[position as usize] = true;
            end.join(self.fate(deliveries, covers[position as usize], fate));
        }
        for (position, fault) in planned.faults {
            spoken_of[position as usize] = true;
            end.join(self.fault(deliveries, covers[position as usize], &fault, asked));
        }
        end.failed = end.failed.max(hopeless);
        let mut works = Vec::new();
        for mut request in planned.requests {
            if asked.key.is_some_and(|key| request.key != key) {
                continue;
            }
            for cover in &mut request.covers {
                spoken_of[*cover as usize] = true;
                *cover = covers[*cover as usize] as u32;
            }
            works.push(Work { tries: asked.tries, ..Work::new(request) });
        }
        for (at, _) in covers.iter().zip(&spoken_of).filter(|(_, spoken_of)| !**spoken_of) {
            let death = Death {
                reason: "plugin_fault".to_string(),
                detail: format!("planned again, the plugin made no request `{}`", asked.key.unwrap_or_default()),
                attempts: asked.tries.attempts,
                revision: self.revision(),
                request: None,
                answer: None,
            };
            end.join(End::all([*at], Outcome::Dead(death)));
        }
        (works, end)
    }

    /// Those of the deliveries that the rules let go, in the form that they are planned in, and the end of
    /// the others.
    pub(super) fn transformed(&self, deliveries: &[Delivery], covers: &[usize]) -> (Vec<usize>, Vec<Event>, End) {
        let kinds = &self.guest.revision.manifest().kinds;
        let (mut goes, mut events, mut end) = (Vec::new(), Vec::new(), End::default());
        for at in covers.iter().copied() {
            match self.active.destination.transformation.apply(kinds, &deliveries[at].event) {
                Routing::Goes(event) => {
                    goes.push(at);
                    events.push(event);
                }
                Routing::Filtered(rule) => {
                    let told = [&deliveries[at].event.message_id];
                    self.live.tell(told, || filtered_step(self, &deliveries[at], &rule));
                    end.notes.push((vec![at], filtered_note((self.now)(), &rule)));
                    end.parts.push((at, Outcome::Filtered { reason: rule.into_owned() }));
                }
                Routing::Refused(why) => end.join(self.refused(deliveries, at, why)),
            }
        }
        (goes, events, end)
    }

    /// The end of an event that cannot be transformed within bounds.
    pub fn refused(&self, deliveries: &[Delivery], at: usize, why: &str) -> End {
        self.planned_dead(deliveries, at, "transformation", why.to_string())
    }

    /// The end of an event that gets no request.
    pub fn fate(&self, deliveries: &[Delivery], at: usize, fate: Fate) -> End {
        match fate {
            Fate::Skip(reason) => {
                let note = self.plain_note("filtered", reason.clone());
                self.tell_plain(deliveries, at, "filtered", &reason);
                let mut end = End::all([at], Outcome::Filtered { reason: format!("plugin: {reason}") });
                end.notes.push((vec![at], note));
                end
            }
            Fate::Reject(reason) => {
                self.guest.counts.rejected(1);
                self.planned_dead(deliveries, at, "rejected_by_plugin", reason)
            }
            Fate::DeferUntilMs(due_ms) => {
                self.tell_plain(deliveries, at, "deferred", "");
                let note = self.plain_note("deferred", format!("until {due_ms}"));
                let payload = Payload::replay();
                End {
                    stored: vec![NewStored { payload, due_ms, covers: vec![at], lanes: Vec::new() }],
                    notes: vec![(vec![at], note)],
                    ..End::default()
                }
            }
        }
    }

    /// The end of an event at which the plugin failed; one that was not tried alone is planned again later.
    pub(super) fn fault(&self, deliveries: &[Delivery], at: usize, fault: &PluginFault, asked: Asked<'_>) -> End {
        if let PluginFault::NotTried(_) = fault {
            return self.not_tried(deliveries, at, fault, asked);
        }
        tracing::warn!(destination = %self.active.destination.id, plugin = %self.active.destination.plugin,
            message_id = %deliveries[at].event.message_id, %fault, "the plugin failed at an event");
        self.count_fault(fault);
        let end = self.planned_dead(deliveries, at, "plugin_fault", fault.to_string());
        End { failed: u32::from(fault.is_exhaustion()), ..end }
    }

    fn not_tried(&self, deliveries: &[Delivery], at: usize, fault: &PluginFault, asked: Asked<'_>) -> End {
        self.count_fault(fault);
        let now_ms = (self.now)();
        let tries = asked.tries.and_one_at(now_ms);
        let limits = &self.active.destination.delivery;
        let Next::At(due_ms) = retry::next(limits, tries, now_ms, None, crate::clock::random()) else {
            return self.planned_dead(deliveries, at, "plugin_fault", fault.to_string());
        };
        self.tell_plain(deliveries, at, "deferred", &fault.to_string());
        let note = self.plain_note("deferred", fault.to_string());
        let revision = if asked.key.is_some() { self.revision() } else { String::new() };
        let payload = Payload::Plan(StoredPlan { key: asked.key.map(str::to_string), tries, revision });
        let lanes = lanes::of(self.order, None, [at], deliveries);
        End {
            stored: vec![NewStored { payload, due_ms, covers: vec![at], lanes }],
            notes: vec![(vec![at], note)],
            failed: 1,
            ..End::default()
        }
    }

    fn planned_dead(&self, deliveries: &[Delivery], at: usize, why: &str, detail: String) -> End {
        let note = self.plain_note("dead", format!("{why}: {detail}"));
        self.tell_plain(deliveries, at, "dead", &detail);
        let death = Death {
            reason: why.to_string(),
            detail,
            attempts: 0,
            revision: self.revision(),
            request: None,
            answer: None,
        };
        let mut end = End::all([at], Outcome::Dead(death));
        end.notes.push((vec![at], note));
        end
    }
}
