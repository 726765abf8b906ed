//! One pass over the bytes of one JSON value: copies it in canonical form, writes its index, and
//! repairs what has an obvious meaning.
//!
//! Canonical: no white space between values, unique keys (the last one wins), valid UTF-8, no escape
//! for a lone surrogate, no raw control character, no NaN. Numbers keep their text, strings their
//! escapes. A canonical value is copied byte for byte, in one piece.
//!
//! Invariants:
//! - Never panics and never recurses, whatever the bytes; depth, values and size are bounded.
//! - Time and memory are linear in the bytes read, for many keys and for duplicate ones too.
//! - What is refused leaves nothing behind in the output.
//!
//! It knows nothing of events: which fields one needs is the validation's business.

mod cut;
mod keys;
mod pass;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use bytes::Bytes;

use super::index::{ENTRY_BYTES, header};
use keys::Keys;
use pass::{Frame, Pass};

/// What one value may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Containers inside one another, the outermost included.
    pub depth_max: usize,
    /// Values, the outermost and all containers included. Each takes 16 bytes of index.
    pub values_max: usize,
    /// Bytes in canonical form.
    pub bytes_max: usize,
}

impl Bounds {
    /// For what was accepted before, perhaps under wider limits than today's: only what the
    /// layout's 32-bit offsets and the depth of any limit allow.
    pub const STORED: Bounds =
        Bounds { depth_max: 1024, values_max: u32::MAX as usize / 16, bytes_max: u32::MAX as usize / 16 };
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Something else was expected; says what.
    Expected(&'static str),
    /// The bytes end inside the value.
    EndOfInput,
    /// More containers inside one another than [`Bounds::depth_max`].
    TooDeep,
    /// More values than [`Bounds::values_max`].
    TooManyValues,
    /// More bytes than [`Bounds::bytes_max`].
    TooLarge,
    /// A key of more than 65,535 bytes, which the index cannot hold.
    KeyTooLong,
    /// Well-formed, but not in canonical form; see [`index_canonical`].
    NotCanonical,
}

/// A refused value: why, and where in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// Offset in the input.
    pub at: usize,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for ScanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Expected(what) => write!(formatter, "expected {what} at byte {}", self.at),
            Reason::EndOfInput => write!(formatter, "ends inside a value, at byte {}", self.at),
            Reason::TooDeep => write!(formatter, "nested too deep at byte {}", self.at),
            Reason::TooManyValues => write!(formatter, "too many values at byte {}", self.at),
            Reason::TooLarge => write!(formatter, "too large at byte {}", self.at),
            Reason::KeyTooLong => write!(formatter, "a key is too long at byte {}", self.at),
            Reason::NotCanonical => write!(formatter, "not canonical before byte {}", self.at),
        }
    }
}

impl std::error::Error for ScanError {}

/// What was repaired: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs(u16);

impl Repairs {
    /// None.
    pub const NONE: Repairs = Repairs(0);
    /// NaN, Infinity or -Infinity became null.
    pub const NAN: Repairs = Repairs(1);
    /// A lone surrogate escape became `\ufffd`.
    pub const SURROGATE: Repairs = Repairs(2);
    /// Invalid UTF-8 became U+FFFD.
    pub const UTF8: Repairs = Repairs(4);
    /// A raw control character in a string was escaped.
    pub const CONTROL: Repairs = Repairs(8);
    /// A key occurred twice: the last value was kept.
    pub const DUPLICATE: Repairs = Repairs(16);
    /// A time that cannot be read was replaced or left out.
    pub const TIME: Repairs = Repairs(32);
    /// A messageId that is neither a text nor a number was replaced.
    pub const MESSAGE_ID: Repairs = Repairs(64);
    /// A time that no event can have was replaced by the time of arrival.
    pub const TIME_RANGE: Repairs = Repairs(128);

    const NAMES: [&'static str; 8] = [
        "nan_to_null",
        "lone_surrogate",
        "invalid_utf8",
        "control_character",
        "duplicate_key",
        "unreadable_time",
        "message_id_replaced",
        "time_out_of_range",
    ];

    /// Puts those of `other` to these.
    pub fn add(&mut self, other: Repairs) {
        self.0 |= other.0;
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names, as they are recorded on an event.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let named = move |(bit, name)| (self.0 & (1u16 << bit) != 0).then_some(name);
        Self::NAMES.into_iter().enumerate().filter_map(named)
    }
}

/// The bytes to be scanned, and whether they are valid UTF-8: found out once for a whole body.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    bytes: &'a [u8],
    valid: bool,
}

impl<'a> Input<'a> {
    /// Looks whether the bytes are valid UTF-8.
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, valid: simdutf8::basic::from_utf8(bytes).is_ok() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Offset in the input behind the value.
    pub end: usize,
    /// What was repaired.
    pub repairs: Repairs,
}

