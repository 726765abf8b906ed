//! Where requests may go: pure decisions on hosts and addresses.
//!
//! A host is granted by name. An address that is not public (loopback, private, link-local, shared,
//! multicast, documentation and the like, cloud metadata among them) needs a grant of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;

use crate::config::AddressRange;

/// What a destination may reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// Hosts, lower-case: names, or IP addresses as text (IPv6 without brackets).
    pub hosts: Vec<String>,
    /// Addresses that are allowed although they are not public.
    pub addresses: Vec<AddressRange>,
}

/// Why a request may not leave.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The host is not granted.
    #[error("the host `{host}` is not granted: add it to the destination's allowed_hosts if the plugin may send there")]
    Host {
        /// Which.
        host: String,
    },
    /// The address is not public.
    #[error(
        "`{host}` is at {address}, which is not a public address: add it to the destination's allowed_addresses if that is meant"
    )]
    Address {
        /// Which host.
        host: String,
        /// Its address.
        address: IpAddr,
    },
    /// The URL is not one that can be sent to.
    #[error("the URL is not usable: {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
}

impl Grants {
    /// Whether a request may go to `host`. A host that is an address is checked as one too.
    pub fn check_host(&self, host: &str) -> Result<(), Refused> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if !self.hosts.contains(&bare) {
            return Err(Refused::Host { host: bare });
        }
        match bare.parse() {
            Ok(address) => self.check_address(&bare, address),
            Err(_) => Ok(()),
        }
    }

    /// Whether a connection may be made to `address`, which `host` resolved to.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        if is_public(address) || self.addresses.iter().any(|range| range.contains(address)) {
            Ok(())
        } else {
            Err(Refused::Address { host: host.to_string(), address })
        }
    }

    /// The addresses, of those that `host` resolved to, that a connection may be made to.
    ///
    /// # Errors
    /// When there are some and none is allowed.
    pub fn allowed_of(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let mut allowed = Vec::with_capacity(found.len());
        for address in found {
            match self.check_address(host, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(refused) if allowed.is_empty() => Err(refused),
            _ => Ok(allowed),
        }
    }
}

/// A URL that can be sent to: http or https, with a host and perhaps a port, and nothing in it that
/// another reader could take for the host. It is read once, here; the connection is made by what was read.
pub fn checked_url(text: &str) -> Result<Uri, Refused> {
    let unusable = |why: &str| Refused::Url { why: why.to_string() };
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(unusable("it holds a space or a control character"));
    }
    let uri: Uri = text.parse().map_err(|error| unusable(&format!("{error}")))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(unusable("it is neither http nor https"));
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(unusable("it holds a user name: use the request's auth"));
    }
    let host = uri.host().unwrap_or_default();
    let of_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || !host.bytes().all(of_host) {
        return Err(unusable("its host is no name of ASCII letters, digits, `-`, `_` and `.`, and no address"));
    }
    match authority[host.len()..].strip_prefix(':') {
        None if authority.len() == host.len() => Ok(uri),
        Some(port)
            if port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(uri)
        }
        _ => Err(unusable("its port is no number from 1 to 65535")),
    }
}

/// The host of a URL as [`Grants`] names it: lower-case, without port and brackets.
pub fn host_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Whether an address is reachable over the public Internet. Sources: the IANA registries of
/// special-purpose IPv4 and IPv6 addresses.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 198 && (18..20).contains(&b))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is given out for global unicast.
    let global = segments[0] & 0xe000 == 0x2000;
    // 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and 3fff::/20 for documentation,
    // 2002::/16 (6to4) and 64:ff9b::/96 carry an IPv4 address.
    let special = (segments[0] == 0x2001 && (segments[1] < 0x0200 || segments[1] == 0x0db8))
        || segments[0] == 0x2002
        || (segments[0] == 0x3fff && segments[1] < 0x1000);
    global && !special
}

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;
