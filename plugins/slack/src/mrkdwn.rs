//! Texts as the vendor reads them, inside a JSON string: what senders wrote is escaped, what the
//! operator wrote is not.
//!
//! Source: messaging/formatting-message-text. Of `&`, `<` and `>` alone the vendor wants escapes; with
//! them `<!channel>` in an event is a text and mentions nobody.

/// What is added to a text that was cut: one character.
const CUT: &[u8] = "…".as_bytes();

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Into text.
    Text,
    /// Behind a `<`: it is the whole address of a link.
    Link,
    /// Into the address of a link.
    LinkPart,
}

/// Takes values of an event for one place of a template.
pub struct Sink<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
}

impl<'o> Sink<'o> {
    /// Appends to `out`, which is the inside of a JSON string.
    pub fn new(out: &'o mut Vec<u8>, form: Form) -> Sink<'o> {
        Sink { out, form }
    }

    /// Where the value goes.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How much was written, to go back to.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Writes plain text, with the escapes that its place wants. Other control characters than line
    /// breaks and tabs are left out.
    pub fn write(&mut self, text: &[u8]) {
        match self.form {
            Form::Text => escape(self.out, text),
            Form::Link => text.iter().for_each(|byte| link(self.out, *byte)),
            Form::LinkPart => text.iter().for_each(|byte| percent(self.out, *byte)),
        }
    }

    /// Writes what is the vendor's markup already.
    pub fn markup(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

fn escape(out: &mut Vec<u8>, text: &[u8]) {
    let mut copied = 0;
    for (at, byte) in text.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&text[copied..at]);
        out.extend_from_slice(escaped);
        copied = at + 1;
    }
    out.extend_from_slice(&text[copied..]);
}

/// An address stays what it is, but for what would end it.
fn link(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'&' => out.extend_from_slice(b"&amp;"),
        0..=b' ' | b'"' | b'<' | b'>' | b'\\' | b'|' => percent(out, byte),
        _ => out.push(byte),
    }
}

fn percent(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
        _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}

/// Whether what was written may stand behind a `<`: the address of a page or of mail. Anything else
/// there, such as `!channel`, would be a mention.
pub fn is_address(written: &[u8]) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| written.starts_with(scheme.as_bytes()))
}

/// The operator's own text as it stands in a JSON string. Its markup stays; an `&` or `<` that is none
/// is escaped.
pub fn literal(text: &str) -> Vec<u8> {
    let mut marked = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let after = &text[at + character.len_utf8()..];
        match character {
            '&' if !["amp;", "lt;", "gt;"].iter().any(|name| after.starts_with(name)) => marked.push_str("&amp;"),
            // At the end a place follows.
            '<' if !after.chars().next().is_none_or(may_begin_link) => marked.push_str("&lt;"),
            _ => marked.push(character),
        }
    }
    let mut out = Vec::with_capacity(marked.len());
    switchyard_sdk::text::escape_into(&mut out, marked.as_bytes());
    out
}

/// Whether a `<` before that character is markup: a link, or a mention of a user, channel or group.
pub fn may_begin_link(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '@' | '#' | '!')
}

/// Whether a text shows nothing.
pub fn is_blank(written: &[u8]) -> bool {
    let mut rest = written;
    loop {
        rest = match rest {
            [] => return true,
            [b' ', after @ ..] | [b'\\', b'n' | b't' | b'r', after @ ..] => after,
            _ => return false,
        };
    }
}

/// Cuts what was written from `start` on to so many characters, the last of them an ellipsis. Never
/// inside an escape or `<...>`. Characters are counted as UTF-16 has them, which is never too few.
pub fn cut(out: &mut Vec<u8>, start: usize, characters_max: usize) {
    // No character has fewer bytes than one.
    if out.len() - start <= characters_max {
        return;
    }
    let (mut at, mut whole, mut characters) = (start, start, 0);
    let mut closing = None;
    while at < out.len() {
        let byte = out[at];
        let (bytes, units) = character(&out[at..]);
        characters += units;
        if characters > characters_max {
            out.truncate(whole);
            out.extend_from_slice(CUT);
            return;
        }
        closing = match (closing, byte) {
            (None, b'&') => Some(b';'),
            (None, b'<') => Some(b'>'),
            (Some(wanted), byte) if byte == wanted => None,
            (open, _) => open,
        };
        at += bytes;
        if closing.is_none() && characters < characters_max {
            whole = at;
        }
    }
}

/// Bytes and UTF-16 units of the first character in the inside of a JSON string.
fn character(written: &[u8]) -> (usize, usize) {
    match written {
        [b'\\', b'u', ..] => (6, 1),
        [b'\\', ..] => (2, 1),
        [0xf0..=0xff, ..] => (4, 2),
        [0xe0..=0xef, ..] => (3, 1),
        [0xc0..=0xdf, ..] => (2, 1),
        _ => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, text: &str) -> String {
        let mut out = Vec::new();
        Sink::new(&mut out, form).write(text.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_escaped_for_their_place() {
        let check = |form: Form, text: &str, wanted: &str| assert_eq!(written(form, text), wanted);
        check(Form::Text, "<!channel> & \"x\"\\", "&lt;!channel&gt; &amp; \\\"x\\\"\\\\");
        check(Form::Text, "a\nb\tc\u{0}d\u{1b}\re é😀", "a\\nb\\tcde é😀");
        check(Form::Link, "https://x.example/?a=1&b=|<c> d", "https://x.example/?a=1&amp;b=%7C%3Cc%3E%20d");
        check(Form::LinkPart, "a/b é|>", "a%2Fb%20%C3%A9%7C%3E");
        assert!(is_address(b"https://x") && is_address(b"mailto:a@x.example"));
        assert!(!is_address(b"!channel") && !is_address(b"@U1") && !is_address(b"javascript:x"));
    }

    #[test]
    fn the_operators_markup_stays() {
        let check = |text: &str, wanted: &str| assert_eq!(String::from_utf8(literal(text)).unwrap(), wanted);
        check("*a* & b <https://x|y>\n\"z\"", "*a* &amp; b <https://x|y>\\n\\\"z\\\"");
        check("a &amp; b &lt;&gt; &x;", "a &amp; b &lt;&gt; &amp;x;");
        check("1 < 2 <@U1> <!here> <", "1 &lt; 2 <@U1> <!here> <");
    }

    #[test]
    fn texts_that_show_nothing_are_known() {
        for text in ["", " ", "\\n \\t"] {
            assert!(is_blank(text.as_bytes()), "{text}");
        }
        for text in ["x", " .", "\\\"", "\\\\"] {
            assert!(!is_blank(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters_and_outside_markup() {
        let check = |text: &str, characters_max: usize, wanted: &str| {
            let mut out = [b"..", text.as_bytes()].concat();
            cut(&mut out, 2, characters_max);
            assert_eq!(std::str::from_utf8(&out[2..]).unwrap(), wanted, "{text}");
        };
        check("abcd", 4, "abcd");
        check("abcde", 4, "abc…");
        check("äöüß", 4, "äöüß");
        check("äöüßx", 4, "äöü…");
        check("a😀😀", 5, "a😀😀");
        check("a😀😀b", 5, "a😀…");
        check("ab&amp;cd", 6, "ab…");
        check("ab&amp;cd", 9, "ab&amp;cd");
        check("a<https://x|y>bc", 10, "a…");
        check("a\\n\\nbc", 5, "a\\n\\nbc");
        check("a\\n\\nbcd", 5, "a\\n\\nb…");
    }
}
