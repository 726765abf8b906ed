//! Hashes, and the form that a value is brought into before.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A way to hash.
pub(super) struct Hash {
    pub form: Form,
    /// For phones without a country code, as digits.
    pub country_code: Option<String>,
    /// The key of an HMAC.
    pub secret: Option<String>,
}

/// The form that is hashed. Vendors compare hashes, so each names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    AsItIs,
    /// Without white space around it, in lower case.
    Text,
    /// As `Text`. Source: Meta, Google, TikTok, "hash e-mail addresses in lower case, trimmed".
    Email,
    /// Digits alone, with the country code. Source: Meta, "customer information parameters".
    Phone,
    /// The same with a plus sign before. Source: Google and TikTok, E.164.
    PhoneE164,
}

impl Form {
    pub const NAMES: [(&'static str, Form); 5] = [
        ("none", Form::AsItIs),
        ("text", Form::Text),
        ("email", Form::Email),
        ("phone", Form::Phone),
        ("phone_e164", Form::PhoneE164),
    ];
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Hash({:?})", self.form)
    }
}

impl Hash {
    /// The hash in lower-case hexadecimal. None for a text that is such a hash already, which a form is
    /// asked of, or of which nothing is left.
    pub fn of(&self, text: &str) -> Option<String> {
        if self.form != Form::AsItIs && self.secret.is_none() && is_hash(text) {
            return None;
        }
        let normal = self.normal(text);
        if normal.is_empty() {
            return None;
        }
        Some(hex(&match &self.secret {
            Some(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
                mac.update(normal.as_bytes());
                mac.finalize().into_bytes().into()
            }
            None => Sha256::digest(normal.as_bytes()).into(),
        }))
    }

    fn normal(&self, text: &str) -> String {
        match self.form {
            Form::AsItIs => text.to_string(),
            Form::Text | Form::Email => text.trim().to_lowercase(),
            Form::Phone => self.phone(text),
            Form::PhoneE164 => match self.phone(text) {
                digits if digits.is_empty() => digits,
                digits => format!("+{digits}"),
            },
        }
    }

    /// The digits with the country code: `+49 30 1`, `0049 30 1` and, with the code 49, `030 1` are 49301.
    fn phone(&self, text: &str) -> String {
        let text = text.trim();
        // The zero that is dialled inside a country only: +49 (0)30
        let text = text.replace("(0)", "");
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if text.starts_with('+') {
            return digits;
        }
        if let Some(rest) = digits.strip_prefix("00") {
            return rest.to_string();
        }
        match &self.country_code {
            Some(code) if !digits.is_empty() => match digits.strip_prefix('0') {
                Some(rest) => format!("{code}{rest}"),
                None if digits.starts_with(code.as_str()) && digits.len() > 10 => digits,
                None => format!("{code}{digits}"),
            },
            _ => digits,
        }
    }
}

/// 64 hexadecimal digits: a SHA-256.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}
