//! The sender's address: the connection's, unless that is a proxy's which the operator trusts.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{FORWARDED, HeaderMap};

use crate::config::AddressRange;

/// The address that an event came from. A trusted proxy says it in `Forwarded` or `X-Forwarded-For`:
/// each proxy adds whom it heard at the end, so the last address that is no trusted proxy counts, and
/// what a client wrote before it does not.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[AddressRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return peer;
    }
    let mut heard = forwarded(headers);
    if heard.is_empty() {
        heard = forwarded_for(headers);
    }
    let mut nearest = peer;
    for address in heard.into_iter().rev() {
        let Some(address) = address else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// `Forwarded: for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"`. An address that is hidden
/// (`unknown`, `_name`) is None.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let mut all = Vec::new();
    for element in values(headers, FORWARDED.as_str()) {
        let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
        let named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        all.extend(named.map(|(_, value)| address(value.trim().trim_matches('"'))));
    }
    all
}

fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    values(headers, "x-forwarded-for").map(|value| address(value.trim())).collect()
}

/// The elements of all headers of that name, in order.
fn values<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
}

/// An address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let check = |peer: &str, headers: &[(&'static str, &str)], expected: &str| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
            let found = client_ip(peer.parse().unwrap(), &map, &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {headers:?}");
        };
        let for_one = ("x-forwarded-for", "203.0.113.7");
        check("198.51.100.1", &[for_one], "198.51.100.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[for_one], "203.0.113.7");
        check("::ffff:10.0.0.1", &[for_one], "203.0.113.7");
        check("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, 203.0.113.7, 10.0.0.9")], "203.0.113.7");
        check("10.0.0.1", &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "203.0.113.7")], "203.0.113.7");
        check("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3");
        check("10.0.0.1", &[("x-forwarded-for", "203.0.113.7:4711")], "203.0.113.7");
        check("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, nonsense")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43")], "192.0.2.60");
        check("fd00::1", &[("forwarded", "For=\"[2001:db8::1]:4711\"")], "2001:db8::1");
        check("10.0.0.1", &[("forwarded", "for=192.0.2.43, for=unknown")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", "for=192.0.2.43"), for_one], "192.0.2.43");
    }
}
