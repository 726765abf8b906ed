//! SHA-256 as vendors want it: of UTF-8 bytes, in 64 lower-case hexadecimal digits.

use std::fmt;

use sha2::block_api::compress256;
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
    match in_one_block(bytes) {
        Some(words) => Hex(digits(words)),
        None => {
            let hash = Sha256::digest(bytes);
            let mut words = [0; 8];
            for (word, four) in words.iter_mut().zip(hash.as_chunks::<4>().0) {
                *word = u32::from_be_bytes(*four);
            }
            Hex(digits(words))
        }
    }
}

/// What the standard begins with.
const BEGINNING: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of bytes that fit into one block beside its end, as most names and addresses do: the way over
/// the buffer of longer ones costs as much again.
fn in_one_block(bytes: &[u8]) -> Option<[u32; 8]> {
    const LENGTH_AT: usize = 56;
    let mut block = [0; 64];
    if bytes.len() >= LENGTH_AT {
        return None;
    }
    block[..bytes.len()].copy_from_slice(bytes);
    block[bytes.len()] = 0x80;
    block[LENGTH_AT..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    let mut words = BEGINNING;
    compress256(&mut words, &[block]);
    Some(words)
}

/// The hexadecimal digits of each word, eight at a time.
fn digits(words: [u32; 8]) -> [u8; 64] {
    let mut digits = [0; 64];
    for (eight, word) in digits.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *eight = hexadecimal(word).to_be_bytes();
    }
    digits
}

/// A word's digits in the bytes of another.
fn hexadecimal(word: u32) -> u64 {
    // One half byte a byte.
    let mut halves = u64::from(word);
    halves = (halves << 16 | halves) & 0x0000_ffff_0000_ffff;
    halves = (halves << 8 | halves) & 0x00ff_00ff_00ff_00ff;
    halves = (halves << 4 | halves) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 where it is a letter: ten and six more carry into the upper half.
    let letters = (halves + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    halves + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)
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
    fn all_lengths_are_hashed_alike() {
        let bytes: Vec<u8> = (0..130).collect();
        for len in 0..bytes.len() {
            let wanted: String = Sha256::digest(&bytes[..len]).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sha256_hex(&bytes[..len]).as_str(), wanted, "{len}");
        }
    }

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
