//! What an answer means: the host's default by status, and the judge's verdicts where there is one.

use std::collections::HashMap;

use crate::plugin::plan::{Judgement, Verdict};

/// The host's own reading of a status. Source: the contract (wit), "without judge".
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The vendor has all of it.
    Delivered,
    /// All of it is sent again.
    Retry,
    /// The credential is no longer good.
    AuthExpired,
    /// The vendor is not at this address: nothing is lost until somebody looks.
    Moved,
    /// The request is too large, or one event spoils it: halve it.
    Split,
    /// The vendor does not want it.
    Refused,
}

/// Reads a status; `covers_len` is how many events the request carried.
pub fn by_status(status: u16, covers_len: usize) -> Reading {
    match status {
        200..=299 => Reading::Delivered,
        408 | 425 | 429 | 500..=599 => Reading::Retry,
        300..=399 => Reading::Moved,
        401 | 403 => Reading::AuthExpired,
        400 | 413 if covers_len > 1 => Reading::Split,
        _ => Reading::Refused,
    }
}

/// The verdict for each of `covers_len` events, in order; None where the host's default holds.
pub fn by_judge(judgement: &Judgement, covers: &[u32]) -> Vec<Option<Verdict>> {
    let mut by_position: HashMap<u32, &Verdict> =
        judgement.verdicts.iter().map(|(position, verdict)| (*position, verdict)).collect();
    covers.iter().map(|cover| by_position.remove(cover).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_without_a_judge() {
        let check = |status: u16, covers: usize, expected: Reading| {
            assert_eq!(by_status(status, covers), expected, "{status} for {covers}");
        };
        check(200, 1, Reading::Delivered);
        check(204, 9, Reading::Delivered);
        check(299, 1, Reading::Delivered);
        check(300, 1, Reading::Moved);
        check(301, 2, Reading::Moved);
        check(399, 1, Reading::Moved);
        check(400, 1, Reading::Refused);
        check(400, 2, Reading::Split);
        check(401, 2, Reading::AuthExpired);
        check(403, 1, Reading::AuthExpired);
        check(404, 2, Reading::Refused);
        check(408, 1, Reading::Retry);
        check(413, 1, Reading::Refused);
        check(413, 2, Reading::Split);
        check(425, 1, Reading::Retry);
        check(429, 1, Reading::Retry);
        check(500, 1, Reading::Retry);
        check(503, 2, Reading::Retry);
    }

    #[test]
    fn verdicts_are_matched_by_position() {
        let judgement =
            Judgement { verdicts: vec![(7, Verdict::Delivered), (99, Verdict::AuthExpired)], ..Judgement::default() };
        assert_eq!(by_judge(&judgement, &[3, 7]), [None, Some(Verdict::Delivered)]);
    }
}
