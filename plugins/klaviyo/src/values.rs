//! Values as the vendor takes them.

use switchyard_sdk::prelude::*;

/// A language tag, `de-DE`; also from `de_DE`.
pub fn locale(value: Value<'_>) -> Option<String> {
    let tag = value.as_trimmed_text()?.replace('_', "-");
    let mut parts = tag.split('-');
    let is_language = parts.next().is_some_and(|language| {
        matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_language && parts.all(is_subtag)).then_some(tag)
}
