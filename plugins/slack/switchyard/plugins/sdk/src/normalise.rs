//! Cleans what vendors match people by, before it is hashed or sent plain.
//!
//! Vendors differ in small ways, so there is a function for each way, named by what it does. None
//! hashes; [`crate::hash::hash_cleaned`] does, and takes nothing for empty texts. What cannot be made
//! right is None or empty: a field that is left out costs nothing, a wrong one costs a match.

mod places;

pub use places::{country_code, state_code};

/// An e-mail address: trimmed, lower case. Meta, TikTok, Pinterest, LinkedIn.
pub fn email(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Whether a text looks like an e-mail address: something, an at sign, and a domain of several labels,
/// with nothing blank in it. Stricter checks are a vendor's own.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_good = |character: char| !character.is_whitespace() && !character.is_control() && character != '@';
    let is_domain = domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty());
    !local.is_empty() && is_domain && local.chars().chain(domain.chars()).all(is_good)
}

/// An e-mail address as Google wants it: without spaces, lower case, and without the dots of the
/// local part where gmail.com or googlemail.com ignore them.
pub fn email_google(address: &str) -> String {
    let mut clean: String = address.chars().filter(|character| !character.is_whitespace()).collect();
    clean = clean.to_lowercase();
    match clean.split_once('@') {
        Some((local, domain @ ("gmail.com" | "googlemail.com"))) => format!("{}@{domain}", local.replace('.', "")),
        _ => clean,
    }
}

/// An e-mail address without the local part's dots and what follows its plus sign, whatever the
/// domain. Reddit.
pub fn email_canonical(address: &str) -> String {
    let clean = email(address);
    match clean.split_once('@') {
        Some((local, domain)) => {
            let local = local.split('+').next().unwrap_or_default().replace('.', "");
            format!("{local}@{domain}")
        }
        None => clean,
    }
}

/// A phone number's digits with the country code, without plus and leading zeros. Meta, Snap,
/// Pinterest, Bing. A number that names no country gets `default_country_code` (digits, such as
/// `49`); without one it is None, because it cannot be made right.
pub fn phone_digits(number: &str, default_country_code: Option<&str>) -> Option<String> {
    let number = without_extension(number.trim()).replace("(0)", "");
    let international = number.trim_start_matches('(').starts_with('+');
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return None;
    }
    if international || digits.starts_with("00") {
        return Some(significant.to_string());
    }
    let code = default_country_code.map(|code| code.trim_start_matches(['+', '0'])).filter(|code| !code.is_empty())?;
    // In North America the country code is written in front without a plus as often as not.
    if code == "1" && significant.len() == 11 && significant.starts_with('1') {
        return Some(significant.to_string());
    }
    Some(format!("{code}{significant}"))
}

/// A phone number in E.164, with plus. TikTok, Google, Reddit.
pub fn phone_e164(number: &str, default_country_code: Option<&str>) -> Option<String> {
    phone_digits(number, default_country_code).map(|digits| format!("+{digits}"))
}

fn without_extension(number: &str) -> &str {
    let cut =
        number.find(|character: char| matches!(character, 'x' | 'X' | '#' | ';') || character.is_ascii_alphabetic());
    number[..cut.unwrap_or(number.len())].trim()
}

/// Trimmed, lower case.
pub fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Lower case without anything but letters, digits and marks; spaces inside stay. Names for Meta, Snap.
pub fn name(text: &str) -> String {
    let letters = |character: &char| character.is_alphanumeric() || character.is_whitespace() || !character.is_ascii();
    text.to_lowercase().chars().filter(letters).collect::<String>().trim().to_string()
}

/// Lower case without digits and symbols. Names for Google.
pub fn name_google(text: &str) -> String {
    let letters = |character: &char| character.is_alphabetic() || character.is_whitespace() || is_mark(*character);
    text.to_lowercase().chars().filter(letters).collect::<String>().trim().to_string()
}

/// Lower case without symbols. Streets for Google.
pub fn street_google(text: &str) -> String {
    let kept = |character: &char| character.is_alphanumeric() || character.is_whitespace() || is_mark(*character);
    text.to_lowercase().chars().filter(kept).collect::<String>().trim().to_string()
}

/// A combining mark, which belongs to the letter before it.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// Lower case without spaces and punctuation. Cities.
pub fn compact(text: &str) -> String {
    text.to_lowercase().chars().filter(|character| character.is_alphanumeric() || is_mark(*character)).collect()
}

/// Lower case without spaces; of a code of the United States the first five digits. Postal codes.
pub fn postal_code(text: &str) -> String {
    let code: String = text.to_lowercase().chars().filter(|character| !character.is_whitespace()).collect();
    match code.as_bytes() {
        [first @ .., b'-', a, b, c, d]
            if first.len() == 5 && [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            code[..5].to_string()
        }
        _ => code,
    }
}

