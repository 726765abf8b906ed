//! Strings, numbers and words.

use super::super::index::{Kind, code_unit};
use super::pass::{Key, Pass, Text, expected};
use super::{Reason, Repairs, ScanError};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Offset of the first quote, backslash or control character from `at` on, or of the end.
#[inline(always)]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        // In each, the lowest high bit that is set marks the first such byte; higher ones may lie.
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
        let backslash = (word ^ (ONES * 0x5C)).wrapping_sub(ONES);
        let control = word.wrapping_sub(ONES * 0x20);
        let found = (quote | backslash | control) & !word & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    plain_end_bytewise(bytes, at)
}

#[inline(never)]
fn plain_end_bytewise(bytes: &[u8], at: usize) -> usize {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    match bytes.get(at..) {
        Some(rest) => at + rest.iter().position(special).unwrap_or(rest.len()),
        None => bytes.len(),
    }
}

impl Pass<'_> {
    /// Reads the string whose opening quote stands at `at`.
    #[inline(always)]
    pub(super) fn string(&mut self, at: usize) -> Result<Text, ScanError> {
        let end = plain_end(self.input, at + 1);
        if self.valid && self.input.get(end) == Some(&b'"') {
            return Ok(Text { end: end + 1, escaped: false, rewritten: false });
        }
        self.odd_string(at)
    }

    /// The same, for a string with escapes or something to repair.
    #[inline(never)]
    fn odd_string(&mut self, at: usize) -> Result<Text, ScanError> {
        let copied = self.copied;
        let (mut pos, mut escaped) = (at + 1, false);
        loop {
            let plain = pos;
            pos = plain_end(self.input, pos);
            if !self.valid {
                self.repair_utf8(plain, pos);
            }
            match self.input.get(pos) {
                Some(b'"') => break,
                Some(b'\\') => pos += self.escape(pos)?,
                Some(&byte) => {
                    self.repair_control(pos, byte);
                    pos += 1;
                    escaped = true;
                    continue;
                }
                None => {
                    return Err(ScanError { at: pos, reason: Reason::EndOfInput });
                }
            }
            escaped = true;
        }
        Ok(Text { end: pos + 1, escaped, rewritten: self.copied != copied })
    }

    /// Checks the escape at `at`; answers its bytes.
    fn escape(&mut self, at: usize) -> Result<usize, ScanError> {
        match self.input.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => self.unicode_escape(at),
            Some(_) => Err(expected("an escape", at)),
            None => Err(ScanError { at: at + 1, reason: Reason::EndOfInput }),
        }
    }

    fn unicode_escape(&mut self, at: usize) -> Result<usize, ScanError> {
        let unit = |at: usize| self.input.get(at..).and_then(code_unit);
        match unit(at) {
            Some(0xD800..0xDC00) if matches!(unit(at + 6), Some(0xDC00..0xE000)) => Ok(12),
            Some(0xD800..0xE000) => {
                self.repairs.add(Repairs::SURROGATE);
                self.replace(at, at + 6, br"\ufffd");
                Ok(6)
            }
            Some(_) => Ok(6),
            None if self.input.len() < at + 6 => Err(ScanError { at: self.input.len(), reason: Reason::EndOfInput }),
            None => Err(expected("four hexadecimal digits", at + 2)),
        }
    }

    fn repair_control(&mut self, at: usize, byte: u8) {
        self.repairs.add(Repairs::CONTROL);
        let escape = match byte {
            b'\n' => r"\n",
            b'\r' => r"\r",
            b'\t' => r"\t",
            8 => r"\b",
            12 => r"\f",
            _ => &format!("\\u{byte:04x}"),
        };
        self.replace(at, at + 1, escape.as_bytes());
    }

    /// Puts U+FFFD for what is no UTF-8. No piece of a character is a quote or a backslash.
    fn repair_utf8(&mut self, from: usize, to: usize) {
        let input = self.input;
        let mut at = from;
        for chunk in input.get(from..to).unwrap_or(&[]).utf8_chunks() {
            at += chunk.valid().len();
            let bad = chunk.invalid().len();
            if bad > 0 {
                self.repairs.add(Repairs::UTF8);
                self.replace(at, at + bad, "\u{FFFD}".as_bytes());
                at += bad;
            }
        }
    }

    /// Reads the number at `at`; answers the offset behind it.
    #[inline(always)]
    pub(super) fn number(&mut self, at: usize, key: Key) -> Result<usize, ScanError> {
        let input = self.input;
        let negative = input.get(at) == Some(&b'-');
        let first = at + usize::from(negative);
        let mut end = digits(input, first);
        match input.get(first) {
            Some(b'0') if end > first + 1 => return Err(expected("no digit after 0", first + 1)),
            Some(b'0'..=b'9') => {}
            Some(b'I') if negative => return self.infinity(at, key),
            Some(_) => return Err(expected("a digit", first)),
            None => {
                return Err(ScanError { at: first, reason: Reason::EndOfInput });
            }
        }
        if input.get(end) == Some(&b'.') {
            end = some_digits(input, end + 1)?;
        }
        if let Some(b'e' | b'E') = input.get(end) {
            let signed = matches!(input.get(end + 1), Some(b'+' | b'-'));
            end = some_digits(input, end + 1 + usize::from(signed))?;
        }
        self.scalar(self.out(at), end, key, Kind::Number, 0)?;
        Ok(end)
    }

    fn infinity(&mut self, at: usize, key: Key) -> Result<usize, ScanError> {
        self.literal(at, b"-Infinity", key)
    }

    /// Reads the word at `at`, which starts with `byte`; answers the offset behind it.
    pub(super) fn word(&mut self, at: usize, byte: u8, key: Key) -> Result<usize, ScanError> {
        match byte {
            b't' => self.literal(at, b"true", key),
            b'f' => self.literal(at, b"false", key),
            b'n' => self.literal(at, b"null", key),
            b'N' => self.literal(at, b"NaN", key),
            b'I' => self.literal(at, b"Infinity", key),
            _ => Err(expected("a value", at)),
        }
    }

    #[inline(always)]
    fn literal(&mut self, at: usize, word: &[u8], key: Key) -> Result<usize, ScanError> {
        let end = at + word.len();
        let found = self.input.get(at..).unwrap_or(&[]);
        if !found.starts_with(word) {
            return match word.starts_with(found) {
                true => Err(ScanError { at: self.input.len(), reason: Reason::EndOfInput }),
                false => Err(expected("a value", at)),
            };
        }
        let start = self.out(at);
        let kind = match word {
            b"true" => Kind::True,
            b"false" => Kind::False,
            b"null" => Kind::Null,
            _ => {
                self.repairs.add(Repairs::NAN);
                self.replace(at, end, b"null");
                Kind::Null
            }
        };
        self.scalar(start, end, key, kind, 0)?;
        Ok(end)
    }
}

/// Offset behind the digits at `at`.
#[inline(always)]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

fn some_digits(bytes: &[u8], at: usize) -> Result<usize, ScanError> {
    match (digits(bytes, at), bytes.get(at)) {
        (end, Some(_)) if end > at => Ok(end),
        (_, Some(_)) => Err(expected("a digit", at)),
        (_, None) => Err(ScanError { at, reason: Reason::EndOfInput }),
    }
}
