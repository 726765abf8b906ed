//! Events grouped by what they must share to go into one request.
//!
//! Grouping comes first and writing after it, group by group: then one body grows at a time, at the
//! end of the arena, and is never copied.

/// Events grouped by key. Groups are in the order of their first event, events in the order they came.
#[derive(Debug, Default)]
pub struct Groups {
    keys: Vec<u8>,
    groups: Vec<Group>,
    members: Vec<Member>,
    /// Open addressing by hash: number of the group plus one.
    slots: Vec<u32>,
}

#[derive(Debug)]
struct Group {
    hash: u64,
    key_end: u32,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    position: u32,
    next: u32,
}

const END: u32 = u32::MAX;

impl Groups {
    /// No groups, with room for so many events.
    pub fn with_capacity(events: usize) -> Groups {
        Groups {
            groups: Vec::with_capacity(events),
            members: Vec::with_capacity(events),
            slots: vec![0; (events * 2).next_power_of_two()],
            // Last, so that they grow in place.
            keys: Vec::with_capacity(events * 48),
        }
    }

    /// Adds an event to the group of the key that `write` appends to the bytes it is given.
    /// Separate the parts of a key by a byte that no UTF-8 text has, such as 255.
    pub fn add(&mut self, position: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let added: Result<(), std::convert::Infallible> = self.try_add(position, |key| {
            write(key);
            Ok(())
        });
        if let Err(never) = added {
            match never {}
        }
    }

    /// As [`Groups::add`], for an event that may have no key: then it is in no group.
    ///
    /// # Errors
    /// What `write` says.
    pub fn try_add<E>(&mut self, position: u32, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.keys.len();
        if let Err(error) = write(&mut self.keys) {
            self.keys.truncate(start);
            return Err(error);
        }
        let group = self.find(start);
        let member = self.members.len() as u32;
        self.members.push(Member { position, next: END });
        let group = &mut self.groups[group];
        if group.first == END {
            group.first = member;
        } else {
            self.members[group.last as usize].next = member;
        }
        group.last = member;
        Ok(())
    }

    /// The group of the key that was just written from `start` on; takes the key back when it is known.
    fn find(&mut self, start: usize) -> usize {
        if self.groups.len() * 2 >= self.slots.len() {
            self.widen();
        }
        let hash = fnv(&self.keys[start..]);
        let mut slot = hash as usize & (self.slots.len() - 1);
        while let Some(group) = (self.slots[slot] as usize).checked_sub(1) {
            if self.groups[group].hash == hash && self.key(group) == &self.keys[start..] {
                self.keys.truncate(start);
                return group;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.groups.push(Group { hash, key_end: self.keys.len() as u32, first: END, last: END });
        self.slots[slot] = self.groups.len() as u32;
        self.groups.len() - 1
    }

    fn widen(&mut self) {
        let slots_len = (self.slots.len() * 2).max(8);
        self.slots = vec![0; slots_len];
        for (number, group) in self.groups.iter().enumerate() {
            let mut slot = group.hash as usize & (slots_len - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots_len - 1);
            }
            self.slots[slot] = number as u32 + 1;
        }
    }

    fn key(&self, group: usize) -> &[u8] {
        let start = group.checked_sub(1).map_or(0, |before| self.groups[before].key_end as usize);
        &self.keys[start..self.groups[group].key_end as usize]
    }

    /// The groups: the key and the positions of the events of each.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Positions<'_>)> {
        let positions = |group: &Group| Positions { members: &self.members, at: group.first };
        self.groups.iter().enumerate().map(move |(number, group)| (self.key(number), positions(group)))
    }
}

/// The hash of Fowler, Noll and Vo over words of eight bytes: keys are short and not hostile enough
/// to matter, since a chain is at most as long as a batch.
fn fnv(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    hash ^ (hash >> 32)
}

/// The positions of a group's events.
#[derive(Clone, Debug)]
pub struct Positions<'a> {
    members: &'a [Member],
    at: u32,
}

impl Iterator for Positions<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let member = self.members.get(self.at as usize)?;
        self.at = member.next;
        Some(member.position)
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn groups_and_events_keep_their_order() {
        let check = |capacity: usize, keys: &[&str], wanted: &[&[u32]]| {
            let mut groups = Groups::with_capacity(capacity);
            for (position, key) in keys.iter().enumerate() {
                groups.add(position as u32, |out| out.extend_from_slice(key.as_bytes()));
            }
            let found: Vec<Vec<u32>> = groups.iter().map(|(_, positions)| positions.collect()).collect();
            assert_eq!(found, wanted, "{keys:?}");
        };
        check(0, &[], &[]);
        check(3, &["a", "b", "a"], &[&[0, 2], &[1]]);
        check(0, &["", "x", "", "a longer key of bytes", "x", "a longer key of bytes"], &[&[0, 2], &[1, 4], &[3, 5]]);
        let many: Vec<String> = (0..300).map(|number| format!("user-{}", number % 100)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut groups = Groups::with_capacity(4);
        for (position, key) in many.iter().enumerate() {
            groups.add(position as u32, |out| out.extend_from_slice(key.as_bytes()));
        }
        assert_eq!(groups.iter().count(), 100);
        assert!(groups.iter().enumerate().all(|(first, (_, group))| {
            group.collect::<Vec<u32>>() == [first as u32, first as u32 + 100, first as u32 + 200]
        }));
    }
}
