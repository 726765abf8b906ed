//! Reads a body into scanned pieces: its items, and what stands beside them.
//!
//! Invariants: what stands around an item is read strictly; inside an item everything may be
//! broken. One scan a byte; only where an item is broken are bytes read again, and then within a
//! budget that is linear in the body.

use std::cell::Cell;
use std::ops::Range;

use super::key::peek_write_key;
use super::salvage::{self, Damage};
use super::{BodyError, Limits};
use crate::event::index::{Kind, View};
use crate::event::scan::{Bounds, Input, Reason, Repairs, ScanError, Scanner, skip_space};

/// A scanned value: where it and its entries stand.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    json: Range<usize>,
    index: Range<usize>,
    pub repairs: Repairs,
}

/// Why an item is no event, before its fields were looked at.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub code: &'static str,
    pub message: String,
}

/// A body that was read.
pub(super) struct Read<'a> {
    input: Input<'a>,
    scanner: Scanner,
    bounds: Bounds,
    batch_events_max: usize,
    /// All pieces, one after the other.
    pub json: Vec<u8>,
    /// Their entries, without headers.
    pub index: Vec<u8>,
    pub items: Vec<Result<Piece, Broken>>,
    pub write_key: Option<String>,
    pub context: Option<Piece>,
    pub integrations: Option<Piece>,
    pub sent_at: Option<Piece>,
    batch_seen: bool,
    /// Bytes that may still be read again.
    pub budget: usize,
}

/// Memory that one body after the other is read into: large blocks are dear to get and to give back.
#[derive(Default)]
struct Scratch {
    scanner: Scanner,
    json: Vec<u8>,
    index: Vec<u8>,
}

/// A thread keeps so many bytes of either list at most.
const KEPT_BYTES_MAX: usize = 1 << 20;

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        let (mut json, mut index) = (std::mem::take(&mut self.json), std::mem::take(&mut self.index));
        if json.capacity().max(index.capacity()) <= KEPT_BYTES_MAX {
            json.clear();
            index.clear();
            SCRATCH.set(Scratch { scanner: std::mem::take(&mut self.scanner), json, index });
        }
    }
}

/// Reads a body that is one event.
pub(super) fn read_single<'a>(body: &'a [u8], limits: &Limits) -> Result<Read<'a>, BodyError> {
    let mut read = Read::new(body, limits);
    let start = read.open_body()?;
    match read.scan(start) {
        Ok((piece, end)) => {
            read.expect_end(end)?;
            let key = read.view(&piece).get(&["writeKey"]).and_then(|key| key.as_str());
            read.write_key = key.map(String::from);
            read.items.push(Ok(piece));
        }
        Err(error) => match whole(&error) {
            BodyError::Envelope { .. } => {
                read.write_key = peek_write_key(body);
                read.items.push(Err(read.broken(&error)));
            }
            refused => return Err(refused),
        },
    }
    Ok(read)
}

/// Reads a body that holds a batch.
pub(super) fn read_batch<'a>(body: &'a [u8], limits: &Limits) -> Result<Read<'a>, BodyError> {
    let mut read = Read::new(body, limits);
    let mut at = skip_space(body, read.open_body()? + 1);
    if body.get(at) == Some(&b'}') {
        read.expect_end(at + 1)?;
        return Err(BodyError::MissingBatch);
    }
    loop {
        at = read.member(at)?;
        match body.get(at) {
            Some(b',') => at = skip_space(body, at + 1),
            Some(b'}') => break,
            Some(_) => return Err(BodyError::Malformed { at, expected: "',' or '}'" }),
            None => return Err(BodyError::Truncated { at }),
        }
    }
    read.expect_end(at + 1)?;
    if !read.batch_seen {
        return Err(BodyError::MissingBatch);
    }
    Ok(read)
}

