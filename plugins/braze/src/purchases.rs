//! Objects of `purchases`: the products of an order, each of which the vendor counts as a purchase.

use switchyard_sdk::money::Currency;
use switchyard_sdk::name;
use switchyard_sdk::prelude::*;

use crate::events::{begin, write_time};
use crate::identity::Who;
use crate::names::Names;
use crate::properties::Properties;
use crate::rest::Rest;
use crate::rules::{NAME_CHARACTERS_MAX, ORDERS, PURCHASES_MAX, QUANTITY_MAX, is_reserved_in_purchase};
use crate::settings::{Braze, Ecommerce, LongTexts, PurchaseId, PurchaseProperties};
use crate::values::{currency_of, whole};

/// A price for one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Price<'a> {
    /// A JSON number of the event.
    Given(&'a [u8]),
    Computed(f64),
}

impl Json for Price<'_> {
    fn write(self, json: &mut JsonWriter) {
        match self {
            Price::Given(number) => json.raw(number),
            Price::Computed(number) => json.value(number),
        }
    }
}

/// Something bought: a product, or the order as a whole.
#[derive(Clone, Copy)]
pub struct Purchase<'a> {
    /// What names it: a text or a number.
    id: Value<'a>,
    price: Price<'a>,
    quantity: u64,
    currency: Currency,
    /// None: the order.
    product: Option<Value<'a>>,
    /// The names of the product's fields.
    names: Names,
}

/// Whether an event becomes purchases.
pub fn is_order(braze: &Braze, event: &Event<'_>) -> bool {
    braze.ecommerce == Ecommerce::Purchases
        && event.kind() == Kind::Track
        && event.event_name().as_str().is_some_and(|title| name::lookup(ORDERS, &title).is_some())
}

/// Appends what an order bought, and returns how many purchases the vendor sees in it.
///
/// # Errors
/// Names the property for which there are none. Then nothing is appended.
pub fn read<'a>(braze: &Braze, event: &Event<'a>, bought: &mut Vec<Purchase<'a>>) -> Result<usize, Refusal> {
    let order = event.properties();
    let currency = currency_of(order.child("currency"), braze.default_currency);
    let before = bought.len();
    let list = order.child("products");
    let products = list.children().filter(|product| list.is_array() && product.is_object());
    bought.extend(products.filter_map(|product| of_product(braze, product, currency)));
    if bought.len() == before {
        let currency = currency.ok_or(Refusal::Reject("properties.currency: must be three letters, such as EUR"))?;
        let price = order_total(braze, order).ok_or(Refusal::Reject(
            "properties.products: has no product with an id, a price and a quantity, and the order has no total either",
        ))?;
        // Source: purchase_object, log purchases at the order level.
        let (id, names) = (event.event_name(), Names::default());
        bought.push(Purchase { id, price, quantity: 1, currency, product: None, names });
    }
    let count = bought[before..].iter().fold(0_u64, |sum, purchase| sum.saturating_add(purchase.count()));
    if count > PURCHASES_MAX as u64 {
        bought.truncate(before);
        return Err(Refusal::Reject("properties.products: make more than 750 purchases of at most 100 units each"));
    }
    Ok(count as usize)
}

impl Purchase<'_> {
    /// How many purchases of as many units as the vendor takes.
    fn count(&self) -> u64 {
        self.quantity.div_ceil(QUANTITY_MAX)
    }
}

/// The purchase of a product: None where there is nothing to buy, to name or to pay.
fn of_product<'a>(braze: &Braze, product: Value<'a>, order_currency: Option<Currency>) -> Option<Purchase<'a>> {
    let mut fields = Fields::default();
    product.children().for_each(|field| fields.take(field));
    let id = fields.id(braze.purchase_id_from)?;
    let (price, quantity) = units(fields.price?, fields.quantity)?;
    // A product's own currency goes before the order's.
    let currency = match fields.currency.filter(|own| own.is_said()) {
        Some(own) => Currency::of_value(own),
        None => order_currency,
    };
    Some(Purchase { id, price, quantity, currency: currency?, product: Some(product), names: fields.names })
}

/// What a product says of its price and its name.
#[derive(Default)]
struct Fields<'a> {
    product_id: Option<Value<'a>>,
    sku: Option<Value<'a>>,
    name: Option<Value<'a>>,
    category: Option<Value<'a>>,
    price: Option<Value<'a>>,
    quantity: Option<Value<'a>>,
    currency: Option<Value<'a>>,
    names: Names,
}

