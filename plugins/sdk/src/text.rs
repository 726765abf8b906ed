//! Texts as JSON writes them: escapes taken out and put in, and what counts as a number.

pub use crate::bytes::same;

/// The text of a JSON string's inside. An escape that JSON does not have, or half a surrogate pair,
/// becomes U+FFFD.
pub fn unescape(quoted: &[u8]) -> String {
    let mut plain = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        plain.push_str(&String::from_utf8_lossy(&rest[..at]));
        let (character, used) = escape(&rest[at + 1..]);
        plain.push(character);
        rest = &rest[(at + 1 + used).min(rest.len())..];
    }
    plain.push_str(&String::from_utf8_lossy(rest));
    plain
}

/// The character of an escape, and how many bytes behind the backslash it takes.
fn escape(rest: &[u8]) -> (char, usize) {
    let short = |character| (character, 1);
    match rest.first() {
        Some(b'n') => short('\n'),
        Some(b't') => short('\t'),
        Some(b'r') => short('\r'),
        Some(b'b') => short('\u{8}'),
        Some(b'f') => short('\u{c}'),
        Some(plain @ (b'"' | b'\\' | b'/')) => short(char::from(*plain)),
        Some(b'u') => unicode_escape(&rest[1..]),
        _ => short(char::REPLACEMENT_CHARACTER),
    }
}

fn unicode_escape(rest: &[u8]) -> (char, usize) {
    let Some(first) = four_hex(rest) else { return (char::REPLACEMENT_CHARACTER, 1) };
    if let Some(character) = char::from_u32(first) {
        return (character, 5);
    }
    let second = rest.get(4..6).filter(|next| *next == b"\\u").and_then(|_| four_hex(&rest[6..]));
    match second {
        Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 11)
        }
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}

fn four_hex(bytes: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// Appends a text with the escapes that JSON wants, without quotes.
pub fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    let mut copied = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
}

/// Whether these bytes are one JSON number.
pub fn is_number(bytes: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let places = digits(fraction);
        if places == 0 {
            return false;
        }
        rest = &fraction[places..];
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let exponent = match exponent.split_first() {
            Some((b'+' | b'-', digits)) => digits,
            _ => exponent,
        };
        let places = digits(exponent);
        return places > 0 && places == exponent.len();
    }
    rest.is_empty()
}

/// The first `characters_max` characters.
pub fn cut(text: &str, characters_max: usize) -> &str {
    if text.len() <= characters_max {
        return text;
    }
    match text.char_indices().nth(characters_max) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out_and_put_in() {
        let check = |quoted: &str, plain: &str| assert_eq!(unescape(quoted.as_bytes()), plain, "{quoted}");
        check("", "");
        check("plain é", "plain é");
        check(r#"a\"b\\c\/d\n\t\r\b\f"#, "a\"b\\c/d\n\t\r\u{8}\u{c}");
        check(r"\u00e9\ud83d\ude00!", "é😀!");
        check(r"\ud83d", "\u{fffd}");
        check(r"\u12", "\u{fffd}12");
        check("\\", "\u{fffd}");
        let mut out = Vec::new();
        escape_into(&mut out, "a\"b\\c\n\t\r\u{1}é".as_bytes());
        assert_eq!(out, r#"a\"b\\c\n\t\r\u0001é"#.as_bytes());
    }

    #[test]
    fn numbers_are_told_from_texts() {
        for number in ["0", "-0", "10", "1.5", "-1.25e+10", "1E5"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "0x1", "1 ", "1,5", "NaN"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("äöüß", 3), "äöü");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("a", 0), "");
    }
}
