//! The threads that guests run on, beside the async runtime.
//!
//! A call may take as long as its deadline, so a plugin that hangs would block its neighbours. Calls
//! after a fault therefore wait in a line of their own, which never has all threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::fault::{PluginError, PluginFault};
use super::metered;
use super::plan::{Judgement, Response};
use super::revision::Revision;
use super::split::{Split, Splitter};
use crate::event::Event;
use crate::meter::GuestMeter;

/// Calls that wait at a time; further callers wait before they are queued. Each caller has one call
/// at most, so this is more than there are destinations.
const WAITING_MAX: usize = 1_024;

/// Threads at least: one must be free of calls that follow a fault.
const THREADS_MIN: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// Which line a call waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Any call.
    Ordinary,
    /// A call of a plugin that has just failed.
    Suspect,
}

/// The threads.
pub struct Workers {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    ordinary: VecDeque<Job>,
    suspect: VecDeque<Job>,
    suspects_running: usize,
    suspects_max: usize,
    /// The last job taken was a suspect one: the ordinary line is next.
    suspect_before: bool,
    stopping: bool,
}

impl Workers {
    /// Starts so many threads, at least two.
    pub fn start(threads: usize) -> Result<Workers, PluginError> {
        let threads = threads.max(THREADS_MIN);
        let queue = Queue { suspects_max: threads / 2, ..Queue::default() };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), wake: Condvar::new() });
        let mut workers =
            Workers { shared, room: Arc::new(Semaphore::new(WAITING_MAX)), threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let shared = workers.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("guest-{number}"))
                .spawn(move || work(&shared))
                .map_err(|error| PluginError::Sandbox(error.to_string()))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Plans a batch, and halves it where the plugin fails. Each call waits its turn, so that other
    /// destinations come in between. Safe to cancel: a call that runs then runs to its end.
    pub async fn plan(
        &self,
        revision: &Arc<Revision>,
        settings: &Arc<str>,
        now_ms: u64,
        events: Vec<Event>,
        meter: &Arc<GuestMeter>,
    ) -> Split {
        let events: Arc<[Event]> = events.into();
        let mut splitter = Splitter::new(events.len(), revision.limits().call_ms_max);
        let mut line = Line::Ordinary;
        while let Some(range) = splitter.next_range() {
            let (revision, settings, events, own) = (revision.clone(), settings.clone(), events.clone(), range.clone());
            let meter = meter.clone();
            let call = move || {
                let started = Instant::now();
                (metered::plan(&revision, &settings, now_ms, &events[own], &meter), started.elapsed())
            };
            let (planned, took) = match self.run(line, call).await {
                Ok(answered) => answered,
                Err(fault) => (Err(fault), std::time::Duration::ZERO),
            };
            if planned.is_err() {
                line = Line::Suspect;
            }
            splitter.planned(range, planned, took);
        }
        splitter.finish()
    }

    /// Has an answer judged. Safe to cancel, as [`Workers::plan`] is.
    pub async fn judge(
        &self,
        revision: &Arc<Revision>,
        settings: &Arc<str>,
        now_ms: u64,
        response: Response,
        meter: &Arc<GuestMeter>,
    ) -> Result<Judgement, PluginFault> {
        let (revision, settings, meter) = (revision.clone(), settings.clone(), meter.clone());
        self.run(Line::Ordinary, move || metered::judge(&revision, &settings, now_ms, &response, &meter)).await?
    }

    /// Runs a job on one of the threads. An error: it panicked, or the threads are stopping.
    pub async fn run<T: Send + 'static>(
        &self,
        line: Line,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PluginFault> {
        let permit = self.room.clone().acquire_owned().await.expect("the room is never closed");
        let (done, answer) = oneshot::channel();
        self.shared.push(line, boxed(job, done, permit));
        answer.await.unwrap_or_else(|_| Err(PluginFault::Host("the worker threads are stopping".to_string())))
    }
}

fn boxed<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
    done: oneshot::Sender<Result<T, PluginFault>>,
    permit: OwnedSemaphorePermit,
) -> Job {
    Box::new(move || {
        let answer = catch_unwind(AssertUnwindSafe(job)).map_err(|_| PluginFault::Host("a call panicked".to_string()));
        drop(permit);
        // Whoever asked may have gone.
        let _ = done.send(answer);
    })
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.stopping = true;
        queue.ordinary.clear();
        queue.suspect.clear();
        drop(queue);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A job's panic is caught in the job.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nobody panics while holding the queue")
    }

    fn push(&self, line: Line, job: Job) {
        let mut queue = self.lock();
        match line {
            Line::Ordinary => queue.ordinary.push_back(job),
            Line::Suspect => queue.suspect.push_back(job),
        }
        drop(queue);
        self.wake.notify_one();
    }
}

impl Queue {
    /// The next job: the lines take turns, while the suspect one has a thread left.
    fn take(&mut self) -> Option<(Line, Job)> {
        let suspect_may = self.suspects_running < self.suspects_max && !self.suspect.is_empty();
        let suspect_is_next = suspect_may && (!self.suspect_before || self.ordinary.is_empty());
        self.suspect_before = suspect_is_next;
        if suspect_is_next {
            self.suspects_running += 1;
            return self.suspect.pop_front().map(|job| (Line::Suspect, job));
        }
        self.ordinary.pop_front().map(|job| (Line::Ordinary, job))
    }
}

fn work(shared: &Shared) {
    let mut queue = shared.lock();
    while !queue.stopping {
        let Some((line, job)) = queue.take() else {
            queue = shared.wake.wait(queue).expect("nobody panics while holding the queue");
            continue;
        };
        drop(queue);
        job();
        queue = shared.lock();
        if line == Line::Suspect {
            queue.suspects_running -= 1;
            // A thread that passed the line over may take the next one.
            shared.wake.notify_one();
        }
    }
}
