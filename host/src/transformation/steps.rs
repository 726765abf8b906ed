//! How much work one event may be: counted, not timed, so that the same event and rules always come
//! to the same.

use std::cell::Cell;

/// Steps that all rules together may take for one event. A step is a value looked at, a part of an
/// expression, an edit or 64 bytes of text; 10 typical rules take about 150, and 200 rules over an
/// event of 16,384 values stay within. At 1 to 20 ns each, an event is done within some 50 ms at worst.
pub const STEPS_MAX: u64 = 4_000_000;

/// Bytes of text that expressions may make for one event, all together: what they hold in memory.
pub const MADE_BYTES_MAX: usize = 8 << 20;

/// Bytes of text that count as one step.
const STEP_BYTES: usize = 64;

/// The rules took more than [`STEPS_MAX`] steps, or made too much of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// The steps that are left.
#[derive(Debug)]
pub struct Steps {
    left: Cell<u64>,
    max: u64,
    made_bytes: Cell<usize>,
}

impl Steps {
    /// So many.
    pub fn new(max: u64) -> Steps {
        Steps { left: Cell::new(max), max, made_bytes: Cell::new(0) }
    }

    /// Takes some.
    #[inline]
    pub fn take(&self, count: u64) -> Result<(), Exhausted> {
        match self.left.get().checked_sub(count) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Exhausted)
            }
        }
    }

    /// Takes those for so many bytes of text.
    #[inline]
    pub fn take_bytes(&self, bytes: usize) -> Result<(), Exhausted> {
        self.take(1 + (bytes / STEP_BYTES) as u64)
    }

    /// Takes those for a text that is made.
    pub fn make(&self, bytes: usize) -> Result<(), Exhausted> {
        self.take_bytes(bytes)?;
        self.made_bytes.set(self.made_bytes.get().saturating_add(bytes));
        if self.made_bytes.get() > MADE_BYTES_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.max - self.left.get()
    }
}
