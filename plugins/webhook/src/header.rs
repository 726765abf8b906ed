//! What may be a header, and what one may hold.

/// Headers that the host writes itself.
const HOST_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header's value may have this byte: ASCII that can be seen, and the space.
pub fn may_be_in_value(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// Checks a header's name.
///
/// # Errors
/// Names the setting, and says what is wrong.
pub fn check_name(setting: &str, name: &str) -> Result<(), String> {
    let may_be_there = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(may_be_there) {
        return Err(format!("{setting}: `{name}` is no name of a header; letters, digits and - make one"));
    }
    if HOST_HEADERS.iter().any(|host| name.eq_ignore_ascii_case(host)) {
        return Err(format!("{setting}: `{name}` is written by the host; leave it out"));
    }
    Ok(())
}
