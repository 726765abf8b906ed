//! Finds the values of secrets in texts, however a vendor may have written them down: as they are, as
//! JSON, URLs, forms and HTML write them, and inside base64. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Characters of base64 that are looked for, at least: fewer come together by chance.
const BASE64_CHARS_MIN: usize = 8;

/// Values that must not be seen, each with what stands for it. It has no Debug.
#[derive(Clone)]
pub struct Hidden {
    /// Longest first, so that a value that is part of another does not spoil that one.
    values: Vec<(Vec<u8>, String)>,
    /// By byte: whether a written value can begin with it.
    begins: [bool; 256],
}

impl Default for Hidden {
    fn default() -> Hidden {
        Hidden { values: Vec::new(), begins: [false; 256] }
    }
}

/// What is tried first where a byte of the text may be itself or the beginning of an escape.
#[derive(Clone, Copy)]
enum First {
    Escape,
    Itself,
}

impl Hidden {
    /// Adds a value and what is shown in its place.
    pub fn add(&mut self, value: &str, shown: &str) {
        if value.is_empty() {
            return;
        }
        self.push(value.as_bytes().to_vec(), shown);
        for core in base64_cores(value.as_bytes()) {
            self.push(core, shown);
        }
        self.values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    fn push(&mut self, value: Vec<u8>, shown: &str) {
        if self.values.iter().all(|(known, _)| *known != value) {
            let first = value[0];
            for byte in [first, b'%', b'\\', b'&'].into_iter().chain((first == b' ').then_some(b'+')) {
                self.begins[usize::from(byte)] = true;
            }
            self.values.push((value, shown.to_string()));
        }
    }

    /// The text with all values of at least `value_bytes_min` bytes replaced; None when there are none.
    pub fn hide(&self, text: &[u8], value_bytes_min: usize) -> Option<Vec<u8>> {
        let mut hidden = Vec::new();
        let mut copied = 0;
        let mut at = 0;
        while at < text.len() {
            if !self.begins[usize::from(text[at])] {
                at += 1;
                continue;
            }
            let found =
                self.values.iter().filter(|(value, _)| value.len() >= value_bytes_min).find_map(|(value, shown)| {
                    let end =
                        end_of(text, at, value, First::Escape).or_else(|| end_of(text, at, value, First::Itself))?;
                    Some((end, shown))
                });
            match found {
                Some((end, shown)) => {
                    hidden.extend_from_slice(&text[copied..at]);
                    hidden.extend_from_slice(shown.as_bytes());
                    (copied, at) = (end, end);
                }
                None => at += 1,
            }
        }
        if copied == 0 {
            return None;
        }
        hidden.extend_from_slice(&text[copied..]);
        Some(hidden)
    }
}

/// Where the value that is written at `at` ends, if it is.
fn end_of(text: &[u8], mut at: usize, value: &[u8], first: First) -> Option<usize> {
    let mut rest = value;
    while let Some(&byte) = rest.first() {
        let itself = (text.get(at) == Some(&byte)).then_some((1, 1));
        let (read, of_value) = match first {
            First::Escape => escape(&text[at..], rest).or(itself),
            First::Itself => itself.or_else(|| escape(&text[at..], rest)),
        }?;
        at += read;
        rest = &rest[of_value..];
    }
    Some(at)
}

/// An escape at the start of `text` that stands for the start of `value`: the bytes of both.
fn escape(text: &[u8], value: &[u8]) -> Option<(usize, usize)> {
    match (text.first()?, text.get(1)) {
        (b'+', _) if value[0] == b' ' => Some((1, 1)),
        (b'%', _) => (number(text.get(1..3)?)? == u32::from(value[0])).then_some((3, 1)),
        (b'\\', Some(b'u')) => unicode(text, value),
        (b'\\', Some(letter)) => {
            let meant = match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'"' | b'\\' | b'/' | b'\'' => *letter,
                _ => return None,
            };
            (meant == value[0]).then_some((2, 1))
        }
        (b'&', _) => {
            const ENTITIES: [(&str, u8); 8] = [
                ("&amp;", b'&'),
                ("&lt;", b'<'),
                ("&gt;", b'>'),
                ("&quot;", b'"'),
                ("&#34;", b'"'),
                ("&#39;", b'\''),
                ("&#x27;", b'\''),
                ("&apos;", b'\''),
            ];
            let (name, _) =
                ENTITIES.iter().find(|(name, meant)| *meant == value[0] && text.starts_with(name.as_bytes()))?;
            Some((name.len(), 1))
        }
        _ => None,
    }
}

