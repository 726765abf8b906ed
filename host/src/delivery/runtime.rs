//! The runtime of one destination: one task that owns the feed and everything that is in flight.
//!
//! It takes new deliveries while requests in flight leave room and the vendor works; what failed is
//! stored and comes back when it is due. While the circuit breaker is half open one request goes, a
//! stored one that is due, or a new one where none is stored: it is the probe.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};

use super::active::Active;
use super::ahead::Ahead;
use super::attempt::Attempts;
use super::breaker::{Allows, Breaker};
use super::carry::{Carried, carry_stored};
use super::end::{self, End, Origin};
use super::guest::{Guests, Planned};
use super::health::{Pause, RuntimeStatus};
use super::lanes::{self, Lanes};
use super::limiter::Limiter;
use super::live::Live;
use super::quotas::Quotas;
use super::trial;
use crate::clock::Clock;
use crate::config::DeliveryLimits;
use crate::plugin::manifest::Order;
use crate::plugin::split::Search;
use crate::queue::{Delivery, Feed, Settler, StoreError};

/// JSON bytes of one batch: what a guest of 64 MiB holds several times over.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Stored requests taken at once.
const DUE_MAX: usize = 64;

/// What runtimes share.
#[derive(Clone)]
pub struct Shared {
    /// Calls plugins.
    pub guests: Guests,
    /// Milliseconds since 1970.
    pub now: Clock,
    /// Who watches.
    pub live: Live,
    /// How many milliseconds of `now` pass in one of the machine's: 1 but in simulations.
    pub speed: u32,
}

/// The runtime of one destination.
pub struct Runtime {
    pub(super) shared: Shared,
    pub(super) feed: Box<dyn Feed>,
    pub(super) settler: Box<dyn Settler>,
    pub(super) active: watch::Receiver<Arc<Active>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) status: Arc<Mutex<RuntimeStatus>>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) limits: DeliveryLimits,
    pub(super) tasks: JoinSet<TaskEnd>,
    pub(super) lanes: Arc<Mutex<Lanes>>,
    pub(super) quotas: Arc<Mutex<Quotas>>,
    /// The task that plans, if one does.
    pub(super) planning: Option<task::Id>,
    pub(super) ahead: Ahead,
    pub(super) breaker: Breaker,
    pub(super) not_before_ms: u64,
    pub(super) pause: Option<Pause>,
    pub(super) order_given_up: u64,
}

/// What a task of the runtime comes back with.
pub(super) enum TaskEnd {
    Planned(Vec<(Arc<Attempts>, Vec<Delivery>, Planned)>),
    Carried(Box<Carried>),
}

/// What was taken of the new deliveries.
#[derive(Clone, Copy, PartialEq)]
enum Taken {
    /// What there was then; if there are more, they are looked at next.
    All,
    /// There are more, and they have to wait.
    Left,
}

