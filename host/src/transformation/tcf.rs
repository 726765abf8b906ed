//! Reads consent strings of the IAB's Transparency and Consent Framework, version 2: the core segment,
//! its purposes and vendors. Source: IAB Tech Lab, "Consent string and vendor list formats v2".

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Purposes that a string has bits for.
pub(super) const PURPOSES: u8 = 24;
/// Bytes of a string that is read: with all of 1,000 vendors in ranges it has about 5 KB.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// Bits before those of the purposes, and before the number of vendors.
const PURPOSES_AT: usize = 152;
const VENDORS_AT: usize = 213;

/// A string that was read.
#[derive(Debug)]
pub(super) struct Tcf {
    bits: Vec<u8>,
}

impl Tcf {
    /// None for what is no such string.
    pub fn parse(text: &str) -> Option<Tcf> {
        let core = text.split('.').next()?;
        if core.len() > TEXT_BYTES_MAX {
            return None;
        }
        let tcf = Tcf { bits: URL_SAFE_NO_PAD.decode(core.trim_end_matches('=')).ok()? };
        (tcf.number(0, 6) == Some(2) && tcf.number(VENDORS_AT, 16).is_some()).then_some(tcf)
    }

    /// Whether a purpose, from 1, is consented to.
    pub fn purpose(&self, purpose: u8) -> bool {
        (1..=PURPOSES).contains(&purpose) && self.bit(PURPOSES_AT + usize::from(purpose) - 1)
    }

    /// Whether a vendor, from 1, is consented to.
    pub fn vendor(&self, vendor: u16) -> bool {
        let Some(most) = self.number(VENDORS_AT, 16) else { return false };
        let vendor = u32::from(vendor);
        if vendor == 0 || vendor > most {
            return false;
        }
        let mut at = VENDORS_AT + 17;
        if !self.bit(VENDORS_AT + 16) {
            return self.bit(at + vendor as usize - 1);
        }
        let entries = self.number(at, 12).unwrap_or_default();
        at += 12;
        for _ in 0..entries {
            let is_range = self.bit(at);
            let Some(first) = self.number(at + 1, 16) else { return false };
            at += 17;
            let mut last = first;
            if is_range {
                let Some(end) = self.number(at, 16) else { return false };
                last = end;
                at += 16;
            }
            if (first..=last).contains(&vendor) {
                return true;
            }
        }
        false
    }

    fn bit(&self, at: usize) -> bool {
        self.bits.get(at / 8).is_some_and(|byte| byte & 0x80 >> (at % 8) != 0)
    }

    fn number(&self, at: usize, bits: usize) -> Option<u32> {
        if (at + bits).div_ceil(8) > self.bits.len() {
            return None;
        }
        Some((at..at + bits).fold(0, |number, at| number << 1 | u32::from(self.bit(at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes fields, as bits and value, as a string.
    fn text(fields: &[(usize, u32)]) -> String {
        let bits: Vec<bool> =
            fields.iter().flat_map(|(bits, value)| (0..*bits).rev().map(move |bit| value >> bit & 1 == 1)).collect();
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
        URL_SAFE_NO_PAD.encode(bits.chunks(8).map(byte).collect::<Vec<u8>>())
    }

    /// The fields before the number of vendors: purposes 1, 2 and 24.
    fn head() -> Vec<(usize, u32)> {
        let mut fields = vec![
            (6, 2),
            (18, 0),
            (18, 1),
            (18, 0),
            (18, 1),
            (12, 7),
            (12, 1),
            (6, 0),
            (12, 0),
            (12, 48),
            (6, 4),
            (1, 0),
            (1, 0),
            (12, 0),
        ];
        assert_eq!(fields.iter().map(|(bits, _)| bits).sum::<usize>(), PURPOSES_AT);
        fields.extend([(24, 0b1100_0000_0000_0000_0000_0001), (24, 0), (1, 0), (12, 0)]);
        assert_eq!(fields.iter().map(|(bits, _)| bits).sum::<usize>(), VENDORS_AT);
        fields
    }

    #[test]
    fn purposes_and_vendors_as_bits_and_as_ranges() {
        let as_bits = [head(), vec![(16, 10), (1, 0), (10, 0b1000000001)]].concat();
        let tcf = Tcf::parse(&format!("{}.YAAAAAAAAAA", text(&as_bits))).expect("a string");
        assert_eq!(
            [0, 1, 2, 3, 23, 24, 25].map(|purpose| tcf.purpose(purpose)),
            [false, true, true, false, false, true, false]
        );
        assert_eq!([0, 1, 2, 10, 11].map(|vendor| tcf.vendor(vendor)), [false, true, false, true, false]);
        let ranges =
            [head(), vec![(16, 900), (1, 1), (12, 2), (0, 0), (1, 0), (16, 7), (1, 1), (16, 755), (16, 760)]].concat();
        let tcf = Tcf::parse(&text(&ranges)).expect("a string");
        assert_eq!(
            [6, 7, 8, 754, 755, 760, 761].map(|vendor| tcf.vendor(vendor)),
            [false, true, false, false, true, true, false]
        );
    }

    #[test]
    fn what_is_no_string_is_none() {
        for text in
            ["", "abc", "!!!", "AAAA", "COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA=", &"C".repeat(TEXT_BYTES_MAX + 1)]
        {
            let parsed = Tcf::parse(text);
            // Version 2 and long enough is read, whatever it holds; everything else is not.
            assert!(parsed.is_none() || text.starts_with('C'), "{text}");
        }
        let cut = text(&head());
        assert!(Tcf::parse(&cut).is_none(), "ends before the vendors");
        // A number of ranges that are not there.
        let lying = [head(), vec![(16, 900), (1, 1), (12, 4_095)]].concat();
        assert!(!Tcf::parse(&text(&lying)).expect("a string").vendor(7));
    }
}
