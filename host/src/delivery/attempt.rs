//! Carries requests out: sends, has the answer judged, and says how it ended for each event.
//!
//! A request that the vendor refuses as a whole is halved down to the culprit, with a bound on the
//! extra requests. Nothing here touches the store.

use std::sync::{Arc, Mutex, MutexGuard};

use tracing::Instrument;

use super::active::{Active, ActiveGuest};
use super::end::{End, NewStored};
use super::gate::Gate;
use super::guest::Guests;
use super::health::Health;
use super::lanes::{self, Lanes};
use super::limiter::{Limiter, Load, Permit};
use super::live::Live;
use super::no_token;
use super::payload::{Payload, StoredPlan, StoredSend};
use super::quotas::Quotas;
use super::replan::Asked;
use super::retry::{self, Next, Tries};
use super::story::shown;
use crate::plugin::manifest::Order;
use crate::plugin::plan::Request;
use crate::plugin::split::Search;
use crate::queue::{Death, Delivery, Lane, Outcome};
use crate::send::auth;
use crate::send::client::{Answer, Outgoing, SendError};

/// Extra requests that halving one refused request may cost at a time: so many, and one for every two
/// events of it. Finds five culprits among 100. What it does not find is searched for at the next
/// attempt.
const SPLIT_REQUESTS_MIN: u32 = 64;

/// Follow-ups of one planned request. Source: the contract (wit).
const STEPS_MAX: u8 = 4;

/// What the attempts of one destination share.
#[derive(Clone)]
pub struct Attempts {
    /// The destination as it was when the batch began.
    pub active: Arc<Active>,
    /// Its code and settings.
    pub guest: ActiveGuest,
    /// Calls plugins.
    pub guests: Guests,
    /// Bounds the requests in flight, and their rate.
    pub limiter: Arc<Limiter>,
    /// How long culprits are searched for: briefly while the circuit breaker is not closed.
    pub search: Search,
    /// The order that deliveries keep.
    pub order: Order,
    /// The lanes of the destination.
    pub lanes: Arc<Mutex<Lanes>>,
    /// What the vendor's limits leave, where it has several.
    pub quotas: Arc<Mutex<Quotas>>,
    /// Milliseconds since 1970.
    pub now: crate::clock::Clock,
    /// Who watches.
    pub live: Live,
}

/// A request and its history.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its covers are positions in the deliveries.
    pub request: Request,
    /// Its tries so far.
    pub tries: Tries,
    /// How many answers led to it.
    pub step: u8,
    /// The key of the planned request that it is, or follows from.
    pub origin_key: String,
}

impl Work {
    /// A planned request that was not sent yet.
    pub fn new(request: Request) -> Work {
        Work { origin_key: request.key.clone(), request, tries: Tries::default(), step: 0 }
    }

    /// For what its events are planned again.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { key: Some(&self.origin_key), tries: self.tries }
    }
}

impl Attempts {
    /// The same with the revision that planned a stored request, as long as it is kept: its judge knows
    /// the answers.
    pub async fn with_revision(self: Arc<Attempts>, digest: &str) -> Arc<Attempts> {
        if digest.is_empty() || digest == self.guest.revision.digest() {
            return self;
        }
        let found = self.active.with_revision(digest).await;
        match found.and_then(|active| Some((active.guest.clone()?, active))) {
            Some((guest, active)) => Arc::new(Attempts { guest, active, ..(*self).clone() }),
            None => self,
        }
    }

    /// The same with the revision that plans what is planned anew.
    pub fn planning(self: Arc<Attempts>) -> Arc<Attempts> {
        let trial = self.active.trial.as_ref().filter(|trial| trial.takes_all());
        match trial.and_then(|trial| Some((trial.new.clone(), trial.new.guest.clone()?))) {
            Some((active, guest)) => Arc::new(Attempts { guest, active, ..(*self).clone() }),
            None => self,
        }
    }

    /// Waits until one more request may be in flight.
    pub async fn permit(&self, work: &Work) -> Permit {
        self.limiter.acquire(work.request.covers.len(), &self.now).await
    }

