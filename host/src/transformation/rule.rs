//! A rule as its operator writes it, in the configuration file or the console. [`super::compile`]
//! checks it and makes of it what is applied.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mistake;

/// A rule as it is written: which events it is for, one operation, and what that needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// What it is called in traces and counters; else its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is left out for now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,

    /// Only for events of these kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// Only for events of these names; `*` stands for any text, `?` for one character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Only for events of which this CEL condition is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,

    /// Operation: gives a path a value: `value`, `from`, `template` or `expression`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// Operation: as `set`, where there is nothing yet, or null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Operation: copies what stands there, `to` another path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// Operation: moves what stands there, `to` another path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#move: Option<String>,
    /// Operation: takes paths away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Paths>,
    /// Operation: keeps only these paths of what is `under` a path, or of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Paths>,
    /// Operation: gives the event another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename_event: Option<String>,
    /// Operation: makes it another type: the one named in `as`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convert: Option<Paths>,
    /// Operation: replaces values by what `table` says, others by `otherwise`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Paths>,
    /// Operation: makes a list of a text, parted `by` a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Paths>,
    /// Operation: makes a text of a list, with `by` between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Paths>,
    /// Operation: in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<Paths>,
    /// Operation: in upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<Paths>,
    /// Operation: without white space around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<Paths>,
    /// Operation: replaces what a `pattern` finds `with` a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<Paths>,
    /// Operation: SHA-256 in hexadecimal; with `secret`, HMAC-SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Paths>,
    /// Operation: hides a value, in the `style` named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Paths>,
    /// Operation: rounds a number to `digits` behind the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<Paths>,
    /// Operation: which events do not go: those it is for (`matching`), or the `others`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<Drops>,
    /// Operation: of the events it is for, those of this share of all users go: from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,

    /// For `set` and `default`: a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// For `set` and `default`: another path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// For `set` and `default`: a text with paths in it, as `{{properties.order_id}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// For `set` and `default`: a CEL expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// For `copy`, `move`, `split` and `join`: where the result goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// For `keep`: the path of the object of which the rest is taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// For `convert`: `number`, `integer`, `boolean`, `string`, `iso_time`, `unix_s` or `unix_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#as: Option<String>,
    /// For `convert`: what becomes of a value that cannot be converted: `keep` or `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// For `map`: the new value by the text of the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<BTreeMap<String, Value>>,
    /// For `map`: the value of what is not in the table; else it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Value>,
    /// For `split` and `join`: the text between. For `sample`: the path that tells users apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For `replace`: a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// For `replace`: the text in its place; `$1` is what the first group found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// For `hash`: `email`, `phone`, `phone_e164` or `text`: the form that is hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<String>,
    /// For `hash` of phones: the country code of those that are written without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// For `hash`: the key of the HMAC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// For `mask`: `whole`, `last`, `email`, `card` or `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// For `mask` in the style `last`: how many characters stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// For `round`: digits behind the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<i64>,

    /// Keys that no rule has; each is a mistake.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl Rule {
    /// Reads a rule that was written as JSON, or as TOML and made JSON.
    ///
    /// # Errors
    /// A key has a value of another type than it should.
    pub fn from_json(value: Value, rule: usize) -> Result<Rule, Mistake> {
        let Value::Object(members) = value else {
            return Err(Mistake::new(rule, "", "a rule is a table, such as { remove = \"context.ip\" }"));
        };
        // Key by key, so that a mistake names its key.
        for (key, value) in &members {
            let alone = Value::Object([(key.clone(), value.clone())].into_iter().collect());
            if let Err(error) = serde_json::from_value::<Rule>(alone) {
                let expected = TYPES.iter().find(|(keys, _)| keys.contains(&key.as_str()));
                let message = expected.map_or(error.to_string(), |(_, what)| format!("`{key}` must be {what}"));
                return Err(Mistake::new(rule, key, message));
            }
        }
        serde_json::from_value(Value::Object(members)).map_err(|error| Mistake::new(rule, "", error.to_string()))
    }
}

/// What the keys of a rule hold, for messages.
const TYPES: [(&[&str], &str); 8] = [
    (&["disabled"], "true or false"),
    (&["kinds", "events"], "a list of texts, such as [\"Order Completed\"]"),
    (
        &[
            "remove", "keep", "convert", "map", "split", "join", "lower", "upper", "trim", "replace", "hash", "mask",
            "round",
        ],
        "a path, such as \"properties.total\", or a list of paths",
    ),
    (&["drop"], "\"matching\" or \"others\""),
    (&["sample"], "a number from 0 to 1"),
    (&["table"], "a table, such as { old = \"new\" }"),
    (&["last", "digits"], "a whole number"),
    (&["secret"], "a text, \"${env:NAME}\" or { file = \"...\" }"),
];

/// One path or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Paths {
    /// The paths.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Many(paths) => paths.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

/// Which events a `drop` rule keeps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drops {
    /// Those that the rule is for.
    Matching,
    /// Those that it is not for.
    Others,
}

/// The key of an HMAC. As written, it may name where the key is; [`super::compile`] takes texts
/// alone, and takes each as the key.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Secret {
    /// The key, or `${env:NAME}`.
    Text(String),
    /// `{ file = "..." }` or `{ command = [...] }`.
    Elsewhere(BTreeMap<String, Value>),
    /// The key, looked up: never shown.
    #[serde(skip_deserializing, serialize_with = "hidden")]
    Known(String),
}

impl Secret {
    /// The key, if it is here.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Secret::Text(key) | Secret::Known(key) if !key.is_empty() => Some(key),
            _ => None,
        }
    }
}

fn hidden<S: serde::Serializer>(_: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("[secret]")
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
