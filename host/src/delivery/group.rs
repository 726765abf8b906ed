//! Splits a plan into groups: requests that share events, directly or through others. A group is
//! carried out and settled as one, so that an event's end is known when its group's is.

use crate::plugin::plan::Request;

/// Requests that share events, with the events they cover.
#[derive(Debug, PartialEq)]
pub struct Group {
    /// The events, by their position in the batch, ascending.
    pub events: Vec<u32>,
    /// The requests, in the order of the plan; their covers still count in the batch.
    pub requests: Vec<Request>,
}

/// The groups of a plan's requests, in the order of their first request.
pub fn groups(requests: Vec<Request>, events_len: usize) -> Vec<Group> {
    let mut sets = Sets::new(events_len);
    for request in &requests {
        for pair in request.covers.windows(2) {
            sets.join(pair[0] as usize, pair[1] as usize);
        }
    }
    let mut group_of_root = vec![usize::MAX; events_len];
    let mut groups: Vec<Group> = Vec::new();
    for request in requests {
        let Some(first) = request.covers.first() else { continue };
        let root = sets.root(*first as usize);
        if group_of_root[root] == usize::MAX {
            group_of_root[root] = groups.len();
            groups.push(Group { events: Vec::new(), requests: Vec::new() });
        }
        groups[group_of_root[root]].requests.push(request);
    }
    for event in 0..events_len {
        let group = group_of_root[sets.root(event)];
        if group != usize::MAX {
            groups[group].events.push(event as u32);
        }
    }
    groups
}

/// Disjoint sets of positions.
struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    fn new(len: usize) -> Sets {
        Sets { parent: (0..len).collect() }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(covers: &[u32]) -> Request {
        Request {
            key: format!("{covers:?}"),
            method: "POST".into(),
            url: "https://vendor.example/".into(),
            headers: vec![],
            body: Default::default(),
            auth: vec![],
            covers: covers.to_vec(),
            lanes: Vec::new(),
            quota: None,
            not_after_ms: None,
            tag: Default::default(),
        }
    }

    #[test]
    fn requests_that_share_events_stay_together() {
        let check = |events_len: usize, covers: &[&[u32]], expected: &[(&[u32], usize)]| {
            let found = groups(covers.iter().map(|covers| request(covers)).collect(), events_len);
            let found: Vec<(&[u32], usize)> =
                found.iter().map(|group| (&group.events[..], group.requests.len())).collect();
            assert_eq!(found, expected, "{covers:?}");
        };
        check(0, &[], &[]);
        check(3, &[&[0], &[1], &[2]], &[(&[0], 1), (&[1], 1), (&[2], 1)]);
        check(3, &[&[0, 1, 2]], &[(&[0, 1, 2], 1)]);
        check(4, &[&[0, 1], &[2], &[1, 3]], &[(&[0, 1, 3], 2), (&[2], 1)]);
        check(4, &[&[3], &[1]], &[(&[3], 1), (&[1], 1)]);
        check(2, &[&[0], &[0], &[1]], &[(&[0], 2), (&[1], 1)]);
        check(5, &[&[4, 0], &[1, 2], &[2, 4]], &[(&[0, 1, 2, 4], 3)]);
    }
}
