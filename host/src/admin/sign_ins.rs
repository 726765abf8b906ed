//! How many wrong sign-ins an address may make. Pure: time comes in.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};

/// Wrong sign-ins of an address within [`WINDOW_MS`]: enough for typing mistakes, and hopeless for
/// guessing tokens of 192 bits and more.
pub const FAILURES_MAX: usize = 10;

/// A wrong sign-in counts for so long.
pub const WINDOW_MS: u64 = 60_000;

/// Wrong sign-ins that are remembered, of all addresses; beyond, the oldest are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// The wrong sign-ins of late.
#[derive(Debug, Default)]
pub struct SignIns {
    failures: VecDeque<(u64, IpAddr)>,
}

impl SignIns {
    /// Whether an address may try.
    ///
    /// # Errors
    /// The whole seconds until it may.
    pub fn admit(&mut self, from: IpAddr, now_ms: u64) -> Result<(), u64> {
        while self.failures.front().is_some_and(|(at_ms, _)| now_ms.saturating_sub(*at_ms) >= WINDOW_MS) {
            self.failures.pop_front();
        }
        let from = network(from);
        let own: Vec<u64> = self.failures.iter().filter(|(_, own)| *own == from).map(|(at_ms, _)| *at_ms).collect();
        match own.len().checked_sub(FAILURES_MAX) {
            None => Ok(()),
            Some(at) => Err((own[at] + WINDOW_MS).saturating_sub(now_ms).div_ceil(1_000).max(1)),
        }
    }

    /// One was wrong.
    pub fn failed(&mut self, from: IpAddr, now_ms: u64) {
        if self.failures.len() == REMEMBERED_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back((now_ms, network(from)));
    }
}

/// A host has a whole /64 of IPv6.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn so_many_are_admitted_and_then_none_for_a_while() {
        let mut sign_ins = SignIns::default();
        for at in 0..FAILURES_MAX as u64 {
            assert_eq!(sign_ins.admit(address("192.0.2.1"), at), Ok(()), "just within");
            sign_ins.failed(address("192.0.2.1"), at);
        }
        assert_eq!(sign_ins.admit(address("192.0.2.1"), 1_000), Err(59), "just beyond");
        assert_eq!(sign_ins.admit(address("::ffff:192.0.2.1"), 1_000), Err(59), "the same address");
        assert_eq!(sign_ins.admit(address("192.0.2.2"), 1_000), Ok(()), "another address");
        assert_eq!(sign_ins.admit(address("192.0.2.1"), WINDOW_MS), Ok(()), "the first is forgotten");
    }

    #[test]
    fn a_network_counts_as_one_and_memory_is_bounded() {
        let mut sign_ins = SignIns::default();
        for at in 0..FAILURES_MAX {
            sign_ins.failed(address(&format!("2001:db8::{at:x}")), 0);
        }
        assert!(sign_ins.admit(address("2001:db8::ffff"), 0).is_err());
        assert!(sign_ins.admit(address("2001:db8:0:1::1"), 0).is_ok());
        for _ in 0..2 * REMEMBERED_MAX {
            sign_ins.failed(address("192.0.2.1"), 0);
        }
        assert_eq!(sign_ins.failures.len(), REMEMBERED_MAX);
    }
}
