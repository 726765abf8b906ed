//! The way to the committer: a bounded channel and a bell.
//!
//! Most commands are settlements that nobody waits for, one for every few events, and waking a thread
//! for each of them costs more than the settlement. So the committer sleeps beside the channel, and
//! the bell is rung only by what must be looked at soon: by a command that somebody waits for, by the
//! first settlement after a commit, and when the channel fills.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::group::Command;

/// So many commands wait for the committer at most; who has one more waits for room.
const COMMANDS_MAX: usize = 1_024;

/// With so many waiting, the committer is woken whatever they are.
const CROWD: usize = COMMANDS_MAX / 2;

/// The senders' end.
#[derive(Clone)]
pub struct Commands {
    sender: mpsc::Sender<Command>,
    // Behind the sender, and so dropped after it: the committer looks when the channel may be closed.
    bell: Ringer,
}

/// A sender's hold of the bell, which it rings when it leaves.
#[derive(Clone)]
struct Ringer(Arc<Bell>);

impl Drop for Ringer {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// The committer's end.
pub struct Inbox {
    receiver: mpsc::Receiver<Command>,
    bell: Arc<Bell>,
}

/// The committer is gone.
#[derive(Debug)]
pub struct Gone;

struct Bell {
    /// Whether it was rung since the committer last looked.
    rung: AtomicBool,
    /// Whether the committer has something to do, or will have when its time comes.
    is_busy: AtomicBool,
    committer: Mutex<Option<Thread>>,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Some(committer) = &*self.committer.lock().expect("no holder of this lock panics")
        {
            committer.unpark();
        }
    }
}

/// Both ends.
pub fn channel() -> (Commands, Inbox) {
    let (sender, receiver) = mpsc::channel(COMMANDS_MAX);
    let bell = Bell { rung: AtomicBool::new(false), is_busy: AtomicBool::new(false), committer: Mutex::new(None) };
    let bell = Arc::new(bell);
    (Commands { sender, bell: Ringer(bell.clone()) }, Inbox { receiver, bell })
}

impl Commands {
    /// Hands a command over, once there is room.
    ///
    /// # Errors
    /// The committer is gone.
    pub async fn send(&self, command: Command) -> Result<(), Gone> {
        let is_urgent = command.is_awaited();
        self.sender.send(command).await.map_err(|_| Gone)?;
        // Either the committer, which says that it has nothing to do and then looks into the channel, sees
        // the command, or this sees that it has nothing to do.
        fence(Ordering::SeqCst);
        let is_crowded = self.sender.max_capacity() - self.sender.capacity() >= CROWD;
        if is_urgent || is_crowded || !self.bell.0.is_busy.load(Ordering::SeqCst) {
            self.bell.0.ring();
        }
        Ok(())
    }

    /// Waits until the committer is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl Inbox {
    /// The next command; waits for it. None when nobody can send any more.
    pub fn next(&mut self) -> Option<Command> {
        *self.bell.committer.lock().expect("no holder of this lock panics") = Some(thread::current());
        self.bell.is_busy.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let next = loop {
            self.bell.rung.store(false, Ordering::SeqCst);
            match self.receiver.try_recv() {
                Ok(command) => break Some(command),
                Err(TryRecvError::Disconnected) => break None,
                Err(TryRecvError::Empty) => {}
            }
            while !self.bell.rung.load(Ordering::SeqCst) {
                thread::park();
            }
        };
        self.bell.is_busy.store(true, Ordering::SeqCst);
        next
    }

    /// The next command, if one waits.
    pub fn try_next(&mut self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    /// Sleeps until the bell is rung, or it is time. Answers whether the bell was rung.
    pub fn sleep_until(&self, time: Instant) -> bool {
        loop {
            if self.bell.rung.swap(false, Ordering::SeqCst) {
                return true;
            }
            let Some(rest) = time.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else {
                return false;
            };
            thread::park_timeout(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::queue::Settlement;
    use crate::queue::group::Settle;

    fn settle(reply: Option<oneshot::Sender<()>>) -> Command {
        Command::Settle(Settle { destination: 1, settlement: Settlement::default(), reply })
    }

    fn send(commands: &Commands, command: Command) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(commands.send(command)).unwrap();
    }

    #[test]
    fn only_what_is_awaited_or_a_crowd_wakes_a_committer_that_has_a_group() {
        let (commands, mut inbox) = channel();
        send(&commands, settle(None));
        assert!(inbox.next().is_some());
        let now = Instant::now();
        send(&commands, settle(None));
        assert!(!inbox.sleep_until(now));
        send(&commands, settle(Some(oneshot::channel().0)));
        assert!(inbox.sleep_until(now));
        for _ in 2..CROWD - 1 {
            send(&commands, settle(None));
        }
        assert!(!inbox.sleep_until(now));
        send(&commands, settle(None));
        assert!(inbox.sleep_until(now));
        let waiting = std::iter::from_fn(|| inbox.try_next()).count();
        assert_eq!(waiting, CROWD);
    }

    #[test]
    fn every_command_of_many_senders_arrives_and_the_end_too() {
        const EACH: usize = 3_000;
        let (commands, mut inbox) = channel();
        let senders: Vec<_> = (0..3).map(|_| commands.clone()).collect();
        drop(commands);
        let senders = senders.into_iter().map(|commands| {
            thread::spawn(move || {
                for number in 0..EACH {
                    send(&commands, settle(None));
                    if number % 64 == 0 {
                        thread::yield_now();
                    }
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let mut arrived = 0;
        while inbox.next().is_some() {
            arrived += 1;
            inbox.sleep_until(Instant::now() + Duration::from_micros(50));
            arrived += std::iter::from_fn(|| inbox.try_next()).count();
        }
        assert_eq!(arrived, 3 * EACH);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
}