/// A value in canonical form, with its index.
#[derive(Clone, Debug)]
pub struct Canonical {
    /// The value.
    pub json: Vec<u8>,
    /// Its index, header included.
    pub index: Vec<u8>,
    /// What was repaired.
    pub repairs: Repairs,
}

/// Makes the canonical form and the index of bytes that hold one JSON value and nothing else.
///
/// # Errors
/// Where the bytes are no JSON or exceed a bound.
pub fn canonical(json: &[u8], bounds: &Bounds) -> Result<Canonical, ScanError> {
    let mut canonical = Canonical {
        json: Vec::with_capacity(json.len()),
        index: Vec::with_capacity(ENTRY_BYTES + json.len() * 2),
        repairs: Repairs::NONE,
    };
    canonical.index.extend_from_slice(&header(0));
    let scanned = Scanner::default().scan(Input::new(json), 0, bounds, &mut canonical.json, &mut canonical.index)?;
    expect_end(json, scanned.end)?;
    canonical.repairs = scanned.repairs;
    seal(&mut canonical.index);
    Ok(canonical)
}

/// Makes the index of an event that was stored, whose JSON therefore is canonical.
///
/// # Errors
/// Where the bytes are no JSON, or were not written by this crate: the stored bytes are damaged.
pub fn index_canonical(json: &Bytes) -> Result<Bytes, ScanError> {
    Ok(Bytes::copy_from_slice(Indexer::default().index(json)?))
}

/// Makes the indexes of stored events one after the other, in memory that is kept.
#[derive(Default)]
pub struct Indexer {
    scanner: Scanner,
    copy: Vec<u8>,
    index: Vec<u8>,
}

impl Indexer {
    /// The index of one event; see [`index_canonical`].
    ///
    /// # Errors
    /// Where the stored bytes are damaged.
    pub fn index(&mut self, json: &[u8]) -> Result<&[u8], ScanError> {
        self.copy.clear();
        self.index.clear();
        // Real events take 1.5 bytes of index a byte; growing a list costs more than the scan.
        self.index.reserve(ENTRY_BYTES + json.len() * 2);
        self.index.extend_from_slice(&header(0));
        let mut pass = self.scanner.pass(Input::new(json), &Bounds::STORED, &mut self.copy, &mut self.index);
        let end = pass.run(0)?;
        let copied_whole = pass.copied == 0;
        if !copied_whole || !self.scanner.dropped.is_empty() || end < json.len() {
            return Err(ScanError { at: end, reason: Reason::NotCanonical });
        }
        seal(&mut self.index);
        Ok(&self.index)
    }
}

fn expect_end(json: &[u8], end: usize) -> Result<(), ScanError> {
    let at = skip_space(json, end);
    if at < json.len() {
        return Err(ScanError { at, reason: Reason::Expected("the end") });
    }
    Ok(())
}

fn seal(index: &mut [u8]) {
    let entries = (index.len() / ENTRY_BYTES).saturating_sub(1) as u32;
    if let Some(place) = index.first_chunk_mut() {
        *place = header(entries);
    }
}

/// Offset of the first byte from `at` on that is no white space.
pub fn skip_space(bytes: &[u8], at: usize) -> usize {
    let space = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    at + bytes.get(at..).unwrap_or(&[]).iter().take_while(space).count()
}

/// The memory of scans, kept from one to the next.
#[derive(Default)]
pub struct Scanner {
    frames: Vec<Frame>,
    keys: Keys,
    /// Entries whose key occurs again later.
    dropped: Vec<u32>,
}

impl Scanner {
    /// Scans the value that starts at `at`, white space before it allowed. Appends its canonical
    /// form to `json` and its entries to `index`, without a header: their offsets and numbers count
    /// from what is appended here. What stands behind the value is not looked at.
    ///
    /// # Errors
    /// Where the bytes are no JSON or exceed a bound; nothing is appended then.
    pub fn scan(
        &mut self,
        input: Input<'_>,
        at: usize,
        bounds: &Bounds,
        json: &mut Vec<u8>,
        index: &mut Vec<u8>,
    ) -> Result<Scanned, ScanError> {
        let (json_base, index_base) = (json.len(), index.len());
        let mut pass = self.pass(input, bounds, json, index);
        pass.start_at(at);
        match pass.run(at) {
            Ok(end) => {
                pass.flush(end);
                let mut repairs = pass.repairs;
                if !self.dropped.is_empty() {
                    repairs.add(Repairs::DUPLICATE);
                    cut::drop_members(json, json_base, index, index_base, &self.dropped);
                }
                Ok(Scanned { end, repairs })
            }
            Err(error) => {
                json.truncate(json_base);
                index.truncate(index_base);
                Err(error)
            }
        }
    }

    fn pass<'a>(
        &'a mut self,
        input: Input<'a>,
        bounds: &Bounds,
        json: &'a mut Vec<u8>,
        index: &'a mut Vec<u8>,
    ) -> Pass<'a> {
        self.frames.clear();
        self.keys.clear();
        self.dropped.clear();
        Pass::new(self, input, bounds, json, index)
    }
}
