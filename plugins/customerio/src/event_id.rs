//! What the vendor deduplicates events by: a ULID, which it reads as 26 letters and digits and not as a
//! time. Source: journeys-track.json, `dedupe_id`; docs.customer.io/journeys/events, deduplicating
//! events; community.customer.io/data-integrations-38/why-ulid-ids-are-required-for-deduplicating-events-428.

use switchyard_sdk::hash::sha256_hex;

/// The digits of a ULID, in their order.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_LEN: usize = 26;
/// The digits for the time. A message that is sent again may have another time, so this one is always 0.
const TIME_LEN: usize = 10;

/// The messageId where it is a ULID; else one that is made of its SHA-256.
pub fn event_id(message_id: &str) -> String {
    if is_ulid(message_id) {
        return message_id.to_ascii_uppercase();
    }
    let hash = sha256_hex(message_id.as_bytes());
    let mut id = String::with_capacity(ULID_LEN);
    id.push_str("0000000000");
    // Five hexadecimal digits are four of these: 80 bits are 20 of the one and 16 of the other.
    for five in hash.as_str().as_bytes()[..(ULID_LEN - TIME_LEN) / 4 * 5].chunks(5) {
        let bits = five.iter().fold(0, |bits, digit| bits << 4 | hex_value(*digit));
        for shift in [15, 10, 5, 0] {
            id.push(char::from(DIGITS[bits >> shift & 31]));
        }
    }
    id
}

fn hex_value(digit: u8) -> usize {
    char::from(digit).to_digit(16).unwrap_or(0) as usize
}

/// Whether a text is a ULID. Its 130 bits must fit into 128, so the first digit is 7 at most.
fn is_ulid(text: &str) -> bool {
    let is_digit = |byte: &u8| DIGITS.contains(&byte.to_ascii_uppercase());
    text.len() == ULID_LEN && text.as_bytes()[0] <= b'7' && text.as_bytes().iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_ulid_of_the_message_id_alone() {
        let check = |message_id: &str, wanted: &str| assert_eq!(event_id(message_id), wanted, "{message_id}");
        // The first is the vendor's own sample.
        check("01BX5ZZKBKACTAV9WEVGEMMVRY", "01BX5ZZKBKACTAV9WEVGEMMVRY");
        check("01bx5zzkbkactav9wevgemmvry", "01BX5ZZKBKACTAV9WEVGEMMVRY");
        // SHA-256 of `abc` begins with ba7816bf8f01cfea4141.
        check("abc", "0000000000Q9W1DFWF077YMGA1");
        check("", "0000000000WERC8GMRZGE196QV");
        for message_id in ["81BX5ZZKBKACTAV9WEVGEMMVRY", "01BX5ZZKBKACTAV9WEVGEMMVRU", "01BX5ZZKBKACTAV9WEVGEMMVR"] {
            assert!(event_id(message_id).starts_with("0000000000"), "{message_id}");
            assert!(is_ulid(&event_id(message_id)));
        }
    }
}
