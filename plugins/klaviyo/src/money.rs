//! Amounts of money: copied as they stand, or counted in decimals.

use switchyard_sdk::money::Decimal;
use switchyard_sdk::prelude::*;

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount<'a> {
    /// A JSON number of the event.
    Given(&'a [u8]),
    Counted(Decimal),
}

impl<'a> Amount<'a> {
    /// A number, or a text that is one; None where a double does not hold it.
    pub fn of(value: Value<'a>) -> Option<Amount<'a>> {
        value.finite_number_text().map(Amount::Given)
    }

    /// A price as often as something is bought, once where nothing says how often.
    pub fn of_price(price: Value<'a>, quantity: Option<Value<'a>>) -> Option<Amount<'a>> {
        let once = Amount::of(price)?;
        match quantity.and_then(|quantity| quantity.number_text()) {
            None | Some(b"1") => Some(once),
            Some(quantity) => Decimal::read(price.number_text()?)?.times(Decimal::read(quantity)?).map(Amount::Counted),
        }
    }
}

impl Json for Amount<'_> {
    fn write(self, json: &mut JsonWriter) {
        match self {
            Amount::Given(number) => json.raw(number),
            Amount::Counted(number) => json.value(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchyard_sdk::JsonWriter;
    use switchyard_sdk::native;

    use super::Amount;

    #[test]
    fn a_price_is_counted_in_decimals() {
        let check = |price: Value, quantity: Value, wanted: &str| {
            let batch = native::batch(0, &[json!({"type": "track", "messageId": "m", "p": price, "q": quantity})]);
            let event = batch.event(0);
            let mut json = JsonWriter::new();
            match Amount::of_price(event.get("p"), Some(event.get("q"))) {
                Some(amount) => json.value(amount),
                None => json.raw(b"none"),
            }
            assert_eq!(String::from_utf8_lossy(json.as_bytes()), wanted, "{price} {quantity}");
        };
        check(json!(14.9), json!(3), "44.7");
        check(json!(9.99), json!(1), "9.99");
        check(json!("9.50"), json!(1), "9.50");
        check(json!(9.99), Value::Null, "9.99");
        check(json!(0.1), json!(3), "0.3");
        check(json!(0.05), json!(2), "0.1");
        check(json!(2.5), json!(4), "10");
        check(json!(-2.5), json!(3), "-7.5");
        check(json!("9.5"), json!("2"), "19");
        check(json!(3.2), json!(0.25), "0.8");
        check(json!(0), json!(5), "0");
        check(json!(7), json!("many"), "7");
        check(json!(1e20), json!(2), "none");
        check(json!(123456789012.0), json!(1000000000), "none");
        check(json!("free"), json!(2), "none");
        check(Value::Null, json!(2), "none");
    }
}
