//! Cleans names and places as the vendor wants them. Source: tiktok-conversions, formatter.ts and
//! common_fields.ts.

use switchyard_sdk::normalise;

/// A phone number in E.164, with its plus; None for one without a country or with too many digits.
pub fn phone(number: &str, default_country_code: Option<&str>) -> Option<String> {
    use crate::rules::PHONE_CHARACTERS_MAX;
    normalise::phone_e164(number, default_country_code).filter(|number| number.len() <= PHONE_CHARACTERS_MAX)
}

/// An e-mail address, trimmed and in lower case; None for what is none.
pub fn email(address: &str) -> Option<String> {
    Some(normalise::email(address)).filter(|address| address.contains('@'))
}

/// Lower case without white space and punctuation; letters of any alphabet stay. Names and cities.
pub fn letters(text: &str) -> String {
    let is_kept =
        |letter: &char| if letter.is_ascii() { letter.is_ascii_alphanumeric() } else { !letter.is_whitespace() };
    text.to_lowercase().chars().filter(is_kept).collect()
}

/// Lower case without white space. Postal codes.
pub fn without_spaces(text: &str) -> String {
    text.to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// A state: two letters where it is one of the United States.
pub fn state(text: &str) -> String {
    let code = normalise::state_code(text);
    if code.len() == 2 { code } else { letters(text) }
}

/// A country: two letters; empty for what is none.
pub fn country(text: &str) -> String {
    normalise::country_code(text)
}
