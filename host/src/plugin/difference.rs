//! Where two plans of the same events differ, field by field, and the differences of many events
//! summed up by kind. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Events shown of each kind of difference.
const EXAMPLES_MAX: usize = 3;

/// Bytes shown of a value; a longer one is cut.
const SHOWN_BYTES_MAX: usize = 200;

/// Kinds of differences told apart; the rest is summed up as one.
const KINDS_MAX: usize = 200;

/// How a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The new plan has it, the old one has not.
    Added,
    /// The old plan has it, the new one has not.
    Removed,
    /// Both have it, with other values.
    Changed,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its path: members by name, items of lists as `[]`.
    pub field: String,
    /// How it differs.
    pub how: How,
    /// What the old plan has there.
    pub old: Option<Value>,
    /// What the new plan has there.
    pub new: Option<Value>,
}

/// The fields in which `new` differs from `old`. What is missing altogether is one difference,
/// whatever it contains.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(field: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    match (old, new) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, old) in left {
                let field = joined(field, name);
                match right.get(name) {
                    Some(new) => compare(&field, old, new, found),
                    None => found.push(one(field, How::Removed, Some(old), None)),
                }
            }
            for (name, new) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                found.push(one(joined(field, name), How::Added, None, Some(new)));
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let field = format!("{field}[]");
            for (old, new) in left.iter().zip(right) {
                compare(&field, old, new, found);
            }
            let kept = left.len().min(right.len());
            found.extend(left[kept..].iter().map(|old| one(field.clone(), How::Removed, Some(old), None)));
            found.extend(right[kept..].iter().map(|new| one(field.clone(), How::Added, None, Some(new))));
        }
        (old, new) if old == new => {}
        (old, new) => found.push(one(field.to_string(), How::Changed, Some(old), Some(new))),
    }
}

fn one(field: String, how: How, old: Option<&Value>, new: Option<&Value>) -> Difference {
    Difference { field, how, old: old.cloned(), new: new.cloned() }
}

fn joined(field: &str, name: &str) -> String {
    if field.is_empty() { name.to_string() } else { format!("{field}.{name}") }
}

/// The differences of many events, summed up by field and how it differs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    kinds: BTreeMap<(String, How), KindOfDifference>,
}

/// One kind of difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindOfDifference {
    /// The field.
    pub field: String,
    /// How it differs.
    pub how: How,
    /// Events whose plan differs so.
    pub events: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// How one event's plan differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// Which event.
    pub message_id: String,
    /// The old value, shortened; None where there is none.
    pub old: Option<String>,
    /// The new value, shortened.
    pub new: Option<String>,
}

impl Summary {
    /// Adds the differences of one event.
    pub fn add(&mut self, message_id: &str, differences: Vec<Difference>) {
        let mut counted: Vec<(String, How)> = Vec::new();
        for Difference { field, how, old, new } in differences {
            let known = self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&(field.clone(), how));
            let field = if known { field } else { "(other fields)".to_string() };
            let key = (field.clone(), how);
            if counted.contains(&key) {
                continue;
            }
            counted.push(key.clone());
            let none = || KindOfDifference { field, how, events: 0, examples: Vec::new() };
            let kind = self.kinds.entry(key).or_insert_with(none);
            kind.events += 1;
            if kind.examples.len() < EXAMPLES_MAX {
                let (old, new) = (old.as_ref().map(shown), new.as_ref().map(shown));
                kind.examples.push(Example { message_id: message_id.to_string(), old, new });
            }
        }
    }

    /// All kinds, those of the most events first.
    pub fn into_kinds(self) -> Vec<KindOfDifference> {
        let mut kinds: Vec<KindOfDifference> = self.kinds.into_values().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.events));
        kinds
    }
}

fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN_BYTES_MAX {
        let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(old: Value, new: Value, expected: &[(&str, How)]) {
        let found = differences(&old, &new);
        let found: Vec<(&str, How)> = found.iter().map(|each| (&each.field[..], each.how)).collect();
        assert_eq!(found, expected, "{old} {new}");
    }

    #[test]
    fn fields_are_compared_one_by_one() {
        check(json!({"a": 1, "b": {"c": [1]}}), json!({"b": {"c": [1]}, "a": 1}), &[]);
        check(json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), &[("a.b", How::Changed)]);
        check(json!({"a": {"b": {"c": 1}}}), json!({"a": {}}), &[("a.b", How::Removed)]);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), &[("b", How::Added)]);
        check(json!({"a": [{"b": 1}, {"b": 2}]}), json!({"a": [{"b": 1}, {"b": 3}]}), &[("a[].b", How::Changed)]);
        check(json!({"a": [1, 2]}), json!({"a": [1, 2, 3]}), &[("a[]", How::Added)]);
        check(json!({"a": [1, 2]}), json!({"a": [1]}), &[("a[]", How::Removed)]);
        check(json!({"a": "1"}), json!({"a": 1}), &[("a", How::Changed)]);
    }

    #[test]
    fn a_kind_counts_each_event_once_and_shows_the_first() {
        let mut summary = Summary::default();
        for number in 0..10 {
            let old = json!({"a": [number, number], "b": "x".repeat(SHOWN_BYTES_MAX)});
            let mut new = json!({"a": [number + 1, number + 1], "b": old["b"]});
            if number == 0 {
                new["b"] = json!("y");
            }
            summary.add(&format!("m-{number}"), differences(&old, &new));
        }
        let kinds = summary.into_kinds();
        assert_eq!((&kinds[0].field[..], kinds[0].how, kinds[0].events), ("a[]", How::Changed, 10));
        assert_eq!(kinds[0].examples.len(), EXAMPLES_MAX);
        assert_eq!(kinds[0].examples[1].message_id, "m-1");
        assert_eq!(kinds[0].examples[1].new.as_deref(), Some("2"));
        assert_eq!((&kinds[1].field[..], kinds[1].events), ("b", 1));
        assert!(kinds[1].examples[0].old.as_deref().is_some_and(|old| old.ends_with("...")));
    }

    #[test]
    fn beyond_the_bound_kinds_are_summed_up() {
        for (fields, kinds) in [(KINDS_MAX, KINDS_MAX), (KINDS_MAX + 2, KINDS_MAX + 1)] {
            let mut summary = Summary::default();
            let new = Value::Object((0..fields).map(|at| (format!("f{at}"), json!(1))).collect());
            summary.add("m", differences(&json!({}), &new));
            assert_eq!(summary.into_kinds().len(), kinds);
        }
    }
}
