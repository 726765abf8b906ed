//! Short texts compared without a loop over single bytes, which is what a comparison of lengths that
//! are only known when it runs is in the sandbox.

/// Whether both are the same: in two steps of a constant length, which overlap, up to 16 bytes.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            0 => true,
            1 => one[0] == other[0],
            2..4 => same_ends::<2>(one, other),
            4..8 => same_ends::<4>(one, other),
            8..=16 => same_ends::<8>(one, other),
            _ => one == other,
        }
}

/// Whether the first and the last `N` bytes are the same.
#[inline(always)]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    match (ends::<N>(one), ends::<N>(other)) {
        (Some((first, last)), Some((other_first, other_last))) => first == other_first && last == other_last,
        _ => false,
    }
}

#[inline(always)]
fn ends<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    bytes.first_chunk().zip(bytes.last_chunk())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_is_compared_whole() {
        let bytes: Vec<u8> = (1..=40).collect();
        for len in 0..=bytes.len() {
            assert!(same(&bytes[..len], &bytes.clone()[..len]));
            assert!(!same(&bytes[..len], &[&bytes[..len], b"x"].concat()));
            for at in 0..len {
                let mut other = bytes[..len].to_vec();
                other[at] = 0;
                assert!(!same(&bytes[..len], &other), "{at} of {len}");
            }
        }
    }
}
