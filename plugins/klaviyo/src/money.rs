//! Amounts of money: copied as they stand, or counted in decimals, as a double would count 3 times 14.9
//! as 44.699999999999996.

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
        let text = value.number_text()?;
        let is_plain = text.len() < 300 && !text.iter().any(|byte| matches!(byte, b'e' | b'E'));
        (is_plain || number(value).is_some()).then_some(Amount::Given(text))
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
            Amount::Counted(number) => number.write(json),
        }
    }
}

/// The number that a value is, or that its text is.
pub fn number(value: Value<'_>) -> Option<f64> {
    std::str::from_utf8(value.number_text()?).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A whole number of parts of one: 44.7 is 447 tenths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal {
    parts: i64,
    decimals: usize,
}

/// Digits that a number may have so that its parts fit into 64 bits.
const DIGITS_MAX: usize = 18;

impl Decimal {
    /// Reads a JSON number; None where it has an exponent or very many digits.
    fn read(text: &[u8]) -> Option<Decimal> {
        let (is_negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
        let point = digits.iter().position(|byte| *byte == b'.');
        if digits.len() > DIGITS_MAX {
            return None;
        }
        let mut parts = 0_i64;
        for byte in digits.iter().filter(|byte| **byte != b'.') {
            parts = parts * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        let decimals = point.map_or(0, |point| digits.len() - point - 1);
        Some(Decimal { parts: if is_negative { -parts } else { parts }, decimals })
    }

    /// The product; None where its parts do not fit.
    fn times(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal { parts: self.parts.checked_mul(other.parts)?, decimals: self.decimals + other.decimals })
    }

    /// Writes it without zeros that say nothing.
    fn write(self, json: &mut JsonWriter) {
        let Decimal { mut parts, mut decimals } = self;
        while decimals > 0 && parts % 10 == 0 {
            parts /= 10;
            decimals -= 1;
        }
        // From the last digit to the first, with one before the point at least.
        let mut text = [b'0'; 48];
        let (mut at, mut rest, mut places) = (text.len(), parts.unsigned_abs(), 0);
        while rest > 0 || places <= decimals {
            if places == decimals && decimals > 0 {
                at -= 1;
                text[at] = b'.';
            }
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            places += 1;
        }
        if parts < 0 {
            at -= 1;
            text[at] = b'-';
        }
        json.raw(&text[at..]);
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
