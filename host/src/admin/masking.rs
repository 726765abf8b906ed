//! Personal data in what a viewer sees: masked by the name of the field and by the look of the value.
//! Pure. It errs towards masking: a viewer asks an editor for more.

use serde_json::Value;

/// Stands for what is masked.
pub const MASK: &str = "••••";

/// Words in a field's name that speak of a person, in lower case and without `_`, `-` and spaces.
const NAMES: [&str; 30] = [
    "email",
    "phone",
    "mobile",
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "username",
    "nickname",
    "birthday",
    "birthdate",
    "dateofbirth",
    "gender",
    "address",
    "street",
    "postal",
    "zipcode",
    "latitude",
    "longitude",
    "ipaddress",
    "avatar",
    "iban",
    "creditcard",
    "cardnumber",
    "passport",
    "ssn",
    "password",
    "gift",
    "note",
    "comment",
];

/// Names that are masked when they are all of the name: inside others they mean something else.
const WHOLE_NAMES: [&str; 8] = ["name", "ip", "city", "zip", "lat", "lng", "lon", "age"];

/// An event, masked: known fields by name, traits whole but for true, false and null, and everything
/// that looks like an e-mail address, a phone number, a card or an IP address.
pub fn event(event: &mut Value) {
    mask(event, false, 0);
}

/// Depth of an event that is looked into; what is deeper is masked whole.
const DEPTH_MAX: usize = 64;

fn mask(value: &mut Value, is_personal: bool, depth: usize) {
    match value {
        Value::Object(members) if depth < DEPTH_MAX => {
            // Of a product, a page or an app the name is no person's.
            let is_person = is_personal || depth == 0;
            for (key, member) in members.iter_mut() {
                let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
                let named = NAMES.iter().any(|name| plain.contains(name))
                    || (WHOLE_NAMES.contains(&plain.as_str()) && (is_person && depth > 0 || plain != "name"));
                mask(member, is_personal || named || plain == "traits", depth + 1);
            }
        }
        Value::Array(items) if depth < DEPTH_MAX => {
            items.iter_mut().for_each(|item| mask(item, is_personal, depth + 1));
        }
        Value::Null | Value::Bool(_) => {}
        other if is_personal || depth >= DEPTH_MAX => *other = MASK.into(),
        Value::String(own) => {
            let masked = text(own);
            if masked != *own {
                *own = masked;
            }
        }
        _ => {}
    }
}

/// A text with everything masked that looks like an e-mail address, an IPv4 address, or 9 digits and
/// more, with what people write between them.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|each: char| !is_of_word(each)) {
        let word = piece.trim_end_matches(|each: char| !is_of_word(each));
        let rest = &piece[word.len()..];
        out.push_str(if is_personal(word) { MASK } else { word });
        out.push_str(rest);
    }
    mask_digits(&out)
}

/// What an e-mail address, percent-encoded ones too, may be made of.
fn is_of_word(each: char) -> bool {
    each.is_alphanumeric() || matches!(each, '@' | '.' | '_' | '-' | '+' | '%')
}

fn is_personal(word: &str) -> bool {
    let word = word.trim_matches('.');
    let is_email = |at: &str| {
        word.split_once(at).is_some_and(|(name, host)| !name.is_empty() && host.trim_end_matches('.').contains('.'))
    };
    is_email("@") || is_email("%40") || word.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Digits of a phone number or a card: 9 and more, with at most one other sign between two.
fn mask_digits(text: &str) -> String {
    const DIGITS_MIN: usize = 9;
    let signs: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < signs.len() {
        let begins = signs[at].is_ascii_digit() && (at == 0 || !signs[at - 1].is_alphanumeric());
        let (mut end, mut digits, mut scan) = (at, 0, at);
        while begins && scan < signs.len() {
            if signs[scan].is_ascii_digit() {
                digits += 1;
                scan += 1;
                end = scan;
            } else if matches!(signs[scan], ' ' | '-' | '/' | '(' | ')')
                && signs.get(scan + 1).is_some_and(char::is_ascii_digit)
            {
                scan += 1;
            } else {
                break;
            }
        }
        let is_word = signs.get(end).is_some_and(|next| next.is_alphabetic());
        if digits >= DIGITS_MIN && !is_word {
            out.push_str(MASK);
            at = end;
        } else {
            out.push(signs[at]);
            at += 1;
        }
    }
    out
}

/// The steps of a story, the letters of a list and the like: each of its texts, masked by its look.
pub fn texts(value: &mut Value) {
    match value {
        Value::String(own) => *own = text(own),
        Value::Array(items) => items.iter_mut().for_each(texts),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| texts(member)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_data_is_masked_by_name_and_by_look() {
        let mut shown = json!({
            "messageId": "m-1", "type": "track", "event": "Order Completed", "userId": "ana@shop.example",
            "properties": {
                "total": 1298.5, "currency": "EUR", "email": "x", "shipping_address": {"line": ["a"], "open": true},
                "products": [{"name": "Tent", "price": 899}], "remark": "call +45 20 11 48 02 please", "order": "HP-104417",
            },
            "context": {"ip": "83.92.14.207", "traits": {"plan": "pro", "seats": 3}, "page": {"url": "https://a/?e=ana%40shop.example"}},
        });
        event(&mut shown);
        assert_eq!(
            shown,
            json!({
                "messageId": "m-1", "type": "track", "event": "Order Completed", "userId": MASK,
                "properties": {
                    "total": 1298.5, "currency": "EUR", "email": MASK, "shipping_address": {"line": [MASK], "open": true},
                    "products": [{"name": "Tent", "price": 899}], "remark": format!("call +{MASK} please"), "order": "HP-104417",
                },
                "context": {"ip": MASK, "traits": {"plan": MASK, "seats": MASK}, "page": {"url": format!("https://a/?e={MASK}")}},
            })
        );
    }

    #[test]
    fn texts_keep_what_is_nobodys() {
        for own in
            ["2026-11-26T01:02:03Z", "400 Bad Request", "ajs-next-5d0e41", "v1.2.3", "a@b", "12345678", "0192fd5e-aaaa"]
        {
            assert_eq!(text(own), own);
        }
        for (own, masked) in [
            ("ana@shop.example is no hash", "•••• is no hash"),
            ("(ana.l+x@shop.co.uk).", "(••••)."),
            ("from 10.1.2.3, card 4111 1111 1111 1111", "from ••••, card ••••"),
            ("123456789", "••••"),
        ] {
            assert_eq!(text(own), masked);
        }
    }

    #[test]
    fn depth_and_nonsense_do_no_harm() {
        let mut deep = json!("ana");
        for _ in 0..DEPTH_MAX + 5 {
            deep = json!([deep]);
        }
        event(&mut deep);
        assert!(deep.to_string().contains(MASK), "what is too deep is masked");
        for own in ["", "@", "@.", "....", "％40", "1-", "\u{0}"] {
            text(own);
        }
    }
}
