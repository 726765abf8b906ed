//! Event names, which senders write as they like: compared trimmed and without case.

use std::borrow::Cow;

use crate::event::Event;
use crate::settings::filled;

/// Longer names are in no table.
const NAME_BYTES_MAX: usize = 64;

/// The value of a name in a table of lower-case names.
pub fn lookup<'t, T>(table: &'t [(&'static str, T)], name: &str) -> Option<&'t T> {
    let name = name.trim_ascii().as_bytes();
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    table.iter().find(|(known, _)| known.as_bytes() == lower).map(|(_, value)| value)
}

/// What pages or screens are called: a pattern in which `{name}` and `{category}` stand for those of the
/// event, and a plain name for events that lack what the pattern needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageName {
    /// The pattern, which may be a name without places.
    pub pattern: String,
    /// The plain name.
    pub plain: &'static str,
}

impl PageName {
    /// As a setting says; the plain name where it is blank.
    pub fn of(setting: Option<String>, plain: &'static str) -> PageName {
        PageName { pattern: filled(setting).unwrap_or(plain.to_string()), plain }
    }

    /// What an event is called.
    pub fn filled_in(&self, event: &Event<'_>) -> Cow<'_, str> {
        if !self.pattern.contains('{') {
            return Cow::Borrowed(&self.pattern);
        }
        let mut filled = self.pattern.clone();
        for (place, value) in [("{name}", event.page_name()), ("{category}", event.page_category())] {
            if filled.contains(place) {
                match value.as_filled_str() {
                    Some(text) => filled = filled.replace(place, text.trim()),
                    None => return Cow::Borrowed(self.plain),
                }
            }
        }
        Cow::Owned(filled)
    }
}

/// Whether two event names are the same.
pub fn same(one: &str, other: &str) -> bool {
    one.trim_ascii().eq_ignore_ascii_case(other.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_name_that_the_pattern_says() {
        let pages = [
            serde_json::json!({"type": "page", "messageId": "m", "name": " Cart ", "category": "Shop"}),
            serde_json::json!({"type": "page", "messageId": "m", "properties": {"name": "Cart", "category": " "}}),
        ];
        let batch = crate::native::batch(0, &pages);
        let check = |setting: &str, wanted: [&str; 2]| {
            let name = PageName::of(Some(setting.to_string()), "Viewed Page");
            let called = [0, 1].map(|position| name.filled_in(&batch.event(position)).into_owned());
            assert_eq!(called, wanted, "{setting}");
        };
        check("Viewed {category} {name}", ["Viewed Shop Cart", "Viewed Page"]);
        check("Saw {name}", ["Saw Cart", "Saw Cart"]);
        check("Seen", ["Seen", "Seen"]);
        check(" ", ["Viewed Page", "Viewed Page"]);
    }

    #[test]
    fn names_are_found_without_case() {
        let table = [("order completed", 1), ("page", 2)];
        assert_eq!(lookup(&table, "  Order COMPLETED "), Some(&1));
        assert_eq!(lookup(&table, "order"), None);
        assert_eq!(lookup(&table, &"x".repeat(65)), None);
        assert!(same(" A b", "a B "));
    }
}
