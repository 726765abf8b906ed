//! A new revision on trial: which users' events it plans, and who plans those at which it fails.
//!
//! Invariants:
//! - A user's events all go to one of the two revisions, as long as the trial lasts.
//! - An event at which the new revision fails, or that it refuses, is planned by the one before: a bad
//!   revision costs time, not events. Only where that one fails too does the event end so.

use std::sync::Arc;

use super::active::Active;
use super::attempt::Attempts;
use super::guest::Planned;
use crate::event::Event;
use crate::event::index::View;
use crate::plugin::fault::PluginFault;
use crate::plugin::manifest::Order;
use crate::plugin::plan::{Fate, Request};
use crate::plugin::split::Search;
use crate::queue::{Delivery, Lane};

/// Parts into which users are divided: shares of a hundredth of a percent can be told apart.
const SHARES: u64 = 10_000;

/// A new revision beside the one before it.
#[derive(Clone)]
pub struct Trial {
    /// The destination with the new revision.
    pub new: Arc<Active>,
    /// So many percent of the users go to it.
    pub percent: f64,
}

impl Trial {
    /// Whether the new revision plans an event. The same for all events of a user.
    pub fn takes(&self, event: &Event) -> bool {
        let salt = self.new.guest.as_ref().map_or("", |guest| guest.revision.digest());
        takes(self.percent, salt, event)
    }

    /// Whether all users go to the new revision.
    pub fn takes_all(&self) -> bool {
        self.percent >= 100.0
    }
}

fn takes(percent: f64, salt: &str, event: &Event) -> bool {
    let view = View::new(&event.json, &event.index);
    let id = ["userId", "anonymousId"].into_iter().find_map(|name| view.get(&[name])?.as_str());
    let id = id.as_deref().unwrap_or(event.message_id.as_str());
    ((Lane::named(salt, id).0 % SHARES) as f64) < percent * (SHARES / 100) as f64
}

/// Deliveries by who plans them. In strict order only those that follow each other stay together.
pub fn parts(
    stable: Arc<Attempts>,
    new: Option<Arc<Attempts>>,
    deliveries: Vec<Delivery>,
) -> Vec<(Arc<Attempts>, Vec<Delivery>)> {
    let (Some(new), Some(trial)) = (new, &stable.active.trial) else { return vec![(stable, deliveries)] };
    let is_strict = stable.order == Order::Strict;
    let mut parts: Vec<(bool, Vec<Delivery>)> = Vec::new();
    for delivery in deliveries {
        let is_new = trial.takes(&delivery.event);
        let known = match parts.last_mut() {
            Some(last) if is_strict || last.0 == is_new => Some(last).filter(|last| last.0 == is_new),
            _ => parts.iter_mut().find(|part| part.0 == is_new),
        };
        match known {
            Some(part) => part.1.push(delivery),
            None => parts.push((is_new, vec![delivery])),
        }
    }
    let attempts = |is_new| if is_new { new.clone() } else { stable.clone() };
    parts.into_iter().map(|(is_new, deliveries)| (attempts(is_new), deliveries)).collect()
}

/// Plans a batch, of which `events` are in the form that they are planned in; `before` is the revision
/// before, when the one that plans is on trial.
pub async fn plan(
    attempts: Arc<Attempts>,
    before: Option<Arc<Attempts>>,
    deliveries: Vec<Delivery>,
    events: Vec<Event>,
) -> Vec<(Arc<Attempts>, Vec<Delivery>, Planned)> {
    let (guests, now_ms) = (&attempts.guests, (attempts.now)());
    let search = if before.is_some() { Search::Short } else { attempts.search };
    let planned = guests.plan(search, &attempts.guest, now_ms, events.clone()).await;
    attempts.guest.counts.planned(deliveries.len());
    let failed = failed(&planned);
    let Some(before) = before.filter(|_| !failed.is_empty()) else { return vec![(attempts, deliveries, planned)] };
    let again: Vec<Delivery> = failed.iter().map(|at| deliveries[*at as usize].clone()).collect();
    let their_events = failed.iter().map(|at| events[*at as usize].clone()).collect();
    let replanned = before.guests.plan(before.search, &before.guest, (before.now)(), their_events).await;
    count_what_only_the_new_fails_at(&attempts, &planned, &failed, &replanned);
    before.guest.counts.planned(again.len());
    let (deliveries, planned) = without(deliveries, planned, &failed);
    [(attempts, deliveries, planned), (before, again, replanned)]
        .into_iter()
        .filter(|(_, deliveries, _)| !deliveries.is_empty())
        .collect()
}

/// The events that the plugin failed at or refused, in order.
fn failed(planned: &Planned) -> Vec<u32> {
    let refused = planned.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Reject(_))).map(|(at, _)| *at);
    let mut failed: Vec<u32> = planned.faults.iter().map(|(at, _)| *at).chain(refused).collect();
    failed.sort_unstable();
    failed
}

