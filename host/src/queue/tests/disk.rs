//! A disk in memory whose power can be cut: writes that were not synced may then be there or not,
//! each by itself.

use std::io::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::Random;

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
    failed: bool,
    /// Writes and syncs that were tried after the failed sync.
    tried_after_failure: u64,
}

#[derive(Debug)]
enum Operation {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

impl Operation {
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

    /// How often the disk was written or synced after a sync failed.
    pub fn tried_after_failure(&self) -> u64 {
        self.lock().tried_after_failure
    }

    /// Cuts the power now; answers what is on the disk.
    pub fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut sectors = self.lock();
        sectors.cut = true;
        let mut bytes = sectors.synced.clone();
        for operation in &sectors.pending {
            // A changed length is kept: a file system orders that before the data in it.
            if matches!(operation, Operation::SetLength(_)) || random.below(2) == 0 {
                operation.apply(&mut bytes);
            }
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
        self.lock().change(Operation::Write(usize::try_from(offset).unwrap(), data.to_vec()))
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
