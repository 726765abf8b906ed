//! Carries requests out: sends, has the answer judged, and says how it ended for each event.
//!
//! A request that the vendor refuses as a whole is halved down to the culprit, with a bound on the
//! extra requests. Nothing here touches the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::Instrument;

use super::active::{Active, ActiveGuest};
use super::end::{End, NewStored};
use super::gate::Gate;
use super::guest::Guests;
use super::lanes::{self, Lanes};
use super::limiter::{Limiter, Load};
use super::live::Live;
use super::no_token;
use super::payload::{Payload, StoredPlan, StoredSend};
use super::quotas::Quotas;
use super::retry::{self, Next, Tries};
use super::story::{moved, shown};
use super::verdict::{self, Reading};
use crate::plugin::manifest::Order;
use crate::plugin::plan::{Judgement, Request, Response, Verdict};
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
}

/// What an attempt says of the destination as a whole.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Attempts that the vendor answered as one that works.
    pub worked: u32,
    /// Attempts that failed in a way that may pass.
    pub failed: u32,
    /// Nothing more before this time: milliseconds since 1970.
    pub slow_until_ms: Option<u64>,
    /// Nothing more for now, and why.
    pub pause: Option<Pause>,
}

/// Why a destination stops.
#[derive(Clone, Debug, PartialEq)]
pub enum Pause {
    /// The vendor does not accept the credentials, or is not at this address. Stored requests are tried
    /// as they fall due, and the first that works ends the pause.
    UntilOneWorks(String),
    /// The plugin asked for it: until the operator resumes, or settings or plugin change.
    Plugin(String),
}

