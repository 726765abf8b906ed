//! Finds where a batch goes on behind an item that is broken.
//!
//! First by its brackets. Where those are damaged too (a quote or a brace is missing), by what
//! follows: the next object that can be read and is an event, or an end of the batch behind which
//! the rest of the body can be read. A broken item that holds whole events in itself may be taken
//! for those; only damaged text comes here.

use super::batch::Read;
use super::skip::value_end;
use crate::event::EventKind;
use crate::event::index::{Kind, View};
use crate::event::scan::skip_space;

/// How often the bytes of a body may be read again, on average. Real damage needs 2 or 3; beyond
/// this the body was made to waste time, and is refused whole.
pub(super) const READS_MAX: usize = 8;
/// What looking at a brace costs at least, in bytes of reading.
const LOOK_BYTES: usize = 16;

/// What is wrong with an item.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Damage {
    /// Well-formed, as far as it was read, but more than a limit allows.
    BeyondLimit,
    /// Not JSON.
    Malformed,
    /// The body ends in it: it was cut off, unless whole items follow.
    NoEnd,
}

/// Where the batch goes on, behind what starts at `from`: at a comma, at the batch's closing
/// bracket, or at an item. `None` where it does not.
pub(super) fn resume(read: &mut Read<'_>, from: usize, damage: Damage) -> Option<usize> {
    let body = read.body();
    let bracketed = value_end(body, from, read.budget);
    spend(read, bracketed.unwrap_or(body.len()).saturating_sub(from));
    let bracketed = bracketed.filter(|end| fits(read, *end));
    if damage == Damage::BeyondLimit && bracketed.is_some() {
        return bracketed;
    }
    let next = next_event(read, from, bracketed.unwrap_or(body.len())).or(bracketed);
    match damage {
        Damage::Malformed => next.or_else(|| end_of_batch(read, from)),
        Damage::NoEnd | Damage::BeyondLimit => next,
    }
}

fn spend(read: &mut Read<'_>, bytes: usize) {
    read.budget = read.budget.saturating_sub(bytes);
}

/// Whether an item may end before `end`.
fn fits(read: &mut Read<'_>, end: usize) -> bool {
    match read.body().get(end) {
        Some(b',') => {
            let next = skip_space(read.body(), end + 1);
            // No batch holds bare texts: a quote is more likely a sign of damage.
            !matches!(read.body().get(next), Some(b'"' | b':' | b'}') | None)
        }
        Some(b']') => tail_fits(read, end + 1),
        _ => false,
    }
}

/// The first event that starts between these offsets.
fn next_event(read: &mut Read<'_>, from: usize, to: usize) -> Option<usize> {
    let body = read.body();
    for brace in memchr::memchr_iter(b'{', body.get(from..to)?) {
        let at = from + brace;
        if read.budget == 0 {
            return None;
        }
        match read.scan(at) {
            Ok((piece, end)) => {
                spend(read, (end - at).max(LOOK_BYTES));
                let found = is_event(read.view(&piece));
                read.forget(&piece);
                if found {
                    return Some(at);
                }
            }
            Err(error) => spend(read, (error.at - at).max(LOOK_BYTES)),
        }
    }
    None
}

fn is_event(view: View<'_>) -> bool {
    let says = |name| view.get(&[name]).is_some_and(|value| value.kind() != Kind::Null);
    let kind = view.get(&["type"]).and_then(|kind| kind.as_str());
    kind.is_some_and(|kind| EventKind::from_name(&kind).is_some())
        && ["userId", "anonymousId", "previousId"].into_iter().any(says)
}

/// The first bracket from `from` on behind which the rest of the body can be read.
fn end_of_batch(read: &mut Read<'_>, from: usize) -> Option<usize> {
    let body = read.body();
    let mut brackets = memchr::memchr_iter(b']', body.get(from..)?).map(|bracket| from + bracket);
    brackets.find(|at| read.budget > 0 && tail_fits(read, at + 1))
}

/// Whether the members of the body from `at` on, behind a value, can be read up to its end.
fn tail_fits(read: &mut Read<'_>, mut at: usize) -> bool {
    loop {
        at = skip_space(read.body(), at);
        match read.body().get(at) {
            Some(b',') => {}
            Some(b'}') => return read.expect_end(at + 1).is_ok(),
            _ => return false,
        }
        let key_at = skip_space(read.body(), at + 1);
        let value = read.key(key_at).and_then(|(_key, value)| read.scan(value));
        match value {
            Ok((piece, end)) => {
                spend(read, end - at);
                read.forget(&piece);
                at = end;
            }
            Err(error) => {
                spend(read, error.at - at);
                return false;
            }
        }
    }
}
