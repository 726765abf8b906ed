//! Where requests may go: pure decisions on hosts and addresses.
//!
//! A host is granted by name. An address that is not public (loopback, private, link-local, shared,
//! multicast, documentation and the like, cloud metadata among them) needs a grant of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
}

/// The host of a URL as [`Grants`] names it: lower-case, without port and brackets.
pub fn host_of(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
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
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let check = |address: &str, public: bool| assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        for address in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.0",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            check(address, true);
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            check(address, false);
        }
    }

    #[test]
    fn hosts_need_a_grant_and_private_addresses_another() {
        let grants =
            Grants { hosts: vec!["vendor.example".into(), "127.0.0.1".into(), "::1".into()], addresses: vec![] };
        assert_eq!(grants.check_host("Vendor.Example"), Ok(()));
        assert_eq!(grants.check_host("evil.example"), Err(Refused::Host { host: "evil.example".into() }));
        assert!(matches!(grants.check_host("127.0.0.1"), Err(Refused::Address { .. })));
        assert!(matches!(grants.check_host("[::1]"), Err(Refused::Address { .. })));
        let granted = Grants { addresses: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()], ..grants };
        assert_eq!(granted.check_host("127.0.0.1"), Ok(()));
        assert_eq!(granted.check_host("[::1]"), Ok(()));
        assert!(granted.check_address("vendor.example", "10.0.0.1".parse().unwrap()).is_err());
        assert!(granted.check_address("vendor.example", "8.8.8.8".parse().unwrap()).is_ok());
    }

    #[test]
    fn the_host_of_a_url() {
        assert_eq!(host_of("https://A.example:8443/x?y"), Some("a.example".into()));
        assert_eq!(host_of("http://[::1]:80/"), Some("::1".into()));
        assert_eq!(host_of("/relative"), None);
        assert_eq!(host_of("http://user@evil.example/"), Some("evil.example".into()));
    }
}
