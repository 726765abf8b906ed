//! URLs: encoding what goes into one, and finding what is in a query.

use std::borrow::Cow;

/// Appends a text percent-encoded for a query or path: all but letters, digits and `-._~`.
pub fn percent_encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// A text percent-encoded for a query or path.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    percent_encode_into(&mut out, text);
    out
}

/// The text of a percent-encoded one, `+` being a space. What is no valid UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The first value of a query parameter of a URL, decoded; names are compared without case. Click
/// identifiers are found so in `context.page.url`.
pub fn query_value<'a>(url: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let query = url.split_once('?')?.1.split('#').next()?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| percent_decode(value)).next()
}

/// Appends a query parameter with its value encoded.
pub fn push_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    percent_encode_into(url, name);
    url.push('=');
    percent_encode_into(url, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded_and_decoded() {
        assert_eq!(percent_encode("a b/ü&~"), "a%20b%2F%C3%BC%26~");
        assert_eq!(percent_decode("a%20b%2F%C3%BC+%zz%"), "a b/ü %zz%");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn parameters_are_found_in_a_query() {
        let url = "https://shop.example/p?a=1&FBCLID=x%2By&fbclid=2#gclid=no";
        assert_eq!(query_value(url, "fbclid").as_deref(), Some("x+y"));
        assert_eq!(query_value(url, "gclid"), None);
        assert_eq!(query_value("https://shop.example/", "a"), None);
        let mut url = String::from("https://v.example/x");
        push_query(&mut url, "strict", "1");
        push_query(&mut url, "p q", "ü");
        assert_eq!(url, "https://v.example/x?strict=1&p%20q=%C3%BC");
    }
}
