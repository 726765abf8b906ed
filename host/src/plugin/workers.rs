//! The threads that guests run on, beside the async runtime.
//!
//! A call may take as long as its deadline, so a plugin that hangs would block its neighbours. Whose
//! call comes next is therefore decided by what each destination has used: see [`super::fair`]. Calls of
//! destinations that ran into a deadline lately run on threads of their own, of a low priority, so that
//! a plugin that spins takes little from those that work. A call that takes long goes aside while it runs: its
//! thread takes the low priority and ends with it, and another thread takes its place. Deadlines are counted
//! in processor time ([`super::deadline`]), so a busy machine makes such calls late, not failed.

mod judging;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::answers::Answers;
use super::fair::{Conduct, Fair, Next, Side};
use super::fault::{PluginError, PluginFault};
use super::kept::Kept;
use super::metered;
use super::priority;
use super::revision::Revision;
use super::split::{Search, Split, Splitter};
use crate::clock::thread_time;
use crate::event::Event;
use crate::meter::GuestMeter;
use crate::queue::DestinationId;

/// Calls that wait at a time; further callers wait before they are queued. A destination plans one
/// batch at a time and judges as many answers as it has requests in flight.
const WAITING_MAX: usize = 1_024;

/// Threads at least: one must be free of calls that run into their deadline.
const THREADS_MIN: usize = 2;

/// Threads for those that are not trusted: they rest most of the time.
const THREADS_ASIDE: usize = 1;

/// Calls that have gone aside while they run, at most; further ones stay where they are.
const AWAY_MAX: usize = 8;

thread_local! {
    /// On a main thread: the threads that it belongs to.
    static MAIN: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

type Job = Box<dyn FnOnce() -> Conduct + Send>;

/// The threads.
pub struct Workers {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    wake_aside: Condvar,
    kept: Kept,
    answers: Answers,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    fair: Fair<Job>,
    /// Main threads that have gone aside with their call.
    away: usize,
    stopping: bool,
}

impl Workers {
    /// Starts so many threads, at least two.
    pub fn start(threads: usize) -> Result<Workers, PluginError> {
        let threads = threads.max(THREADS_MIN);
        let queue = Queue { fair: Fair::default(), away: 0, stopping: false };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            wake_aside: Condvar::new(),
            kept: Kept::default(),
            answers: Answers::default(),
            threads: Mutex::default(),
        });
        let workers = Workers { shared, room: Arc::new(Semaphore::new(WAITING_MAX)) };
        let sides = [(Side::Main, threads), (Side::Aside, THREADS_ASIDE)];
        for (side, count) in sides {
            for _ in 0..count {
                workers.shared.spawn(side).map_err(|error| PluginError::Sandbox(error.to_string()))?;
            }
        }
        Ok(workers)
    }

    /// Plans a batch, and halves it where the plugin fails. Each call waits its turn, so that other
    /// destinations come in between. Safe to cancel: a call that runs then runs to its end.
    pub async fn plan(
        &self,
        search: Search,
        revision: &Arc<Revision>,
        settings: &Arc<str>,
        now_ms: u64,
        events: Vec<Event>,
        meter: &Arc<GuestMeter>,
    ) -> Split {
        let mut splitter = Splitter::new(events.len(), revision.limits().call_ms_max, search);
        let events: Arc<[Event]> = events.into();
        while let Some(range) = splitter.next_range() {
            let (revision, settings, events, own) = (revision.clone(), settings.clone(), events.clone(), range.clone());
            let (metered, shared) = (meter.clone(), self.shared.clone());
            let call = move || {
                let before = thread_time();
                let planned = metered::plan(&shared.kept, &revision, &settings, now_ms, &events[own], &metered);
                (conduct(&planned), (planned, thread_time().saturating_sub(before)))
            };
            let (planned, took) = match self.run(meter.destination(), call).await {
                Ok(answered) => answered,
                Err(fault) => (Err(fault), Duration::ZERO),
            };
            splitter.planned(range, planned, took);
        }
        splitter.finish()
    }

    /// Threads that were started and have not been seen to end.
    #[cfg(test)]
    pub fn threads(&self) -> usize {
        self.shared.lock_threads().len()
    }

    /// Jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().fair.waiting()
    }

    /// Runs a destination's job on one of the threads. An error: it panicked, or the threads are stopping.
    pub async fn run<T: Send + 'static>(
        &self,
        destination: &DestinationId,
        job: impl FnOnce() -> (Conduct, T) + Send + 'static,
    ) -> Result<T, PluginFault> {
        let permit = self.room.clone().acquire_owned().await.expect("the room is never closed");
        let (done, answer) = oneshot::channel();
        self.shared.push(destination, boxed(job, done, permit));
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }
}

