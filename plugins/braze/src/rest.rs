//! An order's own properties beside those of its products. They are the same for each product but for
//! what the product says itself, so they are written once and copied.

use switchyard_sdk::prelude::*;

use crate::names::Names;
use crate::properties::Properties;
use crate::rules::is_reserved_in_purchase;

/// The properties of an order that each of its purchases has.
#[derive(Default)]
pub struct Rest<'a> {
    order: Option<Value<'a>>,
    /// Their names; none where they are too many to be told apart by bits.
    names: Vec<&'a [u8]>,
    /// What was written for the product before: an open object.
    written: JsonWriter,
    count: usize,
    /// What was left out of it because the product says it, a bit for each name.
    left_out: Option<u64>,
}

impl<'a> Rest<'a> {
    /// Nothing yet, and room so that nothing grows while a body does.
    pub fn new() -> Rest<'a> {
        Rest { names: Vec::with_capacity(64), written: JsonWriter::with_capacity(4_096), ..Rest::default() }
    }

    /// Goes on with another order.
    pub fn start(&mut self, order: Value<'a>) {
        self.order = Some(order);
        self.left_out = None;
        self.names.clear();
        self.names.extend(order.children().map(|member| member.raw_key()).filter(|name| !is_left_out(name)));
        if self.names.len() > 64 {
            self.names.clear();
        }
    }

    /// Writes what a product, whose fields have these names, does not say itself.
    pub fn write(&mut self, product: Value<'_>, names: Names, properties: &mut Properties<'_>) {
        let Some(order) = self.order else { return };
        let has = |name: &[u8]| {
            names.may_have(name) && product.children().any(|field| field.raw_key() == name && !field.is_null())
        };
        if self.names.is_empty() {
            return properties.members(order, |name| is_left_out(name) || has(name));
        }
        let bits = self.names.iter().enumerate().filter(|(_, name)| has(name));
        let left_out = bits.fold(0_u64, |bits, (number, _)| bits | 1 << number);
        if self.left_out != Some(left_out) {
            self.written.truncate(0);
            let mut own = properties.like(&mut self.written);
            own.members(order, |name| is_left_out(name) || has(name));
            self.count = own.count();
            self.left_out = Some(left_out);
        }
        if !properties.copied(&self.written.as_bytes()[1..], self.count) {
            properties.members(order, |name| is_left_out(name) || has(name));
        }
    }
}

fn is_left_out(name: &[u8]) -> bool {
    is_reserved_in_purchase(name) || name == b"products"
}