    /// Sends one request, for which there is a permit, and halves it where it must be.
    pub async fn carry_out(&self, deliveries: &[Delivery], work: Work, permit: Permit) -> (End, Health) {
        let mut first_permit = Some(permit);
        let mut budget = SPLIT_REQUESTS_MIN + work.request.covers.len() as u32 / 2;
        let mut end = End::default();
        let mut health = Health::default();
        let mut pending = vec![work];
        // What happens seldom is boxed: the room for it would be every request's.
        while let Some(work) = pending.pop() {
            if self.is_behind(deliveries, &work, &end.stored) {
                end.join(self.held(deliveries, &work));
                continue;
            }
            let permit = match first_permit.take() {
                Some(permit) => permit,
                None => Box::pin(self.permit(&work)).await,
            };
            let (attempt, rest) = self.attempt(deliveries, &work, permit, &mut health).await;
            end.join(attempt);
            let answer = match rest {
                Rest::Nothing => continue,
                Rest::Late => {
                    let (works, planned) = Box::pin(self.planned_again_late(deliveries, &work)).await;
                    end.join(planned);
                    pending.extend(works.into_iter().rev());
                    continue;
                }
                Rest::Halves(answer) => answer,
            };
            if work.request.covers.len() < 2 {
                let detail = "the vendor refused the request, and it cannot be halved further".to_string();
                let death = self.death("vendor_refused_batch", detail, &work, Some(&answer));
                end.join(self.dead(deliveries, &work, death));
            } else if budget < 2 {
                let why = format!("refused as a whole, and the culprit is not found yet: {}", shown(&answer));
                end.join(self.again(deliveries, &work, positions(&work.request), None, &why, Some(&answer)));
            } else {
                let (halves, halved) = Box::pin(self.halves(deliveries, &work)).await;
                budget = budget.saturating_sub(halves.len() as u32);
                end.join(halved);
                pending.extend(halves.into_iter().rev());
            }
        }
        (end, health)
    }

    /// Whether a part of a request stands in a lane in which another part of it, which came before, is
    /// stored now.
    fn is_behind(&self, deliveries: &[Delivery], work: &Work, stored: &[NewStored]) -> bool {
        if stored.is_empty() {
            return false;
        }
        let own = self.lanes_of(deliveries, work);
        stored.iter().flat_map(|before| &before.lanes).any(|lane| own.binary_search(lane).is_ok())
    }

    /// One attempt, unless it may not be made now.
    async fn attempt(&self, deliveries: &[Delivery], work: &Work, permit: Permit, health: &mut Health) -> (End, Rest) {
        let now_ms = (self.now)();
        match self.gate(work, now_ms) {
            Gate::Open => {}
            Gate::UsedUp(until_ms) => return (self.waits_for_quota(deliveries, work, until_ms), Rest::Nothing),
            Gate::TooLate => return (End::default(), Rest::Late),
        }
        let sent = match auth::apply(&work.request, &self.guest.handles, now_ms) {
            Ok(signed) => {
                let outgoing = Outgoing {
                    method: work.request.method.clone(),
                    url: signed.url,
                    headers: signed.headers,
                    body: signed.body,
                    token: signed.token,
                };
                self.active.client.send(outgoing).instrument(self.guest.attempt_span(&work.request)).await
            }
            Err(error) => {
                return (self.not_sent(deliveries, work, "not_sendable", &error), Rest::Nothing);
            }
        };
        drop(permit);
        self.limiter.take(Load::of(&sent), (self.now)());
        match sent {
            Ok(answer) => self.read(deliveries, work, answer, health).await,
            Err(SendError::Refused(refused)) => {
                (self.not_sent(deliveries, work, "egress_refused", &refused), Rest::Nothing)
            }
            Err(error) => {
                health.failed += 1;
                let covers = positions(&work.request);
                let work = &no_token::work_after(&error, work, health);
                (self.again(deliveries, work, covers, error.wait_ms(), &error.to_string(), None), Rest::Nothing)
            }
        }
    }

    /// The end of a request that asks for what the host does not do, such as another host.
    fn not_sent(&self, deliveries: &[Delivery], work: &Work, reason: &str, cause: &impl ToString) -> End {
        let death = self.death(reason, cause.to_string(), work, None);
        self.log_misuse(deliveries, work, &death);
        self.dead(deliveries, work, death)
    }

    /// Says in the log what a plugin asked for. Of the events it names the first: they share the cause.
    fn log_misuse(&self, deliveries: &[Delivery], work: &Work, death: &Death) {
        let covers = positions(&work.request);
        let first = covers.first().map(|at| deliveries[*at].event.message_id.as_str()).unwrap_or_default();
        tracing::warn!(destination = %self.active.destination.id, plugin = %self.active.destination.plugin,
            message_id = first, events = covers.len(), cause = death.detail, "the plugin's request is not sent");
    }

