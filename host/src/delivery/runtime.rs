//! The runtime of one destination: one task that owns the feed and everything that is in flight.
//!
//! It takes new deliveries while requests in flight leave room and the vendor works; what failed is
//! stored and comes back when it is due. A vendor that fails again and again gets nothing new until
//! one of the stored requests goes through: they are the probes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::active::{Active, Lanes, Turn};
use super::attempt::{Attempts, Health, Work};
use super::end::{self, End, Origin};
use super::group::groups;
use super::guest::{Guests, Planned};
use super::live::{Live, Step};
use super::payload::Payload;
use super::replayed;
use super::retry::Tries;
use crate::clock::Clock;
use crate::queue::{Death, Delivery, Feed, Note, Outcome, Settler, StoreError, StoredRequest};
use crate::transformation::{self, Routing};

/// Failures in a row after which nothing new is sent until something works again.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

/// JSON bytes of one batch: what a guest of 64 MiB holds several times over.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Stored requests taken at once.
const DUE_MAX: usize = 64;

/// What `status` shows of a runtime.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RuntimeStatus {
    /// `working`, `paused`, `failing`, `waiting for the plugin`.
    pub state: String,
    /// Why, when it does not work.
    pub why: String,
    /// Groups of requests in flight.
    pub in_flight: usize,
    /// The revision that plans, first 12 digits.
    pub revision: String,
}

/// What runtimes share.
#[derive(Clone)]
pub struct Shared {
    /// Calls plugins.
    pub guests: Guests,
    /// Milliseconds since 1970.
    pub now: Clock,
    /// Who watches.
    pub live: Live,
}

/// The runtime of one destination.
pub struct Runtime {
    shared: Shared,
    feed: Box<dyn Feed>,
    settler: Box<dyn Settler>,
    active: watch::Receiver<Arc<Active>>,
    stop: watch::Receiver<bool>,
    status: Arc<Mutex<RuntimeStatus>>,
    permits: Arc<Semaphore>,
    permits_count: usize,
    tasks: JoinSet<TaskEnd>,
    lanes: Lanes,
    planning: bool,
    failures_in_a_row: u32,
    not_before_ms: u64,
    pause: Option<String>,
}

/// What a task of the runtime comes back with.
enum TaskEnd {
    Planned(Box<(Arc<Attempts>, Vec<Delivery>, Planned)>),
    Carried { origin: Origin, deliveries: Vec<Delivery>, end: End, health: Health },
}

/// What woke the loop.
enum Wake {
    Task(TaskEnd),
    Look,
    Stop,
}

impl Runtime {
    /// A runtime that works with what `active` holds until `stop` says true.
    pub fn new(
        shared: Shared,
        feed: Box<dyn Feed>,
        active: watch::Receiver<Arc<Active>>,
        stop: watch::Receiver<bool>,
        status: Arc<Mutex<RuntimeStatus>>,
    ) -> Runtime {
        let concurrency = active.borrow().destination.delivery.concurrency;
        Runtime {
            shared,
            settler: feed.settler(),
            feed,
            active,
            stop,
            status,
            permits: Arc::new(Semaphore::new(concurrency)),
            permits_count: concurrency,
            tasks: JoinSet::new(),
            lanes: Lanes::default(),
            planning: false,
            failures_in_a_row: 0,
            not_before_ms: 0,
            pause: None,
        }
    }

    /// Works until it is stopped; then finishes what is in flight, within `grace`, and settles it.
    pub async fn run(mut self, grace: Duration) -> Result<(), StoreError> {
        while !*self.stop.borrow_and_update() {
            self.take_up_active();
            self.take_due().await?;
            if self.take_new().await? {
                continue;
            }
            self.show_status();
            match self.wake().await {
                Wake::Task(task) => self.task_ended(task).await?,
                Wake::Look => {}
                Wake::Stop => break,
            }
        }
        self.drain(grace).await
    }

    async fn drain(mut self, grace: Duration) -> Result<(), StoreError> {
        let deadline = tokio::time::Instant::now() + grace;
        // What is planned but not sent is left to the next start; what is sent is waited for.
        while let Ok(Some(task)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
            if let Ok(TaskEnd::Carried { origin, deliveries, end, .. }) = task {
                self.settle(origin, &deliveries, end).await?;
            }
        }
        self.tasks.shutdown().await;
        Ok(())
    }