fn count_what_only_the_new_fails_at(new: &Attempts, planned: &Planned, failed_at: &[u32], replanned: &Planned) {
    let also_before = failed(replanned);
    let mut first_fault: Option<&PluginFault> = None;
    let mut faults = 0_usize;
    for (place, at) in (0_u32..).zip(failed_at) {
        if also_before.binary_search(&place).is_ok() {
            continue;
        }
        match planned.faults.iter().find(|(faulty, _)| faulty == at) {
            // An event that both fail at may be why the new one did not get to this.
            Some((_, PluginFault::NotTried(_))) if !also_before.is_empty() => {}
            Some((_, fault)) => {
                faults += 1;
                first_fault = first_fault.or(Some(fault));
                new.count_fault(fault);
            }
            None => new.guest.counts.rejected(1),
        }
    }
    if let Some(fault) = first_fault {
        tracing::warn!(destination = %new.active.destination.id, plugin = %new.active.destination.plugin,
            revision = new.guest.revision.short_digest(), %fault, events = faults,
            "the revision on trial failed; the one before plans these events");
    }
}

impl Attempts {
    /// Counts a fault for the revision.
    pub(super) fn count_fault(&self, fault: &PluginFault) {
        match fault {
            PluginFault::Trap(_) => self.guest.counts.trapped(1),
            fault if fault.is_exhaustion() => self.guest.counts.trapped(1),
            _ => self.guest.counts.failed(1),
        }
    }
}

/// The batch without some of its events, about which the plan says nothing but how it failed.
fn without(deliveries: Vec<Delivery>, planned: Planned, failed: &[u32]) -> (Vec<Delivery>, Planned) {
    let is_failed = |at: u32| failed.binary_search(&at).is_ok();
    let place = |at: u32| at - failed.partition_point(|each| *each < at) as u32;
    let moved = |request: Request| Request { covers: request.covers.iter().map(|at| place(*at)).collect(), ..request };
    let fates = planned.fates.into_iter().filter(|(at, _)| !is_failed(*at));
    let planned = Planned {
        requests: planned.requests.into_iter().map(moved).collect(),
        fates: fates.map(|(at, fate)| (place(at), fate)).collect(),
        faults: Vec::new(),
    };
    let kept = (0_u32..).zip(deliveries).filter(|(at, _)| !is_failed(*at)).map(|(_, delivery)| delivery);
    (kept.collect(), planned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::DeliveryId;
    use crate::validate::event_from_line;

    fn event(json: &str) -> Event {
        event_from_line(json.as_bytes(), "m", 0).unwrap()
    }

    fn user(number: usize) -> Event {
        event(&format!(r#"{{"type":"track","event":"A","userId":"u{number}"}}"#))
    }

    #[test]
    fn about_the_share_of_users_is_taken_and_each_stays_where_it_is() {
        for (percent, least, most) in [(0.0, 0, 0), (5.0, 400, 600), (50.0, 4_700, 5_300), (100.0, 10_000, 10_000)] {
            let taken = (0..10_000).filter(|number| takes(percent, "abc", &user(*number))).count();
            assert!((least..=most).contains(&taken), "{percent} %: {taken}");
        }
        let again = event(r#"{"type":"page","userId":"u7","anonymousId":"other"}"#);
        for salt in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(takes(50.0, salt, &user(7)), takes(50.0, salt, &again));
        }
        let others = (0..1_000).filter(|number| takes(50.0, "a", &user(*number)) != takes(50.0, "b", &user(*number)));
        assert!(others.count() > 300, "another revision gets other users");
    }

    #[test]
    fn what_failed_is_taken_out_and_the_rest_moves_up() {
        let deliveries: Vec<Delivery> =
            (0..5).map(|number| Delivery { id: DeliveryId(number), event: user(number as usize) }).collect();
        let request = Request {
            key: "k".into(),
            method: "POST".into(),
            url: "https://vendor.example/".into(),
            headers: Vec::new(),
            body: Bytes::new(),
            auth: Vec::new(),
            covers: vec![0, 2, 4],
            lanes: Vec::new(),
            quota: None,
            not_after_ms: None,
            tag: Bytes::new(),
        };
        let planned = Planned {
            requests: vec![request],
            fates: vec![(3, Fate::Reject("no".into()))],
            faults: vec![(1, PluginFault::Trap("oops".into()))],
        };
        let failed = failed(&planned);
        assert_eq!(failed, [1, 3]);
        let (kept, planned) = without(deliveries, planned, &failed);
        assert_eq!(kept.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(planned.requests[0].covers, [0, 1, 2]);
        assert!(planned.fates.is_empty() && planned.faults.is_empty());
    }
}
