//! Passes over a value without reading it, by brackets and quotes alone.

/// Offset of the comma or closing bracket behind the value at `at`. `None` when a bracket does not
/// match or the bytes end first, or when that is farther than `reach`.
pub(super) fn value_end(bytes: &[u8], at: usize, reach: usize) -> Option<usize> {
    let bytes = bytes.get(..at.saturating_add(reach).min(bytes.len()))?;
    let mut open = Vec::new();
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b',' if open.is_empty() => return Some(at),
            bracket @ (b'}' | b']') => match open.pop() {
                None => return Some(at),
                Some(expected) if expected == *bracket => {}
                Some(_) => return None,
            },
            _ => {}
        }
        at += 1;
    }
}

/// Offset of the closing quote of the string whose opening quote stands at `at`.
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at) {
            Some(b'"') => return Some(at),
            _ => at += 2,
        }
    }
}
