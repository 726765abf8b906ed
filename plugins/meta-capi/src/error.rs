//! The vendor's error: what its answers say when they refuse, and what each code means.

use serde_json::Value;
use switchyard_sdk::prelude::Response;
use switchyard_sdk::text::cut;

/// Characters of the vendor's words that a reason holds.
const REASON_CHARACTERS_MAX: usize = 400;

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// Another time it works.
    Transient,
    /// Too many requests.
    RateLimit,
    /// The access token is no longer good.
    Token,
    /// The token may not do this, or there is no such dataset: the operator must change something.
    Configuration,
    /// One of the events, or the request, is not as the vendor wants it.
    Data,
}

/// By code and, where it matters, subcode. The first that fits holds. Sources:
/// developers.facebook.com/docs/graph-api/guides/error-handling,
/// developers.facebook.com/docs/graph-api/overview/rate-limiting,
/// developers.facebook.com/docs/marketing-api/error-reference; RudderStack's destination.
const CODES: &[(std::ops::RangeInclusive<i64>, Option<i64>, Class)] = &[
    // Errors of the vendor's own.
    (i64::MIN..=-1, None, Class::Transient),
    (1..=2, None, Class::Transient),
    (3..=3, None, Class::Configuration),
    (4..=4, None, Class::RateLimit),
    (10..=10, None, Class::Configuration),
    (17..=17, None, Class::RateLimit),
    (32..=32, None, Class::RateLimit),
    // No such dataset, or not for this token. All other subcodes are about data: 2804003 an event that
    // is too old, 2804050 one with too little of its user, and so on.
    (100..=100, Some(33), Class::Configuration),
    (100..=100, None, Class::Data),
    (102..=102, None, Class::Token),
    (104..=104, None, Class::Token),
    (190..=190, None, Class::Token),
    (200..=299, None, Class::Configuration),
    (341..=341, None, Class::Transient),
    (368..=368, None, Class::Transient),
    (613..=613, None, Class::RateLimit),
    (5_000..=5_000, None, Class::Transient),
    (21_009..=21_009, None, Class::Transient),
    (80_000..=80_014, None, Class::RateLimit),
];

/// An error.
#[derive(Debug)]
pub struct Error {
    /// The object of that name in the body.
    fields: Value,
}

impl Error {
    /// Reads an answer; None where it has no error.
    pub fn of(response: &Response) -> Option<Error> {
        let fields = response.json()?.get("error")?.clone();
        fields.is_object().then_some(Error { fields })
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.fields.get(field)?.as_i64()
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// What it asks for; None where the code is unknown.
    pub fn class(&self) -> Option<Class> {
        if self.fields.get("is_transient").and_then(Value::as_bool) == Some(true) {
            let class = self.number("code").and_then(|code| class(code, None));
            return Some(class.filter(|class| *class == Class::RateLimit).unwrap_or(Class::Transient));
        }
        class(self.number("code")?, self.number("error_subcode"))
    }

    /// The code, the vendor's words and the number by which its support finds the request.
    pub fn reason(&self) -> String {
        let code = match (self.number("code"), self.number("error_subcode")) {
            (Some(code), Some(subcode)) => format!("{code}/{subcode}: "),
            (Some(code), None) => format!("{code}: "),
            _ => String::new(),
        };
        let words = ["message", "error_user_title", "error_user_msg"].map(|field| self.text(field));
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let trace = self.text("fbtrace_id").map(|trace| format!(" (fbtrace_id {trace})")).unwrap_or_default();
        format!("{code}{}{trace}", cut(&words.join(": "), REASON_CHARACTERS_MAX))
    }
}

fn class(code: i64, subcode: Option<i64>) -> Option<Class> {
    let fits = |only: &Option<i64>| only.is_none() || *only == subcode;
    CODES.iter().find(|(codes, only, _)| codes.contains(&code) && fits(only)).map(|(_, _, class)| *class)
}
