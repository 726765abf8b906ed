//! The one pass: a loop over values, with a stack of the open containers.
//!
//! Invariants: `json[json_base..]` followed by `input[copied..pos]` is the canonical form of what
//! was read so far, and a position `p` of that last piece stands at `p + shift` in it. So a value
//! that is canonical already is one piece, copied once.

use super::super::index::{ENTRY_BYTES, Entry, FLAG_ESCAPED, FLAG_KEY_ESCAPED, FLAG_MEMBER, Kind};
use super::keys::{Known, Members, hash};
use super::{Bounds, Input, Reason, Repairs, ScanError, Scanner, skip_space};

/// What stands before a value.
#[derive(Clone, Copy)]
pub(super) struct Key {
    bytes: u16,
    flags: u8,
}

impl Key {
    /// In an array, or outside everything.
    const NONE: Key = Key { bytes: 0, flags: 0 };
}

/// An open container.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Offset of its entry in the index.
    entry_at: usize,
    object: bool,
    members: Members,
}

/// A string that was read.
#[derive(Clone, Copy)]
pub(super) struct Text {
    /// Offset in the input behind its closing quote.
    pub end: usize,
    pub escaped: bool,
    /// Its canonical form differs from the input.
    pub rewritten: bool,
}

pub(super) struct Pass<'a> {
    pub(super) input: &'a [u8],
    pub(super) valid: bool,
    /// The input up to here is in `json`, or was left out.
    pub(super) copied: usize,
    shift: usize,
    json: &'a mut Vec<u8>,
    json_base: usize,
    index: &'a mut Vec<u8>,
    index_base: usize,
    scanner: &'a mut Scanner,
    pub(super) repairs: Repairs,
    depth_max: usize,
    index_bytes_max: usize,
    bytes_max: u32,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        scanner: &'a mut Scanner,
        input: Input<'a>,
        bounds: &Bounds,
        json: &'a mut Vec<u8>,
        index: &'a mut Vec<u8>,
    ) -> Pass<'a> {
        let (json_base, index_base) = (json.len(), index.len());
        let values_max = bounds.values_max.min(Bounds::STORED.values_max);
        Pass {
            input: input.bytes,
            valid: input.valid,
            copied: 0,
            shift: 0,
            json,
            json_base,
            index,
            index_base,
            scanner,
            repairs: Repairs::NONE,
            depth_max: bounds.depth_max.min(Bounds::STORED.depth_max),
            index_bytes_max: values_max * ENTRY_BYTES,
            bytes_max: bounds.bytes_max.min(Bounds::STORED.bytes_max) as u32,
        }
    }

    /// Leaves out the input before `at`.
    pub(super) fn start_at(&mut self, at: usize) {
        self.copied = at;
        self.shift = 0usize.wrapping_sub(at);
    }

    /// Reads the value at `at`; answers the offset behind it.
    pub(super) fn run(&mut self, at: usize) -> Result<usize, ScanError> {
        let mut pos = at;
        let mut key = Key::NONE;
        let mut frame = Frame { entry_at: 0, object: false, members: Members::none() };
        'value: loop {
            let (start, byte) = self.token(pos)?;
            match byte {
                b'"' => {
                    let out = self.out(start);
                    let text = self.string(start)?;
                    let escaped = if text.escaped { FLAG_ESCAPED } else { 0 };
                    self.scalar(out, text.end, key, Kind::String, escaped)?;
                    pos = text.end;
                }
                b'{' | b'[' => {
                    self.scanner.frames.push(frame);
                    frame = self.open(start, byte == b'{', key)?;
                    let (inside, byte) = self.token(start + 1)?;
                    match (frame.object, byte) {
                        (true, b'"') => {
                            (pos, key) = self.key(inside, &mut frame.members)?;
                            continue 'value;
                        }
                        (true, b'}') | (false, b']') => {
                            pos = inside + 1;
                            frame = self.close(frame, pos)?;
                        }
                        (true, _) => return Err(expected("a key or '}'", inside)),
                        (false, _) => {
                            (pos, key) = (inside, Key::NONE);
                            continue 'value;
                        }
                    }
                }
                b'0'..=b'9' | b'-' => pos = self.number(start, key)?,
                _ => pos = self.word(start, byte, key)?,
            }
            while !self.scanner.frames.is_empty() {
                let (at, byte) = self.token(pos)?;
                match (byte, frame.object) {
                    (b',', true) => {
                        let (quote, byte) = self.token(at + 1)?;
                        if byte != b'"' {
                            return Err(expected("a key", quote));
                        }
                        (pos, key) = self.key(quote, &mut frame.members)?;
                        continue 'value;
                    }
                    (b',', false) => {
                        (pos, key) = (at + 1, Key::NONE);
                        continue 'value;
                    }
                    (b'}', true) | (b']', false) => {
                        pos = at + 1;
                        frame = self.close(frame, pos)?;
                    }
                    (_, true) => return Err(expected("',' or '}'", at)),
                    (_, false) => return Err(expected("',' or ']'", at)),
                }
            }
            return Ok(pos);
        }
    }

    /// Offset and byte of what stands at `at` or behind white space there, which is left out.
    #[inline(always)]
    fn token(&mut self, at: usize) -> Result<(usize, u8), ScanError> {
        match self.input.get(at) {
            Some(&byte) if byte > b' ' => Ok((at, byte)),
            Some(b' ') => match self.input.get(at + 1) {
                // The single space that Python writes.
                Some(&byte) if byte > b' ' => {
                    self.replace(at, at + 1, b"");
                    Ok((at + 1, byte))
                }
                _ => self.token_behind_space(at),
            },
            _ => self.token_behind_space(at),
        }
    }

    #[inline(never)]
    fn token_behind_space(&mut self, at: usize) -> Result<(usize, u8), ScanError> {
        let token = skip_space(self.input, at);
        if token > at {
            self.replace(at, token, b"");
        }
        match self.input.get(token) {
            Some(&byte) => Ok((token, byte)),
            None => Err(ScanError { at: token, reason: Reason::EndOfInput }),
        }
    }

    /// Offset in the canonical form of the input's offset `at`, which is not yet copied.
    #[inline(always)]
    pub(super) fn out(&self, at: usize) -> u32 {
        at.wrapping_add(self.shift) as u32
    }

    /// Copies the input up to `to`.
    #[inline(always)]
    pub(super) fn flush(&mut self, to: usize) {
        self.json.extend_from_slice(self.input.get(self.copied..to).unwrap_or(&[]));
        self.copied = to;
    }

    /// Puts `text` where the input has the bytes from `from` to `to`.
    #[inline]
    pub(super) fn replace(&mut self, from: usize, to: usize, text: &[u8]) {
        self.flush(from);
        self.json.extend_from_slice(text);
        self.copied = to;
        self.shift = self.shift.wrapping_add(text.len()).wrapping_sub(to - from);
    }

    #[inline(always)]
    fn entry(&mut self, entry: Entry, at: usize) -> Result<(), ScanError> {
        if entry.end > self.bytes_max {
            return Err(ScanError { at, reason: Reason::TooLarge });
        }
        if self.index.len() - self.index_base >= self.index_bytes_max {
            return Err(ScanError { at, reason: Reason::TooManyValues });
        }
        self.index.extend_from_slice(&entry.to_bytes());
        Ok(())
    }

    /// Entries so far.
    #[inline(always)]
    fn count(&self) -> u32 {
        ((self.index.len() - self.index_base) / ENTRY_BYTES) as u32
    }

    #[inline(always)]
    pub(super) fn scalar(&mut self, start: u32, end: usize, key: Key, kind: Kind, flags: u8) -> Result<(), ScanError> {
        let (out_end, next) = (self.out(end), self.count() + 1);
        let flags = flags | key.flags;
        self.entry(Entry { start, end: out_end, next, key_len: key.bytes, kind, flags }, end)
    }

    #[inline(always)]
    fn open(&mut self, at: usize, object: bool, key: Key) -> Result<Frame, ScanError> {
        if self.scanner.frames.len() > self.depth_max {
            return Err(ScanError { at, reason: Reason::TooDeep });
        }
        let kind = if object { Kind::Object } else { Kind::Array };
        let (start, entry_at) = (self.out(at), self.index.len());
        let entry = Entry { start, end: start, next: 0, key_len: key.bytes, kind, flags: key.flags };
        self.entry(entry, at)?;
        Ok(Frame { entry_at, object, members: self.scanner.keys.open() })
    }

    /// Completes the entry of the container that ends before `end`; answers the one around it.
    #[inline(always)]
    fn close(&mut self, frame: Frame, end: usize) -> Result<Frame, ScanError> {
        let (out_end, next) = (self.out(end), self.count());
        if out_end > self.bytes_max {
            return Err(ScanError { at: end, reason: Reason::TooLarge });
        }
        let place = frame.entry_at + 4..frame.entry_at + 12;
        if let Some(place) = self.index.get_mut(place) {
            let both = u64::from(out_end) | u64::from(next) << 32;
            place.copy_from_slice(&both.to_le_bytes());
        }
        self.scanner.keys.close(&frame.members);
        Ok(self.scanner.frames.pop().expect("what is closed was opened"))
    }

    /// Reads a key and its colon; answers where the value may start.
    #[inline(always)]
    fn key(&mut self, at: usize, members: &mut Members) -> Result<(usize, Key), ScanError> {
        let out = self.out(at) + 1;
        let text = self.string(at)?;
        let bytes = self.out(text.end) - 1 - out;
        let Ok(bytes) = u16::try_from(bytes) else {
            return Err(ScanError { at, reason: Reason::KeyTooLong });
        };
        let known = Known { at: out, bytes, escaped: text.escaped, entry: self.count() };
        let plain = self.input.get(at + 1..text.end - 1).unwrap_or(&[]);
        let hash = hash(plain);
        if text.escaped || text.rewritten || !members.certainly_new(hash) {
            self.note_key(known, text, members);
        } else {
            self.scanner.keys.push(known, hash, members);
        }
        let key_escaped = if text.escaped { FLAG_KEY_ESCAPED } else { 0 };
        let key = Key { bytes, flags: FLAG_MEMBER | key_escaped };
        match self.input.get(text.end) {
            Some(b':') => Ok((text.end + 1, key)),
            _ => {
                let (colon, byte) = self.token(text.end)?;
                if byte != b':' {
                    return Err(expected("':'", colon));
                }
                Ok((colon + 1, key))
            }
        }
    }

    /// Looks whether a key has occurred; the value that it had then is dropped.
    #[inline(never)]
    fn note_key(&mut self, key: Known, text: Text, members: &mut Members) {
        if text.rewritten {
            // So that every key stands either in `json` or in the input, whole.
            self.flush(text.end);
        }
        let json = self.json.get(self.json_base..).unwrap_or(&[]);
        let (input, shift) = (self.input, self.shift);
        let canonical = |key: &Known| {
            let (at, bytes) = (key.at as usize, usize::from(key.bytes));
            let found = match at < json.len() {
                true => json.get(at..at + bytes),
                false => input.get(at.wrapping_sub(shift)..at.wrapping_sub(shift) + bytes),
            };
            found.unwrap_or(&[])
        };
        if let Some(before) = self.scanner.keys.note(key, members, canonical) {
            self.scanner.dropped.push(before);
        }
    }
}

pub(super) fn expected(what: &'static str, at: usize) -> ScanError {
    ScanError { at, reason: Reason::Expected(what) }
}
