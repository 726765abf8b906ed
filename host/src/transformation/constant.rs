//! A value that stands in a rule.

use serde_json::Value;

use crate::event::index::HEADER_BYTES;
use crate::event::scan::{Bounds, canonical};

use super::arena::{Arena, Fragment};
use super::steps::Exhausted;

/// Bytes of a constant: as much as a whole event by default.
pub const CONSTANT_BYTES_MAX: usize = 32 << 10;

/// A value that stands in a rule, canonical and with its entries.
#[derive(Debug)]
pub(super) struct Constant {
    json: Vec<u8>,
    entries: Vec<u8>,
}

impl Constant {
    /// Says what is wrong with it.
    pub fn new(value: &Value) -> Result<Constant, String> {
        let json = value.to_string();
        let bounds = Bounds { depth_max: 32, values_max: 4_096, bytes_max: CONSTANT_BYTES_MAX };
        let made = canonical(json.as_bytes(), &bounds).map_err(|error| format!("the value is {error}"))?;
        Ok(Constant { json: made.json, entries: made.index[HEADER_BYTES..].to_vec() })
    }

    pub fn write(&self, arena: &mut Arena) -> Result<Fragment, Exhausted> {
        arena.canonical(&self.json, &self.entries)
    }
}
