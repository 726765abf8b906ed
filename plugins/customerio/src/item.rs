//! The items of one event, as they are written into a request.

use switchyard_sdk::prelude::*;

use crate::identity::Who;
use crate::rules::ITEM_BYTES_MAX;

/// The items of one event.
pub struct Items<'j> {
    json: &'j mut JsonWriter,
    count: usize,
}

impl<'j> Items<'j> {
    /// None yet.
    pub fn new(json: &'j mut JsonWriter) -> Items<'j> {
        Items { json, count: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds an item of what `write` writes behind `type` and `action`. `too_large` is said of one that the
    /// vendor does not take.
    ///
    /// # Errors
    /// When it has too many bytes. Then it is not added.
    pub fn add(
        &mut self,
        kind: &'static str,
        action: &str,
        too_large: &'static str,
        write: impl FnOnce(&mut Item<'_>),
    ) -> Result<(), Refusal> {
        let before = self.json.len();
        self.json.begin_object();
        let start = self.json.len() - 1;
        self.json.member(key!("type"), kind);
        self.json.member(key!("action"), action);
        write(&mut Item { json: self.json, end_max: start + ITEM_BYTES_MAX });
        self.json.end_object();
        if self.json.len() - start > ITEM_BYTES_MAX {
            self.json.truncate(before);
            return Err(Refusal::Reject(too_large));
        }
        self.count += 1;
        Ok(())
    }
}

/// One item.
pub struct Item<'i> {
    pub json: &'i mut JsonWriter,
    /// How long the request may become by it.
    pub end_max: usize,
}

impl Item<'_> {
    /// Writes `identifiers` of a person or visitor.
    #[inline]
    pub fn identifiers(&mut self, who: &Who<'_>) {
        self.json.member_key(key!("identifiers"));
        who.write(self.json);
    }
}
