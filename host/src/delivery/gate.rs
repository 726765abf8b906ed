//! What must hold at the moment a request is sent: its quota is not used up, and it is not too late.

use super::attempt::{Attempts, Work, positions};
use super::end::End;
use crate::queue::Delivery;

/// Whether a request goes now.
#[derive(Debug, PartialEq)]
pub(super) enum Gate {
    /// It does.
    Open,
    /// Its quota is used up until then: milliseconds since 1970.
    UsedUp(u64),
    /// Its latest time has passed.
    TooLate,
}

impl Attempts {
    /// Whether a request goes now.
    pub(super) fn gate(&self, work: &Work, now_ms: u64) -> Gate {
        if is_too_late(work, now_ms) {
            return Gate::TooLate;
        }
        let quotas = self.quotas.lock().expect("nobody panics while holding the quotas");
        let renewed_ms = work.request.quota.as_ref().and_then(|quota| quotas.renewed_ms(quota, now_ms));
        renewed_ms.map_or(Gate::Open, Gate::UsedUp)
    }

    /// Requests that count against the same limit as this one wait until then. Answers the time when
    /// the whole destination must wait, because it has no limit of its own.
    pub(super) fn slow(&self, work: &Work, until_ms: Option<u64>, now_ms: u64) -> Option<u64> {
        let (quota, until_ms) = (work.request.quota.as_ref(), until_ms?);
        let mut quotas = self.quotas.lock().expect("nobody panics while holding the quotas");
        let is_noted = quota.is_some_and(|quota| quotas.used_up(quota, until_ms, now_ms));
        (!is_noted).then_some(until_ms)
    }

    /// A request whose quota is used up: stored until it is renewed. It was not sent, so that is no try.
    pub(super) fn waits_for_quota(&self, deliveries: &[Delivery], work: &Work, until_ms: u64) -> End {
        let quota = work.request.quota.as_deref().unwrap_or_default();
        let detail = format!("the vendor's quota `{quota}` is used up until {until_ms}");
        self.kept(deliveries, work, until_ms, detail)
    }

    /// A request whose latest time has passed: its events are planned again, once.
    pub(super) async fn planned_again_late(&self, deliveries: &[Delivery], work: &Work) -> (Vec<Work>, End) {
        let covers = positions(&work.request);
        let (works, mut end) = self.plan_again(deliveries, &covers, work.asked()).await;
        let detail = "planned again: it was too late to send the request";
        end.notes.push((covers, self.note("late", work, None, detail.to_string())));
        let now_ms = (self.now)();
        let (late, works) = works.into_iter().partition::<Vec<_>, _>(|work| is_too_late(work, now_ms));
        for work in late {
            let detail = "planned again, the plugin made a request that is too late at once".to_string();
            let death = self.death("plugin_fault", detail, &work, None);
            end.join(self.dead(deliveries, &work, death));
        }
        (works, end)
    }
}

fn is_too_late(work: &Work, now_ms: u64) -> bool {
    work.request.not_after_ms.is_some_and(|not_after_ms| not_after_ms < now_ms)
}
