//! The products of an order, each as an event of its own, where the settings ask for it.

use switchyard_sdk::prelude::*;

use crate::properties;
use crate::revenue::{number, quantity, write_currency, write_details};
use crate::rules::{PRODUCTS_MAX, PURCHASE, Worth};
use crate::settings::{self, Amplitude};

/// The products that become events.
#[derive(Clone, Copy, Debug)]
pub struct Products<'a> {
    order: Value<'a>,
    /// Whether they have the order's revenue, and the order has none: never both.
    pub have_revenue: bool,
}

impl<'a> Products<'a> {
    /// Those of an order; None where they stay in it.
    pub fn of(amplitude: &Amplitude, worth: Worth, order: Value<'a>) -> Option<Products<'a>> {
        if amplitude.products == settings::Products::InOrder || worth != Worth::Order {
            return None;
        }
        let products = Products { order, have_revenue: false };
        if !(1..=PRODUCTS_MAX).contains(&products.iter().count()) {
            return None;
        }
        // One product without a price, and what they add up to is not the order's.
        let have_revenue = amplitude.products == settings::Products::EventsWithRevenue
            && products.iter().all(|product| number(product.child("price")).is_some());
        Some(Products { have_revenue, ..products })
    }

    /// The products, in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'a>> {
        let list = self.order.child("products");
        list.children().filter(move |product| list.is_array() && product.is_object())
    }

    /// Writes a product as what the event tells, with the order that it is of.
    pub fn write_properties(&self, product: Value<'_>, json: &mut JsonWriter) {
        let more = [(key!("order_id"), self.order.child("order_id")), (key!("currency"), self.order.child("currency"))];
        properties::write(product, &more, json);
    }

    /// Writes what a product earned. The vendor multiplies; a quantity that is not whole is multiplied
    /// here.
    pub fn write_revenue(&self, product: Value<'_>, json: &mut JsonWriter) {
        let Some((text, price)) = number(product.child("price")).filter(|_| self.have_revenue) else { return };
        let given = number(product.child("quantity"));
        match (given, quantity(product.child("quantity"))) {
            (Some((_, quantity)), None) => {
                json.member(key!("revenue"), (price * quantity * 1e6).round() / 1e6);
            }
            (_, quantity) => {
                json.member_key(key!("price"));
                json.raw(text);
                json.member(key!("quantity"), quantity.unwrap_or(1));
            }
        }
        write_details(product, PURCHASE, json);
        let own = product.child("currency");
        write_currency(if own.is_null() { self.order.child("currency") } else { own }, json);
    }
}
