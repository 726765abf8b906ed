//! The write key of a body, before anything else of the body is read.

use super::skip::{string_end, value_end};
use crate::event::index::unescape;
use crate::event::scan::skip_space;

/// The `writeKey` of a body, the last one if there are several. Passes over everything else, so
/// that a request can be turned away before its events are read; [`super::Checked`] has the same key
/// when they are read anyway.
pub fn peek_write_key(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let mut at = skip_space(body, 0);
    let mut found = None;
    // At the opening brace, then at each comma.
    while let Some(b'{' | b',') = body.get(at) {
        let Some((key, value)) = member(body, skip_space(body, at + 1)) else { break };
        if key == b"writeKey" || key.contains(&b'\\') && unescape(key) == "writeKey" {
            found = text(body, value);
        }
        let Some(end) = value_end(body, value, usize::MAX) else { break };
        at = end;
    }
    found
}

/// The key at `at`, as it stands there, and where its value starts.
fn member(body: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if body.get(at) != Some(&b'"') {
        return None;
    }
    let end = string_end(body, at)?;
    let colon = skip_space(body, end + 1);
    let value = (body.get(colon) == Some(&b':')).then(|| skip_space(body, colon + 1))?;
    Some((body.get(at + 1..end)?, value))
}

/// The text of the string at `at`, if there is one.
fn text(body: &[u8], at: usize) -> Option<String> {
    match body.get(at) {
        Some(b'"') => Some(unescape(body.get(at + 1..string_end(body, at)?)?)),
        _ => None,
    }
}
