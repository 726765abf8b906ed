//! The limits of a vendor that hold for some of its requests only, as its plugin names them: until
//! when each is used up. Pure, and in memory: after a restart the vendor says it again.

use std::collections::HashMap;

/// Quotas of one destination that can be used up at a time: endpoints and accounts of one vendor are
/// tens. With more, none is told from another, and the whole destination waits.
const QUOTAS_MAX: usize = 1_000;

/// What is used up, and until when: milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Quotas {
    until_ms: HashMap<String, u64>,
}

impl Quotas {
    /// A quota is used up until then. Whether that could be noted; if not, the destination must wait.
    #[must_use]
    pub fn used_up(&mut self, quota: &str, until_ms: u64, now_ms: u64) -> bool {
        self.until_ms.retain(|_, until_ms| *until_ms > now_ms);
        if let Some(known_ms) = self.until_ms.get_mut(quota) {
            *known_ms = until_ms.max(*known_ms);
            return true;
        }
        let has_room = self.until_ms.len() < QUOTAS_MAX;
        if has_room {
            self.until_ms.insert(quota.to_string(), until_ms);
        }
        has_room
    }

    /// When a quota that is used up is renewed; None: now.
    pub fn renewed_ms(&self, quota: &str, now_ms: u64) -> Option<u64> {
        self.until_ms.get(quota).copied().filter(|until_ms| *until_ms > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_until_its_time() {
        let mut quotas = Quotas::default();
        assert!(quotas.used_up("search", 500, 100));
        assert!(quotas.used_up("search", 300, 100), "an earlier time changes nothing");
        assert_eq!(quotas.renewed_ms("search", 499), Some(500));
        assert_eq!(quotas.renewed_ms("search", 500), None);
        assert_eq!(quotas.renewed_ms("other", 0), None);
    }

    #[test]
    fn there_are_not_more_than_can_be_told_apart() {
        let mut quotas = Quotas::default();
        for number in 0..QUOTAS_MAX {
            assert!(quotas.used_up(&number.to_string(), 500, 100));
        }
        assert!(!quotas.used_up("one more", 500, 100));
        assert!(quotas.used_up("7", 900, 100), "one that is known");
        assert!(quotas.used_up("one more", 900, 500), "those whose time has come are forgotten");
        assert_eq!(quotas.renewed_ms("7", 501), Some(900));
    }
}