    fn take_up_active(&mut self) {
        if self.active.has_changed().unwrap_or(false) {
            let active = self.active.borrow_and_update().clone();
            let concurrency = active.destination.delivery.concurrency;
            if concurrency != self.permits_count {
                self.permits = Arc::new(Semaphore::new(concurrency));
                self.permits_count = concurrency;
            }
            // A new revision or new settings may have mended what was wrong.
            self.pause = None;
            self.failures_in_a_row = 0;
            self.not_before_ms = 0;
        }
    }

    /// Waits for something to do.
    async fn wake(&mut self) -> Wake {
        let timer_ms = self.next_timer_ms();
        let now_ms = (self.shared.now)();
        let timer = async {
            match timer_ms {
                Some(at_ms) => tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(now_ms).max(1))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(task) = self.tasks.join_next(), if !self.tasks.is_empty() => match task {
                Ok(task) => Wake::Task(task),
                Err(error) => {
                    // The deliveries of that task are handed out again at the next start.
                    tracing::error!(destination = %self.active.borrow().destination.id, %error, "a delivery task failed");
                    Wake::Look
                }
            },
            () = self.feed.changed() => Wake::Look,
            () = timer => Wake::Look,
            Ok(()) = self.active.changed() => { self.active.mark_changed(); Wake::Look },
            _ = self.stop.changed() => Wake::Stop,
        }
    }

    /// When there may be something to do without a signal: milliseconds since 1970.
    fn next_timer_ms(&self) -> Option<u64> {
        let active = self.active.borrow();
        if active.guest.is_none() || active.destination.paused {
            return None;
        }
        let room = if self.is_failing() { self.tasks.is_empty() } else { self.tasks.len() < self.in_flight_max() };
        let due_ms = self.feed.next_due_ms().filter(|_| room).map(|due_ms| due_ms.max(self.not_before_ms));
        let new_ms = (self.feed.has_next() && room && !self.planning && self.not_before_ms > (self.shared.now)())
            .then_some(self.not_before_ms);
        match (due_ms, new_ms) {
            (Some(due_ms), Some(new_ms)) => Some(due_ms.min(new_ms)),
            (due_ms, new_ms) => due_ms.or(new_ms),
        }
    }

    fn in_flight_max(&self) -> usize {
        // Twice the requests that may be in flight: the next ones are ready when a permit is free.
        self.permits_count * 2
    }

    fn is_failing(&self) -> bool {
        self.pause.is_some() || self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX
    }

