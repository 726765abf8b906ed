//! Runs a project's fixtures and tells how their plans differ from what they expect.

use std::path::Path;

use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use super::vendored::write;
use crate::plugin::fault::PluginError;
use crate::plugin::fixtures::plan_heard;
use crate::plugin::manifest::Fixture;
use crate::plugin::revision::Revision;

/// Lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// What became of a fixture.
pub struct Trial {
    /// The fixture's name.
    pub name: String,
    /// Its plan against what it expects.
    pub result: Outcome,
    /// What the plugin said to its author.
    pub heard: String,
}

/// A plan against what a fixture expects.
pub enum Outcome {
    /// As expected.
    Same,
    /// Another plan than the expected one: both, with the members that the fixture speaks of.
    Differs {
        /// What the fixture has.
        expected: Value,
        /// What it would have to have.
        planned: Value,
    },
    /// There is no plan.
    Failed(PluginError),
}

/// Runs all fixtures of a revision.
pub fn run_all(revision: &Revision) -> Vec<Trial> {
    revision.manifest().fixtures.iter().map(|fixture| run(revision, fixture)).collect()
}

fn run(revision: &Revision, fixture: &Fixture) -> Trial {
    let (planned, heard) = plan_heard(revision, fixture);
    let result = match planned {
        Err(error) => Outcome::Failed(error),
        Ok(planned) => match spoken_of(&fixture.plan, &planned) {
            planned if planned == fixture.plan => Outcome::Same,
            planned => Outcome::Differs { expected: fixture.plan.clone(), planned },
        },
    };
    Trial { name: fixture.name.clone(), result, heard }
}

/// The plan with the members that the expected one has, in its order; whole where it has none.
fn spoken_of(expected: &Value, planned: &Value) -> Value {
    let Value::Object(members) = expected else { return tidy(planned) };
    let member = |name: &String, expected: &Value| {
        let planned = planned.get(name).unwrap_or(&Value::Null);
        match (expected, planned) {
            (Value::Array(expected), Value::Array(planned)) if name == "requests" || name == "fates" => {
                let each = planned.iter().enumerate();
                each.map(|(at, planned)| {
                    expected.get(at).map_or(tidy(planned), |expected| spoken_of(expected, planned))
                })
                .collect()
            }
            _ => planned.clone(),
        }
    };
    Value::Object(members.iter().map(|(name, expected)| (name.clone(), member(name, expected))).collect())
}

/// Without the text of a body that is there as JSON.
fn tidy(planned: &Value) -> Value {
    match planned {
        Value::Object(members) => {
            let has_json = members.contains_key("body_json");
            let kept = members.iter().filter(|(name, _)| !(has_json && *name == "body"));
            Value::Object(kept.map(|(name, value)| (name.clone(), tidy_list(name, value))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn tidy_list(name: &str, value: &Value) -> Value {
    match value {
        Value::Array(requests) if name == "requests" => requests.iter().map(tidy).collect(),
        other => other.clone(),
    }
}

/// Lines that go begin with `-`, those that come with `+`; `paint` colours them.
pub fn difference(expected: &Value, planned: &Value, paint: &dyn Fn(ChangeTag, &str) -> String) -> String {
    let text = |value: &Value| if value.is_null() { String::new() } else { format!("{value:#}\n") };
    let (expected, planned) = (text(expected), text(planned));
    let diff = TextDiff::from_lines(&expected, &planned);
    let mut shown = String::new();
    for (number, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if number > 0 {
            shown.push_str("  ...\n");
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            shown.push_str(&paint(change.tag(), &format!("{sign} {}", change.value().trim_end_matches('\n'))));
            shown.push('\n');
        }
    }
    shown
}

/// Writes a plan into the fixture's file; all else in it stays as it is.
pub fn accept(folder: &Path, name: &str, planned: &Value) -> Result<(), PluginError> {
    let path = folder.join("fixtures").join(format!("{name}.json"));
    let text = std::fs::read(&path).map_err(|cause| PluginError::File { path: path.clone(), cause })?;
    let mut fixture: Map<String, Value> = serde_json::from_slice(&text)
        .map_err(|error| PluginError::Manifest(format!("{}:{}: {error}", path.display(), error.line())))?;
    fixture.insert("plan".to_string(), planned.clone());
    write(&path, &format!("{:#}\n", Value::Object(fixture)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_fixture_does_not_speak_of_is_not_compared() {
        let planned = json!({"requests": [{"url": "u", "method": "POST", "body": "{}", "body_json": {}}], "fates": []});
        let expected = json!({"requests": [{"method": "POST"}]});
        assert_eq!(spoken_of(&expected, &planned), expected);
        let wrong = json!({"requests": [{"method": "GET", "key": "k"}]});
        assert_eq!(spoken_of(&wrong, &planned), json!({"requests": [{"method": "POST", "key": null}]}));
        let short = json!({"requests": []});
        let whole = json!({"url": "u", "method": "POST", "body_json": {}});
        assert_eq!(spoken_of(&short, &planned), json!({"requests": [whole]}));
        assert_eq!(spoken_of(&Value::Null, &planned), json!({"requests": [whole], "fates": []}));
    }

    #[test]
    fn a_difference_is_shown_by_lines() {
        let shown = difference(&json!({"a": 1, "b": 2}), &json!({"a": 1, "b": 3}), &|_, line| line.to_string());
        assert_eq!(shown, "  {\n    \"a\": 1,\n-   \"b\": 2\n+   \"b\": 3\n  }\n");
    }
}
