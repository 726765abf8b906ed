//! What a destination has settled of its pipeline: everything before the cursor, and ranges ahead of
//! it. Ranges neither touch nor overlap, and none touches the cursor.

use std::collections::BTreeMap;

/// Cursor and done ranges.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Everything before this sequence number is settled.
    pub cursor: u64,
    /// Settled ahead of the cursor: first number -> number behind the last.
    done: BTreeMap<u64, u64>,
    /// How many numbers `done` holds.
    done_count: u64,
}

impl Progress {
    /// Nothing settled from `cursor` on.
    pub fn new(cursor: u64) -> Progress {
        Progress { cursor, ..Progress::default() }
    }

    /// Whether that one is settled.
    pub fn is_done(&self, seq: u64) -> bool {
        let before = self.done.range(..=seq).next_back();
        seq < self.cursor || before.is_some_and(|(_, end)| seq < *end)
    }

    /// Settles one. Answers false when it was settled before.
    pub fn mark(&mut self, seq: u64) -> bool {
        if self.is_done(seq) {
            return false;
        }
        if seq == self.cursor {
            self.advance(seq + 1);
            return true;
        }
        self.done_count += 1;
        let end = self.done.remove(&(seq + 1)).unwrap_or(seq + 1);
        match self.done.range_mut(..seq).next_back() {
            Some((_, before)) if *before == seq => *before = end,
            _ => {
                self.done.insert(seq, end);
            }
        }
        true
    }

    /// The settled ranges ahead of the cursor, in order: first number and number behind the last.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.done.iter().map(|(start, end)| (*start, *end))
    }

    /// How many of the numbers below `head` are not settled.
    pub fn waiting(&self, head: u64) -> u64 {
        head - self.cursor - self.done_count
    }

    fn advance(&mut self, cursor: u64) {
        self.cursor = cursor;
        if let Some(end) = self.done.remove(&cursor) {
            self.done_count -= end - cursor;
            self.cursor = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_order_ends_at_the_same_place() {
        let orders = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 4, 3, 1, 5], [3, 1, 5, 2, 4]];
        for order in orders {
            let mut progress = Progress::new(1);
            for (done, seq) in order.into_iter().enumerate() {
                assert!(progress.mark(seq) && !progress.mark(seq));
                assert_eq!(progress.waiting(6), 4 - done as u64);
            }
            assert_eq!(progress, Progress::new(6));
        }
    }

    #[test]
    fn ranges_merge_on_both_sides() {
        let mut progress = Progress::new(0);
        for seq in [10, 12, 11, 20, 14, 13] {
            progress.mark(seq);
        }
        assert_eq!(progress.ranges().collect::<Vec<_>>(), [(10, 15), (20, 21)]);
        assert!(progress.is_done(14) && !progress.is_done(15) && !progress.is_done(9));
        assert_eq!(progress.waiting(30), 24);
    }
}
