//! In pairs: what just goes, and what just does not.

use super::*;

fn parse(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// The last address before a range, its first, its last, and the first behind it. A neighbour that is
/// special by another rule is left out.
const RANGES: [(&str, &str, &str, &str, &str); 25] = [
    ("this network", "", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
    ("private", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
    ("carrier-grade NAT", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
    ("loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
    ("link-local, metadata", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
    ("private", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
    ("protocols", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
    ("documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
    ("6to4 relays", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
    ("private", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
    ("benchmarks", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
    ("documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
    ("documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
    ("multicast and beyond", "223.255.255.255", "224.0.0.0", "255.255.255.255", ""),
    ("IPv4-mapped private", "::ffff:9.255.255.255", "::ffff:10.0.0.0", "::ffff:10.255.255.255", "::ffff:11.0.0.0"),
    (
        "IPv4-mapped metadata",
        "::ffff:169.253.255.255",
        "::ffff:169.254.0.0",
        "::ffff:169.254.255.255",
        "::ffff:169.255.0.0",
    ),
    ("unspecified, loopback, all below global unicast", "", "::", "1fff:ffff::", "2000::"),
    ("NAT64", "", "64:ff9b::", "64:ff9b::ffff:ffff", ""),
    ("local NAT64", "", "64:ff9b:1::", "64:ff9b:1:ffff::", ""),
    ("protocols, Teredo", "2000:ffff::", "2001::", "2001:1ff:ffff::", "2001:200::"),
    ("documentation", "2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"),
    ("6to4", "2001:ffff::", "2002::", "2002:ffff::", "2003::"),
    ("documentation", "3ffe:ffff::", "3fff::", "3fff:fff:ffff::", "3fff:1000::"),
    ("unique local, metadata of EC2", "", "fc00::", "fdff:ffff::", ""),
    ("link-local and multicast", "", "fe80::", "ffff:ffff::", ""),
];

#[test]
fn what_is_not_public_needs_a_grant() {
    let none = Grants::default();
    for (name, before, first, last, behind) in RANGES {
        for inside in [first, last] {
            let refused = none.check_address("a.example", parse(inside));
            assert!(matches!(refused, Err(Refused::Address { .. })), "{name}: {inside}");
            let granted = Grants {
                addresses: vec![parse(inside).to_canonical().to_string().parse().unwrap()],
                ..Grants::default()
            };
            assert_eq!(granted.check_address("a.example", parse(inside)), Ok(()), "{name}: {inside} is granted");
        }
        for outside in [before, behind].into_iter().filter(|outside| !outside.is_empty()) {
            assert_eq!(none.check_address("a.example", parse(outside)), Ok(()), "{name}: {outside}");
        }
    }
}

#[test]
fn metadata_addresses_are_refused_in_every_disguise() {
    let next_to_it = Grants { addresses: vec!["169.254.169.253".parse().unwrap()], ..Grants::default() };
    for address in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:a9fe:a9fe::",
        "fd00:ec2::254",
        "100.100.100.200",
    ] {
        assert!(next_to_it.check_address("a.example", parse(address)).is_err(), "{address}");
    }
    let granted = Grants { addresses: vec!["169.254.169.254".parse().unwrap()], ..Grants::default() };
    assert_eq!(granted.check_address("a.example", parse("::ffff:169.254.169.254")), Ok(()), "the same address");
    assert!(granted.check_address("a.example", parse("64:ff9b::a9fe:a9fe")).is_err(), "another one");
}

#[test]
fn of_several_addresses_the_allowed_ones_are_used() {
    let at = |address: &str| SocketAddr::new(parse(address), 0);
    let none = Grants::default();
    let check = |found: &[&str], expected: Option<&[&str]>| {
        let allowed = none.allowed_of("a.example", found.iter().map(|address| at(address)).collect());
        let expected = expected.map(|all| all.iter().map(|address| at(address)).collect::<Vec<_>>());
        assert_eq!(allowed.ok(), expected, "{found:?}");
    };
    check(&["8.8.8.8", "2606:4700::1111"], Some(&["8.8.8.8", "2606:4700::1111"]));
    check(&["127.0.0.1", "8.8.8.8", "::1"], Some(&["8.8.8.8"]));
    check(&["127.0.0.1", "::1"], None);
    check(&[], Some(&[]));
}

#[test]
fn hosts_need_a_grant_and_private_addresses_another() {
    let grants = Grants { hosts: vec!["vendor.example".into(), "127.0.0.1".into(), "::1".into()], addresses: vec![] };
    assert_eq!(grants.check_host("Vendor.Example"), Ok(()));
    for host in [
        "evil.example",
        "vendor.example.evil.example",
        "evil-vendor.example",
        "a.vendor.example",
        "vendor.example.",
        "vendor%2eexample",
        "",
    ] {
        assert_eq!(grants.check_host(host), Err(Refused::Host { host: host.to_string() }));
    }
    assert!(matches!(grants.check_host("127.0.0.1"), Err(Refused::Address { .. })));
    assert!(matches!(grants.check_host("[::1]"), Err(Refused::Address { .. })));
    let granted = Grants { addresses: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()], ..grants };
    assert_eq!(granted.check_host("127.0.0.1"), Ok(()));
    assert_eq!(granted.check_host("[::1]"), Ok(()));
}

#[test]
fn a_url_is_read_in_one_way_only() {
    let goes = |url: &str, host: &str| {
        let uri = checked_url(url).unwrap_or_else(|refused| panic!("{url}: {refused}"));
        assert_eq!(uri.host(), Some(host), "{url}");
    };
    goes("https://vendor.example/a", "vendor.example");
    goes("HTTPS://Vendor.Example/a", "Vendor.Example");
    goes("http://vendor.example:1/", "vendor.example");
    goes("http://vendor.example:65535", "vendor.example");
    goes("http://[::1]:80/", "[::1]");
    goes("http://vendor.example/a@b:c", "vendor.example");
    goes("http://vendor.example?u=@evil.example", "vendor.example");
    goes("http://a_b.example/%0d%0a", "a_b.example");
    goes("http://xn--bcher-kva.example/", "xn--bcher-kva.example");
    for url in [
        "",
        "/relative",
        "vendor.example",
        "//vendor.example/",
        "ftp://vendor.example/",
        "file:///etc/passwd",
        "http://",
        "http:///a",
        "http://user@vendor.example/",
        "http://user:password@vendor.example/",
        "http://vendor.example:80@evil.example/",
        "http://vendor.example\\@evil.example/",
        "http://vendor.example\\.evil.example/",
        "http://evil.example\\/vendor.example",
        "http://vendor.example:/",
        "http://vendor.example:0/",
        "http://vendor.example:00/",
        "http://vendor.example:65536/",
        "http://vendor.example:+80/",
        "http://vendor.example:8a/",
        "http://vendor.example:80:81/",
        "http://vendor.example%00.evil.example/",
        "http://vendor.example%2f@evil.example/",
        "http://bücher.example/",
        "http://vendor.example\u{ff0f}.evil.example/",
        "http://vendor\u{3002}example/",
        "http://vendor.example/a b",
        "http://vendor.example/a\r\nx-evil: 1",
        "http://vendor.example/a\nb",
        "http://vendor.example/a\0b",
        "http://vendor.example\t/",
        "http://vendor.example/\u{7f}",
        "http://[::1/",
        "http://::1/",
        "http://[fe80::1%25eth0]/",
        " http://vendor.example/",
    ] {
        assert!(matches!(checked_url(url), Err(Refused::Url { .. })), "{url:?} goes: {:?}", checked_url(url));
    }
}

#[test]
fn the_host_of_a_url() {
    assert_eq!(host_of("https://A.example:8443/x?y"), Some("a.example".into()));
    assert_eq!(host_of("http://[::1]:80/"), Some("::1".into()));
    assert_eq!(host_of("/relative"), None);
    assert_eq!(host_of("http://user@evil.example/"), Some("evil.example".into()));
}