/// `\u00e9`, or a pair of them.
fn unicode(text: &[u8], value: &[u8]) -> Option<(usize, usize)> {
    let unit = |at: usize| u16::try_from(number(text.get(at + 2..at + 6)?)?).ok();
    let first = unit(0)?;
    let pair = [first, if text.get(6..8) == Some(b"\\u") { unit(6).unwrap_or(0) } else { 0 }];
    let (character, read) = match char::decode_utf16([first]).next()? {
        Ok(character) => (character, 6),
        Err(_) => (char::decode_utf16(pair).next()?.ok()?, 12),
    };
    let mut buffer = [0; 4];
    let written = character.encode_utf8(&mut buffer).as_bytes();
    value.starts_with(written).then_some((read, written.len()))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// What base64 of any text that holds the value has of it, whatever stands before and after: for each
/// of the three places where it may begin in a group, the characters that depend on the value alone.
fn base64_cores(value: &[u8]) -> Vec<Vec<u8>> {
    let mut cores = Vec::new();
    for before in 0..3_usize {
        let padded = [&vec![0; before][..], value].concat();
        let skipped = [0, 2, 3][before];
        let partial = usize::from(!padded.len().is_multiple_of(3));
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let core = encoded.as_bytes().get(skipped..encoded.len() - partial).unwrap_or_default().to_vec();
            if core.len() >= BASE64_CHARS_MIN && !cores.contains(&core) {
                cores.push(core);
            }
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const VALUE: &str = "pa\"ss/w ör\\d<&>%41😀+";

    fn hidden(text: &str) -> String {
        let mut hidden = Hidden::default();
        hidden.add(VALUE, "sw_x");
        let found = hidden.hide(text.as_bytes(), 1);
        found.map_or(text.to_string(), |found| String::from_utf8_lossy(&found).into_owned())
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let percent = crate::plugin::handles::percent_encoded(VALUE);
        let json = serde_json::to_string(VALUE).expect("JSON");
        let ascii: String = json[1..json.len() - 1]
            .chars()
            .flat_map(|character| match character.is_ascii() {
                true => vec![character.to_string()],
                false => {
                    let mut units = [0; 2];
                    let units = character.encode_utf16(&mut units);
                    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
            })
            .collect();
        let html = VALUE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        for written in [
            VALUE.to_string(),
            percent.clone(),
            percent.to_ascii_lowercase(),
            percent.replace("%20", "+"),
            json[1..json.len() - 1].to_string(),
            json[1..json.len() - 1].replace('/', "\\/"),
            ascii,
            html,
        ] {
            assert_eq!(hidden(&format!("a={written}; b={written}")), "a=sw_x; b=sw_x", "{written}");
        }
    }

    #[test]
    fn a_value_inside_base64_is_found_wherever_it_begins() {
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", ".", "..", "..."] {
                let text = format!("{before}{VALUE}{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let shown = hidden(&format!("Basic {encoded}"));
                    assert!(shown.contains("sw_x"), "{encoded}: {shown}");
                    let left = shown.replace("Basic ", "").replace("sw_x", "");
                    let left_of_value = left.len().saturating_sub((before.len() + after.len()).div_ceil(3) * 4);
                    assert!(left_of_value <= 8, "{encoded}: {shown}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_value_stays() {
        for text in ["", "pass", "%", "%4", "\\", "\\u00", "&", "&amp", "pa\"ss/w ör\\d<&>%41", "\u{0}%zz"] {
            assert_eq!(hidden(text), text);
        }
        let mut short = Hidden::default();
        short.add("ok", "sw_x");
        assert_eq!(short.hide(b"ok", 8), None, "too short to be told from chance");
        assert_eq!(short.hide(b"ok", 2), Some(b"sw_x".to_vec()));
        short.add("ok and more", "sw_y");
        assert_eq!(short.hide(b"ok and more", 2), Some(b"sw_y".to_vec()), "the longer one comes first");
    }
}
