//! Names told apart by a bit each: a look that says what is not there.

/// Which names there may be: a bit for all that look alike. A name that is not in it is not there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names(u64);

impl Names {
    /// No names.
    pub const NONE: Names = Names(0);

    const fn bit(name: &[u8]) -> u64 {
        match name.last() {
            Some(last) => 1 << ((name.len() * 7 + *last as usize) & 63),
            None => 1,
        }
    }

    /// These and one more.
    pub const fn with(self, name: &[u8]) -> Names {
        Names(self.0 | Names::bit(name))
    }

    /// Whether the name may be among them.
    #[inline]
    pub fn may_have(self, name: &[u8]) -> bool {
        self.0 & Names::bit(name) != 0
    }
}