/// `f` or `m`; empty for what is neither.
pub fn gender(text: &str) -> &'static str {
    match lower(text).as_str() {
        "f" | "female" | "w" | "woman" => "f",
        "m" | "male" | "man" => "m",
        _ => "",
    }
}

/// `YYYYMMDD` of a date that begins with year, month and day, whatever separates them.
pub fn birthday(text: &str) -> Option<String> {
    let date = text.trim().split(['T', ' ']).next()?;
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    let only_dates = date.chars().all(|character| character.is_ascii_digit() || matches!(character, '-' | '/' | '.'));
    let year_first = date.bytes().take(4).all(|byte| byte.is_ascii_digit());
    (digits.len() == 8 && only_dates && year_first).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash_cleaned;

    fn hash(cleaned: &str) -> String {
        hash_cleaned(cleaned).map(|hex| hex.as_str().to_string()).unwrap_or_default()
    }

    #[test]
    fn published_vectors() {
        let check = |cleaned: &str, wanted: &str, hashed: &str| {
            assert_eq!(cleaned, wanted);
            assert_eq!(hash(cleaned), hashed, "{wanted}");
        };
        check(
            &email("John_Smith@gmail.com"),
            "john_smith@gmail.com",
            "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        );
        check(
            &email(" Person@Example.com"),
            "person@example.com",
            "542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345",
        );
        let american = phone_digits("(650)555-1212", Some("1")).unwrap();
        check(&american, "16505551212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176");
        let american = phone_e164("(650)555-1212", Some("1")).unwrap();
        check(&american, "+16505551212", "1e231c66011e7a2d867a9cfae267a6aff103cf4913640b6e71a99850fc0ffbc8");
        let british = phone_digits("+44 844 412 4653", None).unwrap();
        check(&british, "448444124653", "dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383");
        check(&name("Mary"), "mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec");
        check(&name("Valéry"), "valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c");
        check(&name("정"), "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14");
        check(&compact("Menlo Park"), "menlopark", "0007a3d64c01e23d5075203c5977c14e4f7e01a3fc570686fcc50b5e1dd42685");
        check(&state_code("California"), "ca", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126");
        check(&postal_code("94025"), "94025", "b9a9cf3cd3723a2e91b7c23ecf68456e872b6e5d86e5cab7f3d45a7302da32c7");
        check(&country_code("US"), "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621");
        check(gender("f"), "f", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111");
        let birthday = birthday("1997-02-16").unwrap();
        check(&birthday, "19970216", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c");
    }

    #[test]
    fn addresses_by_vendor() {
        assert_eq!(email_google(" Jane.D oe+x@Gmail.com "), "janedoe+x@gmail.com");
        assert_eq!(email_google("J.D@example.com"), "j.d@example.com");
        assert_eq!(email_canonical("J.D+shop@Example.com"), "jd@example.com");
        assert_eq!(email("no address"), "no address");
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        for text in ["ana@example.com", "Ana+shop@mail.example.co.uk", "å@exämple.com"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["", "ana", "ana@", "@example.com", "ana@example", "ana@.com", "a b@example.com", "a@b@c.d"] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn phones_with_and_without_a_country() {
        let check = |number: &str, code: Option<&str>, wanted: Option<&str>| {
            assert_eq!(phone_digits(number, code).as_deref(), wanted, "{number}");
        };
        check("030 901820", None, None);
        check("030 901820", Some("49"), Some("4930901820"));
        check("030 901820", Some("+49"), Some("4930901820"));
        check("0049 30 901820", None, Some("4930901820"));
        check("+49 (0)30 901820", None, Some("4930901820"));
        check("16505551212", Some("1"), Some("16505551212"));
        check("+1 650-555-1212 ext. 5", None, Some("16505551212"));
        check("", Some("1"), None);
        check("000", Some("1"), None);
        check("call me", Some("1"), None);
    }

    #[test]
    fn names_places_and_dates() {
        assert_eq!(name(" O'Neill-Smith "), "oneillsmith");
        assert_eq!(name_google("Anna 2nd!"), "anna nd");
        assert_eq!(street_google("12 Main St."), "12 main st");
        assert_eq!(compact("St. John's"), "stjohns");
        assert_eq!(postal_code("94025-1234"), "94025");
        assert_eq!(postal_code("SW1A 1AA"), "sw1a1aa");
        assert_eq!(state_code("ny"), "ny");
        assert_eq!(state_code("Bavaria"), "bavaria");
        assert_eq!(country_code(" United States "), "us");
        assert_eq!(country_code("Deutschland"), "de");
        assert_eq!(country_code("DEU"), "de");
        assert_eq!(country_code("Atlantis"), "");
        assert_eq!(gender("Female"), "f");
        assert_eq!(gender("x"), "");
        assert_eq!(birthday("1997/02/16T00:00:00Z").as_deref(), Some("19970216"));
        assert_eq!(birthday("16.02.1997"), None);
        assert_eq!(birthday("soon"), None);
    }
}
