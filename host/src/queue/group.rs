//! What one commit takes: commands that were waiting, until the group is full. Bounds keep a commit
//! short and a frame small.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::erase::EraseStep;
use super::feed::Opened;
use super::frame::Block;
use super::{AppendError, Appended, Backfill, BackfillStep, DeadStep, DeadStepped, DestinationId, DestinationStatus};
use super::{Erased, PipelineId, Settlement, Start, StoreError};

/// A group with so many events waits for no more of them: the commit's fsync is paid off by then.
const EVENTS_ENOUGH: usize = 512;
/// The same in bytes of JSON.
const BYTES_ENOUGH: usize = 1 << 20;
/// A group with so many events takes no more of them, though they wait already.
const EVENTS_MAX: usize = 2 * EVENTS_ENOUGH;
/// The same in bytes of JSON.
const BYTES_MAX: usize = 2 * BYTES_ENOUGH;
/// A group with so many changes takes no more of them, and does not wait any longer.
const CHANGES_MAX: usize = 512;

/// What the committer is asked to do.
pub enum Command {
    /// Take events.
    Append(Append),
    /// Apply a settlement.
    Settle(Settle),
    /// Anything rarer.
    Control(Control),
}

impl Command {
    /// Whether somebody waits for its commit.
    pub fn is_awaited(&self) -> bool {
        match self {
            Command::Append(_) | Command::Control(_) => true,
            Command::Settle(settle) => settle.reply.is_some(),
        }
    }
}

/// Events of one append.
pub struct Append {
    /// The events by pipeline, packed; all or none of them.
    pub parts: Vec<(PipelineId, Block)>,
    /// How many events.
    pub events: usize,
    /// Bytes of their JSON.
    pub bytes: usize,
    /// Answered once they are durable. Dropped when the committer ends before.
    pub reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// Their share of the memory that appends may wait in.
    pub room: OwnedSemaphorePermit,
}

/// A settlement of one destination.
pub struct Settle {
    /// Its number.
    pub destination: u32,
    /// What to change.
    pub settlement: Settlement,
    /// Answered once it is durable; without it, it may wait for company.
    pub reply: Option<oneshot::Sender<()>>,
}

/// Where an answer goes. Dropped when the committer ends before.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// The rarer commands.
pub enum Control {
    /// Open a destination's feed.
    Open(DestinationId, PipelineId, Start, Reply<Opened>),
    /// Forget a destination.
    Remove(DestinationId, Reply<u64>),
    /// Pause or resume a destination.
    Pause(DestinationId, bool, Reply<bool>),
    /// All destinations.
    Destinations(Reply<Vec<DestinationStatus>>),
    /// Replay or discard dead letters.
    DeadStep(DeadStep, Reply<DeadStepped>),
    /// Replay from the queue.
    Backfill(BackfillStep, Reply<Backfill>),
    /// Keep a record under a name.
    PutRecord(String, Bytes, Reply<()>),
    /// Erase what was found of a user.
    Erase(EraseStep, Reply<Erased>),
    /// Commit this group, then go on with the file that was begun at this path.
    Rewrite(PathBuf, Reply<()>),
    /// Commit this group, then end.
    Close(Reply<()>),
}

/// See the module.
#[derive(Default)]
pub struct Group {
    /// In the order of arrival.
    pub appends: Vec<Append>,
    /// In the order of arrival.
    pub settles: Vec<Settle>,
    /// In the order of arrival; they see the settlements.
    pub controls: Vec<Control>,
    events: usize,
    bytes: usize,
    changes: usize,
    awaited: bool,
}

impl Group {
    /// Takes a command in.
    pub fn add(&mut self, command: Command) {
        self.awaited |= command.is_awaited();
        match command {
            Command::Append(append) => {
                self.events += append.events;
                self.bytes += append.bytes;
                self.appends.push(append);
            }
            Command::Settle(settle) => {
                self.changes += settle.settlement.changes.len();
                self.settles.push(settle);
            }
            Command::Control(control) => self.controls.push(control),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.settles.is_empty() && self.controls.is_empty()
    }

    /// Whether it waits for no more.
    pub fn is_enough(&self) -> bool {
        self.events >= EVENTS_ENOUGH || self.bytes >= BYTES_ENOUGH || self.is_full()
    }

    /// Whether it takes no more.
    pub fn is_full(&self) -> bool {
        self.events >= EVENTS_MAX || self.bytes >= BYTES_MAX || self.changes >= CHANGES_MAX
    }

    /// Whether somebody waits for its commit.
    pub fn is_awaited(&self) -> bool {
        self.awaited
    }
}