impl<'a> Read<'a> {
    fn new(body: &'a [u8], limits: &Limits) -> Read<'a> {
        let Scratch { scanner, mut json, mut index } = SCRATCH.take();
        json.reserve(body.len());
        index.reserve(body.len() * 2);
        Read {
            input: Input::new(body),
            scanner,
            bounds: limits.bounds(),
            batch_events_max: limits.batch_events_max,
            json,
            index,
            items: Vec::new(),
            write_key: None,
            context: None,
            integrations: None,
            sent_at: None,
            batch_seen: false,
            budget: body.len() * salvage::READS_MAX + 64 * 1024,
        }
    }

    /// The piece, to be looked at.
    pub fn view(&self, piece: &Piece) -> View<'_> {
        View::headless(
            self.json.get(piece.json.clone()).unwrap_or(&[]),
            self.index.get(piece.index.clone()).unwrap_or(&[]),
        )
    }

    /// Bytes that what stands beside the items adds to all of them together, index included.
    pub fn added_bytes(&self) -> usize {
        let added = [&self.context, &self.integrations].into_iter().flatten();
        added.map(|piece| piece.json.len() + piece.index.len()).sum::<usize>() * self.items.len()
    }

    pub fn body(&self) -> &'a [u8] {
        self.input.bytes()
    }

    /// Offset of the body's opening brace.
    fn open_body(&self) -> Result<usize, BodyError> {
        let at = skip_space(self.body(), 0);
        match self.body().get(at) {
            Some(b'{') => Ok(at),
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Err(BodyError::NotAnObject),
            Some(_) => Err(BodyError::Malformed { at, expected: "'{'" }),
            None => Err(BodyError::Empty),
        }
    }

    pub fn expect_end(&self, at: usize) -> Result<(), BodyError> {
        let at = skip_space(self.body(), at);
        match self.body().get(at) {
            Some(_) => Err(BodyError::Malformed { at, expected: "the end" }),
            None => Ok(()),
        }
    }

    /// Scans the value at `at`; answers it and the offset behind it.
    pub fn scan(&mut self, at: usize) -> Result<(Piece, usize), ScanError> {
        let (json, index) = (self.json.len(), self.index.len());
        let (input, bounds) = (self.input, self.bounds);
        let scanned = self.scanner.scan(input, at, &bounds, &mut self.json, &mut self.index)?;
        let (json, index) = (json..self.json.len(), index..self.index.len());
        Ok((Piece { json, index, repairs: scanned.repairs }, scanned.end))
    }

    pub fn forget(&mut self, piece: &Piece) {
        self.json.truncate(piece.json.start);
        self.index.truncate(piece.index.start);
    }

    /// Reads a member of the body whose key starts at `at`; answers the offset of what follows.
    fn member(&mut self, at: usize) -> Result<usize, BodyError> {
        if !matches!(self.body().get(at), Some(b'"') | None) {
            return Err(BodyError::Malformed { at, expected: "a key" });
        }
        let (key, value) = self.key(at).map_err(|error| whole(&error))?;
        if key == "batch" {
            let end = self.batch(value)?;
            return Ok(skip_space(self.body(), end));
        }
        let (piece, end) = self.scan(value).map_err(|error| whole(&error))?;
        match key.as_str() {
            "writeKey" => {
                self.write_key = self.view(&piece).root().as_str().map(String::from);
                self.forget(&piece);
            }
            "context" => self.context = Some(piece),
            "integrations" => self.integrations = Some(piece),
            "sentAt" => self.sent_at = Some(piece),
            _ => self.forget(&piece),
        }
        Ok(skip_space(self.body(), end))
    }

    /// Reads the key at `at` and its colon; answers the key and where its value may start.
    pub fn key(&mut self, at: usize) -> Result<(String, usize), ScanError> {
        let (piece, end) = self.scan(at)?;
        let key = self.view(&piece).root().as_str().map(String::from).unwrap_or_default();
        self.forget(&piece);
        let colon = skip_space(self.body(), end);
        match self.body().get(colon) {
            Some(b':') => Ok((key, skip_space(self.body(), colon + 1))),
            Some(_) => Err(ScanError { at: colon, reason: Reason::Expected("':'") }),
            None => Err(ScanError { at: colon, reason: Reason::EndOfInput }),
        }
    }

    /// Reads the array of items at `at`; answers the offset behind it.
    fn batch(&mut self, at: usize) -> Result<usize, BodyError> {
        match self.body().get(at) {
            Some(b'[') => self.batch_seen = true,
            Some(_) => return Err(BodyError::BatchNotAnArray),
            None => return Err(BodyError::Truncated { at }),
        }
        let mut at = skip_space(self.body(), at + 1);
        // A comma before the bracket is passed over.
        while !self.batch_ends(at) {
            if self.items.len() >= self.batch_events_max {
                return Err(BodyError::TooManyEvents { max: self.batch_events_max });
            }
            at = self.item(at)?;
            if self.body().get(at) == Some(&b',') {
                at = skip_space(self.body(), at + 1);
            }
        }
        Ok(at + 1)
    }

    /// Whether the bracket at `at` ends the batch: then a member or the body's end follows.
    fn batch_ends(&self, at: usize) -> bool {
        let next = || self.body().get(skip_space(self.body(), at + 1));
        self.body().get(at) == Some(&b']') && matches!(next(), Some(b',' | b'}') | None)
    }

    /// Reads the item at `at`; answers where to go on: at a comma, at the batch's end, or at the next
    /// item where something is missing between.
    fn item(&mut self, at: usize) -> Result<usize, BodyError> {
        let (from, error) = match self.scan(at) {
            Ok((piece, end)) => {
                let end = skip_space(self.body(), end);
                let error = match self.body().get(end) {
                    // A brace: only the comma is missing.
                    Some(b',' | b']' | b'{') => {
                        self.items.push(Ok(piece));
                        return Ok(end);
                    }
                    Some(_) => ScanError { at: end, reason: Reason::Expected("',' or ']'") },
                    None => ScanError { at: end, reason: Reason::EndOfInput },
                };
                // Only an object's end can be trusted where something else follows than should.
                let object = self.view(&piece).root().kind() == Kind::Object;
                let item = if object { Ok(piece) } else { Err(self.broken(&error)) };
                self.items.push(item);
                (if object { end } else { at }, error)
            }
            Err(error) => {
                self.items.push(Err(self.broken(&error)));
                (at, error)
            }
        };
        let damage = match error.reason {
            Reason::Expected(_) => Damage::Malformed,
            Reason::EndOfInput => Damage::NoEnd,
            _ => Damage::BeyondLimit,
        };
        salvage::resume(self, from, damage).ok_or_else(|| match damage {
            Damage::BeyondLimit => BodyError::Truncated { at: self.body().len() },
            _ => whole(&error),
        })
    }

    /// What a refused item is told.
    fn broken(&self, error: &ScanError) -> Broken {
        let bounds = &self.bounds;
        let (code, message) = match error.reason {
            Reason::TooDeep => ("too_deep", format!("nested deeper than {}", bounds.depth_max)),
            Reason::TooLarge => ("too_large", format!("more than {} bytes", bounds.bytes_max)),
            Reason::TooManyValues => ("too_many_values", format!("more than {} values", bounds.values_max)),
            Reason::KeyTooLong => ("key_too_long", "a key of more than 65,535 bytes".into()),
            _ => ("malformed_json", format!("{error} of the body")),
        };
        Broken { code, message }
    }
}

/// What the error says of the body as a whole.
fn whole(error: &ScanError) -> BodyError {
    let at = error.at;
    match error.reason {
        Reason::Expected(expected) => BodyError::Malformed { at, expected },
        Reason::EndOfInput => BodyError::Truncated { at },
        _ => BodyError::Envelope { at },
    }
}