    /// Takes stored requests that are due.
    async fn take_due(&mut self) -> Result<(), StoreError> {
        let now_ms = (self.shared.now)();
        let ready = self.attempts();
        let Some(attempts) = ready.filter(|_| now_ms >= self.not_before_ms) else { return Ok(()) };
        if self.feed.next_due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(());
        }
        let room = self.in_flight_max().saturating_sub(self.tasks.len());
        // While the vendor fails, one probe at a time is enough.
        let max = if self.is_failing() { usize::from(self.tasks.is_empty()) } else { room.min(DUE_MAX) };
        if max == 0 {
            return Ok(());
        }
        for (stored, deliveries) in self.feed.due(now_ms, max).await? {
            let attempts = attempts.clone();
            self.tasks.spawn(carry_stored(attempts, stored, deliveries));
        }
        Ok(())
    }

    /// Takes new deliveries, settles those that are filtered, and has the rest planned. Answers whether
    /// there are more to look at, which nothing will wake the loop for: none of these is planned.
    async fn take_new(&mut self) -> Result<bool, StoreError> {
        // A failing vendor without stored requests to probe it with is probed with one new batch.
        let may_probe = self.pause.is_none() && self.tasks.is_empty() && self.feed.next_due_ms().is_none();
        let wants = !self.planning
            && (!self.is_failing() || may_probe)
            && self.feed.stored_requests() < self.active.borrow().destination.delivery.stored_requests_max
            && self.tasks.len() < self.in_flight_max()
            && (self.shared.now)() >= self.not_before_ms;
        if !wants || !self.feed.has_next() {
            return Ok(false);
        }
        let Some(attempts) = self.attempts() else { return Ok(false) };
        let batch = &attempts.guest.revision.manifest().batch;
        let limits = &attempts.active.destination.delivery;
        let events_max = limits.batch_events_max.min(batch.events_max as usize).max(1);
        let bytes_max = BATCH_BYTES_MAX.min(batch.bytes_max as usize);
        let deliveries = self.feed.next(events_max, bytes_max).await?;
        let deliveries = self.route(&attempts, deliveries).await?;
        if deliveries.is_empty() {
            return Ok(self.feed.has_next());
        }
        self.planning = true;
        self.tasks.spawn(async move {
            let events = deliveries.iter().map(|delivery| delivery.event.clone()).collect();
            let planned = attempts.guests.plan(&attempts.guest, (attempts.now)(), events).await;
            TaskEnd::Planned(Box::new((attempts, deliveries, planned)))
        });
        Ok(false)
    }

    /// Settles what the rules filter; the rest goes on.
    async fn route(&mut self, attempts: &Attempts, deliveries: Vec<Delivery>) -> Result<Vec<Delivery>, StoreError> {
        let kinds = &attempts.guest.revision.manifest().kinds;
        let mut goes = Vec::with_capacity(deliveries.len());
        let mut filtered = Vec::new();
        let mut end = End::default();
        for delivery in deliveries {
            match transformation::route(&attempts.active.destination, kinds, &delivery.event) {
                Routing::Goes => goes.push(delivery),
                Routing::Filtered(rule) => {
                    let at = filtered.len();
                    self.shared.live.tell(|| filtered_step(attempts, &delivery, rule));
                    end.parts.push((at, Outcome::Filtered { reason: rule.to_string() }));
                    end.notes.push((vec![at], filtered_note((self.shared.now)(), rule)));
                    filtered.push(delivery);
                }
            }
        }
        if !filtered.is_empty() {
            self.settle(Origin::First, &filtered, end).await?;
        }
        Ok(goes)
    }

    /// What attempts need now, or None while the destination cannot work.
    fn attempts(&self) -> Option<Arc<Attempts>> {
        let active = self.active.borrow().clone();
        if active.destination.paused {
            return None;
        }
        let guest = active.guest.clone()?;
        Some(Arc::new(Attempts {
            active,
            guest,
            guests: self.shared.guests.clone(),
            permits: self.permits.clone(),
            now: self.shared.now.clone(),
            live: self.shared.live.clone(),
        }))
    }

    async fn task_ended(&mut self, task: TaskEnd) -> Result<(), StoreError> {
        match task {
            TaskEnd::Planned(planned) => {
                self.planning = false;
                let (attempts, deliveries, planned) = *planned;
                self.launch(attempts, deliveries, planned).await
            }
            TaskEnd::Carried { origin, deliveries, end, health } => {
                self.take_health(health);
                self.settle(origin, &deliveries, end).await
            }
        }
    }

    /// Starts the requests of a plan, and settles the events that get none.
    async fn launch(
        &mut self,
        attempts: Arc<Attempts>,
        deliveries: Vec<Delivery>,
        planned: Planned,
    ) -> Result<(), StoreError> {
        self.shared.live.tell(|| planned_step(&attempts, &deliveries, &planned));
        let mut ended = Vec::new();
        let mut end = End::default();
        for (position, fate) in planned.fates {
            end.join(shifted(attempts.fate(&deliveries, position as usize, fate), position as usize, ended.len()));
            ended.push(deliveries[position as usize].clone());
        }
        for (position, fault) in planned.faults {
            end.join(shifted(attempts.fault(&deliveries, position as usize, &fault), position as usize, ended.len()));
            ended.push(deliveries[position as usize].clone());
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
            let works = group.requests.into_iter().map(|request| {
                let turn = request.lane.as_ref().map(|lane| self.lanes.take_turn(lane));
                (turn, Work { request, tries: Tries::default(), step: 0 })
            });
            let works = works.collect();
            self.tasks.spawn(carry(attempts.clone(), Origin::First, own, works, End::default()));
        }
        Ok(())
    }

    fn take_health(&mut self, health: Health) {
        if health.worked > 0 {
            self.failures_in_a_row = 0;
            self.pause = None;
        } else {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(health.failed);
        }
        if let Some(until_ms) = health.slow_until_ms {
            self.not_before_ms = self.not_before_ms.max(until_ms);
        }
        if let Some(pause) = health.pause {
            if self.pause.is_none() {
                tracing::warn!(destination = %self.active.borrow().destination.id, why = %pause,
                    "paused: stored requests are tried as they fall due, and the first that works resumes it");
            }
            self.pause = Some(pause);
        }
    }

    async fn settle(&mut self, origin: Origin, deliveries: &[Delivery], end: End) -> Result<(), StoreError> {
        let feed = &mut self.feed;
        let settlement = end::settlement(origin, deliveries, end, || feed.new_request_id());
        self.settler.settle(settlement).await
    }

    fn show_status(&self) {
        let active = self.active.borrow();
        let (state, why) = if active.destination.paused {
            ("paused", "by the configuration".to_string())
        } else if let Some(trouble) = &active.trouble {
            ("waiting for the plugin", trouble.clone())
        } else if let Some(pause) = &self.pause {
            ("paused", pause.clone())
        } else if self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX {
            ("failing", format!("{} attempts failed in a row", self.failures_in_a_row))
        } else {
            ("working", String::new())
        };
        let mut status = self.status.lock().expect("nobody panics while holding the status");
        status.state.clear();
        status.state.push_str(state);
        status.why = why;
        status.in_flight = self.tasks.len();
        status.revision =
            active.guest.as_ref().map_or(String::new(), |guest| guest.revision.short_digest().to_string());
    }
}

