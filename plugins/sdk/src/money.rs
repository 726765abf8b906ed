//! Amounts and currencies. Amounts are copied as they stand, or counted in decimals, as a double would
//! count 3 times 14.9 as 44.699999999999996.

use serde::Deserialize;

use crate::Settings;
use crate::json::{Json, JsonWriter};
use crate::value::Value;

/// The code of a currency: three letters in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of those who name none, where a vendor has one.
    pub const USD: Currency = Currency(*b"USD");

    /// The code that a text names, whatever its case; None for what cannot be one.
    pub fn of(text: &str) -> Option<Currency> {
        Currency::of_bytes(text.as_bytes())
    }

    /// The code that a value names; None for what cannot be one.
    #[inline]
    pub fn of_value(value: Value<'_>) -> Option<Currency> {
        // Letters are never escaped, but by senders who escape everything.
        if value.is_escaped() { Currency::of(&value.as_str()?) } else { Currency::of_bytes(value.quoted()?) }
    }

    fn of_bytes(text: &[u8]) -> Option<Currency> {
        let mut letters: [u8; 3] = text.trim_ascii().try_into().ok()?;
        letters.make_ascii_uppercase();
        letters.iter().all(u8::is_ascii_uppercase).then_some(Currency(letters))
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The letters.
    pub fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }
}

impl Json for Currency {
    fn write(self, json: &mut JsonWriter) {
        json.quoted(&self.0);
    }
}

/// The property that an order's value is taken from before the others. A setting of most plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Settings)]
#[serde(rename_all = "lowercase")]
pub enum OrderValue {
    /// What was paid.
    #[default]
    Total,
    /// Without shipping and tax.
    Revenue,
    /// What the sender calls so.
    Value,
}

impl OrderValue {
    /// All three, in the order in which they are tried.
    pub fn properties(self) -> [&'static str; 3] {
        match self {
            OrderValue::Total => ["total", "revenue", "value"],
            OrderValue::Revenue => ["revenue", "total", "value"],
            OrderValue::Value => ["value", "total", "revenue"],
        }
    }
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
    pub fn read(text: &[u8]) -> Option<Decimal> {
        let (is_negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
        if digits.len() > DIGITS_MAX {
            return None;
        }
        let (mut parts, mut point) = (0_i64, None);
        for (at, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => parts = parts * 10 + i64::from(byte - b'0'),
                b'.' if point.is_none() => point = Some(at),
                _ => return None,
            }
        }
        let decimals = point.map_or(0, |point| digits.len() - point - 1);
        Some(Decimal { parts: if is_negative { -parts } else { parts }, decimals })
    }

    /// The product; None where its parts do not fit.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal { parts: self.parts.checked_mul(other.parts)?, decimals: self.decimals + other.decimals })
    }
}

impl Json for Decimal {
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
    use super::*;

    #[test]
    fn currencies_are_three_letters() {
        assert_eq!(Currency::of(" eur ").unwrap().as_str(), "EUR");
        assert_eq!(Currency::of("usd"), Some(Currency::USD));
        for none in ["", "EURO", "E1R", "€", "é1"] {
            assert_eq!(Currency::of(none), None, "{none}");
        }
    }

    #[test]
    fn decimals_are_counted_exactly() {
        let check = |one: &str, other: &str, wanted: &str| {
            let read = |text: &str| Decimal::read(text.as_bytes());
            let mut json = JsonWriter::new();
            match read(one).zip(read(other)).and_then(|(one, other)| one.times(other)) {
                Some(product) => json.value(product),
                None => json.raw(b"none"),
            }
            assert_eq!(String::from_utf8_lossy(json.as_bytes()), wanted, "{one} {other}");
        };
        check("14.9", "3", "44.7");
        check("0.1", "3", "0.3");
        check("2.5", "4", "10");
        check("-2.5", "3", "-7.5");
        check("3.2", "0.25", "0.8");
        check("0", "5", "0");
        check("1e20", "2", "none");
        check("123456789012.0", "1000000000", "none");
        check("999999999999999999", "1", "999999999999999999");
        check("1000000000000000000", "1", "none");
    }
}