/// What woke the loop.
enum Wake {
    Task(Result<TaskEnd, JoinError>),
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
        let limits = active.borrow().destination.delivery.clone();
        feed.bound_backlog(limits.backlog);
        Runtime {
            shared,
            settler: feed.settler(),
            lanes: Arc::new(Mutex::new(Lanes::new(feed.standing()))),
            quotas: Arc::default(),
            feed,
            active,
            stop,
            status,
            limiter: Arc::new(Limiter::new(&limits)),
            limits,
            tasks: JoinSet::new(),
            planning: None,
            ahead: Ahead::default(),
            breaker: Breaker::default(),
            not_before_ms: 0,
            pause: None,
            order_given_up: 0,
        }
    }

    /// Works until it is stopped; then finishes what is in flight, within `grace`, and settles it.
    pub async fn run(mut self, grace: Duration) -> Result<(), StoreError> {
        while !*self.stop.borrow_and_update() {
            self.take_up_active();
            self.take_up_erased();
            self.take_due().await?;
            let taken = self.take_new().await?;
            self.show_status();
            match self.wake(taken).await {
                Wake::Task(task) => {
                    self.task_ended(task).await?;
                    while let Some(task) = self.tasks.try_join_next() {
                        self.task_ended(task).await?;
                    }
                }
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
            if let Ok(TaskEnd::Carried(carried)) = task {
                self.settle_carried(*carried).await?;
            }
        }
        self.tasks.shutdown().await;
        Ok(())
    }

    fn take_up_active(&mut self) {
        if self.active.has_changed().unwrap_or(false) {
            let active = self.active.borrow_and_update().clone();
            if active.destination.delivery != self.limits {
                self.limits = active.destination.delivery.clone();
                self.feed.bound_backlog(self.limits.backlog);
                self.limiter = Arc::new(Limiter::new(&self.limits));
            }
            // A new revision, new settings or the operator may have mended what was wrong.
            self.pause = None;
            self.breaker = Breaker::default();
            self.not_before_ms = 0;
        }
    }

    /// Requests whose events were all erased, or expired, leave their lanes: nothing that comes has to wait for them.
    fn take_up_erased(&mut self) {
        let erased = self.feed.erased();
        if !erased.is_empty() {
            let mut lanes = self.lock_lanes();
            erased.into_iter().for_each(|id| lanes.leave(id));
        }
    }

    /// Waits for something to do.
    async fn wake(&mut self, taken: Taken) -> Wake {
        let timer_ms = self.next_timer_ms();
        let (now_ms, speed) = ((self.shared.now)(), self.shared.speed);
        let timer = async {
            match timer_ms {
                Some(at_ms) => {
                    let wait = Duration::from_millis(at_ms.saturating_sub(now_ms).max(1));
                    tokio::time::sleep(wait / speed).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(task) = self.tasks.join_next(), if !self.tasks.is_empty() => Wake::Task(task),
            () = self.feed.changed(taken == Taken::Left) => Wake::Look,
            () = timer => Wake::Look,
            Ok(()) = self.active.changed() => { self.active.mark_changed(); Wake::Look },
            _ = self.stop.changed() => Wake::Stop,
        }
    }

    /// When there may be something to do without a signal: milliseconds since 1970.
    fn next_timer_ms(&self) -> Option<u64> {
        let active = self.active.borrow();
        if active.guest.is_none() || active.paused {
            return None;
        }
        let now_ms = (self.shared.now)();
        let (gate_ms, room) = match self.allows(now_ms)? {
            Allows::All => (0, self.tasks.len() < self.in_flight_max()),
            Allows::Probe => (0, self.tasks.is_empty()),
            Allows::NothingBefore(at_ms) => (at_ms, self.tasks.is_empty()),
        };
        let gate_ms = gate_ms.max(self.not_before_ms);
        let due_ms = self.feed.next_due_ms().filter(|_| room).map(|due_ms| due_ms.max(gate_ms));
        let new_ms = (self.feed.has_next() && room && self.planning.is_none() && gate_ms > now_ms).then_some(gate_ms);
        match (due_ms, new_ms) {
            (Some(due_ms), Some(new_ms)) => Some(due_ms.min(new_ms)),
            (due_ms, new_ms) => due_ms.or(new_ms),
        }
    }

    /// What may be sent now; None: nothing until something changes.
    fn allows(&self, now_ms: u64) -> Option<Allows> {
        match (&self.pause, self.breaker.allows(now_ms)) {
            (Some(Pause::Plugin(_)), _) => None,
            (Some(Pause::UntilOneWorks(_)), Allows::All) => Some(Allows::Probe),
            (_, allows) => Some(allows),
        }
    }

    fn in_flight_max(&self) -> usize {
        // Twice the requests that may be in flight: the next ones are ready when one has ended.
        self.limiter.limit() * 2
    }

    /// Whether so little is in flight that the next batch may be planned.
    fn has_room_for_new(&self) -> bool {
        self.tasks.len() < self.in_flight_max().max(self.ahead.enough())
    }

    /// Takes stored requests that are due.
    async fn take_due(&mut self) -> Result<(), StoreError> {
        let now_ms = (self.shared.now)();
        let ready = self.attempts();
        let Some(attempts) = ready.filter(|_| now_ms >= self.not_before_ms) else { return Ok(()) };
        if self.feed.next_due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(());
        }
        let max = match self.allows(now_ms) {
            Some(Allows::All) => self.in_flight_max().saturating_sub(self.tasks.len()).min(DUE_MAX),
            Some(Allows::Probe) => usize::from(self.tasks.is_empty()),
            Some(Allows::NothingBefore(_)) | None => 0,
        };
        if max == 0 {
            return Ok(());
        }
        for (stored, deliveries) in self.feed.due(now_ms, max).await? {
            let carried = carry_stored(attempts.clone(), stored, deliveries);
            self.tasks.spawn(Box::pin(async move { TaskEnd::Carried(Box::new(carried.await)) }));
        }
        Ok(())
    }

    /// Takes new deliveries, settles those that are filtered, and has the rest planned.
    async fn take_new(&mut self) -> Result<Taken, StoreError> {
        let now_ms = (self.shared.now)();
        let allowed = match self.allows(now_ms) {
            Some(Allows::All) => self.has_room_for_new(),
            // A vendor without stored requests to probe it with is probed with one new batch.
            Some(Allows::Probe) => self.pause.is_none() && self.tasks.is_empty() && self.feed.next_due_ms().is_none(),
            Some(Allows::NothingBefore(_)) | None => false,
        };
        let wants = self.planning.is_none()
            && allowed
            && self.feed.stored_requests() < self.limits.stored_requests_max
            && now_ms >= self.not_before_ms;
        if !wants || !self.feed.has_next() {
            return Ok(if self.feed.has_next() && !wants { Taken::Left } else { Taken::All });
        }
        let Some(attempts) = self.attempts() else { return Ok(Taken::Left) };
        // In strict order nothing new comes before what is stored.
        if attempts.order == Order::Strict && self.lock_lanes().stored(&[lanes::STRICT]) > 0 {
            return Ok(Taken::Left);
        }
        let on_trial = self.on_trial(&attempts);
        let guests = [Some(&attempts), on_trial.as_ref()].into_iter().flatten();
        let batches = guests.map(|attempts| &attempts.guest.revision.manifest().batch);
        let least = batches.map(|batch| (batch.events_max as usize, batch.bytes_max as usize));
        let (batch_events_max, batch_bytes_max) =
            least.reduce(|one, other| (one.0.min(other.0), one.1.min(other.1))).unwrap_or((1, 1));
        let limits = &attempts.active.destination.delivery;
        // A probe is one event: a whole batch would be a storm on a vendor that just came back, and would
        // take a plugin that hangs many deadlines.
        let events_max = match self.allows(now_ms) {
            Some(Allows::All) => limits.batch_events_max.min(batch_events_max).max(1),
            _ => 1,
        };
        self.ahead.begin(now_ms);
        let deliveries = self.feed.next(events_max, BATCH_BYTES_MAX.min(batch_bytes_max)).await?;
        let mut parts = Vec::new();
        for (own, deliveries) in trial::parts(attempts.clone(), on_trial.clone(), deliveries) {
            let (deliveries, events) = self.route(&own, deliveries).await?;
            if !deliveries.is_empty() {
                let before = on_trial.as_ref().filter(|new| Arc::ptr_eq(new, &own)).map(|_| attempts.clone());
                parts.push((own, before, deliveries, events));
            }
        }
        if parts.is_empty() {
            return Ok(Taken::All);
        }
        let task = self.tasks.spawn(async move {
            let mut planned = Vec::with_capacity(parts.len());
            for (own, before, deliveries, events) in parts {
                planned.extend(trial::plan(own, before, deliveries, events).await);
            }
            TaskEnd::Planned(planned)
        });
        self.planning = Some(task.id());
        Ok(Taken::All)
    }

    /// What attempts need now, or None while the destination cannot work.
    fn attempts(&self) -> Option<Arc<Attempts>> {
        let active = self.active.borrow().clone();
        if active.paused {
            return None;
        }
        let guest = active.guest.clone()?;
        Some(Arc::new(Attempts {
            order: active.order(),
            active,
            guest,
            guests: self.shared.guests.clone(),
            search: if self.breaker.is_open() { Search::Short } else { Search::Full },
            limiter: self.limiter.clone(),
            lanes: self.lanes.clone(),
            quotas: self.quotas.clone(),
            now: self.shared.now.clone(),
            live: self.shared.live.clone(),
        }))
    }

    /// What attempts need with the revision on trial, where there is one.
    fn on_trial(&self, stable: &Attempts) -> Option<Arc<Attempts>> {
        let active = stable.active.trial.as_ref()?.new.clone();
        let guest = active.guest.clone()?;
        Some(Arc::new(Attempts { order: active.order(), guest, active, ..stable.clone() }))
    }

    async fn task_ended(&mut self, task: Result<TaskEnd, JoinError>) -> Result<(), StoreError> {
        match task {
            // The deliveries of that task are handed out again at the next start.
            Err(error) => {
                tracing::error!(destination = %self.active.borrow().destination.id, %error,
                    "a delivery task failed: its events are planned again at the next start");
                self.planning = self.planning.filter(|planning| *planning != error.id());
                Ok(())
            }
            Ok(TaskEnd::Planned(planned)) => {
                self.planning = None;
                self.ahead.planned((self.shared.now)());
                for (attempts, deliveries, planned) in planned {
                    self.launch(attempts, deliveries, planned).await?;
                }
                Ok(())
            }
            Ok(TaskEnd::Carried(mut carried)) => {
                self.ahead.ended();
                self.take_health(std::mem::take(&mut carried.health));
                self.settle_carried(*carried).await
            }
        }
    }

    /// Hands the settlement of what was carried over, and only then lets those go, or be stored, that
    /// wait in its lanes: so they are stored behind it.
    pub(super) async fn settle_carried(&mut self, carried: Carried) -> Result<(), StoreError> {
        self.settle(carried.origin, &carried.deliveries, carried.end).await?;
        drop(carried.turns);
        Ok(())
    }

    pub(super) fn lock_lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().expect("nobody panics while holding the lanes")
    }

    pub(super) async fn settle(&mut self, origin: Origin, deliveries: &[Delivery], end: End) -> Result<(), StoreError> {
        let opened = self.breaker.count_plugin_failures(end.failed, &self.limits, (self.shared.now)());
        self.tell_breaker(opened);
        let feed = &mut self.feed;
        let settlement = end::settlement(origin, deliveries, end, || feed.new_request_id());
        self.lock_lanes().follow(&settlement);
        self.settler.settle(settlement).await
    }
}
