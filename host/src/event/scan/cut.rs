//! Takes members out of a canonical value and of its entries.

use super::super::index::{ENTRY_BYTES, Entry};

/// A piece to be taken out.
#[derive(Clone, Copy)]
struct Cut {
    /// Offsets in the canonical form.
    from: u32,
    to: u32,
    /// Numbers of entries.
    first: u32,
    behind: u32,
    /// Bytes and entries taken out by the cuts before this one.
    bytes_before: u32,
    entries_before: u32,
}

/// Takes the members out whose values have these entries, from the value that stands at
/// `json_base` and whose entries stand at `index_base`. Behind each of them its object must have
/// another member: the comma between them goes too.
pub(super) fn drop_members(
    json: &mut Vec<u8>,
    json_base: usize,
    index: &mut Vec<u8>,
    index_base: usize,
    dropped: &[u32],
) {
    let cuts = cuts(index.get(index_base..).unwrap_or(&[]), dropped);
    remove(json, json_base, cuts.iter().map(|cut| cut.from as usize..cut.to as usize));
    remove(index, index_base, cuts.iter().map(|cut| bytes(cut.first)..bytes(cut.behind)));
    for place in index.get_mut(index_base..).unwrap_or(&mut []).chunks_exact_mut(ENTRY_BYTES) {
        let Some(entry) = entry_of(place) else {
            continue;
        };
        let moved = Entry {
            start: moved_byte(&cuts, entry.start),
            end: moved_byte(&cuts, entry.end),
            next: moved_entry(&cuts, entry.next),
            ..entry
        };
        place.copy_from_slice(&moved.to_bytes());
    }
}

/// The pieces to be taken out, in order and apart.
fn cuts(entries: &[u8], dropped: &[u32]) -> Vec<Cut> {
    let mut numbers = dropped.to_vec();
    numbers.sort_unstable();
    let mut cuts: Vec<Cut> = Vec::with_capacity(numbers.len());
    let (mut bytes_before, mut entries_before, mut covered) = (0, 0, 0);
    for first in numbers {
        let place = entries.get(bytes(first)..).unwrap_or(&[]);
        let Some(entry) = entry_of(place).filter(|_| first >= covered) else {
            continue; // inside a member that is dropped already
        };
        // "key":value,
        let (from, to) = (entry.start - 3 - u32::from(entry.key_len), entry.end + 1);
        cuts.push(Cut { from, to, first, behind: entry.next, bytes_before, entries_before });
        bytes_before += to - from;
        entries_before += entry.next - first;
        covered = entry.next;
    }
    cuts
}

fn entry_of(place: &[u8]) -> Option<Entry> {
    Entry::from_bytes(*place.first_chunk()?)
}

fn bytes(number: u32) -> usize {
    number as usize * ENTRY_BYTES
}

/// Takes ranges out of what stands from `base` on; they are in order and apart.
fn remove(list: &mut Vec<u8>, base: usize, ranges: impl Iterator<Item = std::ops::Range<usize>>) {
    let (mut read, mut write) = (base, base);
    for range in ranges {
        let kept = base + range.start - read;
        list.copy_within(read..read + kept, write);
        (read, write) = (base + range.end, write + kept);
    }
    let kept = list.len() - read;
    list.copy_within(read.., write);
    list.truncate(write + kept);
}

fn moved_byte(cuts: &[Cut], at: u32) -> u32 {
    match cuts[..cuts.partition_point(|cut| cut.from < at)].last() {
        Some(cut) => at - cut.bytes_before - (cut.to - cut.from),
        None => at,
    }
}

fn moved_entry(cuts: &[Cut], number: u32) -> u32 {
    match cuts[..cuts.partition_point(|cut| cut.first < number)].last() {
        Some(cut) => number - cut.entries_before - (cut.behind - cut.first),
        None => number,
    }
}
