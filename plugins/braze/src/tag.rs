//! A request's tag: how many objects each of its events has in each list.
//!
//! `011,103` is an event, and an order whose user's profile is updated as well: one digit for
//! attributes, one for events, the rest for purchases. The judge finds by it whose an object is.

/// The objects of one event in the three lists.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub attributes: usize,
    pub events: usize,
    pub purchases: usize,
}

impl Counts {
    /// All together.
    pub fn sum(self) -> usize {
        self.attributes + self.events + self.purchases
    }

    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            attributes: self.attributes + other.attributes,
            events: self.events + other.events,
            purchases: self.purchases + other.purchases,
        }
    }

    /// What is left of these without the others.
    pub fn minus(self, other: Counts) -> Counts {
        Counts {
            attributes: self.attributes - other.attributes,
            events: self.events - other.events,
            purchases: self.purchases - other.purchases,
        }
    }

    /// How many there are in the list of that name.
    fn of(self, list: &str) -> usize {
        match list {
            "attributes" => self.attributes,
            "events" => self.events,
            "purchases" => self.purchases,
            _ => 0,
        }
    }
}

/// Appends an event's objects.
pub fn push(tag: &mut Vec<u8>, counts: Counts) {
    if !tag.is_empty() {
        tag.push(b',');
    }
    let Counts { attributes, events, purchases } = counts;
    tag.extend([b'0' + attributes.min(9) as u8, b'0' + events.min(9) as u8]);
    if purchases >= 10 {
        tag.push(b'0' + (purchases / 10).min(9) as u8);
    }
    tag.push(b'0' + (purchases % 10) as u8);
}

/// The objects of a request's events; empty where there is no tag.
pub fn read(tag: &[u8]) -> Vec<Counts> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    let parts = tag.split(|byte| *byte == b',').filter(|part| part.len() >= 3);
    parts
        .map(|part| Counts {
            attributes: digit(part[0]),
            events: digit(part[1]),
            purchases: part[2..].iter().fold(0, |sum, byte| sum * 10 + digit(*byte)),
        })
        .collect()
}

/// Which event, by its place in the covers, an object of a list is of. Without counts each event has
/// one object.
pub fn owner(counts: &[Counts], list: &str, index: usize) -> Option<usize> {
    if counts.is_empty() {
        return Some(index);
    }
    let mut end = 0;
    counts.iter().position(|counts| {
        end += counts.of(list);
        index < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_by_their_place() {
        let counts = [(0, 1, 0), (1, 0, 3), (1, 1, 75)].map(|(attributes, events, purchases)| Counts {
            attributes,
            events,
            purchases,
        });
        let mut tag = Vec::new();
        counts.into_iter().for_each(|counts| push(&mut tag, counts));
        assert_eq!(tag, b"010,103,1175");
        assert_eq!(read(&tag), counts);
        assert_eq!(owner(&counts, "events", 1), Some(2));
        assert_eq!(owner(&counts, "attributes", 0), Some(1));
        assert_eq!(owner(&counts, "purchases", 2), Some(1));
        assert_eq!(owner(&counts, "purchases", 3), Some(2));
        assert_eq!(owner(&counts, "purchases", 78), None);
        assert_eq!(owner(&counts, "users", 0), None);
        assert_eq!(owner(&[], "aliases_to_identify", 4), Some(4));
    }
}
