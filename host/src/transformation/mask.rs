//! Ways to hide a value, or a part of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands in place of a value that is hidden whole.
pub(super) const HIDDEN: &str = "[hidden]";

/// Characters that `last` leaves at most.
pub const LAST_MAX: u64 = 32;

/// A way to hide. What is not of the form that a way is for is hidden whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Whole,
    /// All but the last characters.
    Last(u8),
    /// All but the first character and the domain.
    Email,
    /// All digits but the last four; grouping stays.
    Card,
    /// The network only: 24 bits of IPv4, 48 of IPv6.
    Ip,
}

impl Style {
    pub const NAMES: [(&'static str, Style); 5] = [
        ("whole", Style::Whole),
        ("last", Style::Last(4)),
        ("email", Style::Email),
        ("card", Style::Card),
        ("ip", Style::Ip),
    ];

    /// The text, hidden.
    pub fn mask(self, text: &str) -> String {
        match self {
            Style::Whole => HIDDEN.to_string(),
            Style::Last(kept) => last(text, usize::from(kept)),
            Style::Email => email(text).unwrap_or_else(|| HIDDEN.to_string()),
            Style::Card => card(text).unwrap_or_else(|| HIDDEN.to_string()),
            Style::Ip => ip(text).unwrap_or_else(|| HIDDEN.to_string()),
        }
    }
}

/// A text that is no longer than what would be left is hidden whole.
fn last(text: &str, kept: usize) -> String {
    let count = text.chars().count();
    if count <= kept {
        return HIDDEN.to_string();
    }
    let stars = std::iter::repeat_n('*', count - kept);
    stars.chain(text.chars().skip(count - kept)).collect()
}

fn email(text: &str) -> Option<String> {
    let (name, domain) = text.trim().rsplit_once('@')?;
    let first = name.chars().next()?;
    (!domain.is_empty() && !domain.contains(char::is_whitespace)).then(|| format!("{first}***@{domain}"))
}

/// Card numbers have 12 to 19 digits. Source: ISO/IEC 7812.
fn card(text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !(12..=19).contains(&digits) || !text.chars().all(|each| each.is_ascii_digit() || matches!(each, ' ' | '-')) {
        return None;
    }
    let mut hidden = digits - 4;
    let hide = |each: char| match each {
        '0'..='9' if hidden > 0 => {
            hidden -= 1;
            '*'
        }
        each => each,
    };
    Some(text.chars().map(hide).collect())
}

pub(super) fn ip(text: &str) -> Option<String> {
    match text.trim().parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(Ipv4Addr::new(a, b, c, 0).to_string())
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string())
        }
    }
}
