//! Event names, which senders write as they like: compared trimmed and without case.

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

/// Whether two event names are the same.
pub fn same(one: &str, other: &str) -> bool {
    one.trim_ascii().eq_ignore_ascii_case(other.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_case() {
        let table = [("order completed", 1), ("page", 2)];
        assert_eq!(lookup(&table, "  Order COMPLETED "), Some(&1));
        assert_eq!(lookup(&table, "order"), None);
        assert_eq!(lookup(&table, &"x".repeat(65)), None);
        assert!(same(" A b", "a B "));
    }
}