    /// The next step of a chain: stored first, sent once it is durable.
    pub(super) fn follow_up(&self, deliveries: &[Delivery], work: &Work, request: Request) -> End {
        let covers = positions(&request);
        let step = work.step + 1;
        if step > STEPS_MAX {
            let detail = format!("the plugin asked for more than {STEPS_MAX} follow-ups");
            let death = self.death("plugin_fault", detail, work, None);
            self.log_misuse(deliveries, work, &death);
            return End::all(covers, Outcome::Dead(death));
        }
        let next = Work { request, tries: Tries::default(), step, origin_key: work.origin_key.clone() };
        End { stored: vec![self.stored(deliveries, &next, (self.now)())], ..End::default() }
    }

    /// A request that may not go because one of its lanes is held by an earlier one: stored behind it.
    pub fn held(&self, deliveries: &[Delivery], work: &Work) -> End {
        let detail = "an earlier request of its lane waits for another attempt".to_string();
        self.kept(deliveries, work, (self.now)(), detail)
    }

    /// A request that may not go now: stored until then, without a try being counted.
    pub(super) fn kept(&self, deliveries: &[Delivery], work: &Work, due_ms: u64, why: String) -> End {
        let covers = positions(&work.request);
        let note = self.note("held", work, None, why.clone());
        self.tell(deliveries, covers.clone(), "held", work, None, why);
        End { notes: vec![(covers, note)], stored: vec![self.stored(deliveries, work, due_ms)], ..End::default() }
    }

    /// The request as it is stored: with the same bytes.
    fn stored(&self, deliveries: &[Delivery], work: &Work, due_ms: u64) -> NewStored {
        let covers = positions(&work.request);
        let request = renumber(&work.request);
        let send = StoredSend::new(&request, &work.origin_key, self.revision(), work.step, work.tries);
        NewStored { lanes: self.lanes_of(deliveries, work), payload: Payload::Send(Box::new(send)), due_ms, covers }
    }

    /// The lanes of the destination, for a moment.
    pub fn lock_lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().expect("nobody panics while holding the lanes")
    }

    /// The lanes that a request stands in.
    pub fn lanes_of(&self, deliveries: &[Delivery], work: &Work) -> Vec<Lane> {
        lanes::of(self.order, Some(&work.request), positions(&work.request), deliveries)
    }

    /// Another attempt later for some of the events, or their end.
    pub(super) fn again(
        &self,
        deliveries: &[Delivery],
        work: &Work,
        covers: Vec<usize>,
        asked_ms: Option<u64>,
        why: &str,
        answer: Option<&Answer>,
    ) -> End {
        let now_ms = (self.now)();
        self.guest.counts.retried(covers.len());
        let tries = work.tries.and_one_at(now_ms);
        let limits = &self.active.destination.delivery;
        let due_ms = match retry::next(limits, tries, now_ms, asked_ms, crate::clock::random()) {
            Next::At(due_ms) => due_ms,
            Next::AttemptsExhausted => {
                let death = self.death("attempts_exhausted", why.to_string(), work, answer);
                return self.dead_of(deliveries, work, covers, death);
            }
            Next::TooOld => {
                let death = self.death("too_old", why.to_string(), work, answer);
                return self.dead_of(deliveries, work, covers, death);
            }
        };
        let stored = if covers.len() == work.request.covers.len() {
            self.stored(deliveries, &Work { tries, ..work.clone() }, due_ms)
        } else {
            let plan = StoredPlan { key: Some(work.origin_key.clone()), tries, revision: self.revision() };
            let payload = Payload::Plan(plan);
            let lanes = lanes::of(self.order, Some(&work.request), covers.iter().copied(), deliveries);
            NewStored { payload, due_ms, covers: covers.clone(), lanes }
        };
        let detail = format!("attempt {} failed, again in {} ms: {why}", tries.attempts, due_ms.saturating_sub(now_ms));
        let note = self.note("retry", work, answer, detail.clone());
        self.tell(deliveries, covers.clone(), "retry", work, answer, detail);
        End { notes: vec![(covers, note)], stored: vec![stored], ..End::default() }
    }
}

/// What an attempt leaves to be done.
pub(super) enum Rest {
    /// Nothing: the request has its end, or is stored.
    Nothing,
    /// The request was refused as a whole, with this answer, and must be halved.
    Halves(Answer),
    /// It was not sent: it is too late, and its events must be planned again.
    Late,
}

/// What a request covers, as positions in the deliveries.
pub(super) fn positions(request: &Request) -> Vec<usize> {
    request.covers.iter().map(|cover| *cover as usize).collect()
}

/// The same request with its covers counted from 0, as a stored request's deliveries count.
fn renumber(request: &Request) -> Request {
    Request { covers: (0..request.covers.len() as u32).collect(), ..request.clone() }
}
