//! SHA-256 as vendors want it: of UTF-8 bytes, in 64 lower-case hexadecimal digits.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::json::{Json, JsonWriter};

/// A SHA-256 in lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex([u8; 64]);

impl Hex {
    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Json for Hex {
    fn write(self, writer: &mut JsonWriter) {
        writer.quoted(&self.0);
    }
}

/// The SHA-256 of these bytes.
pub fn sha256_hex(bytes: &[u8]) -> Hex {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(Sha256::digest(bytes)) {
        *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
    Hex(digits)
}

/// The SHA-256 of a cleaned text: None when nothing is left of it, and a text that is a SHA-256
/// already passes, in lower case.
pub fn hash_cleaned(cleaned: &str) -> Option<Hex> {
    if cleaned.is_empty() {
        return None;
    }
    Some(already_hashed(cleaned).unwrap_or_else(|| sha256_hex(cleaned.as_bytes())))
}

/// The text, when it is a SHA-256 in hexadecimal digits already. Ask before cleaning: cleaning a
/// hash as if it were a name would spoil it.
pub fn already_hashed(text: &str) -> Option<Hex> {
    let mut digits: [u8; 64] = text.trim().as_bytes().try_into().ok()?;
    digits.make_ascii_lowercase();
    digits.iter().all(u8::is_ascii_hexdigit).then_some(Hex(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_as_published_and_made_once() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc").as_str(), abc);
        assert_eq!(hash_cleaned("abc").unwrap().as_str(), abc);
        assert_eq!(hash_cleaned(&abc.to_uppercase()).unwrap().as_str(), abc);
        assert_eq!(hash_cleaned(""), None);
        assert_eq!(already_hashed("abc"), None);
    }
}