/// Carries the requests of a group out, each in its turn, all at once otherwise.
async fn carry(
    attempts: Arc<Attempts>,
    origin: Origin,
    deliveries: Vec<Delivery>,
    works: Vec<(Option<Turn>, Work)>,
    mut end: End,
) -> TaskEnd {
    let mut health = Health::default();
    let carried = works.into_iter().map(|(turn, work)| {
        let (attempts, deliveries) = (&attempts, &deliveries);
        async move {
            let mut turn = turn;
            if let Some(turn) = &mut turn {
                turn.come().await;
            }
            attempts.carry_out(deliveries, work).await
        }
    });
    for (one_end, one_health) in join_all(carried).await {
        end.join(one_end);
        health.join(one_health);
    }
    TaskEnd::Carried { origin, deliveries, end, health }
}

/// Carries a stored request out.
async fn carry_stored(attempts: Arc<Attempts>, stored: StoredRequest, deliveries: Vec<Delivery>) -> TaskEnd {
    let origin = Origin::Stored(stored.id);
    let (works, end) = match Payload::decode(&stored.payload).and_then(|payload| match payload {
        Payload::Send(send) => Ok(Err(Work { request: send.request()?, tries: send.tries, step: send.step })),
        Payload::Plan(plan) => Ok(Ok(plan)),
    }) {
        Ok(Err(work)) => (vec![work], End::default()),
        Ok(Ok(plan)) if plan.key.is_none() => replayed::plan(&attempts, &deliveries, plan.tries).await,
        Ok(Ok(plan)) => {
            let covers: Vec<usize> = (0..deliveries.len()).collect();
            attempts.plan_again(&deliveries, &covers, plan.key.as_deref(), plan.tries).await
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
            (Vec::new(), End::all(0..deliveries.len(), Outcome::Dead(death)))
        }
    };
    let works = works.into_iter().map(|work| (None, work)).collect();
    carry(attempts, origin, deliveries, works, end).await
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

/// What the story of a delivery that a rule filtered says.
pub(super) fn filtered_note(now_ms: u64, rule: &str) -> Note {
    Note {
        at_ms: now_ms,
        step: "filtered".to_string(),
        revision: String::new(),
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: format!("by the rule {rule}"),
    }
}

fn filtered_step(attempts: &Attempts, delivery: &Delivery, rule: &str) -> Step {
    Step {
        at_ms: (attempts.now)(),
        destination: attempts.active.destination.id.0.clone(),
        message_ids: vec![delivery.event.message_id.to_string()],
        step: "filtered",
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: format!("by the rule {rule}"),
    }
}

fn planned_step(attempts: &Attempts, deliveries: &[Delivery], planned: &Planned) -> Step {
    Step {
        at_ms: (attempts.now)(),
        destination: attempts.active.destination.id.0.clone(),
        message_ids: deliveries.iter().map(|delivery| delivery.event.message_id.to_string()).collect(),
        step: "planned",
        request: String::new(),
        status: 0,
        took_ms: 0,
        detail: format!(
            "{} {}: {} events, {} requests",
            attempts.active.destination.plugin,
            attempts.guest.revision.short_digest(),
            deliveries.len(),
            planned.requests.len()
        ),
    }
}
