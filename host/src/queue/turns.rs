//! Who appends takes turns: one half is received and answered while the other is committed. If all
//! were in one group, nobody would have anything to do during its fsync; if each commit took only
//! who is there already, there would be too many of them.

/// Of those who append, one of so many parts is committed while the others are received.
const TURNS: usize = 2;

/// When fewer append than before, each commit takes one of so many parts of what is waited for away: one
/// small group is chance.
const DECAY_PART: usize = 8;

/// For how many appends a group waits.
#[derive(Default)]
pub struct Turns {
    part: usize,
}

impl Turns {
    /// A group with so many appends waits for no more.
    pub fn part(&self) -> usize {
        self.part
    }

    /// After a commit: so many appends are in it, and so many came meanwhile. A group that had enough
    /// anyway, by its size, is the part.
    pub fn meet(&mut self, committed: usize, came: usize, was_enough: bool) {
        let part = if was_enough { committed } else { (committed + came).div_ceil(TURNS) };
        self.part = part.max(self.part - self.part.div_ceil(DECAY_PART));
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn half_of_those_who_append_are_a_group() {
        let mut turns = Turns::default();
        turns.meet(1, 63, false);
        assert_eq!(turns.part(), 32);
        turns.meet(32, 32, false);
        assert_eq!(turns.part(), 32);
    }

    #[test]
    fn a_full_group_waits_for_as_many_as_fill_it() {
        let mut turns = Turns::default();
        turns.meet(6, 58, true);
        assert_eq!(turns.part(), 6);
    }

    #[test]
    fn who_appends_alone_soon_waits_for_nobody() {
        let mut turns = Turns::default();
        turns.meet(32, 32, false);
        for _ in 0..20 {
            turns.meet(1, 0, false);
        }
        assert_eq!(turns.part(), 1);
    }
}
