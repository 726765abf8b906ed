//! Where a write key stands in a request's head. The body's comes last: some SDKs mask it there.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper::header::{AUTHORIZATION, HeaderMap};

/// The write key of a request's head: the Basic user, then `X-Write-Key`, then `?writeKey=`. A
/// missing colon after the user is tolerated, and so is `id:secret`, of which the id counts.
pub fn write_key(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    basic_user(headers).or_else(|| named_header(headers)).or_else(|| query_key(query))
}

fn basic_user(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim();
    let decoded = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    non_empty(std::str::from_utf8(&decoded).ok()?)
}

fn named_header(headers: &HeaderMap) -> Option<String> {
    non_empty(headers.get("x-write-key")?.to_str().ok()?)
}

fn query_key(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| *name == "writeKey")?;
    non_empty(value)
}

/// The part before the first colon, if there is any.
fn non_empty(key: &str) -> Option<String> {
    let key = key.split(':').next().unwrap_or_default().trim();
    (!key.is_empty()).then(|| key.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_present_counts() {
        let check = |headers: &[(&'static str, &str)], query: Option<&str>, expected: Option<&str>| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(write_key(&map, query).as_deref(), expected, "{headers:?} {query:?}");
        };
        check(&[("authorization", "Basic d2tfZGVtbzo=")], None, Some("wk_demo"));
        check(&[("authorization", "basic d2tfZGVtbw==")], None, Some("wk_demo"));
        check(&[("authorization", "Basic d2tfZGVtbw")], None, Some("wk_demo"));
        check(&[("x-write-key", "id:secret")], None, Some("id"));
        check(
            &[("authorization", "Basic d2tfZGVtbzo="), ("x-write-key", "other")],
            Some("writeKey=third"),
            Some("wk_demo"),
        );
        check(&[("authorization", "Bearer token")], Some("a=b&writeKey=third"), Some("third"));
        check(&[("authorization", "Basic ???")], None, None);
        check(&[("authorization", "Basic Og==")], None, None);
        check(&[], Some("writeKey="), None);
        check(&[], None, None);
    }
}
