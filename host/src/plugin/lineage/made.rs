//! What the operator's rules made of an event before the plugin sees it: which rule made, changed or took
//! away each of its fields.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::leaves::leaves;

/// An event as the plugin sees it, with what rules made of it.
pub struct Transformed {
    /// The event.
    pub event: Value,
    made: Vec<Made>,
}

/// A field that is not as it was in the event.
pub(super) struct Made {
    /// The rule, by its name and what it does: the last one that touched the field.
    pub by: String,
    /// The field's path.
    pub path: String,
    /// The event before, where the field is gone.
    pub before: Option<Rc<Value>>,
}

/// What the rules made, and how the plugin plans that.
pub struct Ruled<'a> {
    /// The event as the plugin sees it.
    pub transformed: &'a Transformed,
    /// The sheet of a plan of an event as the plugin sees it; None where it does not take it.
    pub plan: &'a dyn Fn(&Value) -> Option<Value>,
}

impl Transformed {
    /// An event that no rule has touched yet.
    pub fn new(event: Value) -> Transformed {
        Transformed { event, made: Vec::new() }
    }

    /// Notes what one rule made of it.
    pub fn changed(&mut self, by: &str, after: Value) {
        let before = Rc::new(std::mem::replace(&mut self.event, after));
        let were: BTreeMap<String, Value> = leaves(&before).into_iter().collect();
        let are = leaves(&self.event);
        let gone: Vec<String> = were.keys().filter(|path| !are.iter().any(|(own, _)| own == *path)).cloned().collect();
        for (path, value) in are {
            if were.get(&path) != Some(&value) {
                self.note(by, path, None);
            }
        }
        for path in gone {
            self.note(by, path, Some(before.clone()));
        }
    }

    fn note(&mut self, by: &str, path: String, before: Option<Rc<Value>>) {
        self.made.retain(|known| known.path != path);
        self.made.push(Made { by: by.to_string(), path, before });
    }

    pub(super) fn made(&self) -> &[Made] {
        &self.made
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::lineage::{Inputs, explain};

    /// Names what each field of a plan that is the event itself comes from, when a rule made `after` of it.
    fn origins(before: Value, steps: &[(&str, Value)]) -> Vec<String> {
        let mut transformed = Transformed::new(before.clone());
        steps.iter().for_each(|(by, after)| transformed.changed(by, after.clone()));
        let sheet = |event: &Value| Some(json!({"requests": {"event": {"body": event}}}));
        let inputs = Inputs { event: before, settings: json!({}), now_ms: 0, received_ms: 0 };
        // The rules here make constants: whatever the event is, the plan stays.
        let after = transformed.event.clone();
        let ruled = Ruled { transformed: &transformed, plan: &sheet };
        let lineage = explain(&inputs, |_| false, |_| sheet(&after), Some(&ruled)).unwrap();
        let shown = lineage.fields.iter().map(|field| {
            let origins = field.origins.iter().map(|origin| format!("{:?} {}", origin.how, origin.input));
            format!(
                "{}: {}",
                field.field.trim_start_matches("requests.event.body."),
                origins.collect::<Vec<_>>().join(", ")
            )
        });
        shown.collect()
    }

    #[test]
    fn the_last_rule_that_made_a_field_is_named() {
        let event = json!({"a": 1, "list": [{"b": 2}], "same": true});
        let first = json!({"a": 1, "list": [{"b": 3}], "new": {"deep": "x"}, "same": true});
        let second = json!({"a": 1, "list": [{"b": 4}], "new": {"deep": "x"}, "same": true});
        let shown = origins(event, &[("rule 1", first), ("rule 2", second)]);
        assert_eq!(shown, ["a: ", "list[0].b: Copy rule 2", "new.deep: Copy rule 1", "same: "]);
    }

    #[test]
    fn a_field_that_is_so_because_another_was_taken_away_is_there_for_the_rule() {
        let event = json!({"a": {"b": 1, "c.d": [1, 2]}});
        let mut transformed = Transformed::new(event.clone());
        transformed.changed("rule 1", json!({"a": {}}));
        let sheet = |event: &Value| {
            let (count, name) = (event["a"]["c.d"].as_array().map_or(0, Vec::len), event["a"]["b"].is_null());
            Some(json!({"requests": {"event": {"body": {"none": count == 0, "usual": name}}}}))
        };
        let inputs = Inputs { event, settings: json!({}), now_ms: 0, received_ms: 0 };
        let after = transformed.event.clone();
        let ruled = Ruled { transformed: &transformed, plan: &sheet };
        let lineage = explain(&inputs, |_| false, |_| sheet(&after), Some(&ruled)).unwrap();
        for field in &lineage.fields {
            let origins: Vec<(&str, String)> =
                field.origins.iter().map(|origin| (&origin.input[..], format!("{:?}", origin.how))).collect();
            assert_eq!(origins, [("rule 1", "Condition".to_string())], "{}", field.field);
        }
    }
}
