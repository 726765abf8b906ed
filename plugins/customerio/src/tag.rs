//! A request's tag: how many items each of its events has.
//!
//! `1,2,1` are three events, the second of which has two items. Where each has one there is no tag. The
//! judge finds by it whose an item is.

/// The tag of a request whose events have so many items.
pub fn write(counts: &[usize]) -> Vec<u8> {
    if counts.iter().all(|count| *count == 1) {
        return Vec::new();
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    counts.join(",").into_bytes()
}

/// The items of the events of a request with so many events.
pub fn read(tag: &[u8], events: usize) -> Vec<usize> {
    let text = String::from_utf8_lossy(tag);
    let mut counts: Vec<usize> = text.split(',').map(|count| count.parse().unwrap_or(1)).collect();
    counts.resize(events, 1);
    counts
}

/// Which event, by its place in the covers, an item is of.
pub fn owner(counts: &[usize], item: usize) -> Option<usize> {
    let mut end = 0;
    counts.iter().position(|count| {
        end += count;
        item < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_by_their_place() {
        assert_eq!(write(&[1, 2, 1]), b"1,2,1");
        assert_eq!(write(&[1, 1]), b"");
        let counts = read(b"1,2,1", 3);
        let owners: Vec<Option<usize>> = (0..5).map(|item| owner(&counts, item)).collect();
        assert_eq!(owners, [Some(0), Some(1), Some(1), Some(2), None]);
        assert_eq!(read(b"", 2), [1, 1]);
        assert_eq!(owner(&read(b"", 2), 1), Some(1));
    }
}
