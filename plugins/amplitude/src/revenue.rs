//! The money of an event, in the fields from which the vendor adds it up.

use switchyard_sdk::money::{Currency, OrderValue};
use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::identity::id;
use crate::rules::{PURCHASE, REFUND, WORTHS, Worth};
use crate::settings::Amplitude;

/// Two amounts are the same when they differ by less: finer than any price, coarser than a double's
/// noise.
const TOLERANCE: f64 = 1e-6;

/// What the money of an event of that name is.
pub fn worth(name: &str) -> Worth {
    name::lookup(WORTHS, name).copied().unwrap_or(Worth::Own)
}

/// The revenue of an event.
#[derive(Clone, Copy, Debug)]
pub struct Revenue<'a> {
    /// A JSON number of the event.
    amount: &'a [u8],
    worth: Worth,
    properties: Value<'a>,
}

impl<'a> Revenue<'a> {
    /// Reads it from an event's properties; None where there is none.
    pub fn of(amplitude: &Amplitude, worth: Worth, properties: Value<'a>) -> Option<Revenue<'a>> {
        let keys: &[&str] = match (worth, amplitude.order_value) {
            (Worth::Nothing, _) => return None,
            (Worth::Refund, _) if !amplitude.refund_revenue => return None,
            (Worth::Own, _) => &["revenue"],
            (Worth::Order | Worth::Refund, OrderValue::Revenue) => &["revenue", "total", "value"],
            (Worth::Order | Worth::Refund, OrderValue::Total) => &["total", "revenue", "value"],
            (Worth::Order | Worth::Refund, OrderValue::Value) => &["value", "revenue", "total"],
        };
        let amount = keys.iter().find_map(|key| number(properties.child(key)))?;
        let is_nothing = worth == Worth::Refund && amount.1 == 0.0;
        (!is_nothing).then_some(Revenue { amount: amount.0, worth, properties })
    }

    /// Writes it. The vendor takes price times quantity for the revenue where it has both, so they go
    /// along only where they say the same.
    pub fn write(&self, json: &mut JsonWriter) {
        let is_negated = self.worth == Worth::Refund && !self.amount.starts_with(b"-");
        json.member_key(key!("revenue"));
        json.raw(if is_negated { b"-" } else { b"" });
        json.verbatim(self.amount);
        if self.worth == Worth::Own {
            self.write_price(json);
        }
        write_details(self.properties, if self.worth == Worth::Refund { REFUND } else { PURCHASE }, json);
        write_currency(self.properties.child("currency"), json);
    }

    fn write_price(&self, json: &mut JsonWriter) {
        let price = number(self.properties.child("price"));
        let quantity = quantity(self.properties.child("quantity"));
        let revenue: Option<f64> = std::str::from_utf8(self.amount).ok().and_then(|text| text.parse().ok());
        if let (Some((text, price)), Some(quantity), Some(revenue)) = (price, quantity, revenue)
            && (price * quantity as f64 - revenue).abs() < TOLERANCE
        {
            json.member_key(key!("price"));
            json.raw(text);
            json.member(key!("quantity"), quantity);
        }
    }
}

/// A number that a double holds: its text and itself.
pub fn number(value: Value<'_>) -> Option<(&[u8], f64)> {
    Some((value.number_text()?, value.finite_number()?))
}

/// A whole number: the vendor takes no other quantity.
pub fn quantity(value: Value<'_>) -> Option<i64> {
    let (_, number) = number(value)?;
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// Writes what was bought, and how it is to be counted.
pub fn write_details(properties: Value<'_>, revenue_type: &str, json: &mut JsonWriter) {
    if let Some(id) = id(properties.first(&["product_id", "productId"])) {
        json.member(key!("productId"), id);
    }
    match id(properties.first(&["revenue_type", "revenueType"])) {
        Some(own) => json.member(key!("revenueType"), own),
        None => json.member(key!("revenueType"), revenue_type),
    }
}

/// Writes the three letters of a currency; what is none is left out.
pub fn write_currency(value: Value<'_>, json: &mut JsonWriter) {
    if let Some(code) = Currency::of_value(value) {
        json.member(key!("currency"), code);
    }
}
