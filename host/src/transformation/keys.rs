//! The keys that a rule may have: its operation, what that takes, and those of every rule.

use super::rule::Rule;

/// What keys an operation takes beside those that select events.
pub(super) const OPERATIONS: [(&str, &[&str]); 20] = [
    ("set", &["value", "from", "template", "expression"]),
    ("default", &["value", "from", "template", "expression"]),
    ("copy", &["to"]),
    ("move", &["to"]),
    ("remove", &[]),
    ("keep", &["under"]),
    ("rename_event", &[]),
    ("convert", &["as", "on_failure"]),
    ("map", &["table", "otherwise"]),
    ("split", &["by", "to"]),
    ("join", &["by", "to"]),
    ("lower", &[]),
    ("upper", &[]),
    ("trim", &[]),
    ("replace", &["pattern", "with"]),
    ("hash", &["normalize", "country_code", "secret"]),
    ("mask", &["style", "last"]),
    ("round", &["digits"]),
    ("drop", &[]),
    ("sample", &["by"]),
];

/// Keys of every rule.
pub(super) const SELECTORS: [&str; 5] = ["name", "disabled", "kinds", "events", "when"];

/// The name of an operation.
pub(super) fn operation_name(operation: &str) -> &'static str {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map_or("", |(name, _)| name)
}

/// The keys that a rule has, but for those of every rule.
pub(super) fn keys_of(rule: &Rule) -> Vec<&'static str> {
    [
        ("set", rule.set.is_some()),
        ("default", rule.default.is_some()),
        ("copy", rule.copy.is_some()),
        ("move", rule.r#move.is_some()),
        ("remove", rule.remove.is_some()),
        ("keep", rule.keep.is_some()),
        ("rename_event", rule.rename_event.is_some()),
        ("convert", rule.convert.is_some()),
        ("map", rule.map.is_some()),
        ("split", rule.split.is_some()),
        ("join", rule.join.is_some()),
        ("lower", rule.lower.is_some()),
        ("upper", rule.upper.is_some()),
        ("trim", rule.trim.is_some()),
        ("replace", rule.replace.is_some()),
        ("hash", rule.hash.is_some()),
        ("mask", rule.mask.is_some()),
        ("round", rule.round.is_some()),
        ("drop", rule.drop.is_some()),
        ("sample", rule.sample.is_some()),
        ("value", rule.value.is_some()),
        ("from", rule.from.is_some()),
        ("template", rule.template.is_some()),
        ("expression", rule.expression.is_some()),
        ("to", rule.to.is_some()),
        ("under", rule.under.is_some()),
        ("as", rule.r#as.is_some()),
        ("on_failure", rule.on_failure.is_some()),
        ("table", rule.table.is_some()),
        ("otherwise", rule.otherwise.is_some()),
        ("by", rule.by.is_some()),
        ("pattern", rule.pattern.is_some()),
        ("with", rule.with.is_some()),
        ("normalize", rule.normalize.is_some()),
        ("country_code", rule.country_code.is_some()),
        ("secret", rule.secret.is_some()),
        ("style", rule.style.is_some()),
        ("last", rule.last.is_some()),
        ("digits", rule.digits.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, there)| there.then_some(key))
    .collect()
}