fn unanswered() -> PluginFault {
    PluginFault::Host("a call panicked, or the worker threads are stopping".to_string())
}

fn conduct<T>(called: &Result<T, PluginFault>) -> Conduct {
    match called {
        Err(fault) if fault.is_exhaustion() => Conduct::OutOfTime,
        _ => Conduct::InTime,
    }
}

fn boxed<T: Send + 'static>(
    job: impl FnOnce() -> (Conduct, T) + Send + 'static,
    done: oneshot::Sender<Result<T, PluginFault>>,
    permit: OwnedSemaphorePermit,
) -> Job {
    Box::new(move || {
        let (conduct, answer) = match catch_unwind(AssertUnwindSafe(job)) {
            Ok((conduct, answer)) => (conduct, Ok(answer)),
            Err(_) => (Conduct::InTime, Err(PluginFault::Host("a call panicked".to_string()))),
        };
        drop(permit);
        // Whoever asked may have gone.
        let _ = done.send(answer);
        conduct
    })
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.stopping = true;
        queue.fair.clear();
        drop(queue);
        self.shared.wake.notify_all();
        self.shared.wake_aside.notify_all();
        let threads = std::mem::take(&mut *self.shared.lock_threads());
        for thread in threads {
            // A job's panic is caught in the job.
            let _ = thread.join();
        }
    }
}

/// Has the call that runs on this thread gone on aside: it takes long. Does nothing where no worker runs it,
/// and where it is aside already.
pub(super) fn leave_main() {
    if let Some(shared) = MAIN.take()
        && !shared.replace_this()
    {
        MAIN.set(Some(shared));
    }
}

impl Shared {
    fn spawn(self: &Arc<Shared>, side: Side) -> std::io::Result<()> {
        let shared = self.clone();
        let (name, work): (_, fn(&Arc<Shared>)) = match side {
            Side::Main => ("guest", work_main),
            Side::Aside => ("guest-aside", work_aside),
        };
        let thread = std::thread::Builder::new().name(name.to_string()).spawn(move || work(&shared))?;
        let mut threads = self.lock_threads();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Puts another main thread in the place of this one, which takes the low priority. Answers whether it did.
    fn replace_this(self: &Arc<Shared>) -> bool {
        let mut queue = self.lock();
        if queue.stopping || queue.away >= AWAY_MAX || self.spawn(Side::Main).is_err() {
            return false;
        }
        queue.away += 1;
        drop(queue);
        priority::lower();
        true
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().expect("nobody panics while holding the threads")
    }

    fn push(&self, destination: &DestinationId, job: Job) {
        let side = self.lock().fair.push(destination, job);
        self.wake_of(side).notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(UNPOISONED)
    }

    fn wake_of(&self, side: Side) -> &Condvar {
        match side {
            Side::Main => &self.wake,
            Side::Aside => &self.wake_aside,
        }
    }
}

const UNPOISONED: &str = "nobody panics while holding the queue";

fn work_main(shared: &Arc<Shared>) {
    MAIN.set(Some(shared.clone()));
    work(shared, Side::Main);
    MAIN.set(None);
}

fn work_aside(shared: &Arc<Shared>) {
    priority::lower();
    work(shared, Side::Aside);
}

/// Runs calls until the threads stop, or until one of them has taken this thread aside.
fn work(shared: &Shared, side: Side) {
    let is_away = || side == Side::Main && MAIN.with_borrow(Option::is_none);
    let mut queue = shared.lock();
    while !queue.stopping {
        let (ticket, job) = match queue.fair.take(side, Instant::now()) {
            Next::Job(ticket, job) => (ticket, job),
            Next::At(at) => {
                let left = at.saturating_duration_since(Instant::now());
                queue = shared.wake_of(side).wait_timeout(queue, left).expect(UNPOISONED).0;
                continue;
            }
            Next::Nothing => {
                queue = shared.wake_of(side).wait(queue).expect(UNPOISONED);
                continue;
            }
        };
        drop(queue);
        // Processor time: what a call waits for one is not held against it.
        let before = thread_time();
        let conduct = job();
        let took = thread_time().saturating_sub(before);
        queue = shared.lock();
        if queue.fair.ended(ticket, took, conduct, Instant::now()) {
            shared.wake.notify_all();
            shared.wake_aside.notify_all();
        }
        if is_away() {
            queue.away -= 1;
            return;
        }
    }
}
