//! A disk in memory whose power can be cut: what was not synced may then be there or not, sector by
//! sector, whatever came first.

use std::io::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use rustix::io::Errno;

use super::Random;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// See the module. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Sectors>>);

#[derive(Debug, Default)]
struct Sectors {
    /// What a cut of the power leaves for sure.
    synced: Vec<u8>,
    /// What reads see.
    seen: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Operation>,
    /// So many operations more, then the power is cut.
    left: Option<u64>,
    cut: bool,
    /// The next sync fails, though the power stays on.
    fail_sync: bool,
    /// The next write fails with this error of the system.
    fail_write: Option<Errno>,
    failed: bool,
    /// Writes and syncs that were tried after the failure.
    tried_after_failure: u64,
}

#[derive(Clone, Debug)]
enum Operation {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

impl Operation {
    /// What of it reached the disk: all, nothing, or some of its sectors.
    fn torn(&self, random: &mut Random) -> Vec<Operation> {
        let Operation::Write(at, data) = self else { return vec![self.clone()] };
        match random.below(4) {
            0 => return Vec::new(),
            1 => return vec![self.clone()],
            _ => {}
        }
        let mut sectors = Vec::new();
        let mut from = 0;
        while from < data.len() {
            let to = data.len().min(from + SECTOR_BYTES - (at + from) % SECTOR_BYTES);
            if random.below(2) == 0 {
                sectors.push(Operation::Write(at + from, data[from..to].to_vec()));
            }
            from = to;
        }
        sectors
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Operation::Write(at, data) => {
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
            Operation::SetLength(length) => bytes.resize(*length, 0),
        }
    }
}

impl Disk {
    /// A disk with this on it.
    pub fn with(bytes: Vec<u8>) -> Disk {
        let disk = Disk::default();
        disk.lock().synced.clone_from(&bytes);
        disk.lock().seen = bytes;
        disk
    }

    /// Cuts the power after so many operations more.
    pub fn cut_after(&self, operations: u64) {
        self.lock().left = Some(operations);
    }

    /// Lets the next sync fail.
    pub fn fail_next_sync(&self) {
        self.lock().fail_sync = true;
    }

    /// Lets the next write fail with an error of the system.
    pub fn fail_next_write(&self, error: Errno) {
        self.lock().fail_write = Some(error);
    }

    /// How often the disk was written or synced after a write or a sync failed.
    pub fn tried_after_failure(&self) -> u64 {
        self.lock().tried_after_failure
    }

    /// Cuts the power now; answers what is on the disk.
    pub fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut sectors = self.lock();
        sectors.cut = true;
        let mut bytes = sectors.synced.clone();
        // A changed length is kept: a file system orders that before the data in it.
        for writes in sectors.pending.chunk_by(|_, next| matches!(next, Operation::Write(..))) {
            let mut torn: Vec<Operation> = writes.iter().flat_map(|write| write.torn(random)).collect();
            let is_length = usize::from(matches!(torn.first(), Some(Operation::SetLength(_))));
            shuffle(&mut torn[is_length..], random);
            torn.iter().for_each(|operation| operation.apply(&mut bytes));
        }
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, Sectors> {
        self.0.lock().unwrap()
    }
}

impl Sectors {
    fn step(&mut self) -> Result<()> {
        self.tried_after_failure += u64::from(self.failed);
        match &mut self.left {
            Some(0) => self.cut = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if self.cut { Err(Error::other("the power is cut")) } else { Ok(()) }
    }

    fn change(&mut self, operation: Operation) -> Result<()> {
        self.step()?;
        operation.apply(&mut self.seen);
        self.pending.push(operation);
        Ok(())
    }
}

fn shuffle(operations: &mut [Operation], random: &mut Random) {
    for at in (1..operations.len()).rev() {
        operations.swap(at, random.below(at as u64 + 1) as usize);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let sectors = self.lock();
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(&sectors.seen[at..at + out.len()]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        self.lock().change(Operation::SetLength(usize::try_from(length).unwrap()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut sectors = self.lock();
        if let Some(error) = sectors.fail_write.take() {
            sectors.failed = true;
            return Err(error.into());
        }
        sectors.change(Operation::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }

    fn sync_data(&self) -> Result<()> {
        let mut sectors = self.lock();
        sectors.step()?;
        if std::mem::take(&mut sectors.fail_sync) {
            sectors.failed = true;
            return Err(Error::other("the disk is broken"));
        }
        sectors.pending.clear();
        sectors.synced = sectors.seen.clone();
        Ok(())
    }
}
