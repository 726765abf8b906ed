//! Deliveries that are planned anew as a whole: replays, and events that a plugin deferred. They go
//! through the destination's rules like new ones, in batches that obey its bounds and the plugin's.

use super::attempt::{Attempts, Work};
use super::end::End;
use super::replan::Asked;
use super::retry::Tries;
use crate::queue::Delivery;

/// Plans all requests of the deliveries; what the rules filter ends filtered.
pub async fn plan(attempts: &Attempts, deliveries: &[Delivery], tries: Tries) -> (Vec<Work>, End) {
    let manifest = attempts.guest.revision.manifest();
    let events_max = attempts.active.destination.delivery.batch_events_max.min(manifest.batch.events_max as usize);
    let bytes_max = manifest.batch.bytes_max as usize;
    let all: Vec<usize> = (0..deliveries.len()).collect();
    let mut end = End::default();
    let mut works = Vec::new();
    let json_bytes = |at: usize| deliveries[at].event.json.len();
    for covers in batches(&all, json_bytes, events_max.max(1), bytes_max) {
        let (planned, planned_end) = attempts.plan_again(deliveries, &covers, Asked { key: None, tries }).await;
        works.extend(planned);
        end.join(planned_end);
    }
    (works, end)
}

/// Splits positions in order: at most `events_max` in each batch and, beyond the first, `bytes_max`.
fn batches(
    positions: &[usize],
    bytes: impl Fn(usize) -> usize,
    events_max: usize,
    bytes_max: usize,
) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut last_bytes = 0;
    for at in positions.iter().copied() {
        last_bytes += bytes(at);
        match batches.last_mut() {
            Some(last) if last.len() < events_max && last_bytes <= bytes_max => last.push(at),
            _ => {
                last_bytes = bytes(at);
                batches.push(vec![at]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn batches_obey_both_bounds_and_lose_nothing() {
        let bytes = |at: usize| [10, 10, 10, 90, 10][at];
        assert_eq!(batches(&[0, 1, 2, 3, 4], bytes, 2, 1_000), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(batches(&[0, 1, 2, 3, 4], bytes, 9, 30), [vec![0, 1, 2], vec![3], vec![4]]);
        assert_eq!(batches(&[1, 3], bytes, 9, 100), [vec![1, 3]]);
        assert!(batches(&[], bytes, 9, 100).is_empty());
    }
}
