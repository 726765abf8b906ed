//! What an event is worth: its value and the value's currency, of which neither says anything alone.

use switchyard_sdk::money::OrderValue;
use switchyard_sdk::prelude::*;

use crate::products::Products;
use crate::rules::{Rule, Worth};
use crate::settings::Meta;

/// A code of ISO 4217, in upper case.
pub type Currency = &'static str;

/// The codes of ISO 4217 that stand for money, in order. The vendor refuses others. Source:
/// developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/custom-data, `currency`.
pub const CURRENCIES: &[Currency] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF",
    "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLF", "CLP", "CNY", "COP",
    "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL",
    "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HRK", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR",
    "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
    "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR",
    "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR",
    "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN",
    "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU",
    "UZS", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

/// The code that a text names, whatever its case.
pub fn currency(text: &str) -> Option<Currency> {
    let code = text.trim().to_ascii_uppercase();
    CURRENCIES.binary_search(&code.as_str()).ok().map(|place| CURRENCIES[place])
}

/// An amount of money.
enum Amount<'a> {
    /// A JSON number of the event.
    Given(&'a [u8]),
    Computed(f64),
}

/// Writes value and currency, both or neither.
///
/// # Errors
/// What is missing, where the vendor wants them.
pub fn write(
    meta: &Meta,
    rule: &Rule,
    properties: Value<'_>,
    products: &Products<'_>,
    json: &mut JsonWriter,
) -> Result<(), &'static str> {
    let amount = amount(meta, rule, properties, products);
    match (amount, currency_of(meta, properties)) {
        (Some(amount), Some(code)) => {
            json.member(key!("currency"), code);
            match amount {
                Amount::Given(text) => {
                    json.member_key(key!("value"));
                    json.raw(text);
                }
                Amount::Computed(number) => json.member(key!("value"), number),
            }
        }
        (None, _) if rule.needs_money => {
            return Err(
                "properties.total: is missing or no amount, and so are revenue and value, which a Purchase needs",
            );
        }
        (_, None) if rule.needs_money => {
            return Err("properties.currency: is missing or no code of ISO 4217, which a Purchase needs");
        }
        _ => {}
    }
    Ok(())
}

/// The event's currency; the setting's is only for an event that has none, for the value of a
/// currency that cannot be read is in another.
fn currency_of(meta: &Meta, properties: Value<'_>) -> Option<Currency> {
    let given = properties.child("currency");
    match given.as_str() {
        Some(text) if !text.trim().is_empty() => currency(&text),
        None if !given.is_null() => None,
        _ => meta.default_currency,
    }
}

fn amount<'a>(meta: &Meta, rule: &Rule, properties: Value<'a>, products: &Products<'_>) -> Option<Amount<'a>> {
    let keys: &[&str] = match (rule.worth, meta.order_value) {
        (Worth::Given, _) => &["value", "revenue", "total"],
        (Worth::Product, _) => &["value"],
        (Worth::Order, OrderValue::Total) => &["total", "revenue", "value"],
        (Worth::Order, OrderValue::Revenue) => &["revenue", "total", "value"],
        (Worth::Order, OrderValue::Value) => &["value", "total", "revenue"],
    };
    let given = keys.iter().find_map(|key| number(properties.child(key)).map(|(text, _)| Amount::Given(text)));
    if given.is_some() || rule.worth == Worth::Given {
        return given;
    }
    products.sum().map(Amount::Computed)
}

/// An amount: a number that a double holds and that is not negative, and its text.
pub fn number(value: Value<'_>) -> Option<(&[u8], f64)> {
    let (text, number) = (value.number_text()?, value.finite_number()?);
    (number >= 0.0).then_some((text, number))
}