impl Health {
    /// Adds another attempt's.
    pub fn join(&mut self, other: Health) {
        self.worked += other.worked;
        self.failed += other.failed;
        self.slow_until_ms = self.slow_until_ms.max(other.slow_until_ms);
        self.pause = other.pause.or(self.pause.take());
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

    /// Sends one request and halves it where it must be.
    pub async fn carry_out(&self, deliveries: &[Delivery], work: Work) -> (End, Health) {
        let mut budget = SPLIT_REQUESTS_MIN + work.request.covers.len() as u32 / 2;
        let mut end = End::default();
        let mut health = Health::default();
        let mut pending = vec![work];
        while let Some(work) = pending.pop() {
            let (attempt, rest) = self.attempt(deliveries, &work, &mut health).await;
            end.join(attempt);
            let answer = match rest {
                Rest::Nothing => continue,
                Rest::Late => {
                    let (works, planned) = self.planned_again_late(deliveries, &work).await;
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
                let (halves, halved) = self.halves(deliveries, &work).await;
                budget = budget.saturating_sub(halves.len() as u32);
                end.join(halved);
                pending.extend(halves.into_iter().rev());
            }
        }
        (end, health)
    }

    /// One attempt, unless it may not be made now.
    async fn attempt(&self, deliveries: &[Delivery], work: &Work, health: &mut Health) -> (End, Rest) {
        let permit = self.limiter.acquire(work.request.covers.len(), &self.now).await;
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
        self.limiter.take(load_of(&sent), (self.now)());
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

    /// What an answer means.
    async fn read(&self, deliveries: &[Delivery], work: &Work, answer: Answer, health: &mut Health) -> (End, Rest) {
        let (judgement, exhausted) = self.judgement(work, &answer).await;
        let reading = verdict::by_status(answer.status, work.request.covers.len());
        let verdicts = verdict::by_judge(&judgement, &work.request.covers);
        let now_ms = (self.now)();
        if let Some(pause) = &judgement.pause {
            health.pause = Some(Pause::Plugin(pause.clone()));
        }
        let slow_quota_until_ms = self.slow(work, judgement.slow_quota_until_ms, now_ms);
        health.slow_until_ms = health.slow_until_ms.max(judgement.slow_until_ms).max(slow_quota_until_ms);
        let says_nothing = verdicts.iter().all(Option::is_none) && judgement.follow_ups.is_empty();
        let asks_to_split = judgement.split && work.request.covers.len() > 1;
        if asks_to_split || (reading == Reading::Split && says_nothing) {
            health.worked += 1;
            let mut end = End::default();
            let detail = format!("refused as a whole, halved: {}", shown(&answer));
            end.notes.push((positions(&work.request), self.note("halved", work, Some(&answer), detail)));
            self.tell(deliveries, positions(&work.request), "halved", work, Some(&answer), String::new());
            return (end, Rest::Halves(answer));
        }
        let is_retry = reading == Reading::Retry;
        let asked_ms = if is_retry { retry::asked_ms(&answer.headers, now_ms) } else { None };
        let slow_ms = match answer.status {
            429 => asked_ms,
            _ => retry::exhausted_ms(&answer.headers, now_ms),
        };
        match reading {
            // The vendor works, and says when it takes more.
            Reading::Retry if slow_ms.is_some() => {}
            Reading::Retry => health.failed += 1,
            Reading::AuthExpired | Reading::Moved => {}
            // The vendor works, and the plugin does not.
            _ if exhausted => health.failed += 1,
            _ => health.worked += 1,
        }
        let slow_until_ms = slow_ms.map(|slow_ms| now_ms.saturating_add(slow_ms));
        health.slow_until_ms = health.slow_until_ms.max(self.slow(work, slow_until_ms, now_ms));
        let sorted = self.sort(work, &answer, reading, verdicts, health);
        (self.ends(deliveries, work, &answer, sorted, judgement.follow_ups, asked_ms), Rest::Nothing)
    }

    /// What the judge says, and whether it used up its time or its memory over it.
    async fn judgement(&self, work: &Work, answer: &Answer) -> (Judgement, bool) {
        if !self.guest.revision.has_judge() {
            return (Judgement::default(), false);
        }
        let response = Response {
            tag: work.request.tag.clone(),
            covers: work.request.covers.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
        };
        match self.guests.judge(&self.guest, (self.now)(), response).await {
            Ok(judgement) => (judgement, false),
            Err(fault) => {
                tracing::warn!(destination = %self.active.destination.id, plugin = %self.active.destination.plugin, %fault,
                    "the judge failed: the host's default holds for this answer");
                self.count_fault(&fault);
                (Judgement::default(), fault.is_exhaustion())
            }
        }
    }

    /// Sorts the covered events by what their verdict asks for.
    fn sort(
        &self,
        work: &Work,
        answer: &Answer,
        reading: Reading,
        verdicts: Vec<Option<Verdict>>,
        health: &mut Health,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        for (at, verdict) in positions(&work.request).into_iter().zip(verdicts) {
            let verdict = verdict.unwrap_or_else(|| match reading {
                Reading::Delivered => Verdict::Delivered,
                Reading::Retry => Verdict::RetryAfterMs(None),
                Reading::AuthExpired => Verdict::AuthExpired,
                Reading::Moved => {
                    health.pause.get_or_insert_with(|| Pause::UntilOneWorks(self.without_secrets(moved(answer))));
                    Verdict::RetryAfterMs(None)
                }
                Reading::Split | Reading::Refused => Verdict::Reject(shown(answer)),
            });
            match verdict {
                Verdict::Delivered => {
                    self.active.client.worked(answer);
                    self.guest.counts.delivered(1);
                    sorted.parts.push((at, Outcome::Delivered));
                }
                Verdict::Warned(warning) => {
                    self.active.client.worked(answer);
                    sorted.parts.push((at, Outcome::Delivered));
                    sorted.warnings.insert(at, format!("the vendor warns: {warning}"));
                }
                Verdict::Skip(reason) => {
                    sorted.parts.push((at, Outcome::Filtered { reason: format!("plugin: {reason}") }));
                }
                Verdict::Reject(reason) => {
                    self.guest.counts.rejected(1);
                    sorted.parts.push((at, Outcome::Dead(self.death("vendor_refused", reason, work, Some(answer)))));
                }
                Verdict::RetryAfterMs(wait_ms) => sorted.again.entry(wait_ms).or_default().push(at),
                Verdict::AuthExpired if self.active.client.refused(answer) => {
                    sorted.again.entry(None).or_default().push(at);
                }
                Verdict::AuthExpired => {
                    sorted.again.entry(None).or_default().push(at);
                    let why = format!("the vendor does not accept the credentials: {}", shown(answer));
                    health.pause = Some(Pause::UntilOneWorks(self.without_secrets(why)));
                }
            }
        }
        sorted
    }

    /// The end of a request whose events are sorted.
    fn ends(
        &self,
        deliveries: &[Delivery],
        work: &Work,
        answer: &Answer,
        sorted: Sorted,
        follow_ups: Vec<Request>,
        asked_ms: Option<u64>,
    ) -> End {
        let mut end = End::default();
        for ((step, detail), covers) in sorted.steps() {
            end.notes.push((covers.clone(), self.note(step, work, Some(answer), detail.to_string())));
            self.tell(deliveries, covers, step, work, Some(answer), detail.to_string());
        }
        end.parts = sorted.parts;
        for (wait_ms, covers) in sorted.again {
            end.join(self.again(deliveries, work, covers, wait_ms.max(asked_ms), &shown(answer), Some(answer)));
        }
        for request in follow_ups {
            end.join(self.follow_up(deliveries, work, request));
        }
        end
    }

    /// The next step of a chain: stored first, sent once it is durable.
    fn follow_up(&self, deliveries: &[Delivery], work: &Work, request: Request) -> End {
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
    fn again(
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

/// The covered events of a request, by what becomes of them.
#[derive(Default)]
struct Sorted {
    parts: Vec<(usize, Outcome)>,
    /// What the vendor warns of, by position.
    warnings: HashMap<usize, String>,
    /// What is tried again, by the wait that the judge asks for.
    again: BTreeMap<Option<u64>, Vec<usize>>,
}

impl Sorted {
    /// The steps that end a part, each with what is said of it, and the events that it is said of.
    fn steps(&self) -> BTreeMap<(&'static str, &str), Vec<usize>> {
        let mut steps: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, outcome) in &self.parts {
            let step = match outcome {
                Outcome::Delivered => ("delivered", self.warnings.get(at).map_or("", String::as_str)),
                Outcome::Filtered { reason } => ("filtered", reason.as_str()),
                Outcome::Dead(death) => ("dead", death.detail.as_str()),
            };
            steps.entry(step).or_default().push(*at);
        }
        steps
    }
}

/// What an attempt leaves to be done.
enum Rest {
    /// Nothing: the request has its end, or is stored.
    Nothing,
    /// The request was refused as a whole, with this answer, and must be halved.
    Halves(Answer),
    /// It was not sent: it is too late, and its events must be planned again.
    Late,
}

/// What an answer, or none, says of the load that the vendor bears.
fn load_of(sent: &Result<Answer, SendError>) -> Load {
    match sent {
        Ok(answer) if matches!(answer.status, 429 | 503) => Load::TooMuch,
        Ok(answer) if answer.status < 500 => Load::Bears(answer.took_ms),
        Err(SendError::Timeout(_)) => Load::TooMuch,
        _ => Load::Unknown,
    }
}

/// What a request covers, as positions in the deliveries.
pub(super) fn positions(request: &Request) -> Vec<usize> {
    request.covers.iter().map(|cover| *cover as usize).collect()
}

/// The same request with its covers counted from 0, as a stored request's deliveries count.
fn renumber(request: &Request) -> Request {
    Request { covers: (0..request.covers.len() as u32).collect(), ..request.clone() }
}
