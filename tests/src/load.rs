//! Senders that post batches all the time, as SDKs do, and remember what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Kept, Request, Response};
use crate::shop;

/// Events in each batch.
const BATCH: u64 = 10;

/// After a refused connection, before the next try.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    ids: Mutex<Vec<String>>,
    refusals: Mutex<Vec<String>>,
    failures: AtomicU64,
}

/// Running senders. They end when dropped.
pub struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

/// What became of a load.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The messageIds of every event that was answered with 200.
    pub acknowledged: Vec<String>,
    /// Answers other than 200, as text.
    pub refusals: Vec<String>,
    /// Requests without an answer.
    pub failures: u64,
}

impl Load {
    /// Starts so many senders to `<base>/v1/batch`; `name` begins the messageIds.
    pub fn start(base: &str, write_key: &str, senders: u64, name: &str) -> Load {
        Load::with(base, write_key, senders, name, |request| request.send())
    }

    /// As [`Load::start`], over connections that are kept between requests. Nothing is tried again.
    pub fn start_keeping(base: &str, write_key: &str, senders: u64, name: &str) -> Load {
        let client = Kept::new();
        Load::with(base, write_key, senders, name, move |request| client.send(request))
    }

    fn with(
        base: &str,
        write_key: &str,
        senders: u64,
        name: &str,
        send: impl Fn(Request) -> Result<Response, String> + Clone + Send + 'static,
    ) -> Load {
        let shared = Arc::new(Shared::default());
        let spawn = |sender: u64| {
            let (shared, url) = (shared.clone(), format!("{base}/v1/batch"));
            let (key, name, send) = (write_key.to_string(), format!("{name}-{sender}"), send.clone());
            std::thread::spawn(move || send_until_stopped(&shared, &url, &key, &name, send))
        };
        let senders = (0..senders).map(spawn).collect();
        Load { shared, senders }
    }

    /// How many events were acknowledged until now.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops the senders after the batch that each is at.
    pub fn stop(mut self) -> Sent {
        self.shared.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            sender.join().expect("a sender does not panic");
        }
        Sent {
            acknowledged: self.shared.ids.lock().expect("nobody panics while holding it").clone(),
            refusals: self.shared.refusals.lock().expect("nobody panics while holding it").clone(),
            failures: self.shared.failures.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn send_until_stopped(
    shared: &Shared,
    url: &str,
    key: &str,
    name: &str,
    send: impl Fn(Request) -> Result<Response, String>,
) {
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let batch: Vec<Value> = (0..BATCH).map(|at| shop::padded(&format!("{name}-{}", number + at), 600)).collect();
        number += BATCH;
        let body = json!({"batch": batch}).to_string();
        match send(Request::post(url, body).write_key(key)) {
            Ok(response) if response.status == 200 => {
                let ids = crate::expect::message_ids(&batch);
                shared.ids.lock().expect("nobody panics while holding it").extend(ids);
                shared.acknowledged.fetch_add(BATCH, Ordering::Relaxed);
            }
            Ok(response) => {
                let refusal = format!("{} {}", response.status, response.text());
                shared.refusals.lock().expect("nobody panics while holding it").push(refusal);
                std::thread::park_timeout(PAUSE);
            }
            Err(error) => {
                eprintln!("without an answer: {error}");
                shared.failures.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(PAUSE);
            }
        }
    }
}
