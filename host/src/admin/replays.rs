//! Replays and discardings that the console began: they go on in the daemon, page or no page, and can
//! be paused and stopped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::watch;

use super::access::Caller;
use super::destinations::{needs, record};
use super::failure::Failure;
use super::letters::{detail, subject};
use crate::config::Role;
use crate::daemon::{Daemon, Replaying, Steps};
use crate::queue::{DeadFilter, ReplayRange};

/// Events a second, when nothing else is said: a vendor takes that beside new events.
const RATE: u32 = 100;

/// Replays that are remembered; beyond, the oldest that ended goes.
const REMEMBERED_MAX: usize = 20;

/// Replays at a time.
const RUNNING_MAX: usize = 5;

/// One of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Its number, from 1 on.
    pub number: u64,
    /// Who began it.
    pub who: String,
    /// When: milliseconds since 1970.
    pub began_ms: u64,
    /// Whether letters are discarded, not replayed.
    pub discards: bool,
    /// Which destination's letters, or all.
    pub subject: String,
    /// Which letters.
    pub detail: String,
    /// How many are meant.
    pub wanted: u64,
    /// How many are discarded, or sent again.
    pub count: u64,
    /// Of those that were sent again: not yet ended.
    pub owed: u64,
    /// Of those that were sent again: dead letters again.
    pub dead_again: u64,
    #[serde(skip)]
    pub(crate) deliveries: Vec<ReplayRange>,
    /// A destination that takes none at the moment.
    pub held: Option<String>,
    /// `running`, `paused`, `stopped`, `done`, `failed`.
    pub state: &'static str,
    /// Why it failed.
    pub why: String,
}

impl Replay {
    /// Of those that were sent again: delivered, or filtered by a rule of today.
    pub fn delivered(&self) -> u64 {
        self.count.saturating_sub(self.owed + self.dead_again)
    }

    /// Whether anything of it may still change.
    pub fn is_open(&self) -> bool {
        matches!(self.state, "running" | "paused") || self.owed > 0
    }
}

/// What is asked of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Go,
    Pause,
    Stop,
}

struct Running {
    replay: Replay,
    wish: watch::Sender<Wish>,
}

/// All that are remembered, newest last.
#[derive(Clone, Default)]
pub struct Replays {
    all: Arc<Mutex<VecDeque<Running>>>,
}

impl Replays {
    /// What each came to, newest first.
    pub fn all(&self) -> Vec<Replay> {
        let all = self.all.lock().expect("nobody panics while holding the replays");
        all.iter().rev().map(|running| running.replay.clone()).collect()
    }

    /// The same, having looked how far those are that were sent again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn looked_at(&self, daemon: &Daemon) -> Result<Vec<Replay>, Failure> {
        for replay in self.all().into_iter().filter(|replay| replay.is_open() && !replay.discards) {
            let fates = daemon.store.replay_fates(replay.deliveries, replay.began_ms).await?;
            self.update(replay.number, |own| {
                // What was sent meanwhile was not looked at: it is still owed.
                own.owed = fates.owed + (own.count - replay.count.min(own.count));
                own.dead_again = fates.dead;
            });
        }
        Ok(self.all())
    }

    /// Begins one for `wanted` letters.
    ///
    /// # Errors
    /// When too many are under way, or she may not.
    pub async fn begin(
        &self,
        daemon: &Arc<Daemon>,
        caller: &Caller,
        filter: DeadFilter,
        (wanted, discards): (u64, bool),
    ) -> Result<u64, Failure> {
        needs(caller, Role::Editor)?;
        let (sender, wish) = watch::channel(Wish::Go);
        let (subject, detail) = (subject(&filter), detail(&filter));
        let number = {
            let mut all = self.all.lock().expect("nobody panics while holding the replays");
            let running = all.iter().filter(|own| matches!(own.replay.state, "running" | "paused")).count();
            if running >= RUNNING_MAX {
                let message = format!("{RUNNING_MAX} replays are under way: wait for one to end, or stop one");
                return Err(Failure::new(hyper::StatusCode::CONFLICT, "replays_under_way", message));
            }
            if all.len() >= REMEMBERED_MAX {
                let ended = all.iter().position(|own| !matches!(own.replay.state, "running" | "paused"));
                ended.and_then(|ended| all.remove(ended));
            }
            let number = all.back().map_or(1, |last| last.replay.number + 1);
            let replay = Replay {
                number,
                who: caller.person.name.clone(),
                began_ms: (daemon.now)(),
                discards,
                subject: subject.clone(),
                detail: detail.clone(),
                wanted,
                count: 0,
                owed: 0,
                dead_again: 0,
                deliveries: Vec::new(),
                held: None,
                state: "running",
                why: String::new(),
            };
            all.push_back(Running { replay, wish: sender });
            number
        };
        let what = if discards { "dead letters discarded" } else { "dead letters replayed" };
        record(daemon, caller, what, &subject, &format!("{wanted}: {detail}")).await;
        let replaying = if discards { Replaying::Discard(filter) } else { Replaying::Letters(filter) };
        let (own, daemon) = (self.clone(), daemon.clone());
        tokio::spawn(async move { own.run(daemon, replaying, number, wish).await });
        Ok(number)
    }

    /// Pauses one, lets it go on, or stops it; what is not done stays a dead letter.
    ///
    /// # Errors
    /// When there is none of that number, or she may not.
    pub fn ask(&self, caller: &Caller, number: u64, wish: &str) -> Result<(), Failure> {
        needs(caller, Role::Editor)?;
        let wish = match wish {
            "pause" => Wish::Pause,
            "go-on" => Wish::Go,
            "stop" => Wish::Stop,
            other => return Err(Failure::bad("bad_wish", format!("`{other}` is none of pause, go-on, stop"))),
        };
        let all = self.all.lock().expect("nobody panics while holding the replays");
        let unknown = || Failure::unknown("unknown_replay", format!("there is no replay {number}"));
        all.iter().find(|own| own.replay.number == number).ok_or_else(unknown)?.wish.send_replace(wish);
        Ok(())
    }

    async fn run(self, daemon: Arc<Daemon>, replaying: Replaying, number: u64, mut wish: watch::Receiver<Wish>) {
        let Some(mut steps) = Steps::begin(&daemon, replaying, RATE).await else { return };
        loop {
            let asked = *wish.borrow_and_update();
            match asked {
                Wish::Stop => return self.update(number, |replay| replay.state = "stopped"),
                Wish::Pause => {
                    self.update(number, |replay| replay.state = "paused");
                    if wish.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
                Wish::Go => self.update(number, |replay| replay.state = "running"),
            }
            let step = tokio::select! {
                step = steps.next() => step,
                _ = wish.changed() => continue,
            };
            match step {
                None => return self.update(number, |replay| replay.state = "done"),
                Some(Err(error)) => {
                    return self.update(number, |replay| (replay.state, replay.why) = ("failed", error.to_string()));
                }
                Some(Ok(state)) => self.update(number, |replay| {
                    let count = state["replayed"].as_u64().or(state["discarded"].as_u64());
                    let count = count.unwrap_or(replay.count);
                    if !replay.discards {
                        replay.owed += count - replay.count.min(count);
                        replay.deliveries = steps.replays().to_vec();
                    }
                    replay.count = count;
                    replay.held = state["held"].as_str().map(str::to_string);
                }),
            }
        }
    }

    fn update(&self, number: u64, update: impl FnOnce(&mut Replay)) {
        let mut all = self.all.lock().expect("nobody panics while holding the replays");
        if let Some(own) = all.iter_mut().find(|own| own.replay.number == number) {
            update(&mut own.replay);
        }
    }
}
