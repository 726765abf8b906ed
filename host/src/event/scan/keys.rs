//! Finds keys that occur twice in one object.
//!
//! Most objects are small, and most keys new: 64 bits an object tell a new key from one that may
//! have occurred, and only then are keys compared. From [`SMALL_MAX`] members on, an object has a
//! hash map with a random seed, so that no choice of keys makes the search slow.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::index::unescape;

/// Members that are searched one by one.
const SMALL_MAX: usize = 32;

/// A key that was read.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Offset of its text in the canonical form.
    pub at: u32,
    pub bytes: u16,
    pub escaped: bool,
    /// Number of its value's entry.
    pub entry: u32,
}

/// What is known of one open object's members.
#[derive(Clone, Copy)]
pub(super) struct Members {
    /// Where its keys start among those of all open objects.
    base: usize,
    /// One bit for each key's hash; all of them when there is a map.
    bits: u64,
    mapped: bool,
}

impl Members {
    /// Those of no object.
    pub fn none() -> Members {
        Members { base: 0, bits: 0, mapped: false }
    }

    /// Whether no key of that hash has occurred.
    #[inline(always)]
    pub fn certainly_new(&self, hash: u32) -> bool {
        self.bits & bit(hash) == 0
    }
}

#[inline(always)]
fn bit(hash: u32) -> u64 {
    1 << (hash >> 26)
}

/// The keys of all open objects.
#[derive(Default)]
pub(super) struct Keys {
    seen: Vec<(u32, Known)>,
    /// One for each open object that has many members, by the text of its keys, innermost last.
    maps: Vec<HashMap<Box<[u8]>, u32>>,
}

impl Keys {
    pub fn clear(&mut self) {
        self.seen.clear();
        self.maps.clear();
    }

    #[inline(always)]
    pub fn open(&self) -> Members {
        Members { base: self.seen.len(), bits: 0, mapped: false }
    }

    #[inline(always)]
    pub fn close(&mut self, members: &Members) {
        self.seen.truncate(members.base);
        if members.mapped {
            self.maps.pop();
        }
    }

    /// Remembers a key that is certainly new.
    #[inline(always)]
    pub fn push(&mut self, key: Known, hash: u32, members: &mut Members) {
        members.bits |= bit(hash);
        self.seen.push((hash, key));
    }

    /// Remembers a key; answers the entry of the same key's value before, if it occurred. `text`
    /// gives the bytes of a key as they stand in the canonical form.
    pub fn note<'a>(&mut self, key: Known, members: &mut Members, text: impl Fn(&Known) -> &'a [u8]) -> Option<u32> {
        let new = plain(&key, &text);
        if members.mapped {
            return self.maps.last_mut()?.insert(new.into(), key.entry);
        }
        let hash = hash(&new);
        let seen = self.seen.get_mut(members.base..)?;
        let same = |(other, known): &&mut (u32, Known)| *other == hash && plain(known, &text) == new;
        if let Some((_, known)) = seen.iter_mut().find(same) {
            let before = known.entry;
            *known = key;
            return Some(before);
        }
        if seen.len() >= SMALL_MAX {
            let keys = seen.iter().map(|(_, known)| (plain(known, &text).into(), known.entry));
            let mut map: HashMap<Box<[u8]>, u32> = keys.collect();
            map.insert(new.into(), key.entry);
            self.maps.push(map);
            *members = Members { bits: u64::MAX, mapped: true, ..*members };
            return None;
        }
        self.push(key, hash, members);
        None
    }
}

/// A key's text, unescaped.
fn plain<'a>(key: &Known, text: &impl Fn(&Known) -> &'a [u8]) -> Cow<'a, [u8]> {
    match key.escaped {
        false => Cow::Borrowed(text(key)),
        true => Cow::Owned(unescape(text(key)).into_bytes()),
    }
}

/// A hash of a key's text; of a long one, of its ends and its length.
#[inline(always)]
pub(super) fn hash(text: &[u8]) -> u32 {
    let ends = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => short(text),
    };
    ((ends ^ text.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

#[inline(always)]
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    match *text {
        [one] => u64::from(one),
        [one, two] => u64::from(one) << 16 | u64::from(two),
        [one, two, three] => u64::from(one) << 16 | u64::from(two) << 8 | u64::from(three) << 24,
        _ => 0,
    }
}