impl<'a> Fields<'a> {
    #[inline]
    fn take(&mut self, field: Value<'a>) {
        let name = field.raw_key();
        self.names = self.names.with(name);
        let place = match name {
            b"product_id" => &mut self.product_id,
            b"sku" => &mut self.sku,
            b"name" => &mut self.name,
            b"category" => &mut self.category,
            b"price" => &mut self.price,
            b"quantity" => &mut self.quantity,
            b"currency" => &mut self.currency,
            _ => return,
        };
        *place = Some(field);
    }

    /// What names the product: the field of the settings, else its id.
    fn id(&self, from: PurchaseId) -> Option<Value<'a>> {
        let first = match from {
            PurchaseId::ProductId => self.product_id,
            PurchaseId::Sku => self.sku,
            PurchaseId::Name => self.name,
            PurchaseId::Category => self.category,
        };
        [first, self.product_id, self.sku].into_iter().flatten().find(|value| Id::of(*value).is_some())
    }
}

/// The price of a unit and how many there are. The vendor takes whole units only, so of others the
/// price is that of all.
fn units<'a>(price: Value<'a>, quantity: Option<Value<'a>>) -> Option<(Price<'a>, u64)> {
    let text = price.finite_number_text()?;
    if let Some(quantity) = quantity.map_or(Some(1), whole) {
        return Some((Price::Given(text), quantity));
    }
    let quantity = quantity.and_then(|quantity| quantity.finite_number()).unwrap_or(1.0);
    if quantity <= 0.0 {
        return None;
    }
    if quantity.fract() == 0.0 && quantity < 1e15 {
        return Some((Price::Given(text), quantity as u64));
    }
    // To the millionth, which is finer than any price and coarser than a double's noise.
    Some((Price::Computed((price.finite_number()? * quantity * 1e6).round() / 1e6), 1))
}

/// What the order is worth as a whole.
fn order_total<'a>(braze: &Braze, order: Value<'a>) -> Option<Price<'a>> {
    let names = braze.order_value.properties();
    names.iter().find_map(|name| order.child(name).finite_number_text()).map(Price::Given)
}

/// Writes some of an order's purchases, by their numbers.
pub fn write<'a>(
    braze: &Braze,
    event: &Event<'a>,
    who: &Who<'_>,
    bought: &[Purchase<'a>],
    numbers: std::ops::Range<usize>,
    rest: &mut Rest<'a>,
    json: &mut JsonWriter,
) {
    if braze.purchase_properties == PurchaseProperties::All {
        rest.start(event.properties());
    }
    let mut at = 0;
    for purchase in bought {
        let mut left = purchase.quantity;
        while left > 0 {
            let quantity = left.min(QUANTITY_MAX);
            if numbers.contains(&at) {
                write_one(braze, event, who, purchase, quantity, rest, json);
            }
            left -= quantity;
            at += 1;
        }
    }
}

fn write_one<'a>(
    braze: &Braze,
    event: &Event<'a>,
    who: &Who<'_>,
    purchase: &Purchase<'a>,
    quantity: u64,
    rest: &mut Rest<'a>,
    json: &mut JsonWriter,
) {
    begin(braze, event, who, json);
    json.member_key(key!("product_id"));
    match Id::of(purchase.id) {
        Some(id) if purchase.id.is_number() => json.value(id),
        _ => json.cut(purchase.id, NAME_CHARACTERS_MAX),
    }
    json.member(key!("currency"), purchase.currency.as_str());
    json.member(key!("price"), purchase.price);
    json.member(key!("quantity"), quantity);
    write_time(event, json);
    if braze.purchase_properties != PurchaseProperties::None {
        json.member_key(key!("properties"));
        let mut properties = Properties::begin(json, braze.long_texts == LongTexts::Cut);
        match purchase.product {
            Some(product) => {
                properties.members(product, is_reserved_in_purchase);
                if braze.purchase_properties == PurchaseProperties::All {
                    // What the product says goes before what the order says.
                    rest.write(product, purchase.names, &mut properties);
                }
            }
            None => properties.members(event.properties(), is_reserved_in_purchase),
        }
        properties.end();
    }
    json.end_object();
}
